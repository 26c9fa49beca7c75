// SPDX-License-Identifier: BSD-3-Clause
// What is done with held mail for what the scan has found: a pure table.
#pragma once

#include "control/control_options.h"
#include "scan/scan.h"

#include <stdbool.h>

// As the policy of the gravest finding says, and where that would let it go, that of the next one: a policy that delivers
// speaks for its own kind alone. RELEASE_SAME: what cannot be scanned to its end stays as it is. Of clean mail
// RELEASE_DELIVER. decisive is the finding that this stands on, the gravest where all deliver, SCAN_FINDINGS where there is
// none.
enum release_policy release_policy_decide(const struct control_options *options, bool is_outbound,
	const struct scan_result *result, enum scan_finding *decisive);
