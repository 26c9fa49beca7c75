// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// An entry that names an action is asked before the policy.
static enum policy_action decide_screened(
	const struct engine_policy *policy, const struct scan_result *result)
{
	switch (scan_screen_action(result, policy->screening == POLICY_DELIVER)) {
	case SCREEN_ACTION_QUARANTINE:
		return POLICY_QUARANTINE;
	case SCREEN_ACTION_DISCARD:
		return POLICY_DISCARD;
	case SCREEN_ACTION_DEFAULT:
	case SCREEN_ACTIONS_COUNT:
		break;
	}
	return policy->screening;
}

static enum policy_action decide_one(const struct engine_policy *policy, enum scan_finding finding,
	const struct scan_result *result)
{
	switch (finding) {
	case SCAN_FINDING_SIGNATURE:
		return policy->infected;
	case SCAN_FINDING_CHECKSUM:
		return result != NULL ? decide_screened(policy, result) : policy->screening;
	case SCAN_FINDING_SUSPECT:
		return policy->suspect;
	case SCAN_FINDING_UNSCANNABLE:
		return policy->unscannable;
	case SCAN_FINDING_ENCRYPTED:
		return policy->encrypted_mail;
	case SCAN_FINDINGS:
		break;
	}
	assert(false && "finding out of range");
	return POLICY_TEMPFAIL;
}

enum policy_action policy_decide(const struct engine_policy *policy, const char *const *findings,
	const struct scan_result *result, enum scan_finding *decisive)
{
	*decisive = SCAN_FINDINGS;
	for (unsigned int i = 0; i < SCAN_FINDINGS; i++) {
		enum policy_action action;

		if (findings[i] == NULL)
			continue;
		action = decide_one(policy, (enum scan_finding)i, result);
		if (*decisive == SCAN_FINDINGS || action != POLICY_DELIVER)
			*decisive = (enum scan_finding)i;
		if (action != POLICY_DELIVER)
			return action;
	}
	return POLICY_DELIVER;
}

void policy_detail(const struct scan_result *result, char out[POLICY_DETAIL_BYTES])
{
	const struct scan_match *match = scan_leading_match(result);
	size_t at;

	out[0] = '\0';
	if (match == NULL)
		return;
	if (match->kind != MATCH_CHECKSUM) {
		(void)snprintf(out, POLICY_DETAIL_BYTES, "%s", match->signature);
		return;
	}
	// The name is cut where all would not fit.
	(void)snprintf(out, POLICY_DETAIL_BYTES, "checksum of %.60s: part %u, %s ",
		match->signature, match->part, digest_name(match->algorithm));
	at = strlen(out);
	for (size_t i = 0; i < digest_length(match->algorithm); i++, at += 2)
		(void)snprintf(out + at, POLICY_DETAIL_BYTES - at, "%02x", match->digest[i]);
}

const char *policy_action_name(enum policy_action action)
{
	static const char *const names[] = {
#define X(name, text) text,
		POLICY_ACTIONS(X)
#undef X
	};

	return names[action];
}

void policy_copy_text(const char *text, size_t n, char *out, size_t room)
{
	size_t i = 0;

	for (; i < n && i + 1 < room && text[i] != '\0'; i++)
		out[i] = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
	out[i] = '\0';
}

void policy_reply(
	enum policy_action action, enum verdict verdict, const char *detail, char *out, size_t room)
{
	char clean[POLICY_DETAIL_BYTES];

	policy_copy_text(detail, SIZE_MAX, clean, sizeof(clean));
	switch (action) {
	case POLICY_REJECT:
		(void)snprintf(out, room,
			verdict == VERDICT_INFECTED ? "554 5.7.1 Message rejected: virus found: %s"
						    : "554 5.7.1 Message rejected: %s",
			clean);
		return;
	case POLICY_TEMPFAIL:
		(void)snprintf(out, room, "451 4.7.1 Message not accepted now, try again later: %s",
			clean);
		return;
	case POLICY_DISCARD:
		(void)snprintf(out, room, "250 2.0.0 Ok");
		return;
	case POLICY_QUARANTINE:
	case POLICY_HOLD:
		(void)snprintf(out, room, "250 2.0.0 Ok: queued");
		return;
	case POLICY_DELIVER:
		break;
	}
	out[0] = '\0';
}
