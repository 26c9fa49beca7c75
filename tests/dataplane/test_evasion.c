// SPDX-License-Identifier: BSD-3-Clause
// What a hostile sender may do with packets, one attempt a test: whatever leaves towards the server is
// collected byte by byte, and no sequence number may ever have been given two values.
#include "dataplane/engine.h"
#include "tests/support/frames.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVIL "the-quick-evil-fox-of-the-test"
#define RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"
#define SEEN_BYTES (1u << 20)
#define FRAME_ROOM 72000u

// One side's view of what came to it.
struct view {
	uint8_t bytes[SEEN_BYTES];
	uint8_t have[SEEN_BYTES];
	uint32_t base; // sequence number of bytes[0]
	uint32_t conflicts;
	uint32_t frames;
	uint32_t resets;
	uint32_t urgent;
};

struct bench {
	struct engine *engine;
	struct ruleset *ruleset;
	void *image;
	struct frames_talk talk;
	uint32_t fed;         // items of the talk that were given to the engine
	struct view *view[2]; // by side that receives
	enum verdict verdict;
	uint32_t mails;
	uint32_t others; // frames that left and are no TCP of this connection
	bool bad_sums;
};

static bool give_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	(void)ctx;
	(void)bytes;
	*out = (struct frame){malloc(FRAME_ROOM), 0, FRAME_ROOM, NULL};
	return out->data != NULL;
}

static void drop_frame(void *ctx, struct frame *frame)
{
	(void)ctx;
	free(frame->data);
}

static void see(struct view *view, const struct packet *packet)
{
	view->frames++;
	if (packet->tcp.flags & TCP_FLAG_RST)
		view->resets++;
	if (packet->tcp.flags & TCP_FLAG_URG)
		view->urgent++;
	for (uint32_t i = 0; i < packet->tcp.payload_bytes; i++) {
		uint32_t at = packet->tcp.seq + i - view->base;

		if (at >= SEEN_BYTES)
			continue;
		if (view->have[at] && view->bytes[at] != packet->payload[i])
			view->conflicts++;
		view->have[at] = 1;
		view->bytes[at] = packet->payload[i];
	}
}

static void take_frame(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct bench *bench = ctx;
	struct packet packet;

	(void)link;
	packet_parse(frame, 0, &packet);
	if (packet.kind == PACKET_TCP) {
		see(bench->view[side == LINK_INSIDE ? TCP_SERVER : TCP_CLIENT], &packet);
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
}

static void build_rules(struct bench *bench)
{
	char path[] = "/tmp/cordon-evasion-XXXXXX.ndb";
	const char *paths[] = {path};
	struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	size_t bytes = 0;
	int fd = mkstemps(path, 4);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, RULES, strlen(RULES)), (int)strlen(RULES));
	(void)close(fd);
	assert_int_equal(ruleset_build(paths, 1, &options, &bench->image, &bytes, &stats), 0);
	assert_int_equal(ruleset_attach(bench->image, bytes, &bench->ruleset), 0);
	(void)unlink(path);
}

static void feed_raw(struct bench *bench, enum link_side at, const uint8_t *data, uint32_t bytes)
{
	struct frame frame = {malloc(FRAME_ROOM), bytes, FRAME_ROOM, NULL};

	assert_non_null(frame.data);
	memcpy(frame.data, data, bytes);
	engine_input(bench->engine, 0, at, &frame, bench->talk.now_ns);
}

static void feed(struct bench *bench)
{
	for (; bench->fed < bench->talk.count; bench->fed++) {
		const struct frames_item *item = &bench->talk.items[bench->fed];

		feed_raw(bench, item->side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE, item->data,
			item->bytes);
	}
}

// An established session in which the body may follow.
static void begin(struct bench *bench, uint8_t family)
{
	struct engine_options options;
	struct engine_ops ops = {.ctx = bench,
		.alloc = give_frame,
		.free = drop_frame,
		.send = take_frame,
		.mail = take_mail};
	struct frames_talk *talk = &bench->talk;

	memset(bench, 0, sizeof(*bench));
	bench->verdict = VERDICT_INCOMPLETE;
	bench->view[0] = calloc(1, sizeof(struct view));
	bench->view[1] = calloc(1, sizeof(struct view));
	assert_true(bench->view[0] != NULL && bench->view[1] != NULL);
	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = 4;
	build_rules(bench);
	assert_int_equal(engine_new(&options, &ops, bench->ruleset, &bench->engine), 0);
	frames_talk_init(talk, family, 41000);
	frames_talk_open(talk);
	bench->view[TCP_SERVER]->base = talk->next[TCP_CLIENT];
	bench->view[TCP_CLIENT]->base = talk->next[TCP_SERVER];
	frames_talk_text(talk, TCP_SERVER, "220 mx\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO c\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mx\r\n250 CHUNKING\r\n");
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@x>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@y>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "DATA\r\n");
	frames_talk_text(talk, TCP_SERVER, "354 go\r\n");
	feed(bench);
}

