// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/policy.h"

#include <assert.h>
#include <stdio.h>

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

const char *policy_action_name(enum policy_action action)
{
	static const char *const names[] = {
#define X(name, text) text,
		POLICY_ACTIONS(X)
#undef X
	};

	return names[action];
}

void policy_reply(
	enum policy_action action, enum verdict verdict, const char *detail, char *out, size_t room)
{
	char clean[128];
	size_t n = 0;

	for (; detail[n] != '\0' && n + 1 < sizeof(clean); n++)
		clean[n] = detail[n];
	clean[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (clean[i] < ' ' || clean[i] > '~')
			clean[i] = '?';
	}
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
