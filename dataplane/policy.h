// SPDX-License-Identifier: BSD-3-Clause
// Verdict to action and reply: a pure table.
#pragma once

#include "dataplane/engine.h"

#include <stddef.h>

// What is done with a message for what was found (SCAN_FINDINGS reasons, NULL: that was not): as the policy of the
// gravest finding says, and where that would let it pass, that of the next one. So a policy that delivers speaks for its own
// kind alone. result: where entries of the screening list may name what is done, or NULL. decisive is the finding that this
// stands on, the gravest where all deliver, SCAN_FINDINGS where there is none.
enum policy_action policy_decide(const struct engine_policy *policy, const char *const *findings,
	const struct scan_result *result, enum scan_finding *decisive);
const char *policy_action_name(enum policy_action action);
#define POLICY_DETAIL_BYTES 192
// Names what the verdict stands on: of a checksum with its digest and the part that it is of.
void policy_detail(const struct scan_result *result, char out[POLICY_DETAIL_BYTES]);
// Copies what stands in a reply, up to a NUL, cut to fit; what is not printable ASCII is replaced.
void policy_copy_text(const char *text, size_t n, char *out, size_t room);
// The reply that goes with an action, without CRLF. detail is a signature's name or a reason; what is
// not printable ASCII in it is replaced, and it is cut to fit.
void policy_reply(enum policy_action action, enum verdict verdict, const char *detail, char *out,
	size_t room);
