// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/policy.h"
#include "tests/support/unit.h"

#include <string.h>

static const enum policy_action actions[] = {POLICY_DELIVER, POLICY_REJECT, POLICY_TEMPFAIL,
	POLICY_DISCARD, POLICY_QUARANTINE, POLICY_HOLD};
#define ACTIONS (sizeof(actions) / sizeof(actions[0]))
#define POLICIES 7776 // ACTIONS to the power of SCAN_FINDINGS

static const char *const reasons[SCAN_FINDINGS] = {
	"signature", "checksum", "encrypted-archive", "memory", SCAN_ENCRYPTED};

// The findings whose bits are set.
static struct scan_result found(unsigned int bits, unsigned int screen_actions)
{
	struct scan_result result = {.screen_actions = screen_actions};

	for (unsigned int i = 0; i < SCAN_FINDINGS; i++)
		result.findings[i] = (bits & 1u << i) != 0 ? reasons[i] : NULL;
	return result;
}

static enum policy_action decide(const struct engine_policy *policy,
	const struct scan_result *result, enum scan_finding *decisive)
{
	return policy_decide(policy, result->findings, result, decisive);
}

static struct engine_policy policy_number(
	unsigned int number, enum policy_action out[SCAN_FINDINGS])
{
	for (unsigned int i = 0; i < SCAN_FINDINGS; i++, number /= ACTIONS)
		out[i] = actions[number % ACTIONS];
	return (struct engine_policy){.infected = out[SCAN_FINDING_SIGNATURE],
		.screening = out[SCAN_FINDING_CHECKSUM],
		.suspect = out[SCAN_FINDING_SUSPECT],
		.unscannable = out[SCAN_FINDING_UNSCANNABLE],
		.encrypted_mail = out[SCAN_FINDING_ENCRYPTED]};
}

// What entries ask for takes the place of the policy; a policy that delivers does not overrule any.
static enum policy_action asked(enum policy_action screening, unsigned int screen_actions)
{
	const bool quarantines = (screen_actions & 1u << SCREEN_ACTION_QUARANTINE) != 0;
	const bool discards = (screen_actions & 1u << SCREEN_ACTION_DISCARD) != 0;
	const bool is_mixed = (screen_actions & 1u << SCREEN_ACTION_DEFAULT) != 0;

	if (quarantines)
		return POLICY_QUARANTINE;
	return discards && (!is_mixed || screening == POLICY_DELIVER) ? POLICY_DISCARD : screening;
}

static void check_policy(unsigned int number, unsigned int screen_actions)
{
	enum policy_action each[SCAN_FINDINGS];
	const struct engine_policy policy = policy_number(number, each);

	each[SCAN_FINDING_CHECKSUM] = asked(each[SCAN_FINDING_CHECKSUM], screen_actions);
	for (unsigned int bits = 0; bits < 1u << SCAN_FINDINGS; bits++) {
		const struct scan_result result = found(bits, screen_actions);
		enum policy_action wanted = POLICY_DELIVER;
		enum scan_finding stands_on = SCAN_FINDINGS;
		enum scan_finding decisive;

		// From the least grave to the gravest.
		for (unsigned int i = SCAN_FINDINGS; i-- > 0;) {
			if ((bits & 1u << i) == 0 ||
				(each[i] == POLICY_DELIVER && wanted != POLICY_DELIVER))
				continue;
			wanted = each[i];
			stands_on = (enum scan_finding)i;
		}
		assert_int_equal(decide(&policy, &result, &decisive), wanted);
		assert_int_equal(decisive, stands_on);
	}
}

// All findings together with all policies.
static void a_policy_that_delivers_speaks_for_its_own_kind_alone(void **state)
{
	(void)state;
	for (unsigned int number = 0; number < POLICIES; number++) {
		for (unsigned int screened = 1; screened < 1u << SCREEN_ACTIONS_COUNT; screened++)
			check_policy(number, screened);
	}
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

static void a_checksum_is_told_with_its_digest(void **state)
{
	static const uint8_t digest[32] = {0xab, 0xcd};
	const struct scan_match match = {.signature = "Screened",
		.kind = MATCH_CHECKSUM,
		.part = 3,
		.algorithm = DIGEST_MD5,
		.digest = digest};
	const struct scan_result result = {.matches = &match, .matches_count = 1};
	char detail[POLICY_DETAIL_BYTES];

	(void)state;
	policy_detail(&result, detail);
	assert_string_equal(
		detail, "checksum of Screened: part 3, md5 abcd0000000000000000000000000000");
}

static void an_entry_may_name_what_is_done_with_its_hits(void **state)
{
	static const struct {
		unsigned int asked;
		enum policy_action done[2]; // where screening delivers, where it rejects
	} cases[] = {
		{1u << SCREEN_ACTION_DEFAULT, {POLICY_DELIVER, POLICY_REJECT}},
		{1u << SCREEN_ACTION_DISCARD, {POLICY_DISCARD, POLICY_DISCARD}},
		{1u << SCREEN_ACTION_QUARANTINE, {POLICY_QUARANTINE, POLICY_QUARANTINE}},
		{1u << SCREEN_ACTION_DISCARD | 1u << SCREEN_ACTION_QUARANTINE,
			{POLICY_QUARANTINE, POLICY_QUARANTINE}},
		{1u << SCREEN_ACTION_QUARANTINE | 1u << SCREEN_ACTION_DEFAULT,
			{POLICY_QUARANTINE, POLICY_QUARANTINE}},
		{1u << SCREEN_ACTION_DISCARD | 1u << SCREEN_ACTION_DEFAULT,
			{POLICY_DISCARD, POLICY_REJECT}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t rejects = 0; rejects < 2; rejects++) {
			const struct engine_policy policy = {
				.screening = rejects ? POLICY_REJECT : POLICY_DELIVER};
			const struct scan_result result =
				found(1u << SCAN_FINDING_CHECKSUM, cases[i].asked);
			enum scan_finding decisive;

			assert_int_equal(
				decide(&policy, &result, &decisive), cases[i].done[rejects]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_that_delivers_speaks_for_its_own_kind_alone),
		cmocka_unit_test(a_reply_names_what_was_found),
		cmocka_unit_test(an_entry_may_name_what_is_done_with_its_hits),
		cmocka_unit_test(a_checksum_is_told_with_its_digest),
		cmocka_unit_test(a_reply_is_one_printable_line_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
