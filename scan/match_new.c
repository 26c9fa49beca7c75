// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_object.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

// Hyperscan opens a stream in memory that it takes from an allocator, of which a process has one.
// Ours gives what the caller has laid ready, so that a stream lies in its object's own memory.
static _Thread_local void *stream_memory_ready;

static void *take_stream_memory(size_t bytes)
{
	void *memory = stream_memory_ready;

	(void)bytes;
	stream_memory_ready = NULL;
	return memory;
}

void match_offer_stream_memory(void *memory)
{
	stream_memory_ready = memory;
}

static void leave_stream_memory(void *memory)
{
	(void)memory;
}

static void set_stream_allocator(void)
{
	(void)hs_set_stream_allocator(take_stream_memory, leave_stream_memory);
}

static size_t object_stream_bytes(const struct ruleset *ruleset)
{
	size_t own = 0;

	for (unsigned int i = 1; i < FILETYPE_TARGETS; i++)
		if (ruleset->patterns[i].stream_bytes > own)
			own = ruleset->patterns[i].stream_bytes;
	return match_round_up(ruleset->patterns[FILETYPE_TARGET_ANY].stream_bytes) +
	       match_round_up(own);
}

static int new_scratch(struct matcher *matcher)
{
	const struct ruleset *ruleset = matcher->ruleset;

	for (; ruleset != NULL; ruleset = ruleset->delta)
		for (unsigned int i = 0; i < FILETYPE_TARGETS; i++)
			if (ruleset->patterns[i].db != NULL &&
				hs_alloc_scratch(ruleset->patterns[i].db, &matcher->scratch) !=
					HS_SUCCESS)
				return -ENOMEM;
	return 0;
}

static int new_objects(struct matcher *matcher)
{
	size_t block_bytes = object_stream_bytes(matcher->ruleset);

	matcher->objects = calloc(matcher->objects_count, sizeof(*matcher->objects));
	matcher->blocks = aligned_alloc(
		MATCH_CACHE_LINE, block_bytes * matcher->objects_count + MATCH_CACHE_LINE);
	if (matcher->objects == NULL || matcher->blocks == NULL)
		return -ENOMEM;
	matcher->block_bytes = block_bytes;
	return 0;
}

// What there is of each object for the delta.
static int new_overs(struct matcher *matcher)
{
	const struct ruleset *delta = matcher->ruleset->delta;
	size_t block_bytes;
	int err;

	if (delta == NULL)
		return 0;
	block_bytes = object_stream_bytes(delta);
	matcher->overs = calloc(matcher->objects_count, sizeof(*matcher->overs));
	matcher->over_blocks = aligned_alloc(
		MATCH_CACHE_LINE, block_bytes * matcher->objects_count + MATCH_CACHE_LINE);
	matcher->over_events = calloc(1, sizeof(*matcher->over_events));
	if (matcher->overs == NULL || matcher->over_blocks == NULL || matcher->over_events == NULL)
		return -ENOMEM;
	matcher->over_block_bytes = block_bytes;
	err = track_pool_init(&matcher->over_tracks, delta, matcher->objects_count);
	return err == 0 ? match_rules_new(delta, &matcher->over_rules) : err;
}

struct match_object *match_take_object(struct matcher *matcher)
{
	struct match_object *object = matcher->free_objects;
	uint32_t i = matcher->objects_begun;

	if (object != NULL) {
		matcher->free_objects = object->next_free;
		return object;
	}
	if (i == matcher->objects_count)
		return NULL;
	matcher->objects_begun++;
	object = &matcher->objects[i];
	object->matcher = matcher;
	object->stream_memory = matcher->blocks + i * matcher->block_bytes;
	if (matcher->overs != NULL) {
		object->over = &matcher->overs[i];
		object->over->stream_memory = matcher->over_blocks + i * matcher->over_block_bytes;
	}
	return object;
}

static void note_hashes(struct matcher *matcher)
{
	const struct ruleset *ruleset = matcher->ruleset;

	for (; ruleset != NULL; ruleset = ruleset->delta) {
		for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
			if (ruleset->section_hashes[i].entries_count > 0)
				matcher->hashes_sections = true;
			if (ruleset->import_hashes[i].entries_count > 0)
				matcher->hashes_imports |= 1u << i;
		}
	}
}

// Whether the place of a pattern is one in an executable file.
static bool is_in_executable(uint32_t offset_from)
{
	return offset_from >= RULESET_OFFSET_ENTRY;
}

