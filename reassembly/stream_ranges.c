// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/stream_ranges.h"

#include <assert.h>
#include <stddef.h>

void ranges_init(struct range_set *set)
{
	set->count = 0;
	set->chunks = 0;
}

static uint32_t ranges_room(const struct range_set *set)
{
	return RANGES_FIRST + set->chunks * RANGES_CHUNK;
}

void ranges_grow(struct range_set *set, void *memory)
{
	assert(set->chunks < RANGES_CHUNKS);
	set->more[set->chunks++] = memory;
}

bool ranges_shrink(struct range_set *set)
{
	if (set->chunks == 0 || set->count + RANGES_FIRST / 2 > ranges_room(set) - RANGES_CHUNK)
		return false;
	set->chunks--;
	return true;
}

static struct range *range_at(struct range_set *set, uint32_t i)
{
	return i < RANGES_FIRST ? &set->first[i]
				: &set->more[(i - RANGES_FIRST) / RANGES_CHUNK]
					    [(i - RANGES_FIRST) % RANGES_CHUNK];
}

// The first range that ends at or above offset; count where there is none.
static uint32_t ranges_find(const struct range_set *set, uint64_t offset)
{
	uint32_t low = 0;
	uint32_t high = set->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (ranges_get(set, middle).to < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void ranges_cut(struct range_set *set, uint32_t at, uint32_t n)
{
	if (n == 0)
		return;
	for (uint32_t i = at; i + n < set->count; i++)
		*range_at(set, i) = ranges_get(set, i + n);
	set->count -= n;
}

static void ranges_insert(struct range_set *set, uint32_t at, uint64_t from, uint64_t to)
{
	for (uint32_t i = set->count++; i > at; i--)
		*range_at(set, i) = ranges_get(set, i - 1);
	*range_at(set, at) = (struct range){.from = from, .to = to};
}

bool ranges_fit(const struct range_set *set, uint64_t edge, uint64_t from, uint64_t to)
{
	uint32_t at;

	if (from <= edge)
		return true;
	if (set == NULL)
		return false;
	if (set->count < ranges_room(set))
		return true;
	at = ranges_find(set, from);
	return at < set->count && ranges_get(set, at).from <= to;
}

void ranges_add(struct range_set *set, uint64_t *edge, uint64_t from, uint64_t to)
{
	uint32_t at;
	uint32_t last;

	if (from <= *edge) {
		if (to > *edge)
			*edge = to;
		for (at = 0; set != NULL && at < set->count && ranges_get(set, at).from <= *edge;
			at++)
			if (ranges_get(set, at).to > *edge)
				*edge = ranges_get(set, at).to;
		if (set != NULL)
			ranges_cut(set, 0, at);
		return;
	}

	at = ranges_find(set, from);
	last = at;
	while (last < set->count && ranges_get(set, last).from <= to)
		last++;
	if (last == at) {
		ranges_insert(set, at, from, to);
		return;
	}
	if (from < ranges_get(set, at).from)
		range_at(set, at)->from = from;
	if (ranges_get(set, last - 1).to > to)
		to = ranges_get(set, last - 1).to;
	range_at(set, at)->to = to;
	ranges_cut(set, at + 1, last - at - 1);
}

bool ranges_has(const struct range_set *set, uint64_t edge, uint64_t offset, uint64_t *until)
{
	struct range found;
	uint32_t at;

	*until = edge;
	if (offset < edge)
		return true;
	*until = UINT64_MAX;
	if (set == NULL)
		return false;
	at = ranges_find(set, offset + 1);
	if (at == set->count)
		return false;
	found = ranges_get(set, at);
	*until = offset < found.from ? found.from : found.to;
	return offset >= found.from;
}
