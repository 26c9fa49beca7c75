// SPDX-License-Identifier: BSD-3-Clause
// A set of offsets that grows mostly at its edge: all below the edge, and a few ranges above it.
// Private to stream.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Holes that a direction may have at once; past that it has to wait. The set has room for the first, its owner
// gives it more in chunks where that is worth the memory: of bytes that came one by one and in any order a
// quarter begin a range.
#define RANGES_FIRST 56
#define RANGES_CHUNK 128
#define RANGES_CHUNKS 8

struct range {
	uint64_t from;
	uint64_t to;
};

// Above the edge, in order; they neither touch each other nor the edge.
struct range_set {
	uint32_t count;
	uint32_t chunks; // of more
	struct range *more[RANGES_CHUNKS];
	struct range first[RANGES_FIRST];
};

void ranges_init(struct range_set *set);
static inline struct range ranges_get(const struct range_set *set, uint32_t i)
{
	return i < RANGES_FIRST ? set->first[i]
				: set->more[(i - RANGES_FIRST) / RANGES_CHUNK]
					   [(i - RANGES_FIRST) % RANGES_CHUNK];
}

// Room for RANGES_CHUNK ranges more, aligned for them. There are fewer than RANGES_CHUNKS chunks.
void ranges_grow(struct range_set *set, void *memory);
// Can the last chunk be taken back, with some room left then? It is not used any more when true is returned.
bool ranges_shrink(struct range_set *set);

// Is there room to add [from, to)? set may be NULL, an empty one: then false means that one is needed.
bool ranges_fit(const struct range_set *set, uint64_t edge, uint64_t from, uint64_t to);
// Adds [from, to), not empty; ranges_fit was asked. Moves the edge up when the range touches it.
void ranges_add(struct range_set *set, uint64_t *edge, uint64_t from, uint64_t to);
// Is offset in the set? *until is one past the last offset of which the same is true.
bool ranges_has(const struct range_set *set, uint64_t edge, uint64_t offset, uint64_t *until);
