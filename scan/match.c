// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match.h"

#include "scan/match_late.h"
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

// What is searched with one of the images: the ruleset's own, and the delta that may lie on it.
struct layer {
	const struct ruleset *ruleset;
	struct track *track;
	hs_stream_t **streams;
	uint8_t *stream_memory;
	struct match_rules *rules;
	struct match_sighting *sighting;
	struct track_events *events;
};

static struct layer own_layer(struct match_object *object)
{
	struct matcher *matcher = object->matcher;

	return (struct layer){matcher->ruleset, &object->track, object->streams,
		object->stream_memory, matcher->rules, &matcher->sighting, matcher->events};
}

// Moves on from the own one. Returns whether there is another.
static bool next_layer(struct match_object *object, struct layer *layer)
{
	struct matcher *matcher = object->matcher;
	struct match_over *over = object->over;

	if (over == NULL || layer->track == &over->track)
		return false;
	*layer = (struct layer){matcher->ruleset->delta, &over->track, over->streams,
		over->stream_memory, matcher->over_rules, &matcher->over_sighting,
		matcher->over_events};
	return true;
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

static int open_stream(const struct layer *layer, const struct ruleset_database *database,
	enum stream_kind kind, uint8_t *memory)
{
	if (database->db == NULL)
		return 0;
	match_offer_stream_memory(memory);
	if (hs_open_stream(database->db, 0, &layer->streams[kind]) == HS_SUCCESS)
		return 0;
	layer->streams[kind] = NULL;
	return -EIO;
}

static int open_streams(const struct layer *layer, unsigned int own)
{
	const struct ruleset_database *any = &layer->ruleset->patterns[FILETYPE_TARGET_ANY];
	int err = open_stream(layer, any, STREAM_ANY, layer->stream_memory);

	if (err == 0 && own != FILETYPE_TARGET_ANY)
		err = open_stream(layer, &layer->ruleset->patterns[own], STREAM_OWN,
			layer->stream_memory + match_round_up(any->stream_bytes));
	return err;
}

// From the first bytes; the headers of an executable file are read too, as far as they are there.
static void find_type(struct match_object *object, bool is_last)
{
	size_t n = object->stage_to;
	struct executable_source source = {
		.data = object->stage, .n = n, .bytes = is_last ? object->bytes : UINT64_MAX};
	enum executable_result result = EXECUTABLE_REFUSED;
	const struct filetype_clamav *told = match_told_type(object);

	object->own_target = own_target(object);
	// Texts are searched as such in their copies.
	if (told != NULL)
		object->own_target = told->type.target != FILETYPE_TARGET_TEXT &&
						     told->type.target != FILETYPE_TARGET_HTML
					     ? told->type.target
					     : FILETYPE_TARGET_ANY;
	if (executable_is_format(object->own_target))
		result = executable_parse(
			(enum filetype_target)object->own_target, &source, &object->executable);
	for (struct track *at = &object->track; result != EXECUTABLE_REFUSED && at != NULL;
		at = at->over) {
		at->executable = &object->executable;
		at->is_open =
			result == EXECUTABLE_MORE || object->executable.resources_address != 0;
	}
}

static int begin_search(struct match_object *object, bool is_last)
{
	const struct ruleset *ruleset = object->matcher->ruleset;
	struct layer layer = own_layer(object);
	int err;

	object->is_searched = true;
	if (!object->is_again)
		find_type(object, is_last);
	if (!object->is_again && object->track.executable == NULL && !object->matcher->retypes &&
		!match_may_find_programs(object, is_last) && !match_needs_copy(ruleset)) {
		object->drops_copy = object->share.log != NULL;
		if (!object->drops_copy)
			match_stage_leave_copy(object);
	}
	do {
		err = open_streams(&layer, object->own_target);
	} while (err == 0 && next_layer(object, &layer));
	return err;
}

static void search_streams(
	struct match_object *object, const struct layer *layer, const uint8_t *data, size_t n)
{
	struct matcher *matcher = object->matcher;

	*layer->sighting = (struct match_sighting){.ruleset = layer->ruleset,
		.track = layer->track,
		.events = layer->events,
		.shares = &matcher->shares,
		.log = object->is_again ? NULL : object->share.log,
		.layer = layer->track == &object->track ? 0 : 1};
	for (unsigned int i = 0; i < STREAMS; i++)
		if (layer->streams[i] != NULL && n > 0 &&
			hs_scan_stream(layer->streams[i], (const char *)data, (unsigned int)n, 0,
				matcher->scratch, on_match, layer->sighting) != HS_SUCCESS)
			object->failed = true;
}

static void close_streams(
	struct match_object *object, const struct layer *layer, match_event_handler handler)
{
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (layer->streams[i] != NULL &&
			hs_close_stream(layer->streams[i], object->matcher->scratch, handler,
				layer->sighting) != HS_SUCCESS)
			object->failed = true;
		layer->streams[i] = NULL;
	}
}

