// SPDX-License-Identifier: BSD-3-Clause
// Words that several expressions ask an object for are looked for together. What was asked for of one object will be
// asked for of another that begins with the same question: that one answers those to come.
#pragma once

#include "scan/capture.h"
#include "scan/match_regex_start.h"

#include <stdbool.h>
#include <stdint.h>

#define REGEX_SWEEPS 8u // kinds of objects that are remembered
#define REGEX_SWEEP_MOST 16u

// What objects of one kind are asked for. The first is what they begin with.
struct regex_sweep {
	uint32_t count;
	const struct regex_start *asked[REGEX_SWEEP_MOST];
	struct regex_start all;            // the words of those
	uint32_t owners[REGEX_START_ROOM]; // of its words: by number
	uint32_t objects;                  // that were looked through
	uint32_t present;                  // what the object may have: bits by number
	bool is_done;                      // the object was looked through
};

struct regex_sweeps {
	uint32_t object; // that is being asked, by number
	uint32_t now;    // its kind
	uint32_t oldest;
	struct regex_sweep kinds[REGEX_SWEEPS];
};

// Whether the object, from that byte of its copy on, may have one of the words. object: its number, which is not 0 and no
// other object's.
bool regex_sweep_may_have(struct regex_sweeps *sweeps, const struct regex_start *start,
	uint32_t object, const struct capture *capture, uint64_t from);
// The numbers of objects begin anew.
void regex_sweep_forget(struct regex_sweeps *sweeps);
