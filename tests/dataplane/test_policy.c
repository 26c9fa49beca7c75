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

static void an_entry_may_name_what_is_done_with_its_hits(void **state)
{
	static const uint8_t digest[32] = {0xab, 0xcd};
	const struct engine_policy policy = {
		.infected = POLICY_REJECT, .suspect = POLICY_TEMPFAIL, .screening = POLICY_DELIVER};
	struct scan_match matches[] = {{.signature = "Screened",
					       .kind = MATCH_CHECKSUM,
					       .part = 3,
					       .algorithm = DIGEST_MD5},
		{.signature = "Other", .kind = MATCH_CHECKSUM, .algorithm = DIGEST_SHA256}};
	struct scan_result result = {.reason = "checksum", .matches = matches, .matches_count = 2};
	static const struct {
		enum screen_action asked[2];
		enum policy_action done;
	} cases[] = {
		{{SCREEN_ACTION_DEFAULT, SCREEN_ACTION_DEFAULT}, POLICY_DELIVER},
		{{SCREEN_ACTION_DISCARD, SCREEN_ACTION_DISCARD}, POLICY_DISCARD},
		{{SCREEN_ACTION_DISCARD, SCREEN_ACTION_QUARANTINE}, POLICY_QUARANTINE},
		{{SCREEN_ACTION_QUARANTINE, SCREEN_ACTION_DEFAULT}, POLICY_QUARANTINE},
		{{SCREEN_ACTION_DISCARD, SCREEN_ACTION_DEFAULT}, POLICY_DELIVER},
	};
	char detail[POLICY_DETAIL_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		matches[0].action = cases[i].asked[0];
		matches[1].action = cases[i].asked[1];
		assert_int_equal(
			policy_decide_scan(&policy, VERDICT_SUSPECT, &result), cases[i].done);
		assert_int_equal(
			policy_decide_scan(&policy, VERDICT_INFECTED, &result), POLICY_REJECT);
	}
	matches[0].digest = digest;
	policy_detail(&result, detail);
	assert_string_equal(
		detail, "checksum of Screened: part 3, md5 abcd0000000000000000000000000000");
	result.matches_count = 0;
	assert_int_equal(policy_decide_scan(&policy, VERDICT_SUSPECT, &result), POLICY_TEMPFAIL);
	assert_int_equal(policy_decide_scan(&policy, VERDICT_SUSPECT, NULL), POLICY_TEMPFAIL);
}

// What is suspect for anything else besides has that as its reason.
static void mail_that_is_only_encrypted_has_a_policy_of_its_own(void **state)
{
	const struct engine_policy policy = {
		.suspect = POLICY_QUARANTINE, .encrypted_mail = POLICY_DELIVER};
	struct scan_result result = {.reason = SCAN_ENCRYPTED};

	(void)state;
	assert_int_equal(policy_decide_scan(&policy, VERDICT_SUSPECT, &result), POLICY_DELIVER);
	result.reason = "encrypted-archive";
	assert_int_equal(policy_decide_scan(&policy, VERDICT_SUSPECT, &result), POLICY_QUARANTINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_gets_the_action_of_its_policy),
		cmocka_unit_test(a_reply_names_what_was_found),
		cmocka_unit_test(an_entry_may_name_what_is_done_with_its_hits),
		cmocka_unit_test(mail_that_is_only_encrypted_has_a_policy_of_its_own),
		cmocka_unit_test(a_reply_is_one_printable_line_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
