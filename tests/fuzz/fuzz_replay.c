// SPDX-License-Identifier: BSD-3-Clause
// A mail's conversation through the whole engine, its frames doubled, dropped, swapped, moved, cut into
// fragments and changed as the input says. Whatever comes in, the server is never sent two different
// bytes for one sequence number of a connection, and every frame that leaves is a good one.
#include "dataplane/engine.h"
#include "dataplane/replay_spool.h"
#include "dataplane/seal.h"
#include "tests/support/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM_BYTES 65536u
#define MAX_STEPS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct world {
	struct engine *engine;
	uint64_t now_ns;
	uint32_t isn; // of the client, as the server sees it
	bool has_syn;
	uint32_t live;
	uint8_t bytes[STREAM_BYTES];
	bool have[STREAM_BYTES];
};

static const char message[] = "From: a@example.org\r\nTo: b@example.com\r\nSubject: x\r\n"
			      "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
			      "First line of the text\r\n.a line with a dot\r\n"
			      "X5O!P%@AP[4\\PZX54(P^)7CC)7} is here\r\nand the last line\r\n";

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static bool alloc_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	struct world *world = ctx;
	uint8_t *data = malloc(bytes);

	if (data == NULL)
		return false;
	*out = (struct frame){.data = data, .room = bytes, .handle = data};
	world->live++;
	return true;
}

static void free_frame(void *ctx, struct frame *frame)
{
	struct world *world = ctx;

	free(frame->handle);
	world->live--;
}

static void note_bytes(struct world *world, const struct packet *packet)
{
	uint32_t at;

	if ((packet->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN &&
		(!world->has_syn || packet->tcp.seq != world->isn)) {
		memset(world->have, 0, sizeof(world->have));
		world->isn = packet->tcp.seq;
		world->has_syn = true;
	}
	at = packet->tcp.seq - world->isn;
	for (uint32_t i = 0; i < packet->tcp.payload_bytes && at + i < STREAM_BYTES; i++) {
		require(!world->have[at + i] || world->bytes[at + i] == packet->payload[i]);
		world->have[at + i] = true;
		world->bytes[at + i] = packet->payload[i];
	}
}

static void send_frame(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct packet packet;

	(void)link;
	packet_parse(frame, 0, &packet);
	if (packet.kind == PACKET_TCP &&
		(packet.from.port_be[0] == htobe16(25) || packet.from.port_be[1] == htobe16(25))) {
		require(frames_are_sums_right(frame->data, packet.ip_end));
		if (side == LINK_INSIDE && packet.from.port_be[1] == htobe16(25))
			note_bytes(ctx, &packet);
	}
	free_frame(ctx, frame);
}

static void ignore_mail(void *ctx, const struct mail_record *record)
{
	(void)ctx;
	(void)record;
}

static void ignore_session(void *ctx, const struct session_record *record)
{
	(void)ctx;
	(void)record;
}

static struct ruleset *build_ruleset(void)
{
	static const char rule[] = "Test:0:*:58354f2150254041505b345c505a58353428505e29374343\n";
	const struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset = NULL;
	char path[] = "/tmp/fuzz_replay.XXXXXX.ndb";
	const char *paths[] = {path};
	int fd = mkstemps(path, 4);
	void *image = NULL;
	void *aligned;
	size_t bytes = 0;

	require(fd >= 0 && write(fd, rule, sizeof(rule) - 1) == (ssize_t)sizeof(rule) - 1);
	(void)close(fd);
	require(ruleset_build(paths, 1, &options, &image, &bytes, &stats) == 0);
	(void)unlink(path);
	aligned = aligned_alloc(64, (bytes + 63) / 64 * 64);
	require(aligned != NULL);
	memcpy(aligned, image, bytes);
	free(image);
	require(ruleset_attach(aligned, bytes, &ruleset) == 0);
	return ruleset;
}

static void give(struct world *world, enum tcp_side side, const uint8_t *data, uint32_t bytes)
{
	struct frame frame;

	require(alloc_frame(world, bytes, &frame));
	memcpy(frame.data, data, bytes);
	frame.bytes = bytes;
	world->now_ns += 1000000;
	engine_tick(world->engine, world->now_ns);
	engine_input(world->engine, 0, side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE, &frame,
		world->now_ns);
}

// A copy of a frame with its number, flags or a byte of its payload changed, and good checksums.
static void give_changed(struct world *world, const struct frames_item *item, const uint8_t *step)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	struct frame frame = {.data = buffer, .bytes = item->bytes, .room = sizeof(buffer)};
	struct packet packet;

	memcpy(buffer, item->data, item->bytes);
	packet_parse(&frame, 0, &packet);
	require(packet.kind == PACKET_TCP);
	if (step[0] & 0x08)
		buffer[packet.l4_offset + 7] = (uint8_t)(buffer[packet.l4_offset + 7] + step[2]);
	if (step[0] & 0x10)
		buffer[packet.l4_offset + 13] ^= (uint8_t)(1u << (step[3] & 7));
	if (step[0] & 0x20 && packet.tcp.payload_bytes > 0)
		packet.payload[step[3] % packet.tcp.payload_bytes] = step[2];
	if (step[0] & 0x40 && packet.tcp.payload_bytes > 0)
		packet_trim(&frame, &packet, step[2] % packet.tcp.payload_bytes, step[3] & 7);
	packet_fix_tcp_checksum(&frame, &packet);
	give(world, item->side, buffer, frame.bytes);
}