static void search_as(
	struct match_object *object, const struct anchor_input *input, enum anchor_content content)
{
	struct matcher *matcher = object->matcher;
	const struct ruleset *ruleset = matcher->ruleset;
	const struct ruleset *delta = ruleset->delta;
	unsigned int target = object->own_target;
	struct anchor_side sides[2] = {
		{ruleset_anchors(ruleset, target, content), ruleset, &matcher->sighting}};
	const uint8_t *sieve = ruleset->sieves[sides[0].table->content * FILETYPE_TARGETS + target];

	if (delta != NULL)
		sides[1] = (struct anchor_side){
			ruleset_anchors(delta, target, content), delta, &matcher->over_sighting};
	if (delta != NULL && sieve != NULL && sides[1].table->content == sides[0].table->content) {
		anchor_search_both(sides, sieve, input, match_share_met);
		return;
	}
	anchor_search(sides[0].table, ruleset, input, match_share_met, sides[0].ctx);
	if (delta != NULL)
		anchor_search(sides[1].table, delta, input, match_share_met, sides[1].ctx);
}

static enum anchor_content lesser(enum anchor_content a, enum anchor_content b)
{
	return a < b ? a : b;
}

// Runs of base64 are searched as such, from where all that ends there has begun in them.
static void search_mail(struct match_object *object, const struct anchor_input *input)
{
	struct anchor_input part = *input;
	enum anchor_content content = ANCHOR_LOWER; // of what stands before
	size_t told = 0;
	size_t end = 0;
	size_t run;

	part.is_last = false;
	while ((run = anchor_find_codes(input->data, told, input->to, &end)) < input->to) {
		struct anchor_input codes = *input;

		content = lesser(content, anchor_content_of(input->data + told, run - told));
		content = lesser(content, ANCHOR_TEXT);
		told = end;
		part.to = run + object->matcher->shares.longest;
		if (part.to >= end || end <= part.from)
			continue;
		if (part.to > part.from)
			search_as(object, &part, content);
		codes.data += run;
		codes.base += run;
		codes.from = (part.to > part.from ? part.to : part.from) - run;
		codes.to = end - run;
		codes.windows_from = 0;
		codes.is_last = false;
		search_as(object, &codes, ANCHOR_CODES);
		part.from = end;
	}
	content = lesser(content, anchor_content_of(input->data + told, input->to - told));
	part.to = input->to;
	part.is_last = input->is_last;
	if (part.from < part.to || part.is_last)
		search_as(object, &part, content);
}

static void search_anchors(struct match_object *object, const struct anchor_input *input)
{
	// Where no window is looked up the content tells nothing.
	if (input->windows_from >= input->to)
		search_as(object, input, ANCHOR_BYTES);
	else if (object->is_normalised)
		search_as(object, input, ANCHOR_LOWER);
	else if (object->target == MATCH_TARGET_MAIL)
		search_mail(object, input);
	else
		search_as(object, input, anchor_content_of(input->data, input->to));
}

// Looks at the bytes that have come since the last time; the type is found from the first ones.
static void search_self(struct match_object *object, bool is_last)
{
	struct matcher *matcher = object->matcher;
	struct layer layer = own_layer(object);
	struct anchor_input input;
	const uint8_t *fresh;
	size_t n;

	// What is at hand may lie elsewhere then.
	if (!object->is_searched)
		object->failed = begin_search(object, is_last) != 0;
	if (object->failed)
		return;
	fresh = object->stage + object->stage_from;
	n = object->stage_to - object->stage_from;
	input = (struct anchor_input){object->stage, object->bytes - object->stage_to,
		object->stage_from, object->stage_to, 0, is_last, object->track.executable};
	if (object->track.executable != NULL && matcher->hashes_sections && !object->has_hashed)
		match_sections_feed(
			&object->sections, &object->track, input.base + input.from, fresh, n);
	memset(object->stage + object->stage_to, 0, ANCHOR_PADDING);
	do {
		search_streams(object, &layer, fresh, n);
	} while (next_layer(object, &layer));
	match_share_take(object, &input);
	if (match_share_is_new(object, &input))
		search_anchors(object, &input);
	layer = own_layer(object);
	do {
		if (is_last)
			close_streams(object, &layer, on_match);
		track_follow(layer.track, layer.events);
	} while (next_layer(object, &layer));
	object->stage_from = object->stage_to;
}

