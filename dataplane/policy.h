// SPDX-License-Identifier: BSD-3-Clause
// Verdict to action and reply: a pure table.
#pragma once

#include "dataplane/engine.h"

#include <stddef.h>

// What is done with a message of this verdict in a direction with this policy.
enum policy_action policy_decide(const struct engine_policy *policy, enum verdict verdict);
const char *policy_action_name(enum policy_action action);
// The reply that goes with an action, without CRLF. detail is a signature's name or a reason; what is
// not printable ASCII in it is replaced, and it is cut to fit.
void policy_reply(enum policy_action action, enum verdict verdict, const char *detail, char *out,
	size_t room);
