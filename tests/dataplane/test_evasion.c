// SPDX-License-Identifier: BSD-3-Clause
// What a hostile sender may do with packets, one attempt a test: whatever leaves towards the server is
// collected byte by byte, and no sequence number may ever have been given two values.
#include "tests/support/bench.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define EVIL BENCH_EVIL

static void a_differing_retransmission_is_rewritten_to_the_first_copy(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	bench_client(&bench, 0, "Subject: harmless, and as long as the other one\r\n");
	bench_client(&bench, 0, "Subject: " EVIL "\r\n");
	bench_client(&bench, 9, EVIL);
	assert_true(
		bench_server_has(&bench, "Subject: harmless, and as long as the other one\r\n"));
	assert_false(bench_server_has(&bench, "evil"));
	bench_finish(&bench);
}

static void an_overlap_of_what_waits_out_of_order_keeps_the_first_copy(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 6);
	bench_client(&bench, 10, "0123456789");
	bench_client(&bench, 5, "abcdeXXXXXXXXXXyyyyy");
	bench_client(&bench, 0, "fghij");
	assert_true(bench_server_has(&bench, "fghijabcde0123456789yyyyy"));
	bench_finish(&bench);
}

static void the_end_of_data_never_passes_out_of_order(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	bench_client(&bench, 30, "x\r\n.\r\n");
	assert_false(bench_server_has(&bench, "x\r\n.\r\n"));
	bench_client(&bench, 0, EVIL);
	assert_int_equal(bench.mails, 1);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_finish(&bench);
}

static void the_end_of_data_never_passes_in_pieces_out_of_order(void **state)
{
	static const char *const end = "x\r\n.\r\n";

	(void)state;
	for (size_t cut = 1; cut < 6; cut++) {
		static struct bench bench;
		char piece[8];

		bench_begin(&bench, 4);
		(void)snprintf(piece, sizeof(piece), "%s", end + cut);
		bench_client(&bench, 30 + (int32_t)cut, piece);
		(void)snprintf(piece, sizeof(piece), "%.*s", (int)cut, end);
		bench_client(&bench, 30, piece);
		assert_false(bench.view[TCP_SERVER]->have[bench.talk.next[TCP_CLIENT] + 35 -
							  bench.view[TCP_SERVER]->base]);
		bench_client(&bench, 0, EVIL);
		assert_int_equal(bench.verdict, VERDICT_INFECTED);
		assert_false(bench_server_has(&bench, "\r\n.\r\n"));
		bench_finish(&bench);
	}
}

static void out_of_order_bytes_of_a_body_go_on_at_once(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	bench_client(&bench, 20, "later bytes of the body");
	assert_true(bench_server_has(&bench, "later bytes of the body"));
	assert_int_equal(engine_counters(bench.engine)->passed_early, 1);
	bench_finish(&bench);
}

static void one_byte_at_a_time_backwards_is_scanned(void **state)
{
	static struct bench bench;
	static const char text[] = "Subject: s\r\n\r\n" EVIL "\r\n.\r\n";

	(void)state;
	bench_begin(&bench, 4);
	for (int i = (int)sizeof(text) - 2; i >= 0; i--) {
		char byte[2] = {text[i], '\0'};

		bench_client(&bench, i, byte);
	}
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_finish(&bench);
}

// Without its end.
static void put_text(char *out, const char *text)
{
	while (*text != '\0')
		*out++ = *text++;
}

// Most of them lie behind a hole of their own meanwhile.
static void one_byte_at_a_time_in_any_order_is_scanned(void **state)
{
	enum { N = 1009 };
	static struct bench bench;
	static char text[N + 1];

	(void)state;
	memset(text, 'x', N);
	put_text(text, "Subject: s\r\n\r\n");
	for (int i = 70; i < N; i += 70)
		put_text(text + i, "\r\n");
	put_text(text + 500, EVIL);
	put_text(text + N - 5, "\r\n.\r\n");
	bench_begin(&bench, 4);
	for (int i = 0; i < N; i++) {
		int at = i * 377 % N;
		char byte[2] = {text[at], '\0'};

		bench_client(&bench, at, byte);
	}
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_finish(&bench);
}

