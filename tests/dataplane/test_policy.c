// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/policy.h"
#include "tests/support/unit.h"

#include <string.h>

static void a_verdict_gets_the_action_of_its_policy(void **state)
{
	const struct engine_policy policy = {.infected = POLICY_DISCARD,
		.suspect = POLICY_REJECT,
		.unscannable = POLICY_TEMPFAIL};

	(void)state;
	assert_int_equal(policy_decide(&policy, VERDICT_CLEAN), POLICY_DELIVER);
	assert_int_equal(policy_decide(&policy, VERDICT_INFECTED), POLICY_DISCARD);
	assert_int_equal(policy_decide(&policy, VERDICT_SUSPECT), POLICY_REJECT);
	assert_int_equal(policy_decide(&policy, VERDICT_UNSCANNABLE), POLICY_TEMPFAIL);
	assert_int_equal(policy_decide(&policy, VERDICT_INCOMPLETE), POLICY_TEMPFAIL);
}

static void a_reply_names_what_was_found(void **state)
{
	char reply[256];

	(void)state;
	policy_reply(POLICY_REJECT, VERDICT_INFECTED, "Win.Test-1", reply, sizeof(reply));
	assert_string_equal(reply, "554 5.7.1 Message rejected: virus found: Win.Test-1");
	policy_reply(POLICY_REJECT, VERDICT_SUSPECT, "depth", reply, sizeof(reply));
	assert_string_equal(reply, "554 5.7.1 Message rejected: depth");
	policy_reply(POLICY_DISCARD, VERDICT_INFECTED, "Win.Test-1", reply, sizeof(reply));
	assert_string_equal(reply, "250 2.0.0 Ok");
	policy_reply(POLICY_QUARANTINE, VERDICT_INFECTED, "Win.Test-1", reply, sizeof(reply));
	assert_string_equal(reply, "250 2.0.0 Ok: queued");
	assert_string_equal(policy_action_name(POLICY_HOLD), "hold");
	policy_reply(POLICY_DELIVER, VERDICT_CLEAN, "", reply, sizeof(reply));
	assert_string_equal(reply, "");
}

static void a_reply_is_one_printable_line_that_fits(void **state)
{
	char name[600];
	char reply[256];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name, "a\r\n250 ok\x80\t", 11);
	for (int action = POLICY_DELIVER; action <= POLICY_HOLD; action++) {
		policy_reply(
			(enum policy_action)action, VERDICT_INFECTED, name, reply, sizeof(reply));
		assert_true(strlen(reply) < sizeof(reply) - 1);
		for (const char *c = reply; *c != '\0'; c++)
			assert_true(*c >= ' ' && *c <= '~');
	}
	policy_reply(POLICY_REJECT, VERDICT_INFECTED, name, reply, 16);
	assert_int_equal(strlen(reply), 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_gets_the_action_of_its_policy),
		cmocka_unit_test(a_reply_names_what_was_found),
		cmocka_unit_test(a_reply_is_one_printable_line_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