static void finish(struct bench *bench)
{
	assert_int_equal(bench->view[0]->conflicts + bench->view[1]->conflicts, 0);
	assert_false(bench->bad_sums);
	engine_stop(bench->engine, bench->talk.now_ns);
	engine_free(bench->engine);
	ruleset_close(bench->ruleset);
	free(bench->image);
	frames_talk_free(&bench->talk);
	free(bench->view[0]);
	free(bench->view[1]);
}

// A segment of the client at offset from the next byte it would send; its numbers stay.
static void client_at(struct bench *bench, int32_t offset, const char *text)
{
	frames_talk_segment(&bench->talk, TCP_CLIENT,
		bench->talk.next[TCP_CLIENT] + (uint32_t)offset, TCP_FLAG_ACK | TCP_FLAG_PSH, text,
		(uint32_t)strlen(text));
	feed(bench);
}

static bool server_has(const struct bench *bench, const char *text)
{
	const struct view *view = bench->view[TCP_SERVER];

	return memmem(view->bytes, SEEN_BYTES, text, strlen(text)) != NULL;
}

static void a_differing_retransmission_is_rewritten_to_the_first_copy(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	client_at(&bench, 0, "Subject: harmless, and as long as the other one\r\n");
	client_at(&bench, 0, "Subject: " EVIL "\r\n");
	client_at(&bench, 9, EVIL);
	assert_true(server_has(&bench, "Subject: harmless, and as long as the other one\r\n"));
	assert_false(server_has(&bench, "evil"));
	finish(&bench);
}

static void an_overlap_of_what_waits_out_of_order_keeps_the_first_copy(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 6);
	client_at(&bench, 10, "0123456789");
	client_at(&bench, 5, "abcdeXXXXXXXXXXyyyyy");
	client_at(&bench, 0, "fghij");
	assert_true(server_has(&bench, "fghijabcde0123456789yyyyy"));
	finish(&bench);
}

static void the_end_of_data_never_passes_out_of_order(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	client_at(&bench, 30, "x\r\n.\r\n");
	assert_false(server_has(&bench, "x\r\n.\r\n"));
	client_at(&bench, 0, EVIL);
	assert_int_equal(bench.mails, 1);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(server_has(&bench, "\r\n.\r\n"));
	finish(&bench);
}

static void the_end_of_data_never_passes_in_pieces_out_of_order(void **state)
{
	static const char *const end = "x\r\n.\r\n";

	(void)state;
	for (size_t cut = 1; cut < 6; cut++) {
		static struct bench bench;
		char piece[8];

		begin(&bench, 4);
		(void)snprintf(piece, sizeof(piece), "%s", end + cut);
		client_at(&bench, 30 + (int32_t)cut, piece);
		(void)snprintf(piece, sizeof(piece), "%.*s", (int)cut, end);
		client_at(&bench, 30, piece);
		assert_false(bench.view[TCP_SERVER]->have[bench.talk.next[TCP_CLIENT] + 35 -
							  bench.view[TCP_SERVER]->base]);
		client_at(&bench, 0, EVIL);
		assert_int_equal(bench.verdict, VERDICT_INFECTED);
		assert_false(server_has(&bench, "\r\n.\r\n"));
		finish(&bench);
	}
}

static void out_of_order_bytes_of_a_body_go_on_at_once(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	client_at(&bench, 20, "later bytes of the body");
	assert_true(server_has(&bench, "later bytes of the body"));
	assert_int_equal(engine_counters(bench.engine)->passed_early, 1);
	finish(&bench);
}

static void one_byte_at_a_time_backwards_is_scanned(void **state)
{
	static struct bench bench;
	static const char text[] = "Subject: s\r\n\r\n" EVIL "\r\n.\r\n";

	(void)state;
	begin(&bench, 4);
	for (int i = (int)sizeof(text) - 2; i >= 0; i--) {
		char byte[2] = {text[i], '\0'};

		client_at(&bench, i, byte);
	}
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(server_has(&bench, "\r\n.\r\n"));
	finish(&bench);
}

