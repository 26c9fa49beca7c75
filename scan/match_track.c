// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_track.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define KEY_OF_GROUP 0x80000000u

static_assert(TRACK_OWN_ENTRIES == 64, "a bit for each");

// ---- the table ---------------------------------------------------------------------------------

static uint32_t atom_key(uint32_t atom)
{
	return atom + 1;
}

static uint32_t group_key(uint32_t group)
{
	return group | KEY_OF_GROUP;
}

uint32_t track_atom_of(const struct track_entry *entry)
{
	return entry->key != 0 && (entry->key & KEY_OF_GROUP) == 0 ? entry->key - 1 : RULESET_NONE;
}

// The entry of the key, or the free one where it belongs. One at least is free.
static struct track_entry *probe(const struct track *track, uint32_t key)
{
	uint32_t mask = track->entries_room - 1;
	uint32_t at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) & mask;

	while (track->entries[at].key != 0 && track->entries[at].key != key)
		at = (at + 1) & mask;
	return &track->entries[at];
}

const struct track_entry *track_find_atom(const struct track *track, uint32_t atom)
{
	const struct track_entry *entry = probe(track, atom_key(atom));

	return entry->key != 0 ? entry : NULL;
}

bool track_has_group(const struct track *track, uint32_t group)
{
	return probe(track, group_key(group))->key != 0;
}

static void put_table(struct track *track)
{
	if (track->table_size < 0)
		return;
	track->table->next = track->pool->tables[track->table_size];
	track->pool->tables[track->table_size] = track->table;
}

static bool grow(struct track *track)
{
	static const uint32_t rooms[TRACK_SIZES] = {TRACK_ROOM_MIDDLE, TRACK_ROOM_LARGE};
	int size = track->table_size + 1;
	struct track old = *track;
	struct track_table *table = size < TRACK_SIZES ? track_pool_take(track->pool, size) : NULL;

	if (table == NULL) {
		track->lost = true;
		return false;
	}
	track->table = table;
	track->table_size = size;
	track->entries = table->entries;
	track->entries_room = rooms[size];
	memset(track->entries, 0, track->entries_room * sizeof(*track->entries));
	for (uint32_t i = 0; i < old.entries_room; i++)
		if (old.entries[i].key != 0)
			*probe(track, old.entries[i].key) = old.entries[i];
	put_table(&old);
	return true;
}

// NULL: there is no room, and the object is lost track of.
static struct track_entry *find_or_add(struct track *track, uint32_t key)
{
	struct track_entry *entry = probe(track, key);

	if (entry->key != 0)
		return entry;
	if (4 * (track->entries_count + 1) > 3 * track->entries_room) {
		if (!grow(track))
			return NULL;
		entry = probe(track, key);
	}
	track->entries_count++;
	if (track->table_size < 0)
		track->own_used |= UINT64_C(1) << (entry - track->own);
	*entry = (struct track_entry){.key = key};
	return entry;
}

void track_begin(struct track *track, const struct ruleset *ruleset, struct track_pool *pool)
{
	track->ruleset = ruleset;
	track->pool = pool;
	track->hits.count = 0;
	track->has_ends = false;
	track->hits.more = false;
	track->hits.removed = ruleset->removed_bits;
	track->lost = false;
	track->is_open = false;
	track->missed = false;
	track->handler = FILETYPE_TARGET_ANY;
	track->executable = NULL;
	track->versions = NULL;
	track->entries_count = 0;
	track->entries_room = TRACK_OWN_ENTRIES;
	track->entries = track->own;
	track->table_size = -1;
	track->rings = NULL;
}

void track_release(struct track *track)
{
	while (track->rings != NULL) {
		struct track_ring *ring = track->rings;

		track->rings = ring->next_of_object;
		ring->next_of_object = track->pool->rings;
		track->pool->rings = ring;
	}
	put_table(track);
	for (; track->own_used != 0; track->own_used &= track->own_used - 1)
		track->own[__builtin_ctzll(track->own_used)].key = 0;
	track->table_size = -1;
	track->entries = track->own;
	track->entries_room = TRACK_OWN_ENTRIES;
	track->entries_count = 0;
}

