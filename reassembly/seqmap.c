// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/seqmap.h"

void seqmap_init(struct seqmap *map, uint32_t number)
{
	map->sender = number;
	map->receiver = number;
}

void seqmap_edit(struct seqmap *map, uint32_t sender, uint32_t receiver)
{
	map->sender = sender;
	map->receiver = receiver;
}

void seqmap_settle(struct seqmap *map, uint32_t sender)
{
	if (!tcp_seq_before(map->sender, sender))
		return;
	map->receiver += sender - map->sender;
	map->sender = sender;
}

uint32_t seqmap_to_receiver(const struct seqmap *map, uint32_t seq)
{
	return map->receiver + (seq - map->sender);
}

uint32_t seqmap_to_sender(const struct seqmap *map, uint32_t ack)
{
	if (tcp_seq_before(ack, map->receiver))
		return map->sender;
	return map->sender + (ack - map->receiver);
}

bool seqmap_block_to_sender(const struct seqmap *map, uint32_t *from, uint32_t *to)
{
	if (!tcp_seq_before(map->receiver, *to))
		return false;
	*from = seqmap_to_sender(map, *from);
	*to = seqmap_to_sender(map, *to);
	return true;
}
