// SPDX-License-Identifier: BSD-3-Clause
#include "tests/reassembly/tcp_case.h"
#include "tests/support/random.h"

static void data_beyond_the_window_is_trimmed_or_dropped(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK | FIN, 901, 1, 200);
	assert_int_equal(result.trim_back, 100);
	assert_int_equal(result.offset, 900);
	assert_false(result.fin);
	assert_int_equal(tcp.end[C].next, isn[C] + 1001);
	DROP(OUT_OF_WINDOW, C, ACK, 1001, 1, 2);
	DROP(OUT_OF_WINDOW, C, ACK, 1002, 1, 1);
	DROP(OUT_OF_WINDOW, C, ACK, 1002, 1, 0);
	DROP(OUT_OF_WINDOW, C, FIN | ACK, 1002, 1, 0);
	DROP(OUT_OF_WINDOW, C, ACK, 0x40000000, 1, 10);
	DROP(OUT_OF_WINDOW, C, ACK, -0x40000000, 1, 10);
	TAKE(C, ACK, 1001, 1, 0);
}

static void a_window_is_the_largest_ever_granted(void **state)
{
	(void)state;
	establish();
	window = 5000;
	TAKE(S, ACK, 1, 1, 0);
	window = 10;
	TAKE(S, ACK, 1, 1, 0);
	TAKE(C, ACK, 4901, 1, 100);
	assert_int_equal(result.trim_back, 0);
}

static void a_window_is_scaled_when_both_offered_it(void **state)
{
	(void)state;
	OPTIONS("\x01\x03\x03\x07");
	begin();
	OPTIONS("\x01\x03\x03\xff"); // counts as 14
	TAKE(S, SYN | ACK, 0, 1, 0);
	set_options(NULL, 0);
	assert_int_equal(tcp.end[S].wscale, 14);
	// A SYN's own window is never scaled.
	DROP(OUT_OF_WINDOW, S, ACK, 1 + WINDOW, 1, 10);
	DROP(OUT_OF_WINDOW, C, ACK, 1 + WINDOW, 1, 10);
	TAKE(C, ACK, 1, 1, 0);
	TAKE(S, ACK, WINDOW * 128 - 9, 1, 20);
	assert_int_equal(result.trim_back, 10);
	TAKE(C, ACK, (1 << 14) * WINDOW - 9, 1, 20);
	assert_int_equal(result.trim_back, 10);
}

static void a_window_is_not_scaled_when_one_did_not_offer_it(void **state)
{
	(void)state;
	begin();
	OPTIONS("\x01\x03\x03\x07");
	TAKE(S, SYN | ACK, 0, 1, 0);
	set_options(NULL, 0);
	assert_int_equal(tcp.end[S].wscale, 0);
	TAKE(C, ACK, 1, 1, 0);
	TAKE(S, ACK, 1, 1, 0);
	DROP(OUT_OF_WINDOW, C, ACK, 1 + WINDOW, 1, 10);
}

static void a_window_probe_of_one_byte_is_kept(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 1, 1, WINDOW);
	assert_false(result.window_probe);
	window = 0;
	TAKE(S, ACK, 1, 1 + WINDOW, 0);
	window = WINDOW;
	for (int i = 0; i < 2; i++) {
		TAKE(C, ACK, 1 + WINDOW, 1, 1);
		assert_true(result.window_probe);
		assert_true(result.has_payload);
		assert_int_equal(result.offset, WINDOW);
	}
	DROP(OUT_OF_WINDOW, C, ACK, 1 + WINDOW, 1, 2);
	DROP(OUT_OF_WINDOW, C, ACK, 2 + WINDOW, 1, 1);
	TAKE(C, ACK, 2 + WINDOW, 1, 0);
	TAKE(S, ACK, 1, 2 + WINDOW, 0);
	TAKE(C, ACK, 2 + WINDOW, 1, 100);
	assert_int_equal(result.offset, WINDOW + 1);
}

static void a_keep_alive_is_recognised(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 0, 1, 1); // before any data: numbered like the SYN, so it is no payload
	assert_true(result.keep_alive);
	assert_int_equal(result.trim_back, 1);
	assert_false(result.has_payload);
	TAKE(C, ACK, 1, 1, 10);
	TAKE(S, ACK, 1, 11, 0);
	TAKE(C, ACK, 10, 1, 0);
	assert_true(result.keep_alive);
	TAKE(C, ACK, 10, 1, 1);
	assert_true(result.keep_alive);
	assert_true(result.has_payload);
	assert_int_equal(result.offset, 9);
	assert_int_equal(tcp.end[C].next, isn[C] + 11);
}