// ---- atoms -------------------------------------------------------------------------------------

// Starts come nearly in order; the same one may come again while it is among the latest 64.
static void count_start(struct track_entry *entry, uint64_t start, uint64_t begin)
{
	if (entry->count == 0 || start > entry->of.atom.last) {
		uint64_t ahead = start - entry->of.atom.last;

		entry->of.atom.seen =
			entry->count > 0 && ahead < 64 ? entry->of.atom.seen << ahead : 0;
		entry->of.atom.seen |= 1;
		entry->of.atom.last = start;
		entry->of.atom.begin = begin;
	} else {
		uint64_t behind = entry->of.atom.last - start;
		uint64_t bit = behind < 64 ? UINT64_C(1) << behind : 0;

		if ((entry->of.atom.seen & bit) != 0)
			return;
		entry->of.atom.seen |= bit;
	}
	if (entry->count < UINT32_MAX)
		entry->count++;
}

static bool is_counted(const struct track *track, uint32_t sink)
{
	return (sink & RULESET_ATOM) != 0 && (sink & RULESET_TRIGGER) != RULESET_TRIGGER &&
	       track->ruleset->atoms[sink & RULESET_ATOM_NUMBER].counted != 0;
}

// Of a part of a deferred atom, until that is counted: where the first begins, and the last.
static void note_trigger(struct track_entry *entry, uint64_t start)
{
	const bool is_first = entry->of.atom.seen == 0;

	entry->of.atom.seen = 1;
	if (is_first || start < entry->of.atom.begin)
		entry->of.atom.begin = start;
	if (is_first || start > entry->of.atom.last)
		entry->of.atom.last = start;
}

static void sink_from(struct track *track, uint32_t sink, uint64_t start, uint64_t begin)
{
	uint32_t atom = sink & RULESET_ATOM_NUMBER;
	struct track_entry *entry;

	if ((sink & RULESET_ATOM) == 0) {
		track_hit(&track->hits, sink);
		return;
	}
	entry = find_or_add(track, atom_key(atom));
	if (entry == NULL)
		return;
	if ((sink & RULESET_TRIGGER) == RULESET_TRIGGER)
		note_trigger(entry, start);
	else if (is_counted(track, sink))
		count_start(entry, start, begin);
	else
		entry->count = 1;
}

void track_sink(struct track *track, uint32_t sink, uint64_t start)
{
	sink_from(track, sink, start, start);
}

// ---- groups ------------------------------------------------------------------------------------

static bool lies_in(uint64_t start, uint64_t from, uint32_t shift)
{
	return start >= from && start - from <= shift;
}

static bool lies_by_section(
	const struct executable_section *section, const struct ruleset_group *group, uint64_t start)
{
	uint64_t shift = group->shift;
	uint64_t from = section->offset;

	if (group->offset_from == RULESET_OFFSET_IN_SECTION)
		shift += section->bytes;
	if ((group->flags & RULESET_GROUP_BEFORE) == 0)
		from += group->offset;
	else
		start += group->offset;
	return start >= from && start - from <= shift;
}

static bool is_version(
	const struct pe_versions *versions, const struct ruleset_group *group, uint64_t start)
{
	if ((group->flags & RULESET_GROUP_BEFORE) != 0)
		start += group->offset;
	for (uint32_t i = 0; i < versions->count; i++)
		if (versions->offsets[i] == start)
			return true;
	return false;
}

static bool fits_entry_point(
	const struct executable *file, const struct ruleset_group *group, uint64_t start)
{
	if ((group->flags & RULESET_GROUP_BEFORE) == 0)
		return lies_in(start, (uint64_t)file->entry_point + group->offset, group->shift);
	return group->offset <= file->entry_point &&
	       lies_in(start, file->entry_point - group->offset, group->shift);
}

