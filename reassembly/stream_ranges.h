// SPDX-License-Identifier: BSD-3-Clause
// A set of offsets that grows mostly at its edge: all below the edge, and a few ranges above it.
// Private to stream.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RANGES_MAX 64 // holes that one direction may have at once; past that it has to wait

struct range {
	uint64_t from;
	uint64_t to;
};

// Above the edge, in order; they neither touch each other nor the edge.
struct range_set {
	uint32_t count;
	struct range range[RANGES_MAX];
};

// Is there room to add [from, to)? set may be NULL, an empty one: then false means that one is needed.
bool ranges_fit(const struct range_set *set, uint64_t edge, uint64_t from, uint64_t to);
// Adds [from, to), not empty; ranges_fit was asked. Moves the edge up when the range touches it.
void ranges_add(struct range_set *set, uint64_t *edge, uint64_t from, uint64_t to);
// Is offset in the set? *until is one past the last offset of which the same is true.
bool ranges_has(const struct range_set *set, uint64_t edge, uint64_t offset, uint64_t *until);
