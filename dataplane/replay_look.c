// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_look.h"

#include "dataplane/packet_wire.h"
#include "dataplane/replay_life.h"
#include "dataplane/replay_pair.h"
#include "reassembly/reassembly.h"

#include <errno.h>
#include <stdlib.h>

// A connection's newest life, and the SYN that would begin another.
struct connection {
	uint32_t life;
	uint32_t syn; // its number
	uint8_t syn_sender;
	bool has_syn;
	bool is_syn_bad;
	uint64_t syn_frame;
	struct packet syn_packet;
	uint8_t options[40]; // of the SYN
};

// What is so between two hosts.
struct hosts {
	bool has_holes; // fragments or cut frames
	bool any_window;
};

struct replay_look {
	const uint16_t *ports;
	uint32_t ports_count;
	struct replay_pairs pairs; // the value: a connection's index + 1
	struct replay_pairs hosts; // the value: index in between + 1
	struct hosts *between;     // by pair of hosts
	uint32_t between_count;
	struct connection *connections;
	uint32_t connections_count;
	uint32_t connections_room;
	struct life *lives;
	uint32_t lives_count;
	uint32_t lives_room;
	uint64_t *repairs; // frames, in order
	uint64_t repairs_count;
	uint64_t repairs_next;
	uint64_t *begins; // frames, in order once all were seen
	uint32_t begins_count;
	uint32_t begins_room;
	uint32_t begins_next;
	uint64_t frame;
	struct replay_facts facts;
};

struct replay_look *replay_look_new(const uint16_t *ports, uint32_t ports_count)
{
	struct replay_look *look = calloc(1, sizeof(*look));

	if (look == NULL)
		return NULL;
	look->ports = ports;
	look->ports_count = ports_count;
	if (replay_pairs_init(&look->pairs) == 0) {
		if (replay_pairs_init(&look->hosts) == 0)
			return look;
		replay_pairs_fini(&look->pairs);
	}
	free(look);
	return NULL;
}

void replay_look_free(struct replay_look *look)
{
	if (look == NULL)
		return;
	for (uint32_t i = 0; i < look->lives_count; i++)
		life_fini(&look->lives[i]);
	replay_pairs_fini(&look->pairs);
	replay_pairs_fini(&look->hosts);
	free(look->lives);
	free(look->connections);
	free(look->between);
	free(look->repairs);
	free(look->begins);
	free(look);
}

// Room for one more element of an array that doubles. Returns the array, or NULL.
static void *grow(void *list, uint32_t count, uint32_t *room, size_t bytes)
{
	uint32_t more = *room * 2 + 16;

	if (count < *room)
		return list;
	list = realloc(list, more * bytes);
	if (list != NULL)
		*room = more;
	return list;
}

// ---- hosts --------------------------------------------------------------------------------------

// The index of the two hosts of a frame.
static int find_hosts(struct replay_look *look, const struct frame *frame,
	const struct packet *packet, uint32_t *index)
{
	struct replay_pair pair;
	uint32_t *value;
	struct hosts *between;

	(void)replay_pair_hosts(frame, packet, &pair);
	value = replay_pairs_value(&look->hosts, &pair);
	if (value == NULL)
		return -ENOMEM;
	if (*value == 0) {
		between = realloc(look->between, (look->between_count + 1) * sizeof(between[0]));
		if (between == NULL)
			return -ENOMEM;
		look->between = between;
		between[look->between_count++] = (struct hosts){0};
		*value = look->between_count;
	}
	*index = *value - 1;
	return 0;
}

static int note_hole(
	struct replay_look *look, const struct frame *frame, const struct packet *packet)
{
	uint32_t index;
	int err = find_hosts(look, frame, packet, &index);

	if (err == 0)
		look->between[index].has_holes = true;
	return err;
}

// ---- connections --------------------------------------------------------------------------------

static bool is_smtp(const struct replay_look *look, const uint16_t port_be[2])
{
	for (uint32_t i = 0; i < look->ports_count; i++) {
		if (be16toh(port_be[0]) == look->ports[i] || be16toh(port_be[1]) == look->ports[i])
			return true;
	}
	return false;
}

