// SPDX-License-Identifier: BSD-3-Clause
// Atoms that are looked for when the object has ended and a rule depends on them: those that are
// costly to search for while it passes.
#pragma once

#include "scan/match_rule.h"
#include "scan/match_track.h"

#include <stdbool.h>
#include <stdint.h>

struct match_deferral;

// Returns 0 or -ENOMEM.
int match_deferral_new(const struct ruleset *ruleset, struct match_deferral **out);
void match_deferral_free(struct match_deferral *deferral);

// Another object is decided now.
void match_deferral_begin(struct match_deferral *deferral);
// Whether the atom may be in the object although nothing of it was counted yet.
bool match_deferral_is_open(
	const struct match_deferral *deferral, const struct track *track, uint32_t atom);
// Counts a deferred atom in what was kept of the object, or in what lies around parts of it. If that is not all of it, or the object has
// had its share of time, it is lost track of.
void match_deferral_run(struct match_deferral *deferral, struct track *track,
	const struct match_facts *facts, uint32_t atom);