static void payload_numbered_like_the_syn_is_cut_off_the_front(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, -3, 1, 10);
	assert_int_equal(result.trim_front, 4);
	assert_int_equal(result.offset, 0);
	assert_int_equal(tcp.end[C].next, isn[C] + 7);
}

static void a_fin_behind_a_byte_numbered_like_the_syn_counts_once(void **state)
{
	(void)state;
	establish();
	DROP(AFTER_FIN, C, FIN | ACK, 0, 1, 0);
	DROP(AFTER_FIN, C, FIN | ACK, -2, 1, 2);
	TAKE(C, FIN | ACK, 0, 1, 1);
	assert_int_equal(result.trim_front, 1);
	assert_int_equal(result.trim_back, 0);
	assert_true(result.fin);
	assert_int_equal(tcp.end[C].next, isn[C] + 2);
	TAKE(S, ACK, 1, 2, 0);
	assert_int_equal(result.acked, 0);
}

static void old_duplicates_pass(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 1, 1, 500);
	TAKE(S, ACK, 1, 501, 0);
	TAKE(C, ACK, 1, 1, 500);
	assert_int_equal(result.offset, 0);
	assert_true(result.has_payload);
	TAKE(C, ACK, 100, 1, 600);
	assert_int_equal(result.offset, 99);
	assert_int_equal(result.trim_back, 0);
}

static void a_reset_must_stand_where_the_receiver_may_be(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 1, 1, 100);
	TAKE(S, ACK, 1, 51, 0);
	DROP(BAD_RST, C, RST, 50, 0, 0);
	DROP(BAD_RST, C, RST, -2000, 0, 0);
	DROP(BAD_RST, C, RST, 52 + WINDOW, 0, 0);
	DROP(BAD_RST, C, RST, 0x70000000, 0, 0);
	assert_challenge(TCP_REASON_BAD_RST, C, RST, 102, 0);
	assert_challenge(TCP_REASON_BAD_RST, C, RST | ACK, 51 + WINDOW, 1);
	TAKE(C, RST, 101, 0, 7);
	assert_true(result.rst);
	assert_false(result.has_payload);
	assert_int_equal(result.trim_back, 7);
	assert_int_equal(tcp.state, TCP_CLOSED);
	TAKE(C, RST, 51, 0, 0);
}

static void a_syn_is_reset_only_by_its_acknowledgement(void **state)
{
	(void)state;
	begin();
	DROP(BAD_RST, S, RST, 1, 0, 0);
	DROP(BAD_RST, S, RST | ACK, 0, 0, 0);
	DROP(BAD_RST, S, RST | ACK, 0, 2, 0);
	DROP(BAD_RST, C, RST, 0, 0, 0);
	DROP(BAD_RST, C, RST, 2, 0, 0);
	TAKE(S, RST | ACK, 12345, 1, 0);
	assert_int_equal(tcp.state, TCP_CLOSED);
	assert_int_equal(input(C, SYN, 0, 0, 0), TCP_NEW);
}

static void the_opener_may_take_its_syn_back(void **state)
{
	(void)state;
	begin();
	TAKE(C, RST, 1, 0, 0);
	assert_int_equal(tcp.state, TCP_CLOSED);
}

static void a_syn_inside_a_connection_is_challenged(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 1, 1, 100);
	TAKE(S, ACK, 1, 101, 100);
	assert_challenge(TCP_REASON_BAD_SYN, C, SYN, 0, 0);
	assert_challenge(TCP_REASON_BAD_SYN, C, SYN, 101, 0);
	assert_challenge(TCP_REASON_BAD_SYN, C, SYN, 5000, 0);
	assert_challenge(TCP_REASON_BAD_SYN, S, SYN, 101, 0);
	assert_challenge(TCP_REASON_BAD_SYN, S, SYN | ACK, 0, 1);
}

static void another_syn_of_a_client_without_answer_begins_anew(void **state)
{
	(void)state;
	begin();
	assert_int_equal(input(C, SYN, 777, 0, 0), TCP_NEW);
	TAKE(S, SYN | ACK, 0, 1, 0);
	assert_challenge(TCP_REASON_BAD_SYN, C, SYN, 777, 0);
}

static void close_both(void)
{
	establish();
	TAKE(C, FIN | ACK, 1, 1, 10);
	assert_true(result.fin);
	assert_int_equal(tcp.state, TCP_CLOSING);
	TAKE(S, ACK, 1, 12, 0);
	assert_int_equal(result.acked, 10);
	TAKE(S, ACK, 1, 12, 30); // half-closed
	TAKE(S, FIN | ACK, 31, 12, 0);
	assert_int_equal(tcp.state, TCP_CLOSING);
	TAKE(C, ACK, 12, 32, 0);
	assert_int_equal(result.acked, 30);
	assert_int_equal(tcp.state, TCP_CLOSED);
}

