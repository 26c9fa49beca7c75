// SPDX-License-Identifier: BSD-3-Clause
// The insides of a matcher, for the files that make it (match_new.c) and use it (match.c).
#pragma once

#include "scan/anchor.h"
#include "scan/digest_lanes.h"
#include "scan/executable.h"
#include "scan/filetype.h"
#include "scan/match.h"
#include "scan/match_copy.h"
#include "scan/match_digest.h"
#include "scan/match_rule.h"
#include "scan/match_section.h"
#include "scan/match_share.h"
#include "scan/match_stage.h"
#include "scan/match_track.h"
#include "scan/match_type.h"
#include "scan/ruleset.h"

#include <hs_runtime.h>

#define MATCH_CACHE_LINE 64u
// So many bytes of an object are gathered before it is searched for the first time, and behind these as many or
// what a chunk of its copy holds. The first ones tell its type and hold the headers of a PE file, which end within
// 4096 bytes where a linker made them.
#define MATCH_SEARCH_BYTES 8192
#define MATCH_STAGE_BYTES (MATCH_SEARCH_BYTES + ANCHOR_HISTORY)

enum stream_kind { STREAM_ANY, STREAM_OWN };
#define STREAMS 2

// What an object has besides of the delta that lies on the ruleset.
struct match_over {
	struct track track;
	hs_stream_t *streams[STREAMS];
	uint8_t *stream_memory;
};

struct match_object {
	struct matcher *matcher;
	struct match_object *next_free;
	hs_stream_t *streams[STREAMS];
	uint8_t *stream_memory; // room for the streams of any target
	struct track track;
	struct match_over *over; // NULL: no delta
	struct match_copy copy;
	struct match_digesting digesting;
	bool is_doubtful; // its last line break
	struct match_sections sections;
	struct match_share share;
	struct executable executable;
	uint64_t bytes;
	uint64_t file_bytes; // of what it is a copy of, 0: its own
	uint64_t from;       // where in it a program begins that is looked at, 0: all of it is
	bool failed;
	bool is_searched;   // for the first time: its type is known and the streams are open
	bool is_again;      // its type was found before
	bool is_normalised; // all its bytes are text without capitals
	bool has_hashed;    // sections were looked for as they passed
	enum match_target target;
	unsigned int own_target; // enum filetype_target
	const struct filetype *type;
	size_t type_bytes;                  // that it is known by
	const struct filetype_clamav *told; // by signature files, NULL: nothing
	bool is_told;                       // it is known whether they do
	enum filetype_container container;
	uint32_t outer_count; // of what it lies in, the innermost first
	uint8_t outer[RULESET_MAX_OUTER];
	uint8_t *stage; // what is at hand of it, some of which was searched before (match_stage.h)
	size_t stage_from;   // not searched yet
	size_t stage_to;     // as far as bytes have come
	size_t stage_end;    // where the next search is due
	bool stages_in_copy; // as long as all is kept there
	bool drops_copy; // of which no more is wanted than what others compare with (match_share.h)
	uint8_t own_stage[MATCH_STAGE_BYTES + ANCHOR_PADDING];
};

// So many in an object are searched by themselves, and so many bytes of them: the last ones of all.
#define MATCH_PROGRAMS 8
#define MATCH_PROGRAM_BYTES (UINT64_C(64) << 20)

// PE files that begin inside of an object.
struct match_programs {
	uint64_t at;         // the next may begin there
	uint64_t bytes_left; // that may be searched
	uint32_t left;
};

// Where what a search meets is counted.
struct match_sighting {
	const struct ruleset *ruleset;
	struct track *track;
	struct track_events *events;
	const struct match_shares *shares;
	struct match_log *log; // where it is noted for others, too; NULL: nowhere
	uint32_t layer;
	bool is_known; // what any object is searched for is, but for what depends on a place
};

