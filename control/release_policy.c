// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_policy.h"

// Screening never delivers: there is no such choice.
static enum release_policy of_screened(
	const struct control_options *options, const struct scan_result *result)
{
	switch (scan_screen_action(result, false)) {
	case SCREEN_ACTION_QUARANTINE:
		return RELEASE_QUARANTINE;
	case SCREEN_ACTION_DISCARD:
		return RELEASE_DELETE;
	case SCREEN_ACTION_DEFAULT:
	case SCREEN_ACTIONS_COUNT:
		break;
	}
	return (enum release_policy)options->release.screening;
}

static enum release_policy of_direction(bool is_outbound, uint32_t outbound, uint32_t inbound)
{
	return (enum release_policy)(is_outbound && outbound != RELEASE_SAME ? outbound : inbound);
}

static enum release_policy of_one(const struct control_options *options, bool is_outbound,
	enum scan_finding finding, const struct scan_result *result)
{
	switch (finding) {
	case SCAN_FINDING_SIGNATURE:
		return of_direction(
			is_outbound, options->release.outbound_infected, options->release.infected);
	case SCAN_FINDING_CHECKSUM:
		return of_screened(options, result);
	case SCAN_FINDING_SUSPECT:
		return of_direction(
			is_outbound, options->release.outbound_suspect, options->release.suspect);
	case SCAN_FINDING_ENCRYPTED:
		return (enum release_policy)options->release.encrypted_mail;
	case SCAN_FINDING_UNSCANNABLE:
	case SCAN_FINDINGS:
		break;
	}
	return RELEASE_SAME;
}

enum release_policy release_policy_decide(const struct control_options *options, bool is_outbound,
	const struct scan_result *result, enum scan_finding *decisive)
{
	*decisive = SCAN_FINDINGS;
	for (unsigned int i = 0; i < SCAN_FINDINGS; i++) {
		enum release_policy policy;

		if (result->findings[i] == NULL)
			continue;
		policy = of_one(options, is_outbound, (enum scan_finding)i, result);
		if (*decisive == SCAN_FINDINGS || policy != RELEASE_DELIVER)
			*decisive = (enum scan_finding)i;
		if (policy != RELEASE_DELIVER)
			return policy;
	}
	return RELEASE_DELIVER;
}
