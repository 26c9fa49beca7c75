// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match.h"

#include "scan/match_object.h"

#include <errno.h>
#include <string.h>

void match_take(const struct match_sighting *sighting, uint32_t number, uint64_t to)
{
	const struct ruleset *ruleset = sighting->ruleset;
	const struct ruleset_expression *expression = &ruleset->expressions[number];
	struct track *track = sighting->track;
	struct track_events *events = sighting->events;

	for (uint32_t i = expression->use; i < expression->use + expression->uses_count; i++) {
		const struct ruleset_use *use = &ruleset->uses[i];
		uint64_t end = to - use->extra;

		if (to < use->extra || end < use->length)
			continue;
		if (use->group == RULESET_NONE) {
			track_sink(track, use->sink, end - use->length);
			continue;
		}
		if (!track_can_begin(track, use, end - use->length))
			continue;
		if (events->count == TRACK_MAX_EVENTS)
			track_follow_early(track, events);
		if (end < events->followed)
			track->lost = true;
		events->events[events->count++] = (struct track_event){end, i};
	}
}

static void on_anchor(void *ctx, uint32_t expression, uint64_t end)
{
	match_take(ctx, expression, end);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
	unsigned int flags, void *ctx)
{
	const struct match_sighting *sighting = ctx;

	(void)from;
	(void)flags;
	if (id < sighting->ruleset->expressions_count)
		match_take(sighting, id, to);
	return 0;
}

static bool is_copy(enum match_target target)
{
	return target == MATCH_TARGET_TEXT || target == MATCH_TARGET_HTML;
}

// Whether patterns in it mean anything: of a copy, however short.
static bool is_large_enough(const struct match_object *object)
{
	return is_copy(object->target) || object->bytes >= MATCH_LEAST_BYTES;
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

static int open_stream(struct match_object *object, const struct ruleset_database *database,
	enum stream_kind kind, uint8_t *memory)
{
	if (database->db == NULL)
		return 0;
	match_offer_stream_memory(memory);
	if (hs_open_stream(database->db, 0, &object->streams[kind]) == HS_SUCCESS)
		return 0;
	object->streams[kind] = NULL;
	return -EIO;
}

// From the first bytes; of a PE file the header is read too.
static int begin_search(struct match_object *object)
{
	const struct ruleset *ruleset = object->matcher->ruleset;
	const struct ruleset_database *any = &ruleset->patterns[FILETYPE_TARGET_ANY];
	size_t n = object->stage_to;
	int err;

	object->is_searched = true;
	if (object->target == MATCH_TARGET_ANY) {
		object->type =
			filetype_detect(object->stage, n < FILETYPE_BYTES ? n : FILETYPE_BYTES);
		if (object->type->target == FILETYPE_TARGET_PE &&
			pe_parse(object->stage, n, &object->pe) == PE_TAKEN)
			object->track.pe = &object->pe;
	}
	if (object->track.pe == NULL && !match_needs_copy(ruleset)) {
		match_copy_release(&object->copy);
		match_copy_begin(&object->copy, NULL);
	}
	err = open_stream(object, any, STREAM_ANY, object->stream_memory);
	object->own_target = own_target(object);
	if (err == 0 && object->own_target != FILETYPE_TARGET_ANY)
		err = open_stream(object, &ruleset->patterns[object->own_target], STREAM_OWN,
			object->stream_memory + match_round_up(any->stream_bytes));
	return err;
}

static int search_streams(struct match_object *object, const uint8_t *data, size_t n)
{
	struct matcher *matcher = object->matcher;

	for (unsigned int i = 0; i < STREAMS; i++)
		if (object->streams[i] != NULL && n > 0 &&
			hs_scan_stream(object->streams[i], (const char *)data, (unsigned int)n, 0,
				matcher->scratch, on_match, &matcher->sighting) != HS_SUCCESS)
			return -EIO;
	return 0;
}

static void close_streams(struct match_object *object, match_event_handler handler)
{
	struct matcher *matcher = object->matcher;

	for (unsigned int i = 0; i < STREAMS; i++) {
		if (object->streams[i] != NULL &&
			hs_close_stream(object->streams[i], matcher->scratch, handler,
				&matcher->sighting) != HS_SUCCESS)
			object->failed = true;
		object->streams[i] = NULL;
	}
}

// Looks at the bytes that have come since the last time; the type is found from the first ones.
static void search(struct match_object *object, bool is_last)
{
	struct matcher *matcher = object->matcher;
	const struct ruleset *ruleset = matcher->ruleset;
	const uint8_t *fresh = object->stage + object->stage_from;
	size_t n = object->stage_to - object->stage_from;
	struct anchor_input input = {object->stage, object->bytes - object->stage_to,
		object->stage_from, object->stage_to, is_last, NULL};
	const struct anchor_table *table;

	matcher->sighting = (struct match_sighting){ruleset, &object->track, matcher->events};
	if (!object->is_searched)
		object->failed = begin_search(object) != 0;
	if (object->failed)
		return;
	input.pe = object->track.pe;
	if (object->track.pe != NULL && matcher->hashes_sections)
		match_sections_feed(
			&object->sections, &object->track, input.base + input.from, fresh, n);
	table = &ruleset->anchors[object->own_target];
	if (!table->is_there)
		table = &ruleset->anchors[FILETYPE_TARGET_ANY];
	memset(object->stage + object->stage_to, 0, ANCHOR_PADDING);
	object->failed = search_streams(object, fresh, n) != 0;
	anchor_search(table, ruleset, &input, on_anchor, &matcher->sighting);
	if (is_last)
		close_streams(object, on_match);
	track_follow(&object->track, matcher->events);
	object->stage_from = object->stage_to;
}

// Room for new bytes; what stands before them remains at hand.
static void shift_stage(struct match_object *object)
{
	size_t keep = object->stage_to < ANCHOR_HISTORY ? object->stage_to : ANCHOR_HISTORY;

	memmove(object->stage, object->stage + object->stage_to - keep, keep);
	object->stage_from = keep;
	object->stage_to = keep;
}

static void put_object(struct match_object *object)
{
	track_release(&object->track);
	match_copy_release(&object->copy);
	object->next_free = object->matcher->free_objects;
	object->matcher->free_objects = object;
}

// Digests are of what was sent; those of the copies of HTML are looked up, as ClamAV does it.
static unsigned int wanted_digests(const struct matcher *matcher, enum match_target target)
{
	unsigned int listed = 0;

	if (!is_copy(target))
		return ~0u;
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS && target == MATCH_TARGET_HTML; i++)
		if (matcher->ruleset->hashes[i].entries_count > 0)
			listed |= 1u << i;
	return listed;
}

