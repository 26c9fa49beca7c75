// SPDX-License-Identifier: BSD-3-Clause
// What has been found of the signatures in one object: hits, counts of subsignatures (atoms), and
// patterns that are matched in several groups.
//
// The searches promise no order among the matches of one call, so those whose order matters are
// collected, sorted by where they end and only then followed. Each group keeps the latest candidates
// that a next group could go on from; where the gap has no upper limit the first one is enough.
//
// A ruleset has far more atoms and groups than an object shows, so an object keeps only those that it
// has, in a hash table. It has room for a few in the object itself; larger tables and rings of
// candidates come from pools, and an object that finds these empty is lost track of, which is noted.
#pragma once

#include "scan/executable.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct track_event {
	uint64_t end;
	uint32_t use;
};

// Those that end one byte behind the other, as they do in runs of one byte, are one candidate.
struct track_candidate {
	uint64_t start; // of the first group
	uint64_t end;   // of this group
	uint64_t span;  // so many more end before it
};

struct track_ring {
	struct track_ring *next_of_object;
	uint16_t count;
	uint16_t next;
	// Those that there was no room for ended between these, or of a place that is told from the end began:
	// the second is one more, 0: there are none.
	uint64_t forgotten_from;
	uint64_t forgotten_to;
	struct track_candidate slots[RULESET_MAX_RING];
};

// What is known of an atom or of a group.
struct track_entry {
	uint32_t key; // 0: free
	uint32_t count;
	union {
		struct {
			uint64_t last; // start of the latest hit, of several groups of the last one
			uint64_t seen; // bit i: there was one at last - i
			uint64_t begin; // of the latest hit, of several groups of the first one
			// With a count of 0: of a deferred atom's parts the first begins at begin, the last at last.
		} atom;
		struct track_candidate candidate;
		struct track_ring *ring;
	} of;
};

#define TRACK_OWN_ENTRIES 64
#define TRACK_SIZES 2 // of tables in the pool
#define TRACK_ROOM_MIDDLE 2048
#define TRACK_ROOM_LARGE 65536

struct track_table {
	struct track_table *next;
	struct track_entry entries[];
};

// Memory that the objects of a matcher share.
struct track_pool {
	struct track_ring *rings;
	struct track_table *tables[TRACK_SIZES]; // that were used and are free
	size_t unused[TRACK_SIZES];              // of memory, from its end
	void *memory[1 + TRACK_SIZES];
};

// Collected matches of the object being scanned: one for a thread.
#define TRACK_MAX_EVENTS 32768

struct track_events {
	size_t count;
	uint64_t followed; // what ends before this comes too late
	struct track_event events[TRACK_MAX_EVENTS];
};

// Signatures that hit an object, ascending; of too many the first remain.
#define TRACK_MAX_HITS 128

struct track_hits {
	bool more;               // there were more
	const uint64_t *removed; // signatures that do not count, NULL: none
	uint32_t count;
	uint32_t signatures[TRACK_MAX_HITS];
};

// The state of one object.
struct track {
	const struct ruleset *ruleset;
	struct track_pool *pool;
	struct track *over; // of the delta that lies on the ruleset, NULL: none
	struct track_hits hits;
	bool lost;     // of some patterns
	bool has_ends; // something is kept of a group whose place is told from the end
	bool is_open; // more of the file will be known when it is whole: what was missed is looked for again
	uint32_t
		handler; // enum filetype_target that the object is to be searched as, too; ANY: none
	bool missed;     // something asked for what is not known yet
	const struct executable *executable; // NULL: not known, or no such file
	const struct pe_versions *versions;  // NULL: not known
	uint32_t entries_count;
	uint32_t entries_room; // a power of two
	int table_size;        // of the table in use, negative: the own entries
	struct track_entry *entries;
	struct track_table *table;
	struct track_ring *rings;
	uint64_t own_used; // a bit for each of the own entries that is not free
	struct track_entry own[TRACK_OWN_ENTRIES];
};

// Takes all memory for so many objects in progress. Returns 0 or -ENOMEM.
int track_pool_init(struct track_pool *pool, const struct ruleset *ruleset, uint32_t objects);
void track_pool_fini(struct track_pool *pool);
// A table of this size, whose entries are whatever they are; NULL: there is none left.
struct track_table *track_pool_take(struct track_pool *pool, int size);

// The track is zeroed before its first object.
void track_begin(struct track *track, const struct ruleset *ruleset, struct track_pool *pool);
// Gives back what the object took.
void track_release(struct track *track);

void track_hit(struct track_hits *hits, uint32_t signature);
// Hits of what a set has of a digest. Returns whether it is on an allow list.
bool track_digest(
	struct track_hits *hits, const struct hashset *set, const uint8_t *digest, uint64_t bytes);
// A match that needs no order.
void track_sink(struct track *track, uint32_t sink, uint64_t start);
// Whether a group's match that begins there can count: false only of a first group at a wrong place.
bool track_can_begin(struct track *track, const struct ruleset_use *use, uint64_t start);
// Follows the collected matches, which are all of these bytes, and empties the collection.
void track_follow(struct track *track, struct track_events *events);
// The same while more may come of these bytes: what then comes too late loses track of the object.
void track_follow_early(struct track *track, struct track_events *events);
// The object has ended with so many bytes: conditions on the distance from the end are decided.
void track_end(struct track *track, uint64_t bytes);

// What is known of an atom, or NULL.
const struct track_entry *track_find_atom(const struct track *track, uint32_t atom);
// The place of the first entry from there on that is not free; behind the last: there is none.
static inline uint32_t track_next_entry(const struct track *track, uint32_t at)
{
	uint64_t left;

	if (track->table_size >= 0) {
		while (at < track->entries_room && track->entries[at].key == 0)
			at++;
		return at;
	}
	left = at < TRACK_OWN_ENTRIES ? track->own_used >> at : 0;
	return left != 0 ? at + (uint32_t)__builtin_ctzll(left) : TRACK_OWN_ENTRIES;
}
// The number of the atom of an entry, or RULESET_NONE.
uint32_t track_atom_of(const struct track_entry *entry);
// Whether something is kept of a group, or was.
bool track_has_group(const struct track *track, uint32_t group);
// Sorts the collected matches by where they end, and forgets those of groups that have nothing to go on
// from (match_event.c).
void track_sort_events(const struct track *track, struct track_events *events);
