// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_side.h"

#include "dataplane/packet_wire.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 1024u

// Two ends, the lower one first: hosts (family and addresses, or MAC addresses), and ports for TCP.
struct pair {
	uint8_t end[2][18]; // address, port
	uint8_t family;     // 4, 6, or 0 for MAC addresses
	bool has_ports;
};

struct entry {
	struct pair pair;
	bool in_use;
	bool has_client;
	uint8_t client;   // end that is the client
	bool has_good[2]; // checksums, by end that sent them
};

struct replay_sides {
	const uint16_t *ports;
	uint32_t ports_count;
	struct entry *entries;
	uint32_t room; // a power of two
	uint32_t count;
};

struct replay_sides *replay_sides_new(const uint16_t *ports, uint32_t ports_count)
{
	struct replay_sides *sides = calloc(1, sizeof(*sides));

	if (sides == NULL)
		return NULL;
	sides->entries = calloc(FIRST_ROOM, sizeof(sides->entries[0]));
	if (sides->entries == NULL) {
		free(sides);
		return NULL;
	}
	sides->ports = ports;
	sides->ports_count = ports_count;
	sides->room = FIRST_ROOM;
	return sides;
}

void replay_sides_free(struct replay_sides *sides)
{
	if (sides == NULL)
		return;
	free(sides->entries);
	free(sides);
}

static bool is_same(const struct pair *a, const struct pair *b)
{
	return a->family == b->family && a->has_ports == b->has_ports &&
	       memcmp(a->end, b->end, sizeof(a->end)) == 0;
}

static struct entry *slot_for(struct entry *entries, uint32_t room, const struct pair *pair)
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

static int grow(struct replay_sides *sides)
{
	uint32_t room = sides->room * 2;
	struct entry *entries = calloc(room, sizeof(entries[0]));

	if (entries == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < sides->room; i++) {
		if (sides->entries[i].in_use)
			*slot_for(entries, room, &sides->entries[i].pair) = sides->entries[i];
	}
	free(sides->entries);
	sides->entries = entries;
	sides->room = room;
	return 0;
}

// The entry of a pair, made when there is none.
static struct entry *entry_for(struct replay_sides *sides, const struct pair *pair)
{
	struct entry *entry;

	if (sides->count * 2 >= sides->room && grow(sides) != 0)
		return NULL;
	entry = slot_for(sides->entries, sides->room, pair);
	if (!entry->in_use) {
		entry->pair = *pair;
		entry->in_use = true;
		sides->count++;
	}
	return entry;
}

// Fills in the two ends in order. Returns which of them sent the frame.
static uint8_t order_pair(struct pair *pair)
{
	uint8_t end[18];

	if (memcmp(pair->end[0], pair->end[1], sizeof(end)) <= 0)
		return 0;
	memcpy(end, pair->end[0], sizeof(end));
	memcpy(pair->end[0], pair->end[1], sizeof(end));
	memcpy(pair->end[1], end, sizeof(end));
	return 1;
}

// The hosts of a frame, whatever it carries.
static uint8_t host_pair(const struct frame *frame, const struct packet *packet, struct pair *pair)
{
	const uint8_t *l3 = frame->data + packet->l3_offset;
	uint32_t available = frame->bytes - packet->l3_offset;
	uint16_t type = packet->l3_offset >= 2 ? wire_get16(l3 - 2) : 0;
	uint32_t size = 0;
	const uint8_t *from = frame->data;

	*pair = (struct pair){0};
	if (type == ETHER_TYPE_IPV4 && available >= IPV4_BYTES) {
		pair->family = 4;
		from = l3 + IPV4_SOURCE;
		size = 4;
	} else if (type == ETHER_TYPE_IPV6 && available >= IPV6_BYTES) {
		pair->family = 6;
		from = l3 + IPV6_SOURCE;
		size = 16;
	} else if (frame->bytes >= ETHER_BYTES) {
		size = 6; // destination first: any order will do
		memcpy(pair->end[0], from + 6, size);
		memcpy(pair->end[1], from, size);
		return order_pair(pair);
	}
	memcpy(pair->end[0], from, size);
	memcpy(pair->end[1], from + size, size);
	return order_pair(pair);
}