static int new_life(struct replay_look *look, uint32_t hosts, uint32_t *index)
{
	struct life *lives =
		grow(look->lives, look->lives_count, &look->lives_room, sizeof(lives[0]));

	if (lives == NULL)
		return -ENOMEM;
	look->lives = lives;
	*index = look->lives_count++;
	lives[*index] = (struct life){.hosts = hosts};
	return 0;
}

static int find_connection(struct replay_look *look, const struct frame *frame,
	const struct packet *packet, uint8_t *sender, struct connection **out)
{
	struct replay_pair pair;
	struct connection *connections;
	uint32_t hosts;
	uint32_t life;
	uint32_t *value;
	int err;

	*sender = replay_pair_tcp(packet, &pair);
	value = replay_pairs_value(&look->pairs, &pair);
	if (value == NULL)
		return -ENOMEM;
	if (*value != 0) {
		*out = &look->connections[*value - 1];
		return 0;
	}
	connections = grow(look->connections, look->connections_count, &look->connections_room,
		sizeof(connections[0]));
	if (connections == NULL)
		return -ENOMEM;
	look->connections = connections;
	err = find_hosts(look, frame, packet, &hosts);
	if (err == 0)
		err = new_life(look, hosts, &life);
	if (err != 0)
		return err;
	*out = &connections[look->connections_count++];
	**out = (struct connection){.life = life};
	*value = look->connections_count;
	return 0;
}

// A SYN with a number that is not this life's: it may begin another, when it is answered.
static bool keep_syn(const struct life *life, struct connection *connection,
	const struct packet *packet, uint8_t sender)
{
	const struct life_end *me = &life->end[sender];
	uint32_t bytes = packet->tcp.options_bytes;

	if ((packet->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) != TCP_FLAG_SYN ||
		me->highest == 0 || (me->has_syn && me->isn == packet->tcp.seq))
		return false;
	connection->has_syn = true;
	connection->syn = packet->tcp.seq;
	connection->syn_sender = sender;
	connection->syn_packet = *packet;
	if (bytes > sizeof(connection->options))
		bytes = sizeof(connection->options);
	memcpy(connection->options, packet->tcp.options, bytes);
	connection->syn_packet.tcp.options = connection->options;
	connection->syn_packet.tcp.options_bytes = (uint16_t)bytes;
	return true;
}

static bool answers_syn(
	const struct connection *connection, const struct packet *packet, uint8_t sender)
{
	return connection->has_syn && sender != connection->syn_sender &&
	       (packet->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) ==
		       (TCP_FLAG_SYN | TCP_FLAG_ACK) &&
	       packet->tcp.ack == connection->syn + 1;
}

// An attacker may send any SYN, but only the peer answers it: with a good checksum, unless it has none.
static int begin_life(struct replay_look *look, struct connection *connection)
{
	uint64_t *begins =
		grow(look->begins, look->begins_count, &look->begins_room, sizeof(begins[0]));
	int err;

	if (begins == NULL)
		return -ENOMEM;
	look->begins = begins;
	begins[look->begins_count++] = connection->syn_frame;
	err = new_life(look, look->lives[connection->life].hosts, &connection->life);
	connection->has_syn = false;
	return err != 0 ? err
			: life_add(&look->lives[connection->life], connection->syn_sender,
				  &connection->syn_packet, !connection->is_syn_bad,
				  connection->syn_frame);
}

static int note_segment(struct replay_look *look, const struct frame *frame,
	const struct packet *packet, bool is_good)
{
	struct connection *connection;
	const struct life *life;
	uint8_t sender;
	int err = find_connection(look, frame, packet, &sender, &connection);

	if (err != 0)
		return err;
	look->facts.pages += packet->tcp.payload_bytes / STREAM_PAGE_BYTES + 2;
	life = &look->lives[connection->life];
	if (keep_syn(life, connection, packet, sender)) {
		connection->is_syn_bad = !is_good;
		connection->syn_frame = look->frame;
		return 0;
	}
	if (answers_syn(connection, packet, sender) && (is_good || life->end[sender].good == 0)) {
		err = begin_life(look, connection);
		if (err != 0)
			return err;
	}
	return life_add(&look->lives[connection->life], sender, packet, is_good, look->frame);
}