static void give_fragments(struct world *world, const struct frames_item *item, const uint8_t *step)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	uint32_t payload = item->bytes - 34;
	uint32_t cut = 8 * (1u + step[2] % 4);

	if (payload <= cut) {
		give(world, item->side, item->data, item->bytes);
		return;
	}
	for (uint32_t i = 0; i < 2; i++) {
		bool is_first = (i == 0) == ((step[3] & 1) == 0);

		give(world, item->side, buffer,
			frames_fragment(item->data, item->bytes, step[3], is_first ? 0 : cut,
				is_first ? cut : payload - cut, buffer));
	}
}

static void play(struct world *world, const struct frames_talk *talk, const uint8_t *data, size_t n)
{
	uint32_t next = 0;

	for (size_t i = 0; i + 4 <= n && i / 4 < MAX_STEPS && next < talk->count; i += 4) {
		const uint8_t *step = data + i;
		const struct frames_item *item = &talk->items[next];

		switch (step[0] & 7) {
		case 0:
			next++;
			break;
		case 1:
			give_changed(world, &talk->items[step[1] % talk->count], step);
			break;
		case 2:
			give_fragments(world, item, step);
			next++;
			break;
		case 3:
			for (uint32_t count = step[1] % 8; count > 0 && next < talk->count;
				count--) {
				give(world, talk->items[next].side, talk->items[next].data,
					talk->items[next].bytes);
				next++;
			}
			break;
		case 4:
			world->now_ns += (uint64_t)step[1] * 100000000u;
			break;
		default:
			give(world, item->side, item->data, item->bytes);
			next++;
			break;
		}
	}
	for (; next < talk->count; next++)
		give(world, talk->items[next].side, talk->items[next].data,
			talk->items[next].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct ruleset *ruleset;
	static struct world world;
	struct replay_spool spool;
	const struct engine_ops ops = {.ctx = &world,
		.alloc = alloc_frame,
		.free = free_frame,
		.send = send_frame,
		.mail = ignore_mail,
		.session = ignore_session,
		.spool = &spool.ops};
	static union {
		struct engine_seals head;
		uint8_t room[sizeof(struct engine_seals) + sizeof(struct seal)];
	} sealed;
	struct engine_options options;
	struct frames_talk talk;
	uint8_t choice = n > 0 ? data[n - 1] : 0;

	if (ruleset == NULL)
		ruleset = build_ruleset();
	memset(&world, 0, sizeof(world));
	world.now_ns = 1000000000;
	engine_options_init(&options);
	options.max_connections = 16;
	options.max_half_open = 8;
	options.max_pages = 64;
	options.max_fragments = 8;
	// An engine is made for each input: with little memory, none of its mails needs much.
	options.scan.max_messages = 4;
	options.scan.max_members = 100;
	options.scan.max_parts = 100;
	options.scan.max_captured_bytes = 1 << 16;
	options.scan.max_all_captured_bytes = 1 << 18;
	options.recorded = (choice & 1) != 0;
	require(engine_new(&options, &ops, ruleset, &world.engine) == 0);
	replay_spool_init(&spool);
	sealed.head.count = 1;
	sealed.head.seals[0].mode = (enum seal_mode)(SEAL_STRIP + choice / 8 % 4);
	sealed.head.seals[0].directions = SEAL_INBOUND | SEAL_OUTBOUND;
	if ((choice & 6) == 6)
		engine_set_seals(world.engine, &sealed.head);
	frames_talk_init(&talk, 4, 41022);
	talk.mss = n > 0 ? (uint16_t)(8 + data[0]) : 1448;
	frames_talk_mail(&talk, message, sizeof(message) - 1);
	play(&world, &talk, data, n);
	engine_stop(world.engine, world.now_ns);
	engine_free(world.engine);
	frames_talk_free(&talk);
	require(world.live == 0);
	return 0;
}
