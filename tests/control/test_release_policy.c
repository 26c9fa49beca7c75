// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_policy.h"
#include "tests/support/unit.h"

static const enum release_policy inbound[] = {
	RELEASE_QUARANTINE, RELEASE_DELETE, RELEASE_DELIVER, RELEASE_STRIP, RELEASE_DISINFECT};
static const enum release_policy outbound[] = {RELEASE_SAME, RELEASE_QUARANTINE, RELEASE_DELIVER};
#define INBOUND (sizeof(inbound) / sizeof(inbound[0]))
#define OUTBOUND (sizeof(outbound) / sizeof(outbound[0]))
#define POLICIES (INBOUND * INBOUND * INBOUND * INBOUND * OUTBOUND * OUTBOUND)

static struct control_options number_options(size_t number)
{
	struct control_options options = {0};

	options.release.infected = inbound[number % INBOUND];
	number /= INBOUND;
	options.release.suspect = inbound[number % INBOUND];
	number /= INBOUND;
	options.release.encrypted_mail = inbound[number % INBOUND];
	number /= INBOUND;
	options.release.screening = inbound[number % INBOUND];
	number /= INBOUND;
	options.release.outbound_infected = outbound[number % OUTBOUND];
	number /= OUTBOUND;
	options.release.outbound_suspect = outbound[number];
	return options;
}

static void list_each(const struct control_options *options, bool is_outbound,
	enum release_policy each[SCAN_FINDINGS])
{
	each[SCAN_FINDING_SIGNATURE] = options->release.infected;
	each[SCAN_FINDING_SUSPECT] = options->release.suspect;
	if (is_outbound && options->release.outbound_infected != RELEASE_SAME)
		each[SCAN_FINDING_SIGNATURE] = options->release.outbound_infected;
	if (is_outbound && options->release.outbound_suspect != RELEASE_SAME)
		each[SCAN_FINDING_SUSPECT] = options->release.outbound_suspect;
	each[SCAN_FINDING_CHECKSUM] = options->release.screening;
	each[SCAN_FINDING_UNSCANNABLE] = RELEASE_SAME;
	each[SCAN_FINDING_ENCRYPTED] = options->release.encrypted_mail;
}

static void check(const struct control_options *options, bool is_outbound, unsigned int bits)
{
	struct scan_result result = {.screen_actions = 1u << SCREEN_ACTION_DEFAULT};
	enum release_policy wanted = RELEASE_DELIVER;
	enum scan_finding stands_on = SCAN_FINDINGS;
	enum release_policy each[SCAN_FINDINGS];
	enum scan_finding decisive;

	list_each(options, is_outbound, each);
	for (unsigned int i = SCAN_FINDINGS; i-- > 0;) {
		if ((bits & 1u << i) == 0)
			continue;
		result.findings[i] = "found";
		if (each[i] == RELEASE_DELIVER && wanted != RELEASE_DELIVER)
			continue;
		wanted = each[i];
		stands_on = (enum scan_finding)i;
	}
	assert_int_equal(release_policy_decide(options, is_outbound, &result, &decisive), wanted);
	assert_int_equal(decisive, stands_on);
}

static void a_policy_that_delivers_speaks_for_its_own_kind_alone(void **state)
{
	(void)state;
	for (size_t number = 0; number < POLICIES; number++) {
		const struct control_options options = number_options(number);

		for (unsigned int bits = 0; bits < 1u << SCAN_FINDINGS; bits++) {
			check(&options, false, bits);
			check(&options, true, bits);
		}
	}
}

static void an_entry_may_name_what_is_done_with_its_hits(void **state)
{
	static const struct {
		unsigned int asked;
		enum release_policy done;
	} cases[] = {
		{1u << SCREEN_ACTION_DEFAULT, RELEASE_STRIP},
		{1u << SCREEN_ACTION_DISCARD, RELEASE_DELETE},
		{1u << SCREEN_ACTION_QUARANTINE, RELEASE_QUARANTINE},
		{1u << SCREEN_ACTION_DISCARD | 1u << SCREEN_ACTION_DEFAULT, RELEASE_STRIP},
		{1u << SCREEN_ACTION_DISCARD | 1u << SCREEN_ACTION_QUARANTINE, RELEASE_QUARANTINE},
	};
	struct control_options options = {0};

	(void)state;
	options.release.screening = RELEASE_STRIP;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scan_result result = {.screen_actions = cases[i].asked};
		enum scan_finding decisive;

		result.findings[SCAN_FINDING_CHECKSUM] = "checksum";
		assert_int_equal(
			release_policy_decide(&options, false, &result, &decisive), cases[i].done);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_that_delivers_speaks_for_its_own_kind_alone),
		cmocka_unit_test(an_entry_may_name_what_is_done_with_its_hits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