int replay_look_note(struct replay_look *look, struct frame *frame, bool is_cut)
{
	struct packet packet;
	bool is_tcp;
	int err = 0;

	packet_parse(frame, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	is_tcp = packet.kind == PACKET_TCP;
	if (is_cut ||
		(packet.kind == PACKET_FRAGMENT && packet.fragment.protocol == IP_PROTOCOL_TCP)) {
		err = note_hole(look, frame, &packet);
	} else if (is_tcp && is_smtp(look, packet.from.port_be)) {
		// What it acknowledges must outlive the verdict.
		packet_verify(frame, PACKET_PARTIAL_CHECKSUMS, &packet);
		is_tcp = packet.kind == PACKET_TCP;
		err = note_segment(look, frame, &packet, is_tcp);
	}
	look->frame++;
	return err;
}

// ---- repairs ------------------------------------------------------------------------------------

static int compare(const void *a, const void *b)
{
	const uint64_t *one = a;
	const uint64_t *other = b;

	return *one < *other ? -1 : *one > *other;
}

static void list_repairs(struct replay_look *look)
{
	for (uint32_t i = 0; i < look->lives_count; i++) {
		const struct life *life = &look->lives[i];

		for (uint32_t k = 0; k < life->bad_count; k++) {
			const struct life_bad *bad = &life->bad[k];

			if (bad->is_repaired)
				look->repairs[look->repairs_count++] = bad->frame;
		}
	}
	qsort(look->repairs, look->repairs_count, sizeof(look->repairs[0]), compare);
}

int replay_look_end(struct replay_look *look, struct replay_facts *facts)
{
	uint64_t bad = 0;

	if (look->begins_count > 0)
		qsort(look->begins, look->begins_count, sizeof(look->begins[0]), compare);
	for (uint32_t i = 0; i < look->lives_count; i++) {
		struct life *life = &look->lives[i];

		life_decide(life, look->between[life->hosts].has_holes);
		if (life_has_any_window(life)) {
			look->between[life->hosts].any_window = true;
			look->facts.any_window = true;
		}
		bad += life->bad_count;
	}
	look->facts.connections = look->lives_count;
	look->frame = 0;
	*facts = look->facts;
	if (bad == 0)
		return 0;
	look->repairs = calloc(bad, sizeof(look->repairs[0]));
	if (look->repairs == NULL)
		return -ENOMEM;
	list_repairs(look);
	return 0;
}

bool replay_look_repair(struct replay_look *look, struct frame *frame)
{
	struct packet packet;
	uint8_t *l3;

	if (look->repairs_next == look->repairs_count ||
		look->repairs[look->repairs_next] != look->frame++)
		return false;
	look->repairs_next++;
	packet_parse(frame, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	if (packet.kind != PACKET_TCP)
		return false;
	l3 = frame->data + packet.l3_offset;
	if (packet.from.family == 4)
		wire_put_ipv4_checksum(l3, (uint32_t)(l3[0] & 0x0f) * 4);
	packet_fix_tcp_checksum(frame, &packet);
	return true;
}

bool replay_look_begins(struct replay_look *look, uint64_t frame)
{
	while (look->begins_next < look->begins_count && look->begins[look->begins_next] < frame)
		look->begins_next++;
	return look->begins_next < look->begins_count && look->begins[look->begins_next] == frame;
}

bool replay_look_any_window(
	struct replay_look *look, const struct frame *frame, const struct packet *packet)
{
	struct replay_pair pair;
	const uint32_t *value;

	if (!look->facts.any_window)
		return false;
	(void)replay_pair_hosts(frame, packet, &pair);
	value = replay_pairs_value(&look->hosts, &pair);
	return value != NULL && *value != 0 && look->between[*value - 1].any_window;
}