static void urgent_data_is_in_line(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
		TCP_FLAG_ACK | TCP_FLAG_URG, "urgent", 6);
	bench_feed(&bench);
	assert_true(bench_server_has(&bench, "urgent"));
	assert_int_equal(bench.view[TCP_SERVER]->urgent, 0);
	assert_int_equal(engine_counters(bench.engine)->urgent_cleared, 1);
	bench_finish(&bench);
}

static void a_bad_checksum_touches_nothing(void **state)
{
	static struct bench bench;
	const struct frames_item *item;
	uint32_t frames;

	(void)state;
	bench_begin(&bench, 4);
	frames = bench.view[TCP_SERVER]->frames;
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK, "poison", 6);
	item = &bench.talk.items[bench.fed];
	item->data[item->bytes - 1] ^= 1;
	bench_feed(&bench);
	assert_int_equal(bench.view[TCP_SERVER]->frames, frames);
	bench_client(&bench, 0, "health");
	assert_true(bench_server_has(&bench, "health"));
	bench_finish(&bench);
}

static void a_reset_that_is_not_the_next_number_is_not_forwarded(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT] + 1000, TCP_FLAG_RST, NULL, 0);
	bench_feed(&bench);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 0);
	bench_client(&bench, 0, EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void after_a_forwarded_reset_nothing_passes_unscanned(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_RST, NULL, 0);
	bench_feed(&bench);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	bench_client(&bench, 0, EVIL "\r\n.\r\n");
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_finish(&bench);
}

static void a_syn_inside_a_connection_changes_nothing(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT] + 77, TCP_FLAG_SYN, NULL, 0);
	bench_feed(&bench);
	bench_client(&bench, 0, EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void data_without_the_ack_flag_is_dropped(void **state)
{
	static struct bench bench;

	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_PSH,
		"no-ack-flag", 11);
	bench_feed(&bench);
	assert_false(bench_server_has(&bench, "no-ack-flag"));
	bench_finish(&bench);
}

static void data_in_fragments_is_scanned(void **state)
{
	static struct bench bench;
	static uint8_t piece[FRAMES_MAX_BYTES];
	static const char text[] = "Subject: frag\r\n\r\n" EVIL "\r\n.\r\n";
	const struct frames_item *item;
	uint32_t l4;

	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK,
		text, (uint32_t)sizeof(text) - 1);
	item = &bench.talk.items[bench.fed++];
	l4 = item->bytes - 34;
	for (uint32_t at = 0; at < l4; at += 24) {
		uint32_t n = l4 - at < 24 ? l4 - at : 24;

		bench_feed_raw(&bench, LINK_OUTSIDE, piece,
			frames_fragment(item->data, item->bytes, 7, at, n, piece));
	}
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	assert_int_equal(bench.others, 0);
	bench_finish(&bench);
}

static void clean_data_in_fragments_arrives(void **state)
{
	static struct bench bench;
	static uint8_t piece[FRAMES_MAX_BYTES];
	static char text[3000];
	const struct frames_item *item;
	uint32_t l4;

	(void)state;
	bench_begin(&bench, 6);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text + sizeof(text) - 8, "\r\n.\r\n", 6);
	frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK,
		text, (uint32_t)strlen(text));
	item = &bench.talk.items[bench.fed++];
	l4 = item->bytes - 54;
	for (uint32_t at = 0; at < l4; at += 1208) {
		uint32_t n = l4 - at < 1208 ? l4 - at : 1208;

		bench_feed_raw(&bench, LINK_OUTSIDE, piece,
			frames_fragment(item->data, item->bytes, 7, at, n, piece));
	}
	assert_true(bench_server_has(&bench, text));
	bench_finish(&bench);
}