struct matcher {
	const struct ruleset *ruleset;
	hs_scratch_t *scratch;
	struct match_digester digester;
	bool all_matches;
	uint32_t objects_count;
	struct match_object *objects;
	struct match_object *free_objects;
	uint32_t objects_begun; // those behind were never used: their memory is not there yet
	uint8_t *blocks;        // the objects' stream memory
	size_t block_bytes;
	struct match_over *overs;
	uint8_t *over_blocks;
	size_t over_block_bytes;
	struct track_pool tracks;
	struct track_pool over_tracks;
	struct match_copy_pool copies;
	struct match_shares shares;
	struct match_types *types; // NULL: those that are built in
	struct match_rules *rules;
	struct match_rules *over_rules; // of the delta, NULL: there is none
	struct track_events *events;
	struct match_sighting sighting; // of the object that is being searched
	struct match_sighting over_sighting;
	struct track_events *over_events;
	bool hashes_sections;
	unsigned int hashes_imports; // DIGEST_* that some table of import tables has
	bool asks_files;             // some signature asks for facts of executable files
	bool retypes;                // or for another search of an object
	bool finds_programs;         // some signature is for PE files
	bool compares_places;        // patterns are compared at such places
	struct pe_versions versions; // of the object that is being ended
	bool was_partial;
	bool had_more;
};

static inline size_t match_round_up(size_t bytes)
{
	return (bytes + MATCH_CACHE_LINE - 1) & ~(size_t)(MATCH_CACHE_LINE - 1);
}

// Whether anything is decided on a copy of the object.
static inline bool match_needs_copy(const struct ruleset *ruleset)
{
	for (; ruleset != NULL; ruleset = ruleset->delta) {
		for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
			if (ruleset->hashes[i].entries_count > 0)
				return true;
		if (ruleset->regexes_count > 0 || ruleset->compares_count > 0 ||
			ruleset->deferred_count > 0)
			return true;
	}
	return false;
}

// A search has met a pattern that ends there.
void match_take(const struct match_sighting *sighting, uint32_t number, uint64_t to);

// What is read of an executable file may lie anywhere in it.
static inline bool match_may_need_copy(const struct matcher *matcher)
{
	return match_needs_copy(matcher->ruleset) || matcher->hashes_imports != 0 ||
	       matcher->hashes_sections || matcher->asks_files || matcher->retypes ||
	       matcher->finds_programs;
}

// What is at hand of the object when it has ended.
static inline struct executable_source match_source(const struct match_object *object)
{
	return (struct executable_source){.capture = &object->copy.capture,
		.bytes = object->bytes - object->from,
		.from = object->from};
}

// One that is not in use; NULL: all are.
struct match_object *match_take_object(struct matcher *matcher);

// The bytes are searched in; the last of them only with match_finish. Returns how many are kept, from the first on.
size_t match_pass(struct match_object *object, const uint8_t *data, size_t n);
void match_finish(struct match_object *object);

// The object has ended: what of an executable file could not be read while it passed is read, and where
// something asked for that the object is searched again.
void match_complete(struct match_object *object);
// Whether a signature that has hit asks that the object be searched as one of another target; then it was,
// and its rules are to be decided again.
bool match_retype(struct match_object *object);
// Looks for the next PE file that begins inside of the object, and searches the object from there on as one;
// its rules are to be decided then. False: there is no other.
bool match_next_program(struct match_object *object, struct match_programs *programs);
// Whether PE files will be looked for inside of an object whose first bytes are at hand, or all of them.
bool match_may_find_programs(const struct match_object *object, bool is_last);
// Searches the object again from object->from on, as one of this target. Hits remain.
void match_again(struct match_object *object, unsigned int target);

// Hits of the object as if it had a line break more; nothing is allowed for it.
void match_look_up_with_break(struct match_object *object);
// What it is so far, by the digests that run.
void match_look_up_running(struct match_object *object);
// The digests of the object, as match_end_late gives them; what they find is added to its hits.
void match_end_digests(
	struct match_object *object, struct match_digests *digests, struct digest_late *late);
// Names the hits of an object, those that the delta has, too, in the order that the signatures would have in
// one image. Returns how many there are, of which at most max are named.
size_t match_name_hits(const struct matcher *matcher, const struct track_hits *own,
	const struct track_hits *over, struct match_hit *hits, size_t max);
// Looks up the digests of the object's import table, if it is a PE file.
void match_imports(struct match_object *object);

// The next stream to be opened lies there.
void match_offer_stream_memory(void *memory);
