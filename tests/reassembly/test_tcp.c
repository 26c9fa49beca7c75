// SPDX-License-Identifier: BSD-3-Clause
#include "tests/reassembly/tcp_case.h"

static void set_timestamp(uint32_t value)
{
	static uint8_t bytes[12];

	memcpy(bytes, "\x01\x01\x08\x0a", 4);
	for (int i = 0; i < 4; i++) {
		bytes[4 + i] = (uint8_t)(value >> (24 - 8 * i));
		bytes[8 + i] = 0;
	}
	set_options(bytes, sizeof(bytes));
}

static void a_handshake_and_data_both_ways_pass(void **state)
{
	(void)state;
	establish();
	TAKE(S, ACK, 1, 1, 100);
	assert_int_equal(result.offset, 0);
	assert_true(result.has_payload);
	TAKE(C, ACK, 1, 101, 20);
	assert_int_equal(result.offset, 0);
	assert_int_equal(result.acked, 100);
	TAKE(C, ACK, 21, 101, 20);
	assert_int_equal(result.offset, 20);
	TAKE(S, ACK, 101, 41, 0);
	assert_int_equal(result.acked, 40);
	assert_false(result.has_payload);
	assert_int_equal(tcp.end[C].acked, isn[C] + 41);
	assert_int_equal(tcp.end[C].next, isn[C] + 41);
}

static void retransmissions_of_the_handshake_pass(void **state)
{
	(void)state;
	begin();
	TAKE(C, SYN, 0, 0, 0);
	TAKE(S, SYN | ACK, 0, 1, 0);
	TAKE(C, SYN, 0, 0, 0);
	TAKE(S, SYN | ACK, 0, 1, 0);
	TAKE(C, ACK, 1, 1, 0);
	TAKE(S, SYN | ACK, 0, 1, 0);
	TAKE(C, ACK, 1, 1, 10);
	TAKE(S, ACK, 1, 11, 10);
	assert_challenge(TCP_REASON_BAD_SYN, S, SYN | ACK, 0, 1);
}

static void a_simultaneous_open_passes(void **state)
{
	(void)state;
	begin();
	TAKE(S, SYN, 0, 0, 0);
	TAKE(C, SYN | ACK, 0, 1, 0);
	assert_int_equal(tcp.state, TCP_OPENING);
	TAKE(S, SYN | ACK, 0, 1, 0);
	assert_int_equal(tcp.state, TCP_ESTABLISHED);
	TAKE(C, ACK, 1, 1, 10);
	TAKE(S, ACK, 1, 11, 10);
}

// The server answers with a bare SYN so that the roles look swapped: they are not.
static void a_split_handshake_keeps_the_roles(void **state)
{
	(void)state;
	begin();
	TAKE(S, SYN, 0, 0, 0);
	TAKE(C, SYN | ACK, 0, 1, 0);
	TAKE(S, ACK, 1, 1, 0);
	assert_int_equal(tcp.state, TCP_ESTABLISHED);
	TAKE(S, ACK, 1, 1, 10);
	assert_int_equal(result.offset, 0);
}

static void data_in_a_syn_is_cut_off(void **state)
{
	struct tcp_segment segment;

	(void)state;
	OPTIONS("\x22\x0a"
		"abcdefgh"); // a fast open cookie
	window = WINDOW;
	segment = make(C, SYN, 0, 0, 50);
	assert_int_equal(tcp_open(&tcp, C, &segment, now_ns), TCP_REASON_NONE);
	assert_int_equal(tcp.end[C].next, isn[C] + 1);
	TAKE(C, SYN, 0, 0, 50);
	assert_int_equal(result.trim_back, 50);
	assert_false(result.has_payload);
	set_options(NULL, 0);
	TAKE(S, SYN | ACK, 0, 1, 30);
	assert_int_equal(result.trim_back, 30);
	DROP(FUTURE_ACK, C, ACK, 1, 31, 0);
	TAKE(C, ACK, 1, 1, 50);
	assert_int_equal(result.offset, 0);
}

static void a_syn_ack_must_answer_the_syn(void **state)
{
	(void)state;
	begin();
	DROP(BAD_HANDSHAKE, S, SYN | ACK, 0, 0, 0);
	DROP(BAD_HANDSHAKE, S, SYN | ACK, 0, 2, 0);
	TAKE(S, SYN | ACK, 0, 1, 0);
	DROP(BAD_HANDSHAKE, S, SYN | ACK, 5, 1, 0);
}

