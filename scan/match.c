// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match.h"

#include "scan/digest.h"
#include "scan/filetype.h"
#include "scan/match_track.h"
#include "scan/ruleset.h"

#include <hs_runtime.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// ClamAV looks at no object this small, and short patterns in them mean nothing.
#define MIN_PATTERN_OBJECT 6
// Of one call to Hyperscan: bounds the matches to be collected before they are followed.
#define SLICE_BYTES 16384
#define CACHE_LINE 64u

enum stream_kind { STREAM_LITERALS, STREAM_PATTERNS, STREAM_OWN_LITERALS, STREAM_OWN_PATTERNS };
#define STREAMS 4

struct match_object {
	struct matcher *matcher;
	struct match_object *next_free;
	hs_stream_t *streams[STREAMS];
	uint8_t *stream_memory; // room for the streams of any target
	struct track track;
	struct digest digest;
	uint64_t bytes;
	bool failed;
	bool typed; // type is known and the streams of its own target are open
	enum match_target target;
	const struct filetype *type;
	size_t prefix_bytes;
	uint8_t prefix[FILETYPE_BYTES];
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
	void *blocks; // the objects' rings, slots and stream memory
	struct track_events *events;
	struct track *tracking; // whose events are being collected
};

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

static void leave_stream_memory(void *memory)
{
	(void)memory;
}

static void set_stream_allocator(void)
{
	(void)hs_set_stream_allocator(take_stream_memory, leave_stream_memory);
}

