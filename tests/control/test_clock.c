// SPDX-License-Identifier: BSD-3-Clause
// Days in which the time of day leaps: what is believed of it.
#include "control/clock.h"
#include "tests/support/unit.h"

#define S INT64_C(1000000000)
#define NOON (INT64_C(1800000000) * S)
#define UP (INT64_C(5000) * S)
#define DAY CLOCK_BELIEVED_S
#define HOUR INT64_C(3600)
#define YEAR (365 * INT64_C(86400))

struct day {
	struct clock_due due;
	int64_t passed_s; // really
	int64_t leap_ms;  // by which the time of day is wrong
};

static int64_t ask(struct day *day)
{
	return clock_due_ask(&day->due, NOON + day->passed_s * S + day->leap_ms * (S / 1000),
		       UP + day->passed_s * S) -
	       NOON / S;
}

// Asked each second, as long as that.
static int64_t pass(struct day *day, int64_t seconds)
{
	int64_t last = 0;

	for (int64_t i = 0; i < seconds; i++) {
		day->passed_s++;
		last = ask(day);
	}
	return last;
}

static void an_even_clock_is_followed(void **state)
{
	struct day day = {0};

	(void)state;
	assert_int_equal(ask(&day), 0);
	assert_int_equal(pass(&day, 1000), 1000);
	day.passed_s += YEAR; // in which nobody asked
	assert_int_equal(ask(&day), 1000 + YEAR);
	for (int i = 0; i < 100000; i++) { // slewed, as fast as adjtime does
		day.passed_s++;
		day.leap_ms += i % 2;
		(void)ask(&day);
	}
	assert_int_equal(ask(&day), 1000 + YEAR + 100000 + 50);
}

static void a_leap_forward_is_believed_after_a_day(void **state)
{
	static const int64_t leaps[] = {3, 3600, DAY, YEAR, 50 * YEAR};

	(void)state;
	for (size_t i = 0; i < sizeof(leaps) / sizeof(leaps[0]); i++) {
		struct day day = {0};

		assert_int_equal(ask(&day), 0);
		day.leap_ms = leaps[i] * 1000;
		assert_int_equal(pass(&day, 1), 1);
		assert_int_equal(pass(&day, DAY - 1), DAY);
		assert_int_equal(pass(&day, 1), DAY + 1 + leaps[i]);
	}
}

static void a_leap_forward_that_was_wrong_has_ended_nothing(void **state)
{
	struct day day = {0};

	(void)state;
	assert_int_equal(ask(&day), 0);
	for (int i = 0; i < 5; i++) {
		day.leap_ms = YEAR * 1000;
		assert_int_equal(pass(&day, DAY - 10), (DAY - 10) * (i + 1) + 60 * i);
		day.leap_ms = 0;
		assert_int_equal(pass(&day, 60), (DAY - 10 + 60) * (i + 1));
	}
}

// Each is one of its own: nobody has seen the last one for a day yet.
static void leaps_one_after_the_other_are_each_waited_for(void **state)
{
	struct day day = {0};

	(void)state;
	assert_int_equal(ask(&day), 0);
	for (int i = 0; i < 10; i++) {
		day.leap_ms += HOUR * 1000;
		assert_int_equal(pass(&day, DAY / 2), DAY / 2 * (i + 1));
	}
	assert_int_equal(pass(&day, DAY), DAY * 6 + 36000);
}

static void a_leap_back_is_followed_at_once(void **state)
{
	struct day day = {0};

	(void)state;
	assert_int_equal(ask(&day), 0);
	day.leap_ms = -YEAR * 1000;
	assert_int_equal(pass(&day, 1), 1 - YEAR);
	assert_int_equal(pass(&day, DAY), DAY + 1 - YEAR);
	day.leap_ms = 0; // it was right before: that is a leap forward
	assert_int_equal(pass(&day, DAY), 2 * DAY + 1 - YEAR);
	assert_int_equal(pass(&day, 1), 2 * DAY + 2);
}

// While it was wrong it was known for wrong: nothing is waited for a day afterwards.
static void a_leap_back_that_was_wrong_is_over_at_once(void **state)
{
	struct day day = {0};

	(void)state;
	assert_int_equal(ask(&day), 0);
	for (int i = 0; i < 20; i++) {
		day.leap_ms = -HOUR * 1000 * (i % 3 + 1);
		(void)pass(&day, 10);
		day.leap_ms -= YEAR * 1000;
		(void)pass(&day, 10);
		day.leap_ms = 0;
		assert_int_equal(pass(&day, 1), 21 * (i + 1));
	}
	day.leap_ms = HOUR * 1000; // not where it came from
	assert_int_equal(pass(&day, 1), 21 * 20 + 1);
}

// Without a battery it begins in 1970, or when its system was built, and asks others then.
static void a_machine_without_a_clock_believes_the_first_one(void **state)
{
	struct day day = {.leap_ms = -NOON / S * 1000 + 5000};

	(void)state;
	assert_int_equal(ask(&day), 5 - NOON / S);
	assert_int_equal(pass(&day, 30), 35 - NOON / S);
	day.leap_ms = -8 * YEAR * 1000;
	assert_int_equal(pass(&day, 30), 60 - 8 * YEAR);
	day.leap_ms = 0;
	assert_int_equal(pass(&day, 1), 61);
	day.leap_ms = YEAR * 1000; // now it has one
	assert_int_equal(pass(&day, 1), 62);
	day.leap_ms = -20 * YEAR * 1000;
	assert_int_equal(pass(&day, 1), 63 - 20 * YEAR);
	day.leap_ms = YEAR * 1000;
	assert_int_equal(pass(&day, 1), 64 - 20 * YEAR);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_even_clock_is_followed),
		cmocka_unit_test(a_leap_forward_is_believed_after_a_day),
		cmocka_unit_test(a_leap_forward_that_was_wrong_has_ended_nothing),
		cmocka_unit_test(leaps_one_after_the_other_are_each_waited_for),
		cmocka_unit_test(a_leap_back_is_followed_at_once),
		cmocka_unit_test(a_leap_back_that_was_wrong_is_over_at_once),
		cmocka_unit_test(a_machine_without_a_clock_believes_the_first_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
