// SPDX-License-Identifier: BSD-3-Clause
// Hostile TCP segments in a connection that stands: copies that differ, flags, options, windows.
#include "dataplane/session.h"
#include "tests/support/bench.h"
#include "tests/support/unit.h"

#include <string.h>

static struct bench bench;

// A segment with everything that frames_talk leaves at its usual value.
static void raw(enum tcp_side side, struct frames_spec *spec, const char *text)
{
	static uint8_t frame[FRAMES_MAX_BYTES];

	spec->address = bench.talk.address;
	if (side == TCP_SERVER)
		frames_swap(&spec->address);
	spec->payload = text;
	spec->payload_bytes = (uint32_t)strlen(text);
	bench_feed_raw(&bench, side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE, frame,
		frames_tcp(frame, spec));
}

static struct frames_spec next_of(enum tcp_side side)
{
	return (struct frames_spec){.seq = bench.talk.next[side],
		.ack = bench.talk.next[tcp_other(side)],
		.window = 64240,
		.flags = TCP_FLAG_ACK};
}

// Established, the greeting and the reply to EHLO are in.
static void begin_commands(const struct engine_options *options)
{
	bench_init(&bench, 4, options);
	bench_open(&bench);
	frames_talk_text(&bench.talk, TCP_SERVER, "220 mx\r\n");
	frames_talk_text(&bench.talk, TCP_CLIENT, "EHLO c\r\n");
	frames_talk_text(&bench.talk, TCP_SERVER, "250 mx\r\n");
	bench_feed(&bench);
}