// Of executable files.
static bool fits_file(struct track *track, const struct ruleset_group *group, uint64_t start)
{
	const struct executable *file = track->executable;
	uint32_t section = group->section;
	bool is_known = file != NULL && file->has_sections;

	if (group->offset_from == RULESET_OFFSET_VERSION)
		is_known = track->versions != NULL;
	else if (group->offset_from == RULESET_OFFSET_ENTRY)
		is_known = file != NULL && file->has_entry_point;
	if (!is_known) {
		track->missed = track->missed || track->is_open;
		return false;
	}
	if (group->offset_from == RULESET_OFFSET_VERSION)
		return is_version(track->versions, group, start);
	if (group->offset_from == RULESET_OFFSET_ENTRY)
		return fits_entry_point(file, group, start);
	if (group->offset_from == RULESET_OFFSET_LAST_SECTION)
		section = file->sections_count - 1; // none: more than there are
	return section < file->sections_count &&
	       lies_by_section(&file->sections[section], group, start);
}

static bool start_fits(struct track *track, const struct ruleset_group *group, uint64_t start)
{

	switch ((enum ruleset_offset)group->offset_from) {
	case RULESET_OFFSET_ANY:
	case RULESET_OFFSET_END:
		return true;
	case RULESET_OFFSET_START:
		return lies_in(start, group->offset, group->shift);
	case RULESET_OFFSET_ENTRY:
	case RULESET_OFFSET_LAST_SECTION:
	case RULESET_OFFSET_SECTION:
	case RULESET_OFFSET_IN_SECTION:
	case RULESET_OFFSET_VERSION:
		break;
	}
	return fits_file(track, group, start);
}

static bool is_from_end(const struct ruleset_group *group)
{
	return group->offset_from == RULESET_OFFSET_END;
}

static struct track_ring *new_ring(struct track *track)
{
	struct track_ring *ring = track->pool->rings;

	if (ring == NULL) {
		track->lost = true;
		return NULL;
	}
	track->pool->rings = ring->next_of_object;
	ring->next_of_object = track->rings;
	track->rings = ring;
	ring->count = 0;
	ring->next = 0;
	ring->forgotten_from = UINT64_MAX;
	ring->forgotten_to = 0;
	return ring;
}

// The start matters only to a condition on the distance from the end.
static bool is_known(const struct track_ring *ring, const struct ruleset_group *group,
	struct track_candidate candidate)
{
	for (uint32_t i = 0; i < ring->count; i++) {
		const struct track_candidate *slot = &ring->slots[i];

		if (candidate.end <= slot->end && slot->end - candidate.end <= slot->span &&
			(slot->start == candidate.start || !is_from_end(group)))
			return true;
	}
	return false;
}

static bool follows_latest(struct track_ring *ring, const struct ruleset_group *group,
	struct track_candidate candidate)
{
	struct track_candidate *latest =
		&ring->slots[(ring->next + group->ring_count - 1u) % group->ring_count];

	if (ring->count == 0 || is_from_end(group) || latest->end + 1 != candidate.end)
		return false;
	latest->end++;
	latest->span++;
	return true;
}

// The oldest makes room.
static void forget(struct track_ring *ring, const struct ruleset_group *group)
{
	const struct track_candidate *oldest = &ring->slots[ring->next];
	uint64_t last = is_from_end(group) ? oldest->start : oldest->end;

	if (last - oldest->span < ring->forgotten_from)
		ring->forgotten_from = last - oldest->span;
	if (last >= ring->forgotten_to)
		ring->forgotten_to = last + 1;
}

static void keep(
	struct track *track, const struct ruleset_group *group, struct track_candidate candidate)
{
	uint32_t number = (uint32_t)(group - track->ruleset->groups);
	struct track_entry *entry = find_or_add(track, group_key(number));
	struct track_ring *ring;