static void a_syn_ack_from_the_client_is_dropped(void **state)
{
	struct tcp_segment segment;

	(void)state;
	window = WINDOW;
	segment = make(C, SYN | ACK, 0, 1, 0);
	assert_int_equal(tcp_open(&tcp, C, &segment, 1), TCP_REASON_BAD_HANDSHAKE);
	begin();
	DROP(BAD_HANDSHAKE, C, SYN | ACK, 0, 1, 0);
	TAKE(S, SYN | ACK, 0, 1, 0);
	DROP(BAD_HANDSHAKE, C, SYN | ACK, 0, 1, 0);
	TAKE(C, ACK, 1, 1, 0);
	assert_challenge(TCP_REASON_BAD_SYN, C, SYN | ACK, 0, 1);
}

static void nothing_but_the_handshake_opens_a_connection(void **state)
{
	(void)state;
	begin();
	DROP(BAD_HANDSHAKE, S, ACK, 1, 1, 0);
	DROP(BAD_HANDSHAKE, C, ACK, 1, 1, 10);
	TAKE(S, SYN | ACK, 0, 1, 0);
	DROP(BAD_HANDSHAKE, C, ACK, 1, 0, 0);
	DROP(FUTURE_ACK, C, ACK, 1, 2, 0);
	TAKE(C, ACK, 1, 1, 0);
}

static void odd_combinations_of_flags_are_dropped(void **state)
{
	static const unsigned int bad[] = {0, FIN, URG, TCP_FLAG_PSH, FIN | URG | TCP_FLAG_PSH,
		SYN | FIN, SYN | RST, SYN | FIN | ACK, SYN | RST | ACK, FIN | RST, FIN | RST | ACK,
		0x3f, 0xff};

	(void)state;
	establish();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		DROP(BAD_FLAGS, C, bad[i], 1, 1, 10);
	DROP(BAD_FLAGS, S, 0, 1, 1, 10);
	// The bits of ECN mean nothing here.
	TAKE(C, ACK | 0xc0, 1, 1, 10);
}

static void malformed_options_are_dropped(void **state)
{
	static const struct options bad[] = {
		{(const uint8_t *)"\x02", 1},
		{(const uint8_t *)"\x02\x04\x05", 3},
		{(const uint8_t *)"\x02\x00\x05\xb4", 4},
		{(const uint8_t *)"\x63\x01", 2},
		{(const uint8_t *)"\x63\xff\x00\x00", 4},
		{(const uint8_t *)"\x03\x04\x01\x01", 4},
		{(const uint8_t *)"\x05\x09\0\0\0\0\0\0\0", 9},
		{(const uint8_t *)"\x08\x0a\0\0\0\1\0\0\0\0\x08\x0a\0\0\0\2\0\0\0\0", 20},
		{(const uint8_t *)"\x01\x01\x08", 3},
	};

	(void)state;
	establish();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tcp_connection other;
		struct tcp_segment segment;

		options = bad[i];
		DROP(BAD_OPTION, C, ACK, 1, 1, 10);
		segment = make(C, SYN, 0, 0, 0);
		assert_int_equal(tcp_open(&other, C, &segment, 1), TCP_REASON_BAD_OPTION);
	}
	OPTIONS("\x00\x63\xff\x01");
	TAKE(C, ACK, 1, 1, 10);
}

static void signatures_that_nobody_agreed_on_are_dropped(void **state)
{
	static const char md5[] = "\x13\x12"
				  "0123456789abcdef";
	struct tcp_segment segment;

	(void)state;
	establish();
	OPTIONS(md5);
	DROP(UNSOLICITED_OPTION, C, ACK, 1, 1, 10);
	DROP(UNSOLICITED_OPTION, C, RST | ACK, 1, 1, 0);
	OPTIONS("\x1d\x04\x00\x00");
	DROP(UNSOLICITED_OPTION, S, ACK, 1, 1, 10);
	segment = make(C, SYN, 0, 0, 0);
	assert_int_equal(tcp_open(&tcp, C, &segment, 1), TCP_REASON_UNSOLICITED_OPTION);
}

static void an_acknowledgement_of_the_future_is_dropped(void **state)
{
	(void)state;
	establish();
	TAKE(S, ACK, 1, 1, 100);
	DROP(FUTURE_ACK, C, ACK, 1, 102, 10);
	DROP(FUTURE_ACK, C, FIN | ACK, 1, 102, 0);
	TAKE(C, ACK, 1, 101, 10);
}

