// SPDX-License-Identifier: BSD-3-Clause
// Signatures that are matched in several groups, or whose start counts from the end: Hyperscan finds
// the groups, the distances between them are checked here.
//
// Hyperscan promises no order among the matches of one call, so they are collected, sorted by where
// they end and only then followed. Each group keeps the latest candidates that a next group could
// go on from; where the gap has no upper limit the first one is enough.
#pragma once

#include "scan/ruleset.h"

#include <stddef.h>
#include <stdint.h>

struct track_event {
	uint64_t end;
	uint32_t use;
};

struct track_candidate {
	uint64_t start; // of the first group
	uint64_t end;   // of this group
};

struct track_ring {
	uint16_t count;
	uint16_t next;
};

// Collected matches of the object being scanned: one for a thread.
#define TRACK_MAX_EVENTS 16384

struct track_events {
	size_t count;
	struct track_event events[TRACK_MAX_EVENTS];
};

// Signatures that hit an object, ascending; of too many the first remain.
#define TRACK_MAX_HITS 128

struct track_hits {
	uint32_t count;
	uint32_t signatures[TRACK_MAX_HITS];
};

// The state of one object. rings has one item for each group of the ruleset, zeroed to begin with;
// slots as many as ruleset_meta.candidates says.
struct track {
	const struct ruleset *ruleset;
	struct track_ring *rings;
	struct track_candidate *slots;
	struct track_hits hits;
};

void track_hit(struct track_hits *hits, uint32_t signature);
// Follows the collected matches and empties the collection.
void track_follow(struct track *track, struct track_events *events);
// The object has ended with so many bytes: conditions on the distance from the end are decided.
void track_end(struct track *track, uint64_t bytes);