static void an_orderly_close_and_its_retransmissions_pass(void **state)
{
	(void)state;
	close_both();
	TAKE(S, FIN | ACK, 31, 12, 0);
	assert_true(result.fin);
	TAKE(C, FIN | ACK, 1, 32, 10);
	TAKE(C, ACK, 12, 32, 0);
	assert_int_equal(tcp.state, TCP_CLOSED);
}

static void a_port_may_be_used_again_after_the_close(void **state)
{
	(void)state;
	close_both();
	assert_int_equal(input(C, SYN, 50000, 0, 0), TCP_NEW);
	assert_int_equal(input(S, SYN, 50000, 0, 0), TCP_NEW);
	assert_challenge(TCP_REASON_BAD_SYN, S, SYN | ACK, 9, 1);
}

static void nothing_follows_a_fin(void **state)
{
	(void)state;
	establish();
	TAKE(C, FIN | ACK, 1, 1, 10);
	DROP(AFTER_FIN, C, ACK, 11, 1, 10);
	DROP(AFTER_FIN, C, ACK, 12, 1, 10);
	DROP(AFTER_FIN, C, FIN | ACK, 5, 1, 0);
	DROP(AFTER_FIN, C, FIN | ACK, 12, 1, 0);
	DROP(AFTER_FIN, C, FIN | ACK, 1, 1, 20);
	DROP(AFTER_FIN, C, ACK, 13, 1, 0);
	TAKE(C, ACK, 1, 1, 20);
	assert_int_equal(result.trim_back, 10);
	TAKE(C, ACK, 12, 1, 0);
	TAKE(C, FIN | ACK, 11, 1, 0);
	assert_true(result.fin);
}

static void a_fin_before_data_that_was_sent_is_dropped(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 11, 1, 10);
	DROP(AFTER_FIN, C, FIN | ACK, 1, 1, 10);
	DROP(AFTER_FIN, C, FIN | ACK, 11, 1, 0);
	TAKE(C, FIN | ACK, 31, 1, 0); // behind a hole
	TAKE(C, ACK, 21, 1, 10);
	TAKE(C, ACK, 1, 1, 10);
	TAKE(S, ACK, 1, 32, 0);
	assert_int_equal(result.acked, 30);
}

static void a_fin_outside_the_window_is_dropped(void **state)
{
	(void)state;
	establish();
	DROP(OUT_OF_WINDOW, C, FIN | ACK, 1 + WINDOW + 1, 1, 0);
	DROP(OUT_OF_WINDOW, C, FIN | ACK, -5000, 1, 0);
	TAKE(C, FIN | ACK, 1, 1, WINDOW);
	assert_true(result.fin);
}

static void urgent_data_is_marked_for_clearing(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK | URG, 1, 1, 10);
	assert_true(result.clear_urg);
	TAKE(C, ACK, 11, 1, 10);
	assert_false(result.clear_urg);
}

static void a_bare_acknowledgement_behind_lost_data_does_not_count_as_sent(void **state)
{
	(void)state;
	establish();
	TAKE(C, ACK, 501, 1, 0);
	assert_int_equal(tcp.end[C].next, isn[C] + 1);
	DROP(FUTURE_ACK, S, ACK, 1, 501, 0);
	assert_challenge(TCP_REASON_BAD_RST, C, RST, 501, 0);
}

static void what_the_caller_sent_itself_may_be_acknowledged(void **state)
{
	(void)state;
	establish();
	DROP(FUTURE_ACK, C, ACK, 1, 51, 0);
	tcp.end[S].next += 50;
	TAKE(C, ACK, 1, 51, 0);
	assert_int_equal(result.acked, 50);
	TAKE(S, ACK, 51, 1, 10);
	assert_int_equal(result.offset, 50);
}

static void midstream_goes_on_with_the_numbers_of_the_segment(void **state)
{
	struct tcp_segment segment;

	(void)state;
	window = 3;
	segment = make(C, ACK, 1, 1, 10);
	tcp_open_midstream(&tcp, C, &segment, now_ns);
	TAKE(C, ACK, 1, 1, 10);
	assert_int_equal(result.offset, 0);
	OPTIONS("\x13\x12"
		"0123456789abcdef");
	TAKE(S, ACK, 1, 11, 50000);
	assert_int_equal(result.acked, 10);
	set_options(NULL, 0);
	assert_challenge(TCP_REASON_BAD_SYN, C, SYN, 500, 0);
	TAKE(C, RST, 11, 0, 0);
	assert_int_equal(input(C, SYN, 500, 0, 0), TCP_NEW);
}

