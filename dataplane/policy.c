// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum policy_action policy_decide(const struct engine_policy *policy, enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_CLEAN:
		return POLICY_DELIVER;
	case VERDICT_INFECTED:
		return policy->infected;
	case VERDICT_SUSPECT:
		return policy->suspect;
	case VERDICT_UNSCANNABLE:
	case VERDICT_INCOMPLETE:
		return policy->unscannable;
	}
	assert(false && "verdict out of range");
	return POLICY_TEMPFAIL;
}

// An entry that names no action, or what is suspect for more than checksums, is the policy's.
enum policy_action policy_decide_scan(
	const struct engine_policy *policy, enum verdict verdict, const struct scan_result *result)
{
	if (verdict == VERDICT_SUSPECT && result != NULL &&
		strcmp(result->reason, SCAN_ENCRYPTED) == 0)
		return policy->encrypted_mail;
	if (verdict != VERDICT_SUSPECT || result == NULL || result->matches_count == 0)
		return policy_decide(policy, verdict);
	switch (scan_screen_action(result)) {
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