static bool is_smtp(const struct replay_sides *sides, uint16_t port)
{
	for (uint32_t i = 0; i < sides->ports_count; i++) {
		if (sides->ports[i] == port)
			return true;
	}
	return false;
}

static bool is_sender_client(const struct replay_sides *sides, const uint16_t port_be[2])
{
	uint16_t from = be16toh(port_be[0]);
	uint16_t to = be16toh(port_be[1]);

	if (is_smtp(sides, from) != is_smtp(sides, to))
		return is_smtp(sides, to);
	return from >= to;
}

// The two ends of a connection. Returns which of them sent the segment.
static uint8_t tcp_pair(const struct packet *packet, struct pair *pair)
{
	*pair = (struct pair){.family = packet->from.family, .has_ports = true};
	for (int i = 0; i < 2; i++) {
		memcpy(pair->end[i], packet->from.address[i], 16);
		memcpy(pair->end[i] + 16, &packet->from.port_be[i], 2);
	}
	return order_pair(pair);
}

// TCP: the connection's client, which is remembered for the two hosts as well.
static int find_tcp(struct replay_sides *sides, const struct frame *frame,
	const struct packet *packet, enum link_side *side)
{
	uint8_t syn = packet->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK);
	struct entry *entry;
	struct pair pair;
	uint8_t sender;
	uint8_t client;
	bool is_new;

	sender = tcp_pair(packet, &pair);
	entry = entry_for(sides, &pair);
	if (entry == NULL)
		return -ENOMEM;
	is_new = !entry->has_client;
	if (is_new && syn == TCP_FLAG_SYN)
		entry->client = sender;
	else if (is_new && syn == (TCP_FLAG_SYN | TCP_FLAG_ACK))
		entry->client = 1 - sender;
	else if (is_new)
		entry->client = is_sender_client(sides, packet->from.port_be) ? sender : 1 - sender;
	entry->has_client = true;
	*side = sender == entry->client ? LINK_OUTSIDE : LINK_INSIDE;
	if (!is_new)
		return 0;
	client = *side == LINK_OUTSIDE ? 0 : 1; // 0: the sender
	sender = host_pair(frame, packet, &pair);
	entry = entry_for(sides, &pair);
	if (entry == NULL)
		return -ENOMEM;
	entry->client = client == 0 ? sender : 1 - sender;
	entry->has_client = true;
	return 0;
}

int replay_sides_find(struct replay_sides *sides, const struct frame *frame,
	const struct packet *packet, enum link_side *side)
{
	struct entry *entry;
	struct pair pair;
	uint8_t sender;

	if (packet->kind == PACKET_TCP)
		return find_tcp(sides, frame, packet, side);
	sender = host_pair(frame, packet, &pair);
	entry = entry_for(sides, &pair);
	if (entry == NULL)
		return -ENOMEM;
	if (!entry->has_client)
		entry->client = sender;
	entry->has_client = true;
	*side = sender == entry->client ? LINK_OUTSIDE : LINK_INSIDE;
	return 0;
}

int replay_sides_note(struct replay_sides *sides, struct frame *frame)
{
	struct entry *entry;
	struct packet packet;
	struct pair pair;
	uint8_t sender;

	packet_parse(frame, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	if (packet.kind != PACKET_TCP)
		return 0;
	sender = tcp_pair(&packet, &pair);
	entry = entry_for(sides, &pair);
	if (entry == NULL)
		return -ENOMEM;
	packet_parse(frame, PACKET_PARTIAL_CHECKSUMS, &packet);
	if (packet.kind == PACKET_TCP)
		entry->has_good[sender] = true;
	return 0;
}

bool replay_sides_repair(struct replay_sides *sides, struct frame *frame)
{
	const struct entry *entry;
	struct packet packet;
	struct pair pair;
	uint8_t sender;
	uint8_t *l3;

	packet_parse(frame, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	if (packet.kind != PACKET_TCP)
		return false;
	sender = tcp_pair(&packet, &pair);
	entry = slot_for(sides->entries, sides->room, &pair);
	if (!entry->in_use || entry->has_good[sender])
		return false;
	l3 = frame->data + packet.l3_offset;
	if (packet.from.family == 4)
		wire_put_ipv4_checksum(l3, (uint32_t)(l3[0] & 0x0f) * 4);
	packet_fix_tcp_checksum(frame, &packet);
	return true;
}
