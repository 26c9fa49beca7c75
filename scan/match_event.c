// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_track.h"

// Less are sorted as they are.
#define FEW_EVENTS 16
// Groups of some events, by a hash of their numbers.
#define MARKS 4096u

static void mark(uint64_t *marks, uint32_t group)
{
	marks[group % MARKS / 64] |= UINT64_C(1) << group % 64;
}

static bool is_marked(const uint64_t *marks, uint32_t group)
{
	return (marks[group % MARKS / 64] >> group % 64 & 1) != 0;
}

// Most that would go on from a group have nothing to go on from, neither kept nor among the events.
static void drop_idle(const struct track *track, struct track_events *events)
{
	const struct ruleset *ruleset = track->ruleset;
	uint64_t marks[MARKS / 64] = {0};
	size_t kept = 0;

	for (size_t i = 0; i < events->count; i++)
		mark(marks, ruleset->uses[events->events[i].use].group);
	for (size_t i = 0; i < events->count; i++) {
		uint32_t group = ruleset->uses[events->events[i].use].group;

		if ((ruleset->groups[group].flags & RULESET_GROUP_FIRST) == 0 &&
			!is_marked(marks, group - 1) && !track_has_group(track, group - 1))
			continue;
		events->events[kept++] = events->events[i];
	}
	events->count = kept;
}

static bool is_before(const struct track_event *a, const struct track_event *b)
{
	return a->end != b->end ? a->end < b->end : a->use < b->use;
}

// Shell sort: no memory, and fast on what is almost sorted.
static void sort(struct track_event *events, size_t count)
{
	static const uint16_t gaps[] = {7983, 3548, 1577, 701, 301, 132, 57, 23, 10, 4, 1};
	const size_t gaps_count = sizeof(gaps) / sizeof(gaps[0]);

	for (size_t g = count > FEW_EVENTS ? 0 : gaps_count - 1; g < gaps_count; g++) {
		size_t gap = gaps[g];

		for (size_t i = gap; i < count; i++) {
			struct track_event event = events[i];
			size_t at = i;

			for (; at >= gap && is_before(&event, &events[at - gap]); at -= gap)
				events[at] = events[at - gap];
			events[at] = event;
		}
	}
}

void track_sort_events(const struct track *track, struct track_events *events)
{
	if (events->count > FEW_EVENTS)
		drop_idle(track, events);
	sort(events->events, events->count);
}