static size_t round_up(size_t bytes)
{
	return (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

static size_t streams_bytes(const struct ruleset *ruleset, unsigned int target)
{
	return round_up(ruleset->literals[target].stream_bytes) +
	       round_up(ruleset->patterns[target].stream_bytes);
}

static size_t object_stream_bytes(const struct ruleset *ruleset)
{
	size_t own = 0;

	for (unsigned int i = 1; i < FILETYPE_TARGETS; i++)
		if (streams_bytes(ruleset, i) > own)
			own = streams_bytes(ruleset, i);
	return streams_bytes(ruleset, FILETYPE_TARGET_ANY) + own;
}

static int new_scratch(struct matcher *matcher)
{
	const struct ruleset *ruleset = matcher->ruleset;

	for (unsigned int i = 0; i < FILETYPE_TARGETS; i++) {
		if (ruleset->literals[i].db != NULL &&
			hs_alloc_scratch(ruleset->literals[i].db, &matcher->scratch) != HS_SUCCESS)
			return -ENOMEM;
		if (ruleset->patterns[i].db != NULL &&
			hs_alloc_scratch(ruleset->patterns[i].db, &matcher->scratch) != HS_SUCCESS)
			return -ENOMEM;
	}
	return 0;
}

static int new_objects(struct matcher *matcher)
{
	const struct ruleset *ruleset = matcher->ruleset;
	size_t rings_bytes = round_up(ruleset->groups_count * sizeof(struct track_ring));
	size_t slots_bytes = round_up(ruleset->meta->candidates * sizeof(struct track_candidate));
	size_t block_bytes = rings_bytes + slots_bytes + object_stream_bytes(ruleset);
	uint8_t *block;

	matcher->objects = calloc(matcher->objects_count, sizeof(*matcher->objects));
	matcher->blocks =
		aligned_alloc(CACHE_LINE, block_bytes * matcher->objects_count + CACHE_LINE);
	if (matcher->objects == NULL || matcher->blocks == NULL)
		return -ENOMEM;
	block = matcher->blocks;
	for (uint32_t i = matcher->objects_count; i > 0; i--, block += block_bytes) {
		struct match_object *object = &matcher->objects[i - 1];

		object->matcher = matcher;
		object->track.ruleset = ruleset;
		object->track.rings = (void *)block;
		object->track.slots = (void *)(block + rings_bytes);
		object->stream_memory = block + rings_bytes + slots_bytes;
		object->next_free = matcher->free_objects;
		matcher->free_objects = object;
	}
	return 0;
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
	matcher->digests = digests;
	matcher->algorithms = digests;
	matcher->all_matches = all_matches;
	matcher->objects_count = objects > 0 ? objects : 1;
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (ruleset->hashes[i].entries_count > 0)
			matcher->algorithms |= 1u << i;
	matcher->events = calloc(1, sizeof(*matcher->events));
	err = matcher->events != NULL ? 0 : -ENOMEM;
	if (err == 0)
		err = new_scratch(matcher);
	if (err == 0)
		err = new_objects(matcher);
	if (err != 0) {
		matcher_free(matcher);
		return err;
	}
	*out = matcher;
	return 0;
}

void matcher_free(struct matcher *matcher)
{
	if (matcher == NULL)
		return;
	(void)hs_free_scratch(matcher->scratch);
	free(matcher->events);
	free(matcher->blocks);
	free(matcher->objects);
	free(matcher);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
	unsigned int flags, void *ctx)
{
	struct matcher *matcher = ctx;
	const struct ruleset *ruleset = matcher->ruleset;
	const struct ruleset_expression *expression;

	(void)from;
	(void)flags;
	if (id >= ruleset->expressions_count)
		return 0;
	expression = &ruleset->expressions[id];
	for (uint32_t i = expression->use; i < expression->use + expression->uses_count; i++) {
		const struct ruleset_use *use = &ruleset->uses[i];
		struct track_events *events = matcher->events;

		if (use->group == RULESET_NONE) {
			track_hit(&matcher->tracking->hits, use->signature);
		} else if (to >= use->extra) {
			if (events->count == TRACK_MAX_EVENTS)
				track_follow(matcher->tracking, events);
			events->events[events->count++] = (struct track_event){to - use->extra, i};
		}
	}
	return 0;
}

static int open_streams(
	struct match_object *object, unsigned int target, enum stream_kind at, uint8_t *memory)
{
	const struct ruleset *ruleset = object->matcher->ruleset;
	const struct ruleset_database *databases[] = {
		&ruleset->literals[target], &ruleset->patterns[target]};

	for (unsigned int i = 0; i < 2; i++) {
		if (databases[i]->db == NULL)
			continue;
		stream_memory_ready = memory;
		if (hs_open_stream(databases[i]->db, 0, &object->streams[at + i]) != HS_SUCCESS) {
			object->streams[at + i] = NULL;
			return -EIO;
		}
		memory += round_up(databases[i]->stream_bytes);
	}
	return 0;
}

static int scan_stream(
	struct match_object *object, enum stream_kind kind, const uint8_t *data, size_t n)
{
	struct matcher *matcher = object->matcher;

	if (object->streams[kind] == NULL || n == 0)
		return 0;
	matcher->tracking = &object->track;
	return hs_scan_stream(object->streams[kind], (const char *)data, (unsigned int)n, 0,
		       matcher->scratch, on_match, matcher) == HS_SUCCESS
		       ? 0
		       : -EIO;
}

// Both databases of a target, then what they found together.
static int scan_target(
	struct match_object *object, enum stream_kind first, const uint8_t *data, size_t n)
{
	int err = scan_stream(object, first, data, n);

	if (err == 0)
		err = scan_stream(object, first + 1, data, n);
	if (object->matcher->events->count > 0)
		track_follow(&object->track, object->matcher->events);
	return err;
}

// The streams of the object's own target are opened when its type is known; they start with the
// bytes kept until then.
static int set_type(struct match_object *object)
{
	const struct ruleset *ruleset = object->matcher->ruleset;
	unsigned int target = FILETYPE_TARGET_MAIL;
	int err;

	object->typed = true;
	if (object->target == MATCH_TARGET_ANY) {
		object->type = filetype_detect(object->prefix, object->prefix_bytes);
		target = object->type->target;
		if (target == FILETYPE_TARGET_ANY || target == FILETYPE_TARGET_MAIL)
			return 0;
	}
	err = open_streams(object, target, STREAM_OWN_LITERALS,
		object->stream_memory + streams_bytes(ruleset, FILETYPE_TARGET_ANY));
	if (err != 0)
		return err;
	return scan_target(object, STREAM_OWN_LITERALS, object->prefix, object->prefix_bytes);
}

static void close_streams(struct match_object *object, match_event_handler handler)
{
	struct matcher *matcher = object->matcher;

	matcher->tracking = &object->track;
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (object->streams[i] != NULL &&
			hs_close_stream(object->streams[i], matcher->scratch, handler, matcher) !=
				HS_SUCCESS)
			object->failed = true;
		object->streams[i] = NULL;
	}
}

static void put_object(struct match_object *object)
{
	object->next_free = object->matcher->free_objects;
	object->matcher->free_objects = object;
}

int match_begin(struct matcher *matcher, enum match_target target, struct match_object **out)
{
	struct match_object *object = matcher->free_objects;

	if (object == NULL)
		return -ENOMEM;
	matcher->free_objects = object->next_free;
	object->bytes = 0;
	object->prefix_bytes = 0;
	object->typed = false;
	object->target = target;
	object->type = NULL;
	object->track.hits.count = 0;
	if (matcher->ruleset->groups_count > 0)
		memset(object->track.rings, 0,
			matcher->ruleset->groups_count * sizeof(*object->track.rings));
	digest_begin(&object->digest, matcher->algorithms);
	object->failed = open_streams(object, FILETYPE_TARGET_ANY, STREAM_LITERALS,
				 object->stream_memory) != 0;
	if (!object->failed && target == MATCH_TARGET_MAIL)
		object->failed = set_type(object) != 0;
	*out = object;
	return 0;
}

// A digest that nobody asked for is given up when the object has outgrown every entry.
static void drop_digests(struct match_object *object, size_t n)
{
	const struct matcher *matcher = object->matcher;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		const struct hashset *hashes = &matcher->ruleset->hashes[i];

		if ((object->digest.running & ~matcher->digests & 1u << i) != 0 && !hashes->any &&
			object->bytes + n > hashes->max_bytes)
			digest_drop(&object->digest, (enum digest_algorithm)i);
	}
}

