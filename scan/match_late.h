// SPDX-License-Identifier: BSD-3-Clause
// Digests of an object that are computed from its copy when it has ended: at once, or with those of others when
// it is gone already, which takes less time.
#pragma once

#include "scan/digest_lanes.h"
#include "scan/match.h"

// A longer object's are not worth the delay of others.
#define MATCH_LATE_BYTES (512u << 10)

// The same as match_end where late is NULL. Else, if nothing was found in the object and digests are left, late
// receives what they are computed from, for match_settle or match_late_drop: neither these digests nor hits of
// them are among what is given.
size_t match_end_late(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type, struct digest_late *late);
// There is nothing else to do: hashes some of what waits of objects in progress.
void matcher_rest(struct matcher *matcher);
// What was left is computed, and will be settled soon.
void match_expect(const struct matcher *matcher, const struct digest_late *late,
	const digest_late_values *values);
// What was left is computed: the hits, as match_end would have given them, and these digests.
size_t match_settle(struct matcher *matcher, struct digest_late *late, digest_late_values *values,
	struct match_hit *hits, size_t max, struct match_digests *digests);