static void an_acknowledgement_far_in_the_past_is_dropped(void **state)
{
	(void)state;
	establish();
	for (int64_t at = 1; at <= 1401; at += 200) {
		TAKE(S, ACK, at, 1, 200);
		TAKE(C, ACK, 1, at + 200, 0);
	}
	TAKE(C, ACK, 1, 1601 - WINDOW, 10);
	assert_int_equal(result.acked, 1600);
	DROP(OLD_ACK, C, ACK, 11, 1600 - WINDOW, 10);
	DROP(OLD_ACK, C, ACK, 11, 0, 10);
	DROP(OLD_ACK, C, ACK, 11, -5000, 10);
}

static void establish_with_timestamps(void)
{
	window = WINDOW;
	set_timestamp(1000);
	begin();
	set_timestamp(0xfffffff0u);
	TAKE(S, SYN | ACK, 0, 1, 0);
	set_timestamp(1000);
	TAKE(C, ACK, 1, 1, 0);
}

static void an_old_timestamp_is_dropped(void **state)
{
	(void)state;
	establish_with_timestamps();
	set_timestamp(1005);
	TAKE(C, ACK, 1, 1, 10);
	TAKE(S, ACK, 1, 11, 0); // the server's clock wraps
	set_timestamp(999);
	DROP(OLD_TIMESTAMP, C, ACK, 1, 1, 10);
	set_timestamp(0);
	DROP(OLD_TIMESTAMP, C, FIN | ACK, 11, 1, 0);
	set_timestamp(0xffffffffu);
	DROP(OLD_TIMESTAMP, S, ACK, 1, 11, 10);
	set_timestamp(1005);
	TAKE(C, ACK, 11, 1, 10);
}

static void a_segment_without_the_agreed_timestamp_is_dropped(void **state)
{
	(void)state;
	establish_with_timestamps();
	set_options(NULL, 0);
	DROP(OLD_TIMESTAMP, C, ACK, 1, 1, 10);
	DROP(OLD_TIMESTAMP, C, ACK, 1, 1, 0);
	TAKE(C, RST | ACK, 1, 1, 0);
}

static void a_reset_is_exempt_from_the_timestamp_check(void **state)
{
	(void)state;
	establish_with_timestamps();
	set_timestamp(1);
	TAKE(C, RST, 1, 1, 0);
	assert_true(result.rst);
}

static void after_24_days_any_timestamp_will_do(void **state)
{
	(void)state;
	establish_with_timestamps();
	set_timestamp(500);
	now_ns = 24u * DAY;
	DROP(OLD_TIMESTAMP, C, ACK, 1, 1, 10);
	now_ns = 25u * DAY;
	TAKE(C, ACK, 1, 1, 10);
	set_timestamp(499);
	DROP(OLD_TIMESTAMP, C, ACK, 1, 1, 10);
}

static void a_segment_that_overtook_others_does_not_make_them_old(void **state)
{
	(void)state;
	establish_with_timestamps();
	set_timestamp(1010);
	TAKE(C, ACK, 11, 1, 10);
	set_timestamp(1009);
	TAKE(C, ACK, 1, 1, 10);
	assert_int_equal(tcp.end[C].ts_recent, 1010);
}

static void timestamps_count_only_when_both_offered_them(void **state)
{
	(void)state;
	set_timestamp(1000);
	begin();
	set_options(NULL, 0);
	TAKE(S, SYN | ACK, 0, 1, 0);
	set_timestamp(1);
	TAKE(C, ACK, 1, 1, 10);
	set_options(NULL, 0);
	TAKE(C, ACK, 11, 1, 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, tcp_case_setup)
	const struct CMUnitTest tests[] = {
		TEST(a_handshake_and_data_both_ways_pass),
		TEST(retransmissions_of_the_handshake_pass),
		TEST(a_simultaneous_open_passes),
		TEST(a_split_handshake_keeps_the_roles),
		TEST(data_in_a_syn_is_cut_off),
		TEST(a_syn_ack_must_answer_the_syn),
		TEST(a_syn_ack_from_the_client_is_dropped),
		TEST(nothing_but_the_handshake_opens_a_connection),
		TEST(odd_combinations_of_flags_are_dropped),
		TEST(malformed_options_are_dropped),
		TEST(signatures_that_nobody_agreed_on_are_dropped),
		TEST(an_acknowledgement_of_the_future_is_dropped),
		TEST(an_acknowledgement_far_in_the_past_is_dropped),
		TEST(an_old_timestamp_is_dropped),
		TEST(a_segment_without_the_agreed_timestamp_is_dropped),
		TEST(a_reset_is_exempt_from_the_timestamp_check),
		TEST(after_24_days_any_timestamp_will_do),
		TEST(a_segment_that_overtook_others_does_not_make_them_old),
		TEST(timestamps_count_only_when_both_offered_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