static int feed_slice(struct match_object *object, const uint8_t *data, size_t n)
{
	size_t kept = 0;
	int err;

	digest_feed(&object->digest, data, n);
	err = scan_target(object, STREAM_LITERALS, data, n);
	if (err == 0 && !object->typed) {
		kept = FILETYPE_BYTES - object->prefix_bytes;
		kept = kept < n ? kept : n;
		memcpy(object->prefix + object->prefix_bytes, data, kept);
		object->prefix_bytes += kept;
		if (object->prefix_bytes == FILETYPE_BYTES)
			err = set_type(object);
	}
	if (err == 0 && object->typed)
		err = scan_target(object, STREAM_OWN_LITERALS, data + kept, n - kept);
	return err;
}

int match_feed(struct match_object *object, const uint8_t *data, size_t n)
{
	if (object->failed)
		return -EIO;
	drop_digests(object, n);
	while (n > 0) {
		size_t slice = n < SLICE_BYTES ? n : SLICE_BYTES;

		if (feed_slice(object, data, slice) != 0) {
			object->failed = true;
			return -EIO;
		}
		object->bytes += slice;
		data += slice;
		n -= slice;
	}
	return 0;
}

static bool can_be_allowed(const struct ruleset *ruleset)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (ruleset->hashes[i].allows)
			return true;
	return false;
}

bool match_is_hit(const struct match_object *object)
{
	return object->track.hits.count > 0 && object->bytes >= MIN_PATTERN_OBJECT &&
	       !can_be_allowed(object->matcher->ruleset);
}

static void end_patterns(struct match_object *object)
{
	if (!object->failed && !object->typed)
		object->failed = set_type(object) != 0;
	close_streams(object, on_match);
	track_follow(&object->track, object->matcher->events);
	track_end(&object->track, object->bytes);
	if (object->bytes < MIN_PATTERN_OBJECT)
		object->track.hits.count = 0;
}

// Returns false when the object is on an allow list.
static bool look_up(
	struct match_object *object, enum digest_algorithm algorithm, const uint8_t *digest)
{
	uint32_t values[TRACK_MAX_HITS];
	size_t count = hashset_find(&object->matcher->ruleset->hashes[algorithm], digest,
		object->bytes, values, TRACK_MAX_HITS);
	bool allowed = false;

	for (size_t i = 0; i < count; i++) {
		if (values[i] == HASHSET_ALLOWED)
			allowed = true;
		else
			track_hit(&object->track.hits, values[i]);
	}
	return !allowed;
}

static void end_digests(struct match_object *object, struct match_digests *digests)
{
	uint8_t *outs[DIGEST_ALGORITHMS] = {digests->md5, digests->sha1, digests->sha256};
	uint8_t digest[DIGEST_MAX_BYTES];
	bool allowed = false;

	digests->set = 0;
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		enum digest_algorithm algorithm = (enum digest_algorithm)i;

		if (!digest_end(&object->digest, algorithm, digest))
			continue;
		digests->set |= 1u << i;
		memcpy(outs[i], digest, digest_bytes(algorithm));
		if (object->bytes > 0 && !look_up(object, algorithm, digest))
			allowed = true;
	}
	if (allowed)
		object->track.hits.count = 0;
}

size_t match_end(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type)
{
	const struct matcher *matcher = object->matcher;
	const struct ruleset *ruleset = matcher->ruleset;
	const struct track_hits *found = &object->track.hits;
	size_t count;

	end_patterns(object);
	end_digests(object, digests);
	*detected_type = object->type != NULL ? object->type->name : "";
	count = found->count < max ? found->count : max;
	if (count > 1 && !matcher->all_matches)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		const struct ruleset_signature *signature =
			&ruleset->signatures[found->signatures[i]];

		hits[i].signature = ruleset->strings + signature->name;
		hits[i].virus_id = ruleset->strings + signature->virus_id;
		hits[i].kind = (enum match_kind)signature->kind;
	}
	put_object(object);
	return count;
}

void match_abort(struct match_object *object)
{
	close_streams(object, NULL);
	object->matcher->events->count = 0;
	put_object(object);
}
