// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_pair.h"

#include "dataplane/packet_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256u

// Puts the two ends in order. Returns which of them sent the frame.
static uint8_t order(struct replay_pair *pair)
{
	uint8_t end[sizeof(pair->end[0])];

	if (memcmp(pair->end[0], pair->end[1], sizeof(end)) <= 0)
		return 0;
	memcpy(end, pair->end[0], sizeof(end));
	memcpy(pair->end[0], pair->end[1], sizeof(end));
	memcpy(pair->end[1], end, sizeof(end));
	return 1;
}

uint8_t replay_pair_hosts(
	const struct frame *frame, const struct packet *packet, struct replay_pair *pair)
{
	const uint8_t *l3 = frame->data + packet->l3_offset;
	uint32_t available = frame->bytes - packet->l3_offset;
	uint16_t type = packet->type;
	uint32_t size = 0;
	const uint8_t *from = frame->data;

	*pair = (struct replay_pair){0};
	if (type == ETHER_TYPE_IPV4 && available >= IPV4_BYTES) {
		pair->family = 4;
		from = l3 + IPV4_SOURCE;
		size = 4;
	} else if (type == ETHER_TYPE_IPV6 && available >= IPV6_BYTES) {
		pair->family = 6;
		from = l3 + IPV6_SOURCE;
		size = 16;
	} else if (frame->bytes >= ETHER_BYTES) {
		size = 6; // destination first
		memcpy(pair->end[0], from + 6, size);
		memcpy(pair->end[1], from, size);
		return order(pair);
	}
	memcpy(pair->end[0], from, size);
	memcpy(pair->end[1], from + size, size);
	return order(pair);
}

uint8_t replay_pair_tcp(const struct packet *packet, struct replay_pair *pair)
{
	*pair = (struct replay_pair){.family = packet->from.family, .has_ports = true};
	for (int i = 0; i < 2; i++) {
		memcpy(pair->end[i], packet->from.address[i], 16);
		memcpy(pair->end[i] + 16, &packet->from.port_be[i], 2);
	}
	return order(pair);
}

int replay_pairs_init(struct replay_pairs *pairs)
{
	*pairs = (struct replay_pairs){.room = FIRST_ROOM};
	pairs->entries = calloc(FIRST_ROOM, sizeof(pairs->entries[0]));
	return pairs->entries != NULL ? 0 : -ENOMEM;
}

void replay_pairs_fini(struct replay_pairs *pairs)
{
	free(pairs->entries);
	pairs->entries = NULL;
}

static bool is_same(const struct replay_pair *a, const struct replay_pair *b)
{
	return a->family == b->family && a->has_ports == b->has_ports &&
	       memcmp(a->end, b->end, sizeof(a->end)) == 0;
}

static struct replay_pair_entry *slot_for(
	struct replay_pair_entry *entries, uint32_t room, const struct replay_pair *pair)
{
	uint64_t hash = 0xcbf29ce484222325u ^ pair->family ^ (uint64_t)pair->has_ports << 8;
	uint32_t at;

	for (size_t i = 0; i < sizeof(pair->end); i++)
		hash = (hash ^ ((const uint8_t *)pair->end)[i]) * 0x100000001b3u;
	at = (uint32_t)(hash >> 32) & (room - 1);
	while (entries[at].in_use && !is_same(&entries[at].pair, pair))
		at = (at + 1) & (room - 1);
	return &entries[at];
}

static int grow(struct replay_pairs *pairs)
{
	uint32_t room = pairs->room * 2;
	struct replay_pair_entry *entries = calloc(room, sizeof(entries[0]));

	if (entries == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < pairs->room; i++) {
		if (pairs->entries[i].in_use)
			*slot_for(entries, room, &pairs->entries[i].pair) = pairs->entries[i];
	}
	free(pairs->entries);
	pairs->entries = entries;
	pairs->room = room;
	return 0;
}

uint32_t *replay_pairs_value(struct replay_pairs *pairs, const struct replay_pair *pair)
{
	struct replay_pair_entry *entry;

	if (pairs->count * 2 >= pairs->room && grow(pairs) != 0)
		return NULL;
	entry = slot_for(pairs->entries, pairs->room, pair);
	if (!entry->in_use) {
		*entry = (struct replay_pair_entry){.pair = *pair, .in_use = true};
		pairs->count++;
	}
	return &entry->value;
}