static bool asks_files(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->groups_count; i++)
		if (is_in_executable(ruleset->groups[i].offset_from))
			return true;
	for (uint32_t i = 0; i < ruleset->rules_count; i++)
		if (ruleset->rules[i].needs_file != 0)
			return true;
	for (uint32_t i = 0; i < ruleset->regexes_count; i++)
		if (is_in_executable(ruleset->regexes[i].offset_from))
			return true;
	return false;
}

static bool compares_places(const struct ruleset *ruleset)
{
	for (unsigned int i = 0; i < FILETYPE_TARGETS; i++)
		for (uint32_t k = 0; k < ruleset->anchors[i].places_count; k++)
			if (is_in_executable(ruleset->anchors[i].places[k].offset_from))
				return true;
	return false;
}

static bool retypes(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->rules_count; i++)
		if (ruleset->rules[i].handler != RULESET_NONE)
			return true;
	return false;
}

static bool has_programs(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->signatures_count; i++)
		if (ruleset->signatures[i].target == FILETYPE_TARGET_PE)
			return true;
	return false;
}

static void note_files(struct matcher *matcher)
{
	const struct ruleset *ruleset = matcher->ruleset;

	matcher->finds_programs = matcher->hashes_sections || matcher->hashes_imports != 0;
	for (; ruleset != NULL; ruleset = ruleset->delta) {
		matcher->finds_programs = matcher->finds_programs || has_programs(ruleset);
		matcher->retypes = matcher->retypes || retypes(ruleset);
		matcher->compares_places = matcher->compares_places || compares_places(ruleset);
		matcher->asks_files =
			matcher->asks_files || matcher->compares_places || asks_files(ruleset);
	}
}

int matcher_new(const struct ruleset *ruleset, uint32_t objects, unsigned int digests,
	bool all_matches, struct matcher **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct matcher *matcher = calloc(1, sizeof(*matcher));
	int err;

	(void)pthread_once(&once, set_stream_allocator);
	if (matcher == NULL)
		return -ENOMEM;
	matcher->ruleset = ruleset;
	matcher->all_matches = all_matches;
	matcher->objects_count = objects > 0 ? objects : 1;
	note_hashes(matcher);
	note_files(matcher);
	matcher->events = calloc(1, sizeof(*matcher->events));
	err = matcher->events != NULL ? match_digester_init(&matcher->digester, ruleset, digests,
						matcher->objects_count)
				      : -ENOMEM;
	if (err == 0)
		err = new_scratch(matcher);
	if (err == 0)
		err = new_objects(matcher);
	if (err == 0)
		err = track_pool_init(&matcher->tracks, ruleset, matcher->objects_count);
	if (err == 0)
		err = match_copy_pool_init(&matcher->copies, matcher->objects_count);
	if (err == 0)
		err = match_shares_init(&matcher->shares, ruleset, matcher->objects_count);
	if (err == 0)
		err = match_rules_new(ruleset, &matcher->rules);
	if (err == 0)
		err = match_types_new(ruleset, &matcher->types);
	if (err == 0)
		err = new_overs(matcher);
	if (err != 0) {
		matcher_free(matcher);
		return err;
	}
	*out = matcher;
	return 0;
}

void matcher_warm(struct matcher *matcher, size_t bytes)
{
	capture_pool_warm(&matcher->copies.chunks, bytes);
}

size_t matcher_object_bytes(const struct matcher *matcher)
{
	const struct ruleset *ruleset = matcher->ruleset;
	size_t bytes = sizeof(struct match_object) + object_stream_bytes(ruleset);

	if (ruleset->delta != NULL)
		bytes += sizeof(struct match_over) + object_stream_bytes(ruleset->delta);
	return bytes;
}

void matcher_free(struct matcher *matcher)
{
	if (matcher == NULL)
		return;
	(void)hs_free_scratch(matcher->scratch);
	match_types_free(matcher->types);
	match_rules_free(matcher->rules);
	match_rules_free(matcher->over_rules);
	match_digester_fini(&matcher->digester);
	match_copy_pool_fini(&matcher->copies);
	match_shares_fini(&matcher->shares);
	track_pool_fini(&matcher->tracks);
	track_pool_fini(&matcher->over_tracks);
	free(matcher->over_blocks);
	free(matcher->overs);
	free(matcher->over_events);
	free(matcher->events);
	free(matcher->blocks);
	free(matcher->objects);
	free(matcher);
}

bool matcher_had_more(const struct matcher *matcher)
{
	return matcher->had_more;
}

bool matcher_was_partial(const struct matcher *matcher)
{
	return matcher->was_partial;
}