static void a_connection_may_carry_more_than_4_gigabytes(void **state)
{
	uint64_t at = 0;

	(void)state;
	OPTIONS("\x01\x03\x03\x0e");
	begin();
	TAKE(S, SYN | ACK, 0, 1, 0);
	set_options(NULL, 0);
	window = 65535;
	TAKE(C, ACK, 1, 1, 0);
	TAKE(S, ACK, 1, 1, 0);
	while (at < 10000000000u) {
		TAKE(C, ACK, (int64_t)at + 1, 1, 60000);
		assert_int_equal(result.offset, at);
		at += 60000;
		TAKE(S, ACK, 1, (int64_t)at + 1, 0);
		assert_int_equal(result.acked, at);
	}
	TAKE(C, ACK, (int64_t)at - 999, 1, 1000);
	assert_int_equal(result.offset, at - 1000);
}

// A sender that keeps the rules, and a line that loses, reorders and repeats.
struct honest {
	struct {
		int64_t seq;
		uint32_t bytes;
	} line[16];
	unsigned int held;
	int64_t sent;
	int64_t received;
};

static void honest_send(struct honest *honest, struct random *random)
{
	uint32_t bytes = 1 + random_below(random, 300);
	int64_t seq = random_below(random, 5) == 0 ? honest->received : honest->sent;

	if (honest->held == 16)
		honest->held = 0; // all lost
	if (seq + bytes > honest->received + WINDOW)
		return;
	if (seq + bytes > honest->sent)
		honest->sent = seq + bytes;
	honest->line[honest->held].seq = seq;
	honest->line[honest->held++].bytes = bytes;
}

// Nothing is refused but what came too late, and every offset is right.
static void honest_arrive(struct honest *honest, struct random *random)
{
	unsigned int i = random_below(random, honest->held);
	int64_t seq = honest->line[i].seq;
	uint32_t bytes = honest->line[i].bytes;

	if (seq + bytes < honest->received - WINDOW - 1) {
		DROP(OUT_OF_WINDOW, C, ACK, seq, 1, bytes);
	} else {
		TAKE(C, ACK, seq, 1, bytes);
		assert_int_equal(result.offset, seq - 1);
		assert_int_equal(result.trim_back, 0);
	}
	if (seq <= honest->received && seq + bytes > honest->received)
		honest->received = seq + bytes;
	TAKE(S, ACK, 1, honest->received, 0);
	assert_int_equal(result.acked, honest->received - 1);
	if (random_below(random, 4) != 0)
		honest->line[i] = honest->line[--honest->held];
}

static void honest_traffic_passes(void **state)
{
	struct random random = {11};

	for (int round = 0; round < 200; round++) {
		struct honest honest = {.sent = 1, .received = 1};

		(void)tcp_case_setup(state);
		establish();
		for (int step = 0; step < 500; step++) {
			honest_send(&honest, &random);
			if (honest.held > 0 && random_below(&random, 2) == 0)
				honest_arrive(&honest, &random);
		}
		assert_true(honest.received > 1);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, tcp_case_setup)
	const struct CMUnitTest tests[] = {
		TEST(data_beyond_the_window_is_trimmed_or_dropped),
		TEST(a_window_is_the_largest_ever_granted),
		TEST(a_window_is_scaled_when_both_offered_it),
		TEST(a_window_is_not_scaled_when_one_did_not_offer_it),
		TEST(a_window_probe_of_one_byte_is_kept),
		TEST(a_keep_alive_is_recognised),
		TEST(payload_numbered_like_the_syn_is_cut_off_the_front),
		TEST(a_fin_behind_a_byte_numbered_like_the_syn_counts_once),
		TEST(old_duplicates_pass),
		TEST(a_reset_must_stand_where_the_receiver_may_be),
		TEST(a_syn_is_reset_only_by_its_acknowledgement),
		TEST(the_opener_may_take_its_syn_back),
		TEST(a_syn_inside_a_connection_is_challenged),
		TEST(another_syn_of_a_client_without_answer_begins_anew),
		TEST(an_orderly_close_and_its_retransmissions_pass),
		TEST(a_port_may_be_used_again_after_the_close),
		TEST(nothing_follows_a_fin),
		TEST(a_fin_before_data_that_was_sent_is_dropped),
		TEST(a_fin_outside_the_window_is_dropped),
		TEST(urgent_data_is_marked_for_clearing),
		TEST(a_bare_acknowledgement_behind_lost_data_does_not_count_as_sent),
		TEST(what_the_caller_sent_itself_may_be_acknowledged),
		TEST(midstream_goes_on_with_the_numbers_of_the_segment),
		TEST(a_connection_may_carry_more_than_4_gigabytes),
		TEST(honest_traffic_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