static void held_bytes_keep_their_first_copy(void **state)
{
	(void)state;
	begin_commands(NULL);
	bench_say(&bench, TCP_CLIENT, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	bench_say(&bench, TCP_CLIENT, "Subject: the first copy, harmless\r\n");
	assert_false(bench_server_has(&bench, "Subject"));
	bench_client(&bench, -35, "Subject: " BENCH_EVIL "\r\n");
	bench_client(&bench, -30, "xxxxx");
	bench_client(&bench, -12, BENCH_EVIL);
	bench_say(&bench, TCP_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n");
	assert_true(bench_server_has(&bench, "Subject: the first copy, harmless\r\n"));
	assert_false(bench_server_has(&bench, "evil"));
	bench_finish(&bench);
}

static void early_bytes_keep_their_first_copy(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_client(&bench, 10, "text that went on early");
	assert_int_equal(engine_counters(bench.engine)->passed_early, 1);
	bench_client(&bench, 14, "another text altogether, longer than it");
	bench_client(&bench, 5, "vwxyz" BENCH_EVIL);
	bench_client(&bench, 0, "abcdefghijkl");
	assert_true(bench_server_has(&bench, "abcdevwxyztext that went on early"));
	bench_finish(&bench);
}

static void masked_bytes_stay_masked_in_any_pieces(void **state)
{
	(void)state;
	begin_commands(NULL);
	bench_say(&bench, TCP_CLIENT, "XCLIENT ADDR=x\r\n");
	bench_client(&bench, -16, "XCLIENT ADDR=x\r\n");
	bench_client(&bench, -16, "XCL");
	bench_client(&bench, -13, "IENT");
	bench_client(&bench, -15, "CLIENT ADDR");
	assert_true(bench_server_has(&bench, "XXXXXXX ADDR=x\r\n"));
	bench_finish(&bench);
}

static void acknowledged_bytes_keep_their_first_copy_for_a_while(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_say(&bench, TCP_CLIENT, "Subject: harmless, acknowledged\r\n");
	bench_ack(&bench, TCP_SERVER);
	bench_client(&bench, -33, "Subject: " BENCH_EVIL "\r\n");
	assert_false(bench_server_has(&bench, "evil"));
	assert_true(bench_server_has(&bench, "Subject: harmless, acknowledged\r\n"));
	bench_finish(&bench);
}

static void a_mask_holds_in_a_segment_that_begins_in_forgotten_bytes(void **state)
{
	(void)state;
	begin_commands(NULL);
	bench_pass(&bench, 1500);
	bench_client(&bench, -4, "?? ?XCLIENT ADDR=x\r\n");
	assert_false(bench_server_has(&bench, "XCLIENT"));
	assert_true(bench_server_has(&bench, "EHLO c\r\nXXXXXXX ADDR=x\r\n"));
	bench_finish(&bench);
}

static void forgotten_bytes_are_acknowledged_and_not_repeated(void **state)
{
	uint32_t frames;

	(void)state;
	begin_commands(NULL);
	bench_pass(&bench, 1500);
	frames = bench.view[TCP_CLIENT]->frames;
	bench_client(&bench, -8, "QUIT x\r\n");
	assert_int_equal(bench.view[TCP_CLIENT]->frames, frames + 1);
	assert_int_equal(bench.view[TCP_CLIENT]->last_ack, bench.talk.next[TCP_CLIENT]);
	assert_false(bench_server_has(&bench, "QUIT"));
	bench_finish(&bench);
}

static void an_early_command_that_would_be_masked_ends_the_connection(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_client(&bench, 14, "XUNHEARDOF 5 5\r\n");
	assert_true(bench_server_has(&bench, "XUNHEARDOF"));
	bench_client(&bench, 0, "S: xy\r\n\r\n\r\n.\r\n");
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	assert_int_equal(bench.view[TCP_CLIENT]->resets, 1);
	bench_finish(&bench);
}

static void nothing_follows_a_fin(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_say(&bench, TCP_CLIENT, "Subject: x\r\n");
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_ACK | TCP_FLAG_FIN, "");
	bench_client(&bench, 0, BENCH_EVIL "\r\n.\r\n");
	bench_client(&bench, 1, BENCH_EVIL "\r\n.\r\n");
	assert_false(bench_server_has(&bench, "evil"));
	assert_int_equal(bench.mails, 0);
	bench_finish(&bench);
}

static void a_fin_out_of_the_window_or_below_what_was_sent_is_dropped(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_say(&bench, TCP_CLIENT, "Subject: x\r\n");
	bench_segment(&bench, TCP_CLIENT, 100000, TCP_FLAG_ACK | TCP_FLAG_FIN, "");
	bench_segment(&bench, TCP_CLIENT, -6, TCP_FLAG_ACK | TCP_FLAG_FIN, "");
	assert_int_equal(bench.view[TCP_SERVER]->fins, 0);
	bench_say(&bench, TCP_CLIENT, BENCH_EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void a_fin_waits_with_the_bytes_before_it(void **state)
{
	(void)state;
	begin_commands(NULL);
	bench_say(&bench, TCP_CLIENT, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_ACK | TCP_FLAG_FIN, "S: x\r\n\r\nx\r\n.\r\n");
	assert_int_equal(bench.view[TCP_SERVER]->fins, 0);
	bench_say(&bench, TCP_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n");
	assert_true(bench_server_has(&bench, "x\r\n.\r\n"));
	assert_int_equal(bench.view[TCP_SERVER]->fins, 1);
	bench_finish(&bench);
}

static void a_reset_inside_the_window_is_challenged(void **state)
{
	uint32_t frames;

	(void)state;
	bench_begin(&bench, 4);
	frames = bench.view[TCP_CLIENT]->frames;
	bench_segment(&bench, TCP_CLIENT, 1000, TCP_FLAG_RST, "");
	assert_int_equal(bench.view[TCP_CLIENT]->frames, frames + 1);
	assert_int_equal(bench.view[TCP_CLIENT]->last_ack, bench.talk.next[TCP_CLIENT]);
	bench_segment(&bench, TCP_CLIENT, -1000, TCP_FLAG_RST, "");
	bench_segment(&bench, TCP_CLIENT, 1000000, TCP_FLAG_RST, "");
	assert_int_equal(bench.view[TCP_CLIENT]->frames, frames + 1);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 0);
	bench_finish(&bench);
}

static void a_reset_carries_no_bytes(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST | TCP_FLAG_ACK, BENCH_EVIL "\r\n.\r\n");
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	assert_false(bench_server_has(&bench, "evil"));
	bench_finish(&bench);
}

static void a_syn_ack_of_the_client_goes_nowhere(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN | TCP_FLAG_ACK, "");
	bench_segment(&bench, TCP_CLIENT, 5000, TCP_FLAG_SYN | TCP_FLAG_ACK, "");
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	bench_say(&bench, TCP_CLIENT, BENCH_EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void data_in_a_syn_is_cut_off_and_fast_open_not_offered(void **state)
{
	static const uint8_t options[8] = {34, 4, 0xaa, 0xbb, 2, 4, 5, 0xb4};
	struct frames_spec spec;
	struct bench_view *server;

	(void)state;
	bench_init(&bench, 4, NULL);
	server = bench.view[TCP_SERVER];
	spec = next_of(TCP_CLIENT);
	spec.flags = TCP_FLAG_SYN;
	spec.options = options;
	spec.options_bytes = sizeof(options);
	server->base = spec.seq + 1;
	raw(TCP_CLIENT, &spec, BENCH_EVIL);
	assert_int_equal(server->syns, 1);
	assert_int_equal(server->fast_opens, 0);
	assert_false(bench_server_has(&bench, "evil"));
	bench_finish(&bench);
}

// The bench's handshake with timestamps.
static void begin_with_timestamps(uint32_t value, uint8_t option[12])
{
	static const uint8_t stamp[12] = {1, 1, 8, 10};
	struct frames_spec spec;

	bench_init(&bench, 4, NULL);
	memcpy(option, stamp, sizeof(stamp));
	option[6] = (uint8_t)(value >> 8);
	option[7] = (uint8_t)value;
	spec = next_of(TCP_CLIENT);
	spec.flags = TCP_FLAG_SYN;
	spec.options = option;
	spec.options_bytes = 12;
	raw(TCP_CLIENT, &spec, "");
	bench.talk.next[TCP_CLIENT]++;
	bench.view[TCP_SERVER]->base = bench.talk.next[TCP_CLIENT];
	spec = next_of(TCP_SERVER);
	spec.flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
	spec.options = option;
	spec.options_bytes = 12;
	raw(TCP_SERVER, &spec, "");
	bench.talk.next[TCP_SERVER]++;
	spec = next_of(TCP_CLIENT);
	spec.options = option;
	spec.options_bytes = 12;
	raw(TCP_CLIENT, &spec, "");
}

static void an_old_timestamp_is_dropped(void **state)
{
	uint8_t option[12];
	struct frames_spec spec;

	(void)state;
	begin_with_timestamps(1000, option);
	spec = next_of(TCP_CLIENT);
	spec.options = option;
	spec.options_bytes = 12;
	option[6] = 0;
	option[7] = 200; // older than 1000
	raw(TCP_CLIENT, &spec, "NOOP past\r\n");
	assert_false(bench_server_has(&bench, "past"));
	spec.options_bytes = 0; // none at all
	raw(TCP_CLIENT, &spec, "NOOP none\r\n");
	assert_false(bench_server_has(&bench, "none"));
	option[6] = 1000 >> 8;
	option[7] = 1000 & 255;
	spec.options_bytes = 12;
	raw(TCP_CLIENT, &spec, "NOOP good\r\n");
	assert_true(bench_server_has(&bench, "NOOP good\r\n"));
	bench_finish(&bench);
}

static void an_unsolicited_signature_option_is_dropped(void **state)
{
	static const uint8_t option[20] = {1, 1, 19, 18};
	struct frames_spec spec;

	(void)state;
	bench_begin(&bench, 4);
	spec = next_of(TCP_CLIENT);
	spec.options = option;
	spec.options_bytes = sizeof(option);
	raw(TCP_CLIENT, &spec, "signed");
	assert_false(bench_server_has(&bench, "signed"));
	bench_finish(&bench);
}

static void an_acknowledgement_of_the_future_is_dropped(void **state)
{
	struct frames_spec spec;

	(void)state;
	bench_begin(&bench, 4);
	spec = next_of(TCP_CLIENT);
	spec.ack += 10;
	raw(TCP_CLIENT, &spec, "future");
	assert_false(bench_server_has(&bench, "future"));
	bench_finish(&bench);
}

static void a_bad_data_offset_touches_nothing(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	frames_talk_segment(
		&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT], TCP_FLAG_ACK, "poison", 6);
	bench.talk.items[bench.fed].data[14 + 20 + 12] = 0x40;
	bench_feed(&bench);
	bench_client(&bench, 0, "health");
	assert_true(bench_server_has(&bench, "health"));
	bench_finish(&bench);
}

static void what_lies_beyond_the_window_is_cut_off(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench_client(&bench, 64230, "0123456789abcdef");
	assert_true(bench_server_has(&bench, "0123456789"));
	assert_false(bench_server_has(&bench, "0123456789a"));
	bench_client(&bench, 64245, "beyond");
	assert_false(bench_server_has(&bench, "beyond"));
	bench_finish(&bench);
}

static void a_probe_of_a_closed_window_is_scanned_once_in_its_place(void **state)
{
	struct frames_spec spec;

	(void)state;
	bench_begin(&bench, 4);
	bench.talk.now_ns += 1000000;
	spec = next_of(TCP_SERVER);
	bench_say(&bench, TCP_CLIENT, "S: ");
	spec.ack = bench.talk.next[TCP_CLIENT];
	spec.window = 0;
	raw(TCP_SERVER, &spec, "");
	// The edge granted before still holds (RFC 9293 section 3.8.6): a byte of it, and again.
	bench_client(&bench, 0, "t");
	bench_client(&bench, 0, "X");
	bench_client(&bench, 0, BENCH_EVIL "\r\n.\r\n");
	assert_true(bench_server_has(&bench, "S: t"));
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void keep_alives_bring_no_byte(void **state)
{
	uint32_t frames;

	(void)state;
	bench_begin(&bench, 4);
	bench_say(&bench, TCP_CLIENT, "Subject: abc");
	bench_ack(&bench, TCP_SERVER);
	frames = bench.view[TCP_SERVER]->frames;
	bench_client(&bench, -1, "");
	bench_client(&bench, -1, "Z");
	assert_int_equal(bench.view[TCP_SERVER]->frames, frames + 2);
	assert_true(bench_server_has(&bench, "Subject: abc"));
	bench_say(&bench, TCP_CLIENT, "def\r\n\r\n" BENCH_EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void what_a_takeover_has_swallowed_is_acknowledged_again(void **state)
{
	uint32_t frames;

	(void)state;
	bench_begin(&bench, 4);
	bench_say(&bench, TCP_CLIENT, "S: x\r\n\r\ny\n.\nthe rest"); // refused
	frames = bench.view[TCP_CLIENT]->frames;
	bench_client(&bench, -8, "the rest");
	assert_int_equal(bench.view[TCP_CLIENT]->frames, frames + 1);
	assert_int_equal(bench.view[TCP_CLIENT]->last_ack, bench.talk.next[TCP_CLIENT]);
	bench_client(&bench, -4, "rest");
	assert_int_equal(bench.view[TCP_CLIENT]->frames, frames + 2);
	bench_finish(&bench);
}

// So that it dies between gateway and server.
static void set_hops(struct frames_item *item, uint8_t family, uint8_t hops)
{
	uint16_t sum;

	if (family == 6) {
		item->data[14 + 7] = hops;
		return;
	}
	item->data[14 + 8] = hops;
	memset(item->data + 14 + 10, 0, 2);
	sum = frames_checksum(item->data + 14, 20, 0);
	item->data[14 + 10] = (uint8_t)(sum >> 8);
	item->data[14 + 11] = (uint8_t)sum;
}

static void a_copy_that_dies_on_its_way_is_the_first_all_the_same(void **state)
{
	static const char harmless[] = "S: harmless, as long as the other one\r\n";
	static const char other[] = "S: " BENCH_EVIL " +++\r\n";

	for (uint8_t family = 4; family <= 6; family += 2) {
		(void)state;
		bench_begin(&bench, family);
		frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
			TCP_FLAG_ACK, harmless, sizeof(harmless) - 1);
		set_hops(&bench.talk.items[bench.fed], family, 1);
		bench_feed(&bench);
		bench_client(&bench, 0, other);
		assert_true(bench_server_has(&bench, harmless));
		assert_false(bench_server_has(&bench, "evil"));
		bench_finish(&bench);
	}
}

static void the_engines_own_segments_reach_the_server_whatever_the_hop_limit(void **state)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		(void)state;
		bench_begin(&bench, family);
		frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
			TCP_FLAG_ACK, "S: x\r\n\r\n" BENCH_EVIL "\r\n.\r\n", 44);
		set_hops(&bench.talk.items[bench.fed], family, 1);
		bench_feed(&bench);
		assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
		assert_true(bench.view[TCP_SERVER]->least_hops >= 60);
		bench_finish(&bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_bytes_keep_their_first_copy),
		cmocka_unit_test(early_bytes_keep_their_first_copy),
		cmocka_unit_test(masked_bytes_stay_masked_in_any_pieces),
		cmocka_unit_test(acknowledged_bytes_keep_their_first_copy_for_a_while),
		cmocka_unit_test(a_mask_holds_in_a_segment_that_begins_in_forgotten_bytes),
		cmocka_unit_test(forgotten_bytes_are_acknowledged_and_not_repeated),
		cmocka_unit_test(an_early_command_that_would_be_masked_ends_the_connection),
		cmocka_unit_test(nothing_follows_a_fin),
		cmocka_unit_test(a_fin_out_of_the_window_or_below_what_was_sent_is_dropped),
		cmocka_unit_test(a_fin_waits_with_the_bytes_before_it),
		cmocka_unit_test(a_reset_inside_the_window_is_challenged),
		cmocka_unit_test(a_reset_carries_no_bytes),
		cmocka_unit_test(a_syn_ack_of_the_client_goes_nowhere),
		cmocka_unit_test(data_in_a_syn_is_cut_off_and_fast_open_not_offered),
		cmocka_unit_test(an_old_timestamp_is_dropped),
		cmocka_unit_test(an_unsolicited_signature_option_is_dropped),
		cmocka_unit_test(an_acknowledgement_of_the_future_is_dropped),
		cmocka_unit_test(a_bad_data_offset_touches_nothing),
		cmocka_unit_test(what_lies_beyond_the_window_is_cut_off),
		cmocka_unit_test(a_probe_of_a_closed_window_is_scanned_once_in_its_place),
		cmocka_unit_test(keep_alives_bring_no_byte),
		cmocka_unit_test(what_a_takeover_has_swallowed_is_acknowledged_again),
		cmocka_unit_test(a_copy_that_dies_on_its_way_is_the_first_all_the_same),
		cmocka_unit_test(the_engines_own_segments_reach_the_server_whatever_the_hop_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