// What another object is searched for in its place is up to date first.
static void search(struct match_object *object, bool is_last)
{
	struct match_object *host = match_share_host(object);

	if (host != NULL && host->stage_from < host->stage_to)
		search_self(host, false);
	search_self(object, is_last);
}

static void put_object(struct match_object *object)
{
	match_share_end(object);
	track_release(&object->track);
	if (object->over != NULL)
		track_release(&object->over->track);
	match_copy_release(&object->copy);
	match_digest_drop(&object->digesting);
	object->next_free = object->matcher->free_objects;
	object->matcher->free_objects = object;
}

// They are told of parts, of which the raw mail is none; those of the copies of HTML are looked up, as ClamAV does it.
static enum match_digest_use use_of_digests(enum match_target target)
{
	if (target == MATCH_TARGET_ANY)
		return MATCH_DIGEST_TOLD;
	return target == MATCH_TARGET_TEXT ? MATCH_DIGEST_NONE : MATCH_DIGEST_LOOKED_UP;
}

int match_begin(struct matcher *matcher, enum match_target target, struct match_object **out)
{
	struct match_object *object = match_take_object(matcher);

	if (object == NULL)
		return -ENOMEM;
	object->bytes = 0;
	object->file_bytes = 0;
	object->from = 0;
	object->failed = false;
	object->is_searched = false;
	object->is_again = false;
	object->is_normalised = false;
	object->has_hashed = false;
	object->is_doubtful = false;
	object->target = target;
	object->type = NULL;
	object->told = NULL;
	object->is_told = false;
	object->container = FILETYPE_CONTAINER_NONE;
	object->outer_count = 0;
	match_stage_begin(object);
	track_begin(&object->track, matcher->ruleset, &matcher->tracks);
	if (object->over != NULL) {
		object->track.over = &object->over->track;
		track_begin(&object->over->track, matcher->ruleset->delta, &matcher->over_tracks);
	}
	match_share_begin(object);
	match_copy_begin(&object->copy, match_may_need_copy(matcher) || object->share.log != NULL
						? &matcher->copies
						: NULL);
	object->drops_copy = false;
	match_sections_begin(&object->sections);
	match_digest_begin(&matcher->digester, &object->digesting, use_of_digests(target));
	*out = object;
	return 0;
}

size_t match_pass(struct match_object *object, const uint8_t *data, size_t n)
{
	size_t kept = 0;

	while (n > 0) {
		size_t taken;

		if (object->stage_to == object->stage_end &&
			object->stage_from < object->stage_to && !object->failed)
			search(object, false);
		taken = match_stage_take(object, data, n, &kept);
		data += taken;
		n -= taken;
	}
	return kept;
}

void match_finish(struct match_object *object)
{
	if (!object->failed)
		search(object, true);
}

int match_feed(struct match_object *object, const uint8_t *data, size_t n)
{
	size_t kept;

	match_share_compare(object, data, n);
	kept = match_pass(object, data, n);
	if (kept < n)
		match_copy_miss(&object->copy);
	match_digest_feed(&object->matcher->digester, &object->digesting, &object->copy.capture,
		data, n, kept);
	return object->failed ? -EIO : 0;
}

static bool can_be_allowed(const struct ruleset *ruleset)
{
	for (; ruleset != NULL; ruleset = ruleset->delta)
		for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
			if (ruleset->hashes[i].allows)
				return true;
	return false;
}

bool match_is_hit(const struct match_object *object)
{
	const struct match_over *over = object->over;
	bool has_hits =
		object->track.hits.count > 0 || (over != NULL && over->track.hits.count > 0);

	return has_hits && is_large_enough(object) && !can_be_allowed(object->matcher->ruleset);
}