	if (entry == NULL)
		return;
	track->has_ends = track->has_ends || is_from_end(group);
	// A single slot keeps the first candidate: nothing after it has an upper limit.
	if (group->ring_count == 1) {
		if (entry->count == 0 || candidate.end < entry->of.candidate.end)
			entry->of.candidate = candidate;
		entry->count = 1;
		return;
	}
	if (entry->count == 0)
		entry->of.ring = new_ring(track);
	entry->count = 1;
	ring = entry->of.ring;
	if (ring == NULL)
		return;
	if (is_known(ring, group, candidate) || follows_latest(ring, group, candidate))
		return;
	if (ring->count == group->ring_count)
		forget(ring, group);
	ring->slots[ring->next] = candidate;
	ring->next = (uint16_t)((ring->next + 1u) % group->ring_count);
	if (ring->count < group->ring_count)
		ring->count++;
}

// Own is where this group itself began.
static void advance(struct track *track, const struct ruleset_group *group,
	struct track_candidate candidate, uint64_t own)
{
	if (group->ring_count > 0)
		keep(track, group, candidate);
	else
		sink_from(track, group->sink, own, candidate.start);
}

// Whether one that ends where the candidate does, or so much before, has the gap to where this begins.
static bool gap_fits(
	const struct ruleset_group *group, const struct track_candidate *candidate, uint64_t to)
{
	uint64_t first = candidate->end - candidate->span;

	if (to < first || to - first < group->gap_min)
		return false;
	return group->gap_max == RULESET_GAP_ANY || to <= candidate->end ||
	       to - candidate->end <= group->gap_max;
}

// The candidates that a group has kept.
static const struct track_candidate *candidates_of(
	const struct track *track, uint32_t group, uint32_t *count)
{
	const struct track_entry *entry = probe(track, group_key(group));

	*count = 0;
	if (entry->key == 0 || entry->count == 0)
		return NULL;
	if (track->ruleset->groups[group].ring_count == 1) {
		*count = 1;
		return &entry->of.candidate;
	}
	if (entry->of.ring == NULL)
		return NULL;
	*count = entry->of.ring->count;
	return entry->of.ring->slots;
}

// Nothing that is kept fits: whether something might have that was forgotten.
static bool fits_forgotten(const struct track *track, const struct ruleset_group *group,
	uint32_t before, uint64_t start)
{
	const struct track_entry *entry = probe(track, group_key(before));
	struct track_candidate forgotten = {0};

	if (is_from_end(group) || track->ruleset->groups[before].ring_count <= 1 ||
		entry->key == 0 || entry->count == 0 || entry->of.ring == NULL ||
		entry->of.ring->forgotten_to == 0)
		return false;
	forgotten.end = entry->of.ring->forgotten_to - 1;
	forgotten.span = forgotten.end - entry->of.ring->forgotten_from;
	return gap_fits(group, &forgotten, start);
}

static void follow_group(struct track *track, const struct ruleset_use *use, uint64_t end)
{
	const struct ruleset_group *group = &track->ruleset->groups[use->group];
	struct track_candidate candidate = {.end = end};
	const struct track_candidate *before;
	uint64_t start = end - use->length;
	uint32_t count;

	if ((group->flags & RULESET_GROUP_FIRST) != 0) {
		candidate.start = start;
		if (start_fits(track, group, start))
			advance(track, group, candidate, start);
		return;
	}
	before = candidates_of(track, use->group - 1, &count);
	for (uint32_t i = 0; i < count; i++) {
		if (!gap_fits(group, &before[i], start))
			continue;
		candidate.start = before[i].start;
		advance(track, group, candidate, start);
		if (!is_from_end(group))
			return;
		// The table may have been moved meanwhile.
		before = candidates_of(track, use->group - 1, &count);
	}
	if (fits_forgotten(track, group, use->group - 1, start))
		track->lost = true;
}

// ---- events ------------------------------------------------------------------------------------

bool track_can_begin(struct track *track, const struct ruleset_use *use, uint64_t start)
{
	const struct ruleset_group *group = &track->ruleset->groups[use->group];

	return (group->flags & RULESET_GROUP_FIRST) == 0 || start_fits(track, group, start);
}

void track_follow(struct track *track, struct track_events *events)
{
	track_sort_events(track, events);
	for (size_t i = 0; i < events->count; i++)
		follow_group(
			track, &track->ruleset->uses[events->events[i].use], events->events[i].end);
	events->count = 0;
	events->followed = 0;
}

