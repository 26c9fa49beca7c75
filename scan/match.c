// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match.h"

#include "scan/match_object.h"

#include <errno.h>
#include <string.h>

// ClamAV looks at no object this small, and short patterns in them mean nothing.
#define MIN_PATTERN_OBJECT 6
// Of one call to Hyperscan: bounds the matches to be collected before they are followed.
#define SLICE_BYTES 16384

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
		uint64_t end = to - use->extra + use->after;

		if (to < use->extra || end < use->length)
			continue;
		if (use->group == RULESET_NONE && use->check == RULESET_NONE) {
			track_sink(matcher->tracking, use->sink, end - use->length);
			continue;
		}
		if (events->count == TRACK_MAX_EVENTS - TRACK_MAX_PENDING)
			track_follow(matcher->tracking, events);
		events->events[events->count++] = (struct track_event){end, i};
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
		match_offer_stream_memory(memory);
		if (hs_open_stream(databases[i]->db, 0, &object->streams[at + i]) != HS_SUCCESS) {
			object->streams[at + i] = NULL;
			return -EIO;
		}
		memory += match_round_up(databases[i]->stream_bytes);
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
	if (object->matcher->events->count > 0 || object->track.pending_count > 0)
		track_follow(&object->track, object->matcher->events);
	return err;
}

// Of files the content tells the target; text and HTML have theirs in normalised copies.
static unsigned int own_target(const struct match_object *object)
{
	switch (object->target) {
	case MATCH_TARGET_MAIL:
		return FILETYPE_TARGET_MAIL;
	case MATCH_TARGET_TEXT:
		return FILETYPE_TARGET_TEXT;
	case MATCH_TARGET_HTML:
		return FILETYPE_TARGET_HTML;
	case MATCH_TARGET_ANY:
		break;
	}
	if (object->type == NULL || object->type->target == FILETYPE_TARGET_TEXT ||
		object->type->target == FILETYPE_TARGET_HTML ||
		object->type->target == FILETYPE_TARGET_MAIL)
		return FILETYPE_TARGET_ANY;
	return object->type->target;
}

// The streams of the object's own target are opened when its type is known; they start with the
// bytes kept until then.
static int open_own_streams(struct match_object *object)
{
	const struct ruleset *ruleset = object->matcher->ruleset;
	unsigned int target = own_target(object);
	const struct track_window window = {object->prefix, 0, object->prefix_bytes, NULL, 0};
	int err;

	object->typed = true;
	if (object->track.pe != NULL && object->matcher->hashes_sections)
		match_sections_feed(
			&object->sections, &object->track, 0, object->prefix, object->prefix_bytes);
	if (target == FILETYPE_TARGET_ANY)
		return 0;
	err = open_streams(object, target, STREAM_OWN_LITERALS,
		object->stream_memory + match_streams_bytes(ruleset, FILETYPE_TARGET_ANY));
	if (err != 0 || object->prefix_bytes == 0)
		return err;
	object->track.window = window;
	return scan_target(object, STREAM_OWN_LITERALS, object->prefix, object->prefix_bytes);
}

// Looks at the bytes kept. Of a PE file more are wanted until the header is complete.
static int find_type(struct match_object *object, bool ended)
{
	enum pe_result result;

	object->type = filetype_detect(object->prefix, object->prefix_bytes);
	if (object->type->target == FILETYPE_TARGET_PE) {
		result = pe_parse(object->prefix, object->prefix_bytes, &object->pe);
		if (result == PE_MORE && !ended && object->prefix_wanted < MATCH_PREFIX_BYTES) {
			object->prefix_wanted *= 2;
			return 0;
		}
		object->track.pe = result == PE_TAKEN ? &object->pe : NULL;
	}
	return open_own_streams(object);
}