static void urgent_data_is_in_line(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
		TCP_FLAG_ACK | TCP_FLAG_URG, "urgent", 6);
	feed(&bench);
	assert_true(server_has(&bench, "urgent"));
	assert_int_equal(bench.view[TCP_SERVER]->urgent, 0);
	assert_int_equal(engine_counters(bench.engine)->urgent_cleared, 1);
	finish(&bench);
}

static void a_bad_checksum_touches_nothing(void **state)
{
	static struct bench bench;
	const struct frames_item *item;
	uint32_t frames;

	(void)state;
	begin(&bench, 4);
	frames = bench.view[TCP_SERVER]->frames;
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK, "poison", 6);
	item = &bench.talk.items[bench.fed];
	item->data[item->bytes - 1] ^= 1;
	feed(&bench);
	assert_int_equal(bench.view[TCP_SERVER]->frames, frames);
	client_at(&bench, 0, "health");
	assert_true(server_has(&bench, "health"));
	finish(&bench);
}

static void a_reset_that_is_not_the_next_number_is_not_forwarded(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT] + 1000, TCP_FLAG_RST, NULL, 0);
	feed(&bench);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 0);
	client_at(&bench, 0, EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	finish(&bench);
}

static void after_a_forwarded_reset_nothing_passes_unscanned(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_RST, NULL, 0);
	feed(&bench);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	client_at(&bench, 0, EVIL "\r\n.\r\n");
	assert_false(server_has(&bench, "\r\n.\r\n"));
	finish(&bench);
}

static void a_syn_inside_a_connection_changes_nothing(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT] + 77, TCP_FLAG_SYN, NULL, 0);
	feed(&bench);
	client_at(&bench, 0, EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	finish(&bench);
}

static void data_without_the_ack_flag_is_dropped(void **state)
{
	static struct bench bench;

	(void)state;
	begin(&bench, 4);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_PSH,
		"no-ack-flag", 11);
	feed(&bench);
	assert_false(server_has(&bench, "no-ack-flag"));
	finish(&bench);
}

static void data_in_fragments_is_scanned(void **state)
{
	static struct bench bench;
	static uint8_t piece[FRAMES_MAX_BYTES];
	static const char text[] = "Subject: frag\r\n\r\n" EVIL "\r\n.\r\n";
	const struct frames_item *item;
	uint32_t l4;

	(void)state;
	begin(&bench, 4);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK,
		text, (uint32_t)sizeof(text) - 1);
	item = &bench.talk.items[bench.fed++];
	l4 = item->bytes - 34;
	for (uint32_t at = 0; at < l4; at += 24) {
		uint32_t n = l4 - at < 24 ? l4 - at : 24;

		feed_raw(&bench, LINK_OUTSIDE, piece,
			frames_fragment(item->data, item->bytes, 7, at, n, piece));
	}
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(server_has(&bench, "\r\n.\r\n"));
	assert_int_equal(bench.others, 0);
	finish(&bench);
}

static void clean_data_in_fragments_arrives(void **state)
{
	static struct bench bench;
	static uint8_t piece[FRAMES_MAX_BYTES];
	static char text[3000];
	const struct frames_item *item;
	uint32_t l4;

	(void)state;
	begin(&bench, 6);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text + sizeof(text) - 8, "\r\n.\r\n", 6);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK,
		text, (uint32_t)strlen(text));
	item = &bench.talk.items[bench.fed++];
	l4 = item->bytes - 54;
	for (uint32_t at = 0; at < l4; at += 1208) {
		uint32_t n = l4 - at < 1208 ? l4 - at : 1208;

		feed_raw(&bench, LINK_OUTSIDE, piece,
			frames_fragment(item->data, item->bytes, 7, at, n, piece));
	}
	assert_true(server_has(&bench, text));
	finish(&bench);
}

// The frame in fragments of n bytes.
static void feed_fragments(struct bench *bench, const uint8_t *frame, uint32_t bytes, uint32_t n)
{
	static uint8_t piece[FRAMES_MAX_BYTES];
	uint32_t l4 = bytes - 54;

	for (uint32_t at = 0; at < l4; at += n)
		feed_raw(bench, LINK_OUTSIDE, piece,
			frames_fragment(frame, bytes, 7, at, l4 - at < n ? l4 - at : n, piece));
}

