// SPDX-License-Identifier: BSD-3-Clause
// The insides of a matcher, for the files that make it (match_new.c) and use it (match.c).
#pragma once

#include "scan/digest.h"
#include "scan/filetype.h"
#include "scan/match.h"
#include "scan/match_copy.h"
#include "scan/match_rule.h"
#include "scan/match_section.h"
#include "scan/match_track.h"
#include "scan/pe.h"
#include "scan/ruleset.h"

#include <hs_runtime.h>

#include <assert.h>

#define MATCH_CACHE_LINE 64u
// As much of a file is kept at most until its type and, of a PE file, the header are known. Headers
// end within the first 4096 bytes where a linker made them.
#define MATCH_PREFIX_BYTES 8192

static_assert(MATCH_PREFIX_BYTES % FILETYPE_BYTES == 0, "the prefix is doubled until it is enough");

enum stream_kind { STREAM_LITERALS, STREAM_PATTERNS, STREAM_OWN_LITERALS, STREAM_OWN_PATTERNS };
#define STREAMS 4

struct match_object {
	struct matcher *matcher;
	struct match_object *next_free;
	hs_stream_t *streams[STREAMS];
	uint8_t *stream_memory; // room for the streams of any target
	struct track track;
	struct match_copy copy;
	struct digest digest;
	struct match_sections sections;
	struct pe pe;
	uint64_t bytes;
	bool failed;
	bool typed; // type is known and the streams of its own target are open
	enum match_target target;
	const struct filetype *type;
	enum filetype_container container;
	size_t history_bytes;
	size_t prefix_bytes;
	size_t prefix_wanted;
	uint8_t history[RULESET_MAX_CHECK];
	uint8_t prefix[MATCH_PREFIX_BYTES];
};

struct matcher {
	const struct ruleset *ruleset;
	hs_scratch_t *scratch;
	unsigned int digests;    // wanted of every object
	unsigned int algorithms; // wanted, or needed by the hash tables
	bool all_matches;
	uint32_t objects_count;
	struct match_object *objects;
	struct match_object *free_objects;
	void *blocks; // the objects' stream memory
	struct track_pool tracks;
	struct match_copy_pool copies;
	struct match_rules *rules;
	struct track_events *events;
	struct track *tracking; // whose events are being collected
	bool hashes_sections;
	bool was_partial;
};

static inline size_t match_round_up(size_t bytes)
{
	return (bytes + MATCH_CACHE_LINE - 1) & ~(size_t)(MATCH_CACHE_LINE - 1);
}

static inline size_t match_streams_bytes(const struct ruleset *ruleset, unsigned int target)
{
	return match_round_up(ruleset->literals[target].stream_bytes) +
	       match_round_up(ruleset->patterns[target].stream_bytes);
}

// Whether anything is decided on a copy of the object.
static inline bool match_needs_copy(const struct ruleset *ruleset)
{
	return ruleset->regexes_count > 0 || ruleset->compares_count > 0;
}

// The next stream to be opened lies there.
void match_offer_stream_memory(void *memory);