int match_begin(struct matcher *matcher, enum match_target target, struct match_object **out)
{
	struct match_object *object = matcher->free_objects;

	if (object == NULL)
		return -ENOMEM;
	matcher->free_objects = object->next_free;
	object->bytes = 0;
	object->failed = false;
	object->is_searched = false;
	object->target = target;
	object->type = NULL;
	object->container = FILETYPE_CONTAINER_NONE;
	object->stage_from = 0;
	object->stage_to = 0;
	track_begin(&object->track, matcher->ruleset, &matcher->tracks);
	match_copy_begin(&object->copy, match_may_need_copy(matcher) ? &matcher->copies : NULL);
	match_sections_begin(&object->sections);
	match_digest_begin(&matcher->digester, &object->digesting, wanted_digests(matcher, target));
	*out = object;
	return 0;
}

int match_feed(struct match_object *object, const uint8_t *data, size_t n)
{
	size_t kept = match_copy_feed(&object->copy, data, n);

	match_digest_feed(&object->matcher->digester, &object->digesting, &object->copy.capture,
		data, n, kept);
	while (n > 0 && !object->failed) {
		size_t room = MATCH_STAGE_BYTES - object->stage_to;

		if (room == 0) {
			search(object, false);
			shift_stage(object);
			continue;
		}
		room = room < n ? room : n;
		memcpy(object->stage + object->stage_to, data, room);
		object->stage_to += room;
		object->bytes += room;
		data += room;
		n -= room;
	}
	return object->failed ? -EIO : 0;
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
	return object->track.hits.count > 0 && is_large_enough(object) &&
	       !can_be_allowed(object->matcher->ruleset);
}

static void end_patterns(struct match_object *object)
{
	struct match_facts facts = {.bytes = object->bytes, .copy = &object->copy};

	if (!object->failed)
		search(object, true);
	match_sections_end(&object->sections, &object->track);
	if (object->matcher->hashes_imports != 0)
		match_imports(object);
	track_end(&object->track, object->bytes);
	if (!is_large_enough(object)) {
		object->track.hits.count = 0;
		return;
	}
	facts.target = object->own_target;
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

		if (!match_digest_end(&object->matcher->digester, &object->digesting,
			    &object->copy.capture, algorithm, digest))
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
	matcher->had_more = matcher->all_matches && (found->more || found->count > max);
	*detected_type = object->type != NULL ? object->type->name : "";
	count = found->count < max ? found->count : max;
	if (count > 1 && !matcher->all_matches)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		const struct ruleset_signature *signature =
			&ruleset->signatures[found->signatures[i]];

		hits[i].signature = ruleset->strings + signature->name;
		hits[i].virus_id = ruleset->strings + signature->virus_id;
		hits[i].recipe = ruleset->strings + signature->recipe;
		hits[i].kind = (enum match_kind)signature->kind;
	}
	put_object(object);
	return count;
}

void match_abort(struct match_object *object)
{
	close_streams(object, NULL);
	object->matcher->events->count = 0;
	object->matcher->events->followed = 0;
	put_object(object);
}

void match_set_container(struct match_object *object, enum filetype_container container)
{
	object->container = container;
}

bool matcher_had_more(const struct matcher *matcher)
{
	return matcher->had_more;
}

bool matcher_was_partial(const struct matcher *matcher)
{
	return matcher->was_partial;
}
