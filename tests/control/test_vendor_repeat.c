// SPDX-License-Identifier: BSD-3-Clause
// The patience of ways that keep what they are given.
#include "control/vendor_repeat.h"
#include "tests/support/unit.h"

#define S INT64_C(1000000)

static void an_alert_goes_at_once_and_again_after_pauses_that_grow(void **state)
{
	struct vendor_repeat *repeat = vendor_repeat_new(60);
	static const struct {
		int64_t at_s;
		bool goes;
		unsigned int times;
	} cases[] = {{0, true, 0}, {1, false, 0}, {59, false, 0}, {60, true, 1}, {179, false, 0},
		{180, true, 2}, {419, false, 0}, {420, true, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int times = 99;

		assert_int_equal(vendor_repeat_may(repeat, "g", "d", cases[i].at_s * S, &times),
			cases[i].goes);
		assert_int_equal(times, cases[i].goes ? cases[i].times : 99);
	}
	vendor_repeat_free(repeat);
}

static void each_gateway_and_alert_has_its_own(void **state)
{
	struct vendor_repeat *repeat = vendor_repeat_new(60);
	unsigned int times;

	(void)state;
	assert_true(vendor_repeat_may(repeat, "g", "d", 0, &times));
	assert_true(vendor_repeat_may(repeat, "g", "e", 0, &times));
	assert_true(vendor_repeat_may(repeat, "h", "d", 0, &times));
	assert_false(vendor_repeat_may(repeat, "h", "d", S, &times));
	vendor_repeat_forget(repeat, "h", "d");
	assert_true(vendor_repeat_may(repeat, "h", "d", S, &times));
	assert_int_equal(times, 0);
	assert_false(vendor_repeat_may(repeat, "g", "d", S, &times));
	vendor_repeat_free(repeat);
}

static void a_pause_grows_to_hours_and_no_further(void **state)
{
	struct vendor_repeat *repeat = vendor_repeat_new(3600);
	unsigned int times;
	int64_t now = 0;

	(void)state;
	for (unsigned int i = 0; i < 50; i++, now += 14400 * S)
		assert_true(vendor_repeat_may(repeat, "g", "d", now, &times));
	assert_int_equal(times, 49);
	vendor_repeat_free(repeat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_goes_at_once_and_again_after_pauses_that_grow),
		cmocka_unit_test(each_gateway_and_alert_has_its_own),
		cmocka_unit_test(a_pause_grows_to_hours_and_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
