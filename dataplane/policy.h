// SPDX-License-Identifier: BSD-3-Clause
// Verdict to action and reply: a pure table.
#pragma once

#include "dataplane/engine.h"

#include <stddef.h>

// What is done with a message of this verdict in a direction with this policy.
enum policy_action policy_decide(const struct engine_policy *policy, enum verdict verdict);
// The same of what a scan has found, where entries of the screening list may name what is done. NULL: nothing.
enum policy_action policy_decide_scan(
	const struct engine_policy *policy, enum verdict verdict, const struct scan_result *result);
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
