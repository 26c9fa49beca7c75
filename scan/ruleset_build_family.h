// SPDX-License-Identifier: BSD-3-Clause
// Of a bucket that many patterns share: the families that tell them apart by eight bytes. See scan/anchor.h.
#pragma once

#include "scan/anchor.h"
#include "scan/ruleset_build_window.h"

#include <stdint.h>

// An entry and one of the windows by which it is met.
struct build_waiting {
	struct anchor_entry entry;
	uint32_t window;
	struct build_beside beside;
	// Of the pattern's bytes about the window, as in struct build_span, bits for those that have one value but
	// for case, and of these for those that tell something when the window is known.
	uint32_t known;
	uint32_t telling;
	uint8_t values[BUILD_SPAN];
};

// Sets what is told of the pattern's bytes about the window.
void build_families_note(const struct build_spelling *spelling, struct build_waiting *waiting);

// Of all buckets of a table.
struct build_families {
	struct build *build;
	const struct build_waiting *waiting;
	struct build_vector families; // struct anchor_family
	struct build_vector slots;    // uint32_t
	struct build_vector scratch;  // uint32_t
};

// Brings the n entries of a bucket, order[0] and so on, of which the first is to be entry number first, into the order of their families. Returns what the
// bucket has as its first: that number if they are better compared one by one.
uint32_t build_families_add(
	struct build_families *families, uint32_t *order, uint32_t first, uint32_t n);
void build_families_free(struct build_families *families);
