// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/sender.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <string.h>

#define SECOND 1000000000ull
#define START 0xfffffff0u // so that most tests wrap
#define OPEN (START + 65535)

static void assert_segment(struct sender *sender, uint32_t edge, uint64_t now_ns, uint32_t seq,
	const char *text, bool fin)
{
	struct sender_segment segment;

	assert_true(sender_next(sender, edge, 16, now_ns, &segment));
	assert_int_equal(segment.seq, seq);
	assert_int_equal(segment.bytes, strlen(text));
	assert_memory_equal(segment.data, text, segment.bytes);
	assert_int_equal(segment.fin, fin);
}

static void assert_silent(struct sender *sender, uint32_t edge, uint64_t now_ns)
{
	struct sender_segment segment;

	assert_false(sender_next(sender, edge, 16, now_ns, &segment));
}

static void bytes_go_out_in_segments_of_the_mss_and_the_fin_with_the_last(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	assert_silent(&sender, OPEN, 1);
	assert_int_equal(sender_push(&sender, "221 closing channel\r\n", 21), 0);
	sender_push_fin(&sender);
	assert_int_equal(sender_end(&sender), START + 22);
	assert_segment(&sender, OPEN, 1, START, "221 closing chan", false);
	assert_segment(&sender, OPEN, 1, START + 16, "nel\r\n", true);
	assert_silent(&sender, OPEN, 1);
	assert_false(sender_ack(&sender, START + 16));
	assert_false(sender_ack(&sender, START + 21));
	assert_true(sender_ack(&sender, START + 22));
	assert_silent(&sender, OPEN, 100 * SECOND);
	assert_int_equal(sender_end(&sender), START + 22);
	assert_int_equal(sender_push(&sender, "more", 4), -EPIPE);
}

static void bytes_pushed_later_follow(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "354 ", 4);
	assert_segment(&sender, OPEN, 1, START, "354 ", false);
	(void)sender_push(&sender, "go", 2);
	assert_segment(&sender, OPEN, 1, START + 4, "go", false);
	sender_push_fin(&sender);
	assert_segment(&sender, OPEN, 1, START + 6, "", true);
	assert_true(sender_ack(&sender, START + 7));
}

static void a_lost_segment_is_sent_again_with_doubled_waits(void **state)
{
	struct sender sender;
	uint64_t now_ns = 5;
	uint64_t wait_ns = SECOND;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "554 no", 6);
	assert_segment(&sender, OPEN, now_ns, START, "554 no", false);
	for (int i = 0; i < 8; i++) {
		assert_silent(&sender, OPEN, now_ns + wait_ns - 1);
		now_ns += wait_ns;
		assert_segment(&sender, OPEN, now_ns, START, "554 no", false);
		assert_false(sender_is_dead(&sender));
		wait_ns = wait_ns * 2 > 60 * SECOND ? 60 * SECOND : wait_ns * 2;
	}
	assert_silent(&sender, OPEN, now_ns + wait_ns);
	assert_true(sender_is_dead(&sender));
	assert_silent(&sender, OPEN, now_ns + 1000 * SECOND);
}

static void an_acknowledgement_ends_the_backing_off(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "abcdef", 6);
	assert_segment(&sender, OPEN, 1, START, "abcdef", false);
	assert_segment(&sender, OPEN, 1 + SECOND, START, "abcdef", false);
	assert_false(sender_ack(&sender, START + 2));
	assert_silent(&sender, OPEN, 1 + 2 * SECOND);
	assert_segment(&sender, OPEN, 1 + 3 * SECOND, START + 2, "cdef", false);
}

static void all_that_was_lost_is_sent_again_after_a_time_out(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "0123456789abcdefXY", 18);
	sender_push_fin(&sender);
	for (uint64_t i = 0; i < 2; i++) {
		assert_segment(&sender, OPEN, 1 + i * SECOND, START, "0123456789abcdef", false);
		assert_segment(&sender, OPEN, 1 + i * SECOND, START + 16, "XY", true);
		assert_silent(&sender, OPEN, 1 + i * SECOND);
	}
	assert_false(sender_ack(&sender, START + 18));
	assert_silent(&sender, OPEN, 10 * SECOND);
	assert_segment(&sender, OPEN, 11 * SECOND, START + 18, "", true);
}