// The frame in fragments of n bytes.
static void feed_fragments(struct bench *bench, const uint8_t *frame, uint32_t bytes, uint32_t n)
{
	static uint8_t piece[FRAMES_MAX_BYTES];
	uint32_t l4 = bytes - 54;

	for (uint32_t at = 0; at < l4; at += n)
		bench_feed_raw(bench, LINK_OUTSIDE, piece,
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
	bench_begin(&bench, 6);
	spec.address = bench.talk.address;
	spec.seq = bench.talk.next[TCP_CLIENT];
	spec.ack = bench.talk.next[TCP_SERVER];
	feed_fragments(&bench, frame, frames_tcp(frame, &spec), 24);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, EVIL "\r\n.\r\n"));
	assert_int_equal(bench.others, 0);
	bench_finish(&bench);
}

static void fragments_of_udp_to_port_25_are_not_touched(void **state)
{
	static struct bench bench;
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.payload = "datagram", .payload_bytes = 8};
	uint32_t bytes;

	(void)state;
	bench_begin(&bench, 6);
	spec.address = bench.talk.address;
	bytes = frames_tcp(frame, &spec);
	frame[20] = 17; // next header
	feed_fragments(&bench, frame, bytes, 8);
	assert_int_equal(bench.others, (bytes - 54 + 7) / 8);
	bench_finish(&bench);
}

static void a_stray_segment_is_reset_on_both_sides_and_goes_on_empty(void **state)
{
	static struct bench bench;
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.seq = 5000,
		.ack = 7000,
		.flags = TCP_FLAG_ACK | TCP_FLAG_PSH | TCP_FLAG_FIN,
		.payload = EVIL,
		.payload_bytes = sizeof(EVIL) - 1};
	uint32_t client_frames;
	uint32_t server_frames;

	(void)state;
	bench_begin(&bench, 4);
	frames_address(&spec.address, 4, 50000); // another connection than the one that began
	client_frames = bench.view[TCP_CLIENT]->frames;
	server_frames = bench.view[TCP_SERVER]->frames;
	bench_feed_raw(&bench, LINK_OUTSIDE, frame, frames_tcp(frame, &spec));
	assert_int_equal(bench.view[TCP_CLIENT]->frames - client_frames, 1);
	assert_int_equal(bench.view[TCP_CLIENT]->resets, 1);
	// The empty one makes a server that is ahead say where it is.
	assert_int_equal(bench.view[TCP_SERVER]->frames - server_frames, 2);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	assert_false(bench.bad_sums);
	bench_finish(&bench);
}

static void what_is_not_smtp_is_not_touched(void **state)
{
	static struct bench bench;
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.flags = TCP_FLAG_ACK, .payload = "GET /", .payload_bytes = 5};
	uint32_t bytes;

	(void)state;
	bench_begin(&bench, 4);
	frames_address(&spec.address, 4, 42000);
	spec.address.port_be[1] = __builtin_bswap16(80);
	bytes = frames_tcp(frame, &spec);
	bench_feed_raw(&bench, LINK_OUTSIDE, frame, bytes);
	frame[bytes - 1] ^= 1; // its checksum is the receiver's business
	bench_feed_raw(&bench, LINK_OUTSIDE, frame, bytes);
	assert_int_equal(engine_counters(bench.engine)->forwarded_untouched, 2);
	bench.bad_sums = false;
	bench.view[TCP_SERVER]->conflicts = 0;
	bench_finish(&bench);
}

static void a_packet_from_the_wrong_side_is_dropped(void **state)
{
	static struct bench bench;
	uint32_t frames;

	(void)state;
	bench_begin(&bench, 4);
	frames = bench.view[TCP_CLIENT]->frames + bench.view[TCP_SERVER]->frames;
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK, "spoof", 5);
	bench_feed_raw(&bench, LINK_INSIDE, bench.talk.items[bench.fed].data,
		bench.talk.items[bench.fed].bytes);
	bench.fed++;
	assert_int_equal(bench.view[TCP_CLIENT]->frames + bench.view[TCP_SERVER]->frames, frames);
	bench_finish(&bench);
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
		cmocka_unit_test(one_byte_at_a_time_in_any_order_is_scanned),
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
		cmocka_unit_test(a_stray_segment_is_reset_on_both_sides_and_goes_on_empty),
		cmocka_unit_test(what_is_not_smtp_is_not_touched),
		cmocka_unit_test(a_packet_from_the_wrong_side_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
