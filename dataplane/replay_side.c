// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_side.h"

#include "dataplane/replay_pair.h"

#include <errno.h>
#include <stdlib.h>

// The value of a pair: 0 is unknown, else 1 + the end that is the client.
struct replay_sides {
	const uint16_t *ports;
	uint32_t ports_count;
	struct replay_pairs pairs;
};

struct replay_sides *replay_sides_new(const uint16_t *ports, uint32_t ports_count)
{
	struct replay_sides *sides = calloc(1, sizeof(*sides));

	if (sides == NULL)
		return NULL;
	if (replay_pairs_init(&sides->pairs) != 0) {
		free(sides);
		return NULL;
	}
	sides->ports = ports;
	sides->ports_count = ports_count;
	return sides;
}

void replay_sides_free(struct replay_sides *sides)
{
	if (sides == NULL)
		return;
	replay_pairs_fini(&sides->pairs);
	free(sides);
}

static bool is_smtp(const struct replay_sides *sides, uint16_t port)
{
	for (uint32_t i = 0; i < sides->ports_count; i++) {
		if (sides->ports[i] == port)
			return true;
	}
	return false;
}

static bool is_sender_client(const struct replay_sides *sides, const struct packet *packet)
{
	uint8_t syn = packet->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK);
	uint16_t from = __builtin_bswap16(packet->from.port_be[0]);
	uint16_t to = __builtin_bswap16(packet->from.port_be[1]);

	if (syn == TCP_FLAG_SYN || syn == (TCP_FLAG_SYN | TCP_FLAG_ACK))
		return syn == TCP_FLAG_SYN;
	if (is_smtp(sides, from) != is_smtp(sides, to))
		return is_smtp(sides, to);
	return from >= to;
}

int replay_sides_find(struct replay_sides *sides, const struct frame *frame,
	const struct packet *packet, enum link_side *side)
{
	bool is_tcp = packet->kind == PACKET_TCP;
	struct replay_pair pair;
	uint32_t *client;
	uint8_t sender =
		is_tcp ? replay_pair_tcp(packet, &pair) : replay_pair_hosts(frame, packet, &pair);
	bool is_new;

	client = replay_pairs_value(&sides->pairs, &pair);
	if (client == NULL)
		return -ENOMEM;
	is_new = *client == 0;
	if (is_new)
		*client = !is_tcp || is_sender_client(sides, packet) ? 1u + sender : 2u - sender;
	*side = 1u + sender == *client ? LINK_OUTSIDE : LINK_INSIDE;
	if (!is_tcp || !is_new)
		return 0;
	// What else the two hosts say to each other follows their newest connection.
	sender = replay_pair_hosts(frame, packet, &pair);
	client = replay_pairs_value(&sides->pairs, &pair);
	if (client == NULL)
		return -ENOMEM;
	*client = *side == LINK_OUTSIDE ? 1u + sender : 2u - sender;
	return 0;
}
