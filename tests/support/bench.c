// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/bench.h"

#include "tests/support/pools.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME_ROOM 72000u

static bool give_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	const struct bench *bench = ctx;

	if (bench->no_frames || bytes > FRAME_ROOM)
		return false;
	*out = (struct frame){malloc(FRAME_ROOM), 0, FRAME_ROOM, NULL};
	return out->data != NULL;
}

static void drop_frame(void *ctx, struct frame *frame)
{
	(void)ctx;
	free(frame->data);
}

static void see(struct bench_view *view, const struct frame *frame, const struct packet *packet)
{
	uint8_t hops = frame->data[packet->l3_offset + (packet->from.family == 6 ? 7 : 8)];

	view->frames++;
	if (frame->bytes > view->longest)
		view->longest = frame->bytes;
	view->resets += (packet->tcp.flags & TCP_FLAG_RST) != 0;
	view->fins += (packet->tcp.flags & TCP_FLAG_FIN) != 0;
	view->syns += (packet->tcp.flags & TCP_FLAG_SYN) != 0;
	view->urgent += (packet->tcp.flags & TCP_FLAG_URG) != 0;
	view->fast_opens += (packet->tcp.flags & TCP_FLAG_SYN) != 0 &&
			    memchr(packet->tcp.options, 34, packet->tcp.options_bytes) != NULL;
	view->last_seq = packet->tcp.seq;
	view->last_ack = packet->tcp.ack;
	if (hops < view->least_hops)
		view->least_hops = hops;
	for (uint32_t i = 0; i < packet->tcp.payload_bytes; i++) {
		uint32_t at = packet->tcp.seq + i - view->base;

		if (at >= BENCH_SEEN_BYTES)
			continue;
		if (view->have[at] && view->bytes[at] != packet->payload[i])
			view->conflicts++;
		view->have[at] = 1;
		view->bytes[at] = packet->payload[i];
	}
}

// By the side that it comes to.
static uint16_t shim_number(enum shim shim, enum link_side to)
{
	return shim == SHIM_LABELS && to == LINK_INSIDE ? 2222 : 1111;
}

static void take_frame(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct bench *bench = ctx;
	struct packet packet;

	(void)link;
	if (bench->shim != SHIM_NONE) {
		uint32_t bytes = shim_take_off(
			frame->data, frame->bytes, bench->shim, shim_number(bench->shim, side));

		bench->bad_shims += bytes == 0;
		frame->bytes = bytes;
	}
	packet_parse(frame, 0, &packet);
	if (packet.kind == PACKET_TCP &&
		(!bench->several || (packet.from.port_be[0] ^ packet.from.port_be[1]) ==
					    (bench->talk.address.port_be[0] ^
						    bench->talk.address.port_be[1]))) {
		see(bench->view[side == LINK_INSIDE ? TCP_SERVER : TCP_CLIENT], frame, &packet);
		bench->bad_sums |= !frames_are_sums_right(frame->data, frame->bytes);
	} else {
		bench->others++;
	}
	free(frame->data);
}

static void take_mail(void *ctx, const struct mail_record *record)
{
	struct bench *bench = ctx;

	bench->mails++;
	bench->verdict = record->verdict;
	(void)snprintf(bench->action, sizeof(bench->action), "%s", record->action);
}

static void take_session(void *ctx, const struct session_record *record)
{
	struct bench *bench = ctx;

	bench->sessions++;
	bench->inspected = record->inspected;
}

static void build_rules(struct bench *bench)
{
	char path[] = "/tmp/cordon-bench-XXXXXX.ndb";
	const char *paths[] = {path};
	struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	size_t bytes = 0;
	int fd = mkstemps(path, 4);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, BENCH_RULES, strlen(BENCH_RULES)), (int)strlen(BENCH_RULES));
	(void)close(fd);
	assert_int_equal(ruleset_build(paths, 1, &options, &bench->image, &bytes, &stats), 0);
	assert_int_equal(ruleset_attach(bench->image, bytes, &bench->ruleset), 0);
	(void)unlink(path);
}

void bench_options(struct engine_options *options)
{
	engine_options_init(options);
	options->max_connections = 64;
	options->max_half_open = 16;
	options->max_pages = 4096;
	options->max_stream_bytes = 1u << 20;
	options->scan.max_messages = 4;
}

static void make_views(struct bench *bench)
{
	for (int i = 0; i < 2; i++) {
		bench->view[i] = calloc(1, sizeof(struct bench_view));
		assert_non_null(bench->view[i]);
		bench->view[i]->least_hops = UINT8_MAX;
	}
}

void bench_switch(struct bench *bench, uint32_t connection)
{
	uint64_t now_ns = bench->talk.now_ns;
	uint8_t family = bench->talk.address.family;

	assert_true(connection < BENCH_CONNECTIONS);
	if (connection == bench->connection)
		return;
	bench->several = true;
	bench->parked[bench->connection].talk = bench->talk;
	bench->parked[bench->connection].fed = bench->fed;
	memcpy(bench->parked[bench->connection].view, bench->view, sizeof(bench->view));
	bench->connection = connection;
	bench->talk = bench->parked[connection].talk;
	bench->fed = bench->parked[connection].fed;
	memcpy(bench->view, bench->parked[connection].view, sizeof(bench->view));
	if (bench->view[0] == NULL) {
		frames_talk_init(&bench->talk, family, (uint16_t)(41000 + connection));
		make_views(bench);
	}
	bench->talk.now_ns = now_ns;
}