static void headers_in_front_of_tcp_do_not_hide_fragments(void **state)
{
	static struct bench bench;
	static uint8_t frame[FRAMES_MAX_BYTES];
	static const uint8_t destination_options[] = {6, 0, 1, 4, 0, 0, 0, 0};
	static const char text[] = "Subject: frag\r\n\r\n" EVIL "\r\n.\r\n";
	struct frames_spec spec = {.flags = TCP_FLAG_ACK,
		.window = 1000,
		.extensions = destination_options,
		.extensions_bytes = sizeof(destination_options),
		.first_extension = 60,
		.payload = text,
		.payload_bytes = sizeof(text) - 1};

	(void)state;
	begin(&bench, 6);
	spec.address = bench.talk.address;
	spec.seq = bench.talk.next[TCP_CLIENT];
	spec.ack = bench.talk.next[TCP_SERVER];
	feed_fragments(&bench, frame, frames_tcp(frame, &spec), 24);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(server_has(&bench, EVIL "\r\n.\r\n"));
	assert_int_equal(bench.others, 0);
	finish(&bench);
}

static void fragments_of_udp_to_port_25_are_not_touched(void **state)
{
	static struct bench bench;
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.payload = "datagram", .payload_bytes = 8};
	uint32_t bytes;

	(void)state;
	begin(&bench, 6);
	spec.address = bench.talk.address;
	bytes = frames_tcp(frame, &spec);
	frame[20] = 17; // next header
	feed_fragments(&bench, frame, bytes, 8);
	assert_int_equal(bench.others, (bytes - 54 + 7) / 8);
	finish(&bench);
}

static void what_is_not_smtp_is_not_touched(void **state)
{
	static struct bench bench;
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.flags = TCP_FLAG_ACK, .payload = "GET /", .payload_bytes = 5};
	uint32_t bytes;

	(void)state;
	begin(&bench, 4);
	frames_address(&spec.address, 4, 42000);
	spec.address.port_be[1] = __builtin_bswap16(80);
	bytes = frames_tcp(frame, &spec);
	feed_raw(&bench, LINK_OUTSIDE, frame, bytes);
	frame[bytes - 1] ^= 1; // its checksum is the receiver's business
	feed_raw(&bench, LINK_OUTSIDE, frame, bytes);
	assert_int_equal(engine_counters(bench.engine)->forwarded_untouched, 2);
	bench.bad_sums = false;
	bench.view[TCP_SERVER]->conflicts = 0;
	finish(&bench);
}

static void a_packet_from_the_wrong_side_is_dropped(void **state)
{
	static struct bench bench;
	uint32_t frames;

	(void)state;
	begin(&bench, 4);
	frames = bench.view[TCP_CLIENT]->frames + bench.view[TCP_SERVER]->frames;
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK, "spoof", 5);
	feed_raw(&bench, LINK_INSIDE, bench.talk.items[bench.fed].data,
		bench.talk.items[bench.fed].bytes);
	bench.fed++;
	assert_int_equal(bench.view[TCP_CLIENT]->frames + bench.view[TCP_SERVER]->frames, frames);
	finish(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_differing_retransmission_is_rewritten_to_the_first_copy),
		cmocka_unit_test(an_overlap_of_what_waits_out_of_order_keeps_the_first_copy),
		cmocka_unit_test(the_end_of_data_never_passes_out_of_order),
		cmocka_unit_test(the_end_of_data_never_passes_in_pieces_out_of_order),
		cmocka_unit_test(out_of_order_bytes_of_a_body_go_on_at_once),
		cmocka_unit_test(one_byte_at_a_time_backwards_is_scanned),
		cmocka_unit_test(urgent_data_is_in_line),
		cmocka_unit_test(a_bad_checksum_touches_nothing),
		cmocka_unit_test(a_reset_that_is_not_the_next_number_is_not_forwarded),
		cmocka_unit_test(after_a_forwarded_reset_nothing_passes_unscanned),
		cmocka_unit_test(a_syn_inside_a_connection_changes_nothing),
		cmocka_unit_test(data_without_the_ack_flag_is_dropped),
		cmocka_unit_test(data_in_fragments_is_scanned),
		cmocka_unit_test(clean_data_in_fragments_arrives),
		cmocka_unit_test(headers_in_front_of_tcp_do_not_hide_fragments),
		cmocka_unit_test(fragments_of_udp_to_port_25_are_not_touched),
		cmocka_unit_test(what_is_not_smtp_is_not_touched),
		cmocka_unit_test(a_packet_from_the_wrong_side_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