static void nothing_goes_beyond_the_window_but_a_probe_of_one_byte(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "abcdef", 6);
	sender_push_fin(&sender);
	assert_segment(&sender, START + 2, 1, START, "ab", false);
	assert_silent(&sender, START + 2, 1);
	assert_false(sender_ack(&sender, START + 2));
	assert_silent(&sender, START + 2, 2);
	assert_segment(&sender, START + 2, 2 + SECOND, START + 2, "c", false);
	assert_silent(&sender, START + 2, 2 + SECOND);
	assert_segment(&sender, START + 2, 2 + 3 * SECOND, START + 2, "c", false);
	assert_segment(&sender, START + 6, 3 + 3 * SECOND, START + 2, "cdef", false);
	assert_silent(&sender, START + 6, 3 + 3 * SECOND);
	assert_segment(&sender, START + 7, 3 + 3 * SECOND, START + 6, "", true);
}

static void a_probe_that_was_taken_counts(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "a", 1);
	sender_push_fin(&sender);
	assert_silent(&sender, START, 1);
	assert_segment(&sender, START, 1 + SECOND, START, "a", false);
	assert_false(sender_ack(&sender, START + 1));
	assert_silent(&sender, START + 1, 2 * SECOND);
	assert_segment(&sender, START + 1, 3 * SECOND, START + 1, "", true);
	assert_true(sender_ack(&sender, START + 2));
}

static void a_window_that_stays_closed_ends_it(void **state)
{
	struct sender sender;
	struct sender_segment segment;
	uint64_t now_ns = 1;
	int probes = 0;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "abc", 3);
	for (; now_ns < 600 * SECOND && !sender_is_dead(&sender); now_ns += SECOND)
		probes += sender_next(&sender, START, 16, now_ns, &segment);
	assert_int_equal(probes, 8);
	assert_true(sender_is_dead(&sender));
}

// RFC 9293 section 3.8.6.1: a receiver that answers the probes is there.
static void a_shut_window_that_is_answered_for_does_not_end_it(void **state)
{
	struct sender sender;
	struct sender_segment segment;
	uint64_t now_ns = 1;
	int probes = 0;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "abc", 3);
	assert_true(sender_shut_ns(&sender, 1) == 0);
	for (; now_ns < 7200 * SECOND; now_ns += SECOND) {
		if (!sender_next(&sender, START, 16, now_ns, &segment))
			continue;
		probes++;
		assert_int_equal(segment.bytes, 1);
		assert_false(sender_is_dead(&sender));
		// Seven answers of eight are lost.
		if (probes % 8 == 0)
			assert_false(sender_ack(&sender, START));
	}
	// Once a minute, but for the first six.
	assert_in_range(probes, 120, 125);
	assert_in_range(sender_shut_ns(&sender, now_ns) / SECOND, 7198, 7200);
	assert_segment(&sender, OPEN, now_ns, START, "abc", false);
	assert_true(sender_shut_ns(&sender, now_ns) == 0);
	// Who has room and acknowledges nothing is not there for what it is sent.
	for (; now_ns < 9000 * SECOND && !sender_is_dead(&sender); now_ns += SECOND) {
		(void)sender_next(&sender, OPEN, 16, now_ns, &segment);
		assert_false(sender_ack(&sender, START));
	}
	assert_in_range(now_ns / SECOND, 7200 + 200, 7200 + 320);
	assert_true(sender_is_dead(&sender));
}

