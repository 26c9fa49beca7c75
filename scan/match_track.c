// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_track.h"

#include <stdbool.h>
#include <string.h>

void track_hit(struct track_hits *hits, uint32_t signature)
{
	uint32_t at = hits->count;

	while (at > 0 && hits->signatures[at - 1] > signature)
		at--;
	if (at > 0 && hits->signatures[at - 1] == signature)
		return;
	if (at == TRACK_MAX_HITS)
		return;
	if (hits->count == TRACK_MAX_HITS)
		hits->count--;
	memmove(&hits->signatures[at + 1], &hits->signatures[at],
		(hits->count - at) * sizeof(hits->signatures[0]));
	hits->signatures[at] = signature;
	hits->count++;
}

static bool is_before(const struct track_event *a, const struct track_event *b)
{
	return a->end != b->end ? a->end < b->end : a->use < b->use;
}

// Shell sort: no memory, and fast on what is almost sorted.
static void sort_events(struct track_event *events, size_t count)
{
	static const uint16_t gaps[] = {7983, 3548, 1577, 701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
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

static bool start_fits(const struct ruleset_group *group, uint64_t start)
{
	return group->offset_from != RULESET_OFFSET_START ||
	       (start >= group->offset && start - group->offset <= group->shift);
}

static bool is_from_end(const struct ruleset_group *group)
{
	return group->offset_from == RULESET_OFFSET_END;
}

static void keep(
	struct track *track, const struct ruleset_group *group, struct track_candidate candidate)
{
	struct track_ring *ring = &track->rings[group - track->ruleset->groups];
	struct track_candidate *slots = &track->slots[group->ring];

	// A single slot keeps the first candidate: nothing after it has an upper limit.
	if (group->ring_count == 1 && ring->count == 1) {
		if (candidate.end < slots[0].end)
			slots[0] = candidate;
		return;
	}
	// The start matters only to a condition on the distance from the end.
	for (uint32_t i = 0; i < ring->count; i++)
		if (slots[i].end == candidate.end &&
			(slots[i].start == candidate.start || !is_from_end(group)))
			return;
	slots[ring->next] = candidate;
	ring->next = (uint16_t)((ring->next + 1u) % group->ring_count);
	if (ring->count < group->ring_count)
		ring->count++;
}

static void advance(
	struct track *track, const struct ruleset_group *group, struct track_candidate candidate)
{
	if (group->ring_count > 0)
		keep(track, group, candidate);
	else
		track_hit(&track->hits, group->signature);
}

static bool gap_fits(const struct ruleset_group *group, uint64_t from, uint64_t to)
{
	return to >= from && to - from >= group->gap_min &&
	       (group->gap_max == RULESET_GAP_ANY || to - from <= group->gap_max);
}

static void follow_event(struct track *track, const struct track_event *event)
{
	const struct ruleset_use *use = &track->ruleset->uses[event->use];
	const struct ruleset_group *group = &track->ruleset->groups[use->group];
	struct track_candidate candidate = {.end = event->end};
	const struct track_ring *ring;
	uint64_t start;

	if (event->end < use->length)
		return;
	start = event->end - use->length;
	if ((group->flags & RULESET_GROUP_FIRST) != 0) {
		candidate.start = start;
		if (start_fits(group, start))
			advance(track, group, candidate);
		return;
	}
	ring = &track->rings[use->group - 1];
	for (uint32_t i = 0; i < ring->count; i++) {
		const struct track_candidate *before = &track->slots[group[-1].ring + i];

		if (!gap_fits(group, before->end, start))
			continue;
		candidate.start = before->start;
		advance(track, group, candidate);
		if (!is_from_end(group))
			return;
	}
}

void track_follow(struct track *track, struct track_events *events)
{
	sort_events(events->events, events->count);
	for (size_t i = 0; i < events->count; i++)
		follow_event(track, &events->events[i]);
	events->count = 0;
}

void track_end(struct track *track, uint64_t bytes)
{
	for (uint32_t i = 0; i < track->ruleset->groups_count; i++) {
		const struct ruleset_group *group = &track->ruleset->groups[i];

		if ((group->flags & RULESET_GROUP_LAST) == 0 ||
			group->offset_from != RULESET_OFFSET_END || bytes < group->offset)
			continue;
		for (uint32_t slot = 0; slot < track->rings[i].count; slot++) {
			uint64_t start = track->slots[group->ring + slot].start;
			uint64_t wanted = bytes - group->offset;

			if (start >= wanted && start - wanted <= group->shift)
				track_hit(&track->hits, group->signature);
		}
	}
}