// Returns 0 or -EIO; *kept of the n bytes were for the prefix.
static int feed_prefix(struct match_object *object, const uint8_t *data, size_t n, size_t *kept)
{
	int err = 0;

	*kept = 0;
	while (err == 0 && !object->typed && *kept < n) {
		size_t room = object->prefix_wanted - object->prefix_bytes;

		room = room < n - *kept ? room : n - *kept;
		memcpy(object->prefix + object->prefix_bytes, data + *kept, room);
		object->prefix_bytes += room;
		*kept += room;
		if (object->prefix_bytes == object->prefix_wanted)
			err = find_type(object, false);
	}
	return err;
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
	track_release(&object->track);
	match_copy_release(&object->copy);
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
	object->container = FILETYPE_CONTAINER_NONE;
	object->history_bytes = 0;
	object->prefix_wanted = FILETYPE_BYTES;
	track_begin(&object->track, matcher->ruleset, &matcher->tracks);
	match_copy_begin(
		&object->copy, match_needs_copy(matcher->ruleset) ? &matcher->copies : NULL);
	match_sections_begin(&object->sections);
	digest_begin(&object->digest, matcher->algorithms);
	object->failed = open_streams(object, FILETYPE_TARGET_ANY, STREAM_LITERALS,
				 object->stream_memory) != 0;
	if (!object->failed && target != MATCH_TARGET_ANY)
		object->failed = open_own_streams(object) != 0;
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

static void keep_history(struct match_object *object, const uint8_t *data, size_t n)
{
	size_t wanted = object->matcher->ruleset->meta->history_bytes;
	size_t old = n < wanted ? wanted - n : 0;

	if (wanted == 0)
		return;
	if (n > wanted) {
		data += n - wanted;
		n = wanted;
	}
	old = old < object->history_bytes ? old : object->history_bytes;
	memmove(object->history, object->history + object->history_bytes - old, old);
	memcpy(object->history + old, data, n);
	object->history_bytes = old + n;
}

static struct track_window window_on(
	const struct match_object *object, const uint8_t *data, size_t n)
{
	return (struct track_window){
		data, object->bytes, object->bytes + n, object->history, object->history_bytes};
}

static int feed_slice(struct match_object *object, const uint8_t *data, size_t n)
{
	size_t kept = 0;
	int err;

	digest_feed(&object->digest, data, n);
	match_copy_feed(&object->copy, data, n);
	object->track.window = window_on(object, data, n);
	err = scan_target(object, STREAM_LITERALS, data, n);
	if (err == 0 && !object->typed)
		err = feed_prefix(object, data, n, &kept);
	if (err != 0 || !object->typed)
		return err;
	object->track.window = window_on(object, data, n);
	if (object->matcher->hashes_sections)
		match_sections_feed(&object->sections, &object->track, object->bytes + kept,
			data + kept, n - kept);
	return scan_target(object, STREAM_OWN_LITERALS, data + kept, n - kept);
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
		keep_history(object, data, slice);
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
	struct match_facts facts = {.bytes = object->bytes, .copy = &object->copy};

	if (!object->failed && !object->typed)
		object->failed = find_type(object, true) != 0;
	object->track.window = window_on(object, NULL, 0);
	close_streams(object, on_match);
	track_follow(&object->track, object->matcher->events);
	match_sections_end(&object->sections, &object->track);
	track_end(&object->track, object->bytes);
	if (object->bytes < MIN_PATTERN_OBJECT) {
		object->track.hits.count = 0;
		return;
	}
	facts.target = own_target(object);
	facts.container = (uint32_t)object->container;
	match_rules_decide(object->matcher->rules, &object->track, &facts);
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
	digests->allowed = false;
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		enum digest_algorithm algorithm = (enum digest_algorithm)i;

		if (!digest_end(&object->digest, algorithm, digest))
			continue;
		digests->set |= 1u << i;
		memcpy(outs[i], digest, digest_bytes(algorithm));
		if (object->bytes > 0 && !look_up(object, algorithm, digest))
			allowed = true;
	}
	digests->allowed = allowed;
	if (allowed)
		object->track.hits.count = 0;
}

size_t match_end(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type)
{
	struct matcher *matcher = object->matcher;
	const struct ruleset *ruleset = matcher->ruleset;
	const struct track_hits *found = &object->track.hits;
	size_t count;

	end_patterns(object);
	end_digests(object, digests);
	matcher->was_partial = object->track.lost;
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

void match_set_container(struct match_object *object, enum filetype_container container)
{
	object->container = container;
}

bool matcher_was_partial(const struct matcher *matcher)
{
	return matcher->was_partial;
}