static void what_was_never_sent_is_not_acknowledged(void **state)
{
	struct sender sender;

	(void)state;
	sender_init(&sender, START);
	(void)sender_push(&sender, "abc", 3);
	assert_segment(&sender, OPEN, 1, START, "abc", false);
	assert_false(sender_ack(&sender, START - 1));
	assert_false(sender_ack(&sender, START + 4));
	assert_false(sender_ack(&sender, START + 0x80000000u));
	assert_segment(&sender, OPEN, 1 + SECOND, START, "abc", false);
	assert_true(sender_ack(&sender, START + 3));
}

static void a_full_buffer_takes_nothing_of_what_does_not_fit(void **state)
{
	struct sender sender;
	static const char bytes[SENDER_BYTES + 1];

	(void)state;
	sender_init(&sender, START);
	assert_int_equal(sender_push(&sender, bytes, SENDER_BYTES + 1), -ENOSPC);
	assert_int_equal(sender_push(&sender, bytes, SENDER_BYTES), 0);
	assert_int_equal(sender_push(&sender, bytes, 1), -ENOSPC);
	assert_int_equal(sender_end(&sender), START + SENDER_BYTES);
	sender_push_fin(&sender);
	assert_int_equal(sender_push(&sender, bytes, 0), -EPIPE);
}

// A lossy line and a receiver with a window that opens and closes: all arrives, once, in order.
static void everything_arrives_over_a_lossy_line(void **state)
{
	struct random random = {7};

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct sender sender;
		struct sender_segment segment;
		char sent[SENDER_BYTES];
		char got[SENDER_BYTES + 1];
		uint32_t seq = 0u - random_below(&random, 2000);
		uint32_t n = 1 + random_below(&random, SENDER_BYTES);
		uint32_t arrived = 0;
		uint32_t edge = random_below(&random, 200);
		bool fin = false;

		for (uint32_t i = 0; i < n; i++)
			sent[i] = (char)random_below(&random, 256);
		sender_init(&sender, seq);
		assert_int_equal(sender_push(&sender, sent, n), 0);
		sender_push_fin(&sender);
		for (uint64_t now_ns = 1; !fin && !sender_is_dead(&sender); now_ns += SECOND / 4) {
			while (sender_next(&sender, seq + edge, 100, now_ns, &segment)) {
				uint32_t at = segment.seq - seq;

				assert_true(segment.bytes <= 100);
				assert_true(at + segment.bytes <= edge || segment.bytes == 1);
				if (random_below(&random, 4) == 0 || at > arrived ||
					at + segment.bytes > edge)
					continue;
				memcpy(got + at, segment.data, segment.bytes);
				if (at + segment.bytes > arrived)
					arrived = at + segment.bytes;
				fin = segment.fin;
			}
			if (random_below(&random, 3) == 0 && arrived + 200 > edge)
				edge = arrived + random_below(&random, 200);
			if (random_below(&random, 2) == 0)
				assert_int_equal(sender_ack(&sender, seq + arrived + fin), fin);
		}
		assert_true(fin);
		assert_int_equal(arrived, n);
		assert_memory_equal(got, sent, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_out_in_segments_of_the_mss_and_the_fin_with_the_last),
		cmocka_unit_test(bytes_pushed_later_follow),
		cmocka_unit_test(a_lost_segment_is_sent_again_with_doubled_waits),
		cmocka_unit_test(an_acknowledgement_ends_the_backing_off),
		cmocka_unit_test(all_that_was_lost_is_sent_again_after_a_time_out),
		cmocka_unit_test(nothing_goes_beyond_the_window_but_a_probe_of_one_byte),
		cmocka_unit_test(a_probe_that_was_taken_counts),
		cmocka_unit_test(a_window_that_stays_closed_ends_it),
		cmocka_unit_test(a_shut_window_that_is_answered_for_does_not_end_it),
		cmocka_unit_test(what_was_never_sent_is_not_acknowledged),
		cmocka_unit_test(a_full_buffer_takes_nothing_of_what_does_not_fit),
		cmocka_unit_test(everything_arrives_over_a_lossy_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
