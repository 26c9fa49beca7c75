// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/stream_ranges.h"

#include <stddef.h>
#include <string.h>

// The first range that ends at or above offset; count where there is none.
static uint32_t ranges_find(const struct range_set *set, uint64_t offset)
{
	uint32_t low = 0;
	uint32_t high = set->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (set->range[middle].to < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void ranges_cut(struct range_set *set, uint32_t at, uint32_t n)
{
	memmove(&set->range[at], &set->range[at + n], (set->count - at - n) * sizeof(struct range));
	set->count -= n;
}

bool ranges_fit(const struct range_set *set, uint64_t edge, uint64_t from, uint64_t to)
{
	uint32_t at;

	if (from <= edge)
		return true;
	if (set == NULL)
		return false;
	if (set->count < RANGES_MAX)
		return true;
	at = ranges_find(set, from);
	return at < set->count && set->range[at].from <= to;
}

void ranges_add(struct range_set *set, uint64_t *edge, uint64_t from, uint64_t to)
{
	uint32_t at;
	uint32_t last;

	if (from <= *edge) {
		if (to > *edge)
			*edge = to;
		for (at = 0; set != NULL && at < set->count && set->range[at].from <= *edge; at++)
			if (set->range[at].to > *edge)
				*edge = set->range[at].to;
		if (set != NULL && at > 0)
			ranges_cut(set, 0, at);
		return;
	}

	at = ranges_find(set, from);
	last = at;
	while (last < set->count && set->range[last].from <= to)
		last++;
	if (last == at) {
		memmove(&set->range[at + 1], &set->range[at],
			(set->count - at) * sizeof(struct range));
		set->count++;
		set->range[at].from = from;
		set->range[at].to = to;
		return;
	}
	if (from < set->range[at].from)
		set->range[at].from = from;
	if (set->range[last - 1].to > to)
		to = set->range[last - 1].to;
	set->range[at].to = to;
	ranges_cut(set, at + 1, last - at - 1);
}

bool ranges_has(const struct range_set *set, uint64_t edge, uint64_t offset, uint64_t *until)
{
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
	if (offset < set->range[at].from) {
		*until = set->range[at].from;
		return false;
	}
	*until = set->range[at].to;
	return true;
}
