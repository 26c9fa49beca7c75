// SPDX-License-Identifier: BSD-3-Clause
// Frames of one conversation in any order, broken, moved, cut or repeated as the input says, through a
// replay's first look. Only frames whose checksum was wrong are put right, they are good afterwards,
// and never is one whose bytes all stand in good segments of a sender that has some.
#include "dataplane/replay_look.h"
#include "tests/support/frames.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 64u
#define STREAM_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char message[] = "From: a@example.org\r\nSubject: x\r\n\r\n"
			      "First line of the text\r\nand the last line\r\n";

struct copy {
	uint8_t data[2048];
	uint32_t bytes;
	bool is_good;
	bool is_cut;
};

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static struct frame frame_of(struct copy *copy)
{
	return (struct frame){copy->data, copy->bytes, sizeof(copy->data), NULL};
}

static void move(struct copy *copy, const struct packet *packet, const uint8_t *step)
{
	uint8_t *tcp = copy->data + packet->l4_offset;

	if ((step[1] & 1) != 0)
		tcp[7] = (uint8_t)(tcp[7] + step[2]);
	if ((step[1] & 2) != 0)
		tcp[11] = (uint8_t)(tcp[11] + step[3]);
	if ((step[1] & 4) != 0)
		tcp[13] ^= (uint8_t)(step[2] & 0x05u);
}

static void make_copy(const struct frames_item *item, const uint8_t *step, struct copy *copy)
{
	struct frame frame;
	struct packet packet;

	require(item->bytes <= sizeof(copy->data));
	memcpy(copy->data, item->data, item->bytes);
	copy->bytes = item->bytes;
	frame = frame_of(copy);
	packet_parse(&frame, 0, &packet);
	require(packet.kind == PACKET_TCP);
	// There is one life: its SYNs stay as they are.
	if ((packet.tcp.flags & TCP_FLAG_SYN) == 0)
		move(copy, &packet, step);
	packet_fix_tcp_checksum(&frame, &packet);
	packet_parse(&frame, 0, &packet);
	if ((step[1] & 8) != 0)
		packet_trim(&frame, &packet, step[2] % 64u, step[3] % 64u);
	copy->bytes = frame.bytes;
	if ((step[1] & 16) != 0)
		copy->data[packet.l4_offset + 16] ^= 0x5a;
	packet_parse(&frame, PACKET_PARTIAL_CHECKSUMS, &packet);
	copy->is_good = packet.kind == PACKET_TCP;
	copy->is_cut = (step[1] & 0xe0) == 0xe0;
}

// Which bytes of the client's good segments hold, by their distance from its first number.
static void note_good(struct copy *copy, uint32_t isn, bool have[STREAM_BYTES], bool *has_good)
{
	struct frame frame = frame_of(copy);
	struct packet packet;

	if (!copy->is_good || copy->is_cut)
		return;
	packet_parse(&frame, PACKET_CHECKSUMS_DONE, &packet);
	if (packet.from.port_be[1] != __builtin_bswap16(25))
		return;
	*has_good = true;
	for (uint32_t i = 0; i < packet.tcp.payload_bytes; i++)
		have[(packet.tcp.seq - isn + i) % STREAM_BYTES] = true;
}

static void check_repaired(
	struct copy *copy, uint32_t isn, const bool have[STREAM_BYTES], bool has_good)
{
	struct frame frame = frame_of(copy);
	struct packet packet;
	bool is_covered = true;

	require(!copy->is_good && !copy->is_cut);
	packet_parse(&frame, 0, &packet);
	require(packet.kind == PACKET_TCP);
	if (packet.from.port_be[1] != __builtin_bswap16(25) || packet.tcp.payload_bytes == 0)
		return;
	for (uint32_t i = 0; i < packet.tcp.payload_bytes; i++)
		is_covered = is_covered && have[(packet.tcp.seq - isn + i) % STREAM_BYTES];
	require(!has_good || !is_covered);
}

static void look(struct copy *copies, uint32_t count, uint32_t isn)
{
	static const uint16_t port = 25;
	static bool have[STREAM_BYTES];
	struct replay_look *look = replay_look_new(&port, 1);
	struct replay_facts facts;
	bool has_good = false;

	require(look != NULL);
	memset(have, 0, sizeof(have));
	for (uint32_t i = 0; i < count; i++) {
		struct frame frame = frame_of(&copies[i]);

		require(replay_look_note(look, &frame, copies[i].is_cut) == 0);
		note_good(&copies[i], isn, have, &has_good);
	}
	require(replay_look_end(look, &facts) == 0);
	require(facts.connections <= count);
	// What comes before a SYN that is answered is another life, of which these bytes tell nothing.
	has_good = has_good && facts.connections == 1;
	for (uint32_t i = 0; i < count; i++) {
		struct frame frame = frame_of(&copies[i]);

		if (replay_look_repair(look, &frame))
			check_repaired(&copies[i], isn, have, has_good);
	}
	replay_look_free(look);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct copy copies[MAX_FRAMES];
	struct frames_talk talk;
	uint32_t count = 0;
	uint32_t isn;

	frames_talk_init(&talk, 4, 41022);
	isn = talk.next[TCP_CLIENT];
	talk.mss = 32;
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	for (; n >= 4 && count < MAX_FRAMES; n -= 4, data += 4)
		make_copy(&talk.items[data[0] % talk.count], data, &copies[count++]);
	look(copies, count, isn);
	frames_talk_free(&talk);
	return 0;
}