void track_follow_early(struct track *track, struct track_events *events)
{
	uint64_t latest = 0;

	for (size_t i = 0; i < events->count; i++)
		latest = events->events[i].end > latest ? events->events[i].end : latest;
	track_follow(track, events);
	events->followed = latest;
}

// Of what was forgotten some may have begun at the place that is told from the end.
static void note_forgotten(struct track *track, const struct ruleset_group *group,
	const struct track_entry *entry, uint64_t bytes)
{
	const struct track_ring *ring =
		is_from_end(group) && group->ring_count > 1 && entry->count > 0 ? entry->of.ring
										: NULL;

	if (ring != NULL && ring->forgotten_to > 0 &&
		ring->forgotten_to - 1 + group->offset >= bytes &&
		ring->forgotten_from + group->offset <= bytes + group->shift)
		track->lost = true;
}

// A group that is the last of a pattern, and that an entry is of; NULL for any other.
static const struct ruleset_group *last_group(
	const struct track *track, const struct track_entry *entry, uint32_t *number)
{
	const struct ruleset_group *group;

	// Of other entries the number means nothing: there may be no groups at all.
	if ((entry->key & KEY_OF_GROUP) == 0)
		return NULL;
	*number = entry->key & ~KEY_OF_GROUP;
	group = &track->ruleset->groups[*number];
	return (group->flags & RULESET_GROUP_LAST) != 0 && is_from_end(group) ? group : NULL;
}

static bool ends_there(
	const struct ruleset_group *group, const struct track_candidate *candidate, uint64_t bytes)
{
	return bytes >= group->offset - group->moved &&
	       lies_in(candidate->start + group->offset, bytes, group->shift);
}

// Those that are counted have an entry already: the table stays where it is.
static void count_ends(struct track *track, uint64_t bytes)
{
	for (uint32_t i = track_next_entry(track, 0); i < track->entries_room;
		i = track_next_entry(track, i + 1)) {
		const struct track_candidate *candidates;
		const struct ruleset_group *group;
		struct track_entry *entry;
		uint32_t number;
		uint32_t count;

		group = last_group(track, &track->entries[i], &number);
		if (group == NULL || !is_counted(track, group->sink))
			continue;
		entry = probe(track, atom_key(group->sink & RULESET_ATOM_NUMBER));
		candidates = candidates_of(track, number, &count);
		for (uint32_t slot = 0; slot < count && entry->key != 0; slot++)
			if (ends_there(group, &candidates[slot], bytes))
				count_start(entry, candidates[slot].end, candidates[slot].start);
	}
}

void track_end(struct track *track, uint64_t bytes)
{
	struct track_hits ends = {0};
	bool counts = false;

	if (!track->has_ends)
		return;
	// Sinks may move the table: which groups are to be looked at is found first.
	for (uint32_t i = track_next_entry(track, 0); i < track->entries_room;
		i = track_next_entry(track, i + 1)) {
		const struct track_candidate *candidates;
		const struct ruleset_group *group;
		uint32_t number;
		uint32_t count;

		if ((track->entries[i].key & KEY_OF_GROUP) != 0)
			note_forgotten(track,
				&track->ruleset->groups[track->entries[i].key & ~KEY_OF_GROUP],
				&track->entries[i], bytes);
		group = last_group(track, &track->entries[i], &number);
		if (group == NULL)
			continue;
		candidates = candidates_of(track, number, &count);
		for (uint32_t slot = 0; slot < count; slot++)
			if (ends_there(group, &candidates[slot], bytes))
				track_hit(&ends, group->sink);
	}
	for (uint32_t i = 0; i < ends.count; i++) {
		if (!is_counted(track, ends.signatures[i])) {
			track_sink(track, ends.signatures[i], bytes);
			continue;
		}
		counts = true;
		(void)find_or_add(track, atom_key(ends.signatures[i] & RULESET_ATOM_NUMBER));
	}
	if (counts)
		count_ends(track, bytes);
}