void bench_init(struct bench *bench, uint8_t family, const struct engine_options *options)
{
	struct engine_options defaults;
	struct engine_ops ops = {.ctx = bench,
		.alloc = give_frame,
		.free = drop_frame,
		.send = take_frame,
		.mail = take_mail,
		.session = take_session};

	memset(bench, 0, sizeof(*bench));
	bench->verdict = VERDICT_INCOMPLETE;
	make_views(bench);
	bench_options(&defaults);
	build_rules(bench);
	assert_int_equal(engine_new(options != NULL ? options : &defaults, &ops, bench->ruleset,
				 &bench->engine),
		0);
	frames_talk_init(&bench->talk, family, 41000);
}

void bench_open(struct bench *bench)
{
	frames_talk_open(&bench->talk);
	bench->view[TCP_SERVER]->base = bench->talk.next[TCP_CLIENT];
	bench->view[TCP_CLIENT]->base = bench->talk.next[TCP_SERVER];
	bench_feed(bench);
}

void bench_to_body(struct bench *bench)
{
	struct frames_talk *talk = &bench->talk;

	bench_open(bench);
	frames_talk_text(talk, TCP_SERVER, "220 mx\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO c\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mx\r\n250 CHUNKING\r\n");
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@x>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@y>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "DATA\r\n");
	frames_talk_text(talk, TCP_SERVER, "354 go\r\n");
	bench_feed(bench);
}

void bench_begin_with(struct bench *bench, uint8_t family, const struct engine_options *options)
{
	bench_init(bench, family, options);
	bench_to_body(bench);
}

void bench_begin(struct bench *bench, uint8_t family)
{
	bench_begin_with(bench, family, NULL);
}

void bench_finish(struct bench *bench)
{
	if (!bench->ignore_conflicts)
		assert_int_equal(bench->view[0]->conflicts + bench->view[1]->conflicts, 0);
	assert_false(bench->bad_sums);
	assert_int_equal(bench->bad_shims, 0);
	engine_stop(bench->engine, bench->talk.now_ns);
	assert_true(pools_are_whole(bench->engine));
	engine_free(bench->engine);
	ruleset_close(bench->ruleset);
	free(bench->image);
	for (uint32_t i = 0; i < BENCH_CONNECTIONS; i++) {
		bench_switch(bench, i);
		frames_talk_free(&bench->talk);
		free(bench->view[0]);
		free(bench->view[1]);
	}
}

void bench_feed_raw(struct bench *bench, enum link_side at, const uint8_t *data, uint32_t bytes)
{
	struct frame frame = {malloc(FRAME_ROOM), bytes, FRAME_ROOM, NULL};

	assert_non_null(frame.data);
	memcpy(frame.data, data, bytes);
	frame.bytes = shim_put_on(
		frame.data, bytes, bench->shim, shim_number(bench->shim, link_other(at)));
	engine_input(bench->engine, 0, at, &frame, bench->talk.now_ns);
}

void bench_feed(struct bench *bench)
{
	for (; bench->fed < bench->talk.count; bench->fed++) {
		const struct frames_item *item = &bench->talk.items[bench->fed];

		bench_feed_raw(bench, item->side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE,
			item->data, item->bytes);
	}
}

void bench_segment(
	struct bench *bench, enum tcp_side side, int32_t offset, uint8_t flags, const char *text)
{
	frames_talk_segment(&bench->talk, side, bench->talk.next[side] + (uint32_t)offset, flags,
		text, (uint32_t)strlen(text));
	bench_feed(bench);
}

void bench_client(struct bench *bench, int32_t offset, const char *text)
{
	bench_segment(bench, TCP_CLIENT, offset, TCP_FLAG_ACK | TCP_FLAG_PSH, text);
}

void bench_say(struct bench *bench, enum tcp_side side, const char *text)
{
	bench_segment(bench, side, 0, TCP_FLAG_ACK | TCP_FLAG_PSH, text);
	bench->talk.next[side] += (uint32_t)strlen(text);
}

void bench_ack(struct bench *bench, enum tcp_side side)
{
	bench_segment(bench, side, 0, TCP_FLAG_ACK, "");
}

void bench_pass(struct bench *bench, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		bench->talk.now_ns += 1000000;
		engine_tick(bench->engine, bench->talk.now_ns);
	}
}

static bool has(const struct bench_view *view, const char *text)
{
	return memmem(view->bytes, BENCH_SEEN_BYTES, text, strlen(text)) != NULL;
}

bool bench_server_has(const struct bench *bench, const char *text)
{
	return has(bench->view[TCP_SERVER], text);
}

bool bench_client_has(const struct bench *bench, const char *text)
{
	return has(bench->view[TCP_CLIENT], text);
}