static void decide(struct match_object *object)
{
	const struct match_facts facts = {
		.bytes = object->bytes - object->from,
		.file_bytes =
			object->file_bytes != 0 ? object->file_bytes : object->bytes - object->from,
		.from = object->from,
		.target = object->own_target,
		.container = (uint32_t)object->container,
		.outer = object->outer,
		.outer_count = object->outer_count,
		.copy = &object->copy,
	};
	struct layer layer = own_layer(object);

	do {
		track_end(layer.track, object->bytes - object->from);
		if (is_large_enough(object))
			match_rules_decide(layer.rules, layer.track, &facts);
		else
			layer.track->hits.count = 0;
	} while (next_layer(object, &layer));
}

static void end_patterns(struct match_object *object)
{
	struct match_programs programs = {0, MATCH_PROGRAM_BYTES, MATCH_PROGRAMS};

	match_finish(object);
	match_complete(object);
	match_sections_end(&object->sections, &object->track);
	if (object->matcher->hashes_imports != 0)
		match_imports(object);
	decide(object);
	if (match_retype(object))
		decide(object);
	while (match_next_program(object, &programs)) {
		match_sections_end(&object->sections, &object->track);
		if (object->matcher->hashes_imports != 0)
			match_imports(object);
		decide(object);
	}
	object->from = 0;
}

static void name_hit(const struct ruleset *ruleset, uint32_t number, struct match_hit *hit)
{
	const struct ruleset_signature *signature = &ruleset->signatures[number];

	hit->signature = ruleset->strings + signature->name;
	hit->virus_id = ruleset->strings + signature->virus_id;
	hit->recipe = ruleset->strings + signature->recipe;
	hit->kind = (enum match_kind)signature->kind;
}

size_t match_name_hits(const struct matcher *matcher, const struct track_hits *own,
	const struct track_hits *over, struct match_hit *hits, size_t max)
{
	const struct ruleset *ruleset = matcher->ruleset;
	uint32_t at = 0;
	uint32_t over_at = 0;

	while (at + over_at < own->count + over->count) {
		bool is_over = at == own->count ||
			       (over_at < over->count &&
				       ruleset_precedes(ruleset->delta, over->signatures[over_at],
					       own->signatures[at]));
		const struct ruleset *of = is_over ? ruleset->delta : ruleset;
		uint32_t number = is_over ? over->signatures[over_at] : own->signatures[at];

		if (at + over_at < max)
			name_hit(of, number, &hits[at + over_at]);
		if (is_over)
			over_at++;
		else
			at++;
	}
	return at + over_at;
}

size_t match_end_late(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type, struct digest_late *late)
{
	static const struct track_hits none = {0};
	struct matcher *matcher = object->matcher;
	const size_t most = matcher->all_matches ? TRACK_MAX_HITS : 1;
	size_t count;

	end_patterns(object);
	match_end_digests(object, digests, late);
	max = max < most ? max : most;
	count = match_name_hits(matcher, &object->track.hits,
		object->over != NULL ? &object->over->track.hits : &none, hits, max);
	matcher->was_partial = false;
	matcher->had_more = matcher->all_matches && count > max;
	for (const struct track *at = &object->track; at != NULL; at = at->over) {
		matcher->was_partial = matcher->was_partial || at->lost;
		matcher->had_more = matcher->had_more || (matcher->all_matches && at->hits.more);
	}
	*detected_type = object->type != NULL ? object->type->name : "";
	put_object(object);
	return count < max ? count : max;
}

size_t match_end(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type)
{
	return match_end_late(object, hits, max, digests, detected_type, NULL);
}

void match_abort(struct match_object *object)
{
	struct layer layer = own_layer(object);

	do {
		close_streams(object, &layer, NULL);
		layer.events->count = 0;
		layer.events->followed = 0;
	} while (next_layer(object, &layer));
	put_object(object);
}

void match_set_container(struct match_object *object, enum filetype_container container)
{
	object->container = container;
}

void match_set_normalised(struct match_object *object)
{
	object->is_normalised = true;
}

void match_set_file_bytes(struct match_object *object, uint64_t bytes)
{
	object->file_bytes = bytes;
}

void match_set_outer(struct match_object *object, const uint8_t *outer, uint32_t count)
{
	object->outer_count = count < RULESET_MAX_OUTER ? count : RULESET_MAX_OUTER;
	if (object->outer_count > 0) // outer may be NULL otherwise
		memcpy(object->outer, outer, object->outer_count);
}
