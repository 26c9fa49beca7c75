// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_copy.h"

#include "scan/digest.h"
#include "scan/match_late.h"
#include "scan/page_name.h"
#include "scan/scan_object.h"
#include "scan/scan_pool.h"
#include "scan/scan_whole.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define WIDE_SLICE 2048

static bool has_target(const struct ruleset *ruleset, enum filetype_target target)
{
	for (; ruleset != NULL; ruleset = ruleset->delta)
		if (ruleset->anchors[target].is_there || ruleset->patterns[target].db != NULL)
			return true;
	return false;
}

// The digests of the copies of HTML are looked up, too.
static bool has_hashes(const struct ruleset *ruleset)
{
	for (; ruleset != NULL; ruleset = ruleset->delta)
		for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
			if (ruleset->hashes[i].entries_count > 0)
				return true;
	return false;
}

int scan_copy_pool_init(struct scan_copy_pool *pool, const struct ruleset *ruleset, size_t objects,
	size_t scripts, bool wants_members)
{
	bool has_any = has_target(ruleset, FILETYPE_TARGET_ANY);

	pool->wants_text = has_any || has_target(ruleset, FILETYPE_TARGET_TEXT);
	pool->wants_html =
		has_any || has_target(ruleset, FILETYPE_TARGET_HTML) || has_hashes(ruleset);
	pool->wants_members = wants_members;
	if (!pool->wants_text && !pool->wants_html && !wants_members)
		return 0;
	pool->memory = calloc(objects, sizeof(*pool->memory));
	pool->html = malloc(sizeof(*pool->html));
	pool->text = malloc(SCAN_COPY_SLICE + NORMALISE_TEXT_SLACK);
	if (pool->memory == NULL || pool->html == NULL || pool->text == NULL)
		return -ENOMEM;
	pool->count = objects;
	if (!pool->wants_text && !pool->wants_html)
		return 0;
	return scan_script_pool_init(&pool->scripts, scripts);
}

void scan_copy_pool_fini(struct scan_copy_pool *pool)
{
	free(pool->memory);
	free(pool->html);
	free(pool->text);
	scan_script_pool_fini(&pool->scripts);
}

// ---- matching ----------------------------------------------------------------------------------

struct match_object *scan_copy_match(
	struct scan *scan, const struct scan_object *object, enum match_target target)
{
	struct match_object *match;

	if (match_begin(scan->scanner->matcher, target, &match) != 0) {
		scan_set_unscannable(scan, "memory");
		return NULL;
	}
	match_set_container(match, object->lies_in);
	match_set_outer(match, object->outer, object->outer_count);
	return match;
}

void scan_copy_match_end(
	struct scan *scan, const struct scan_object *object, struct match_object **match)
{
	struct scanner *scanner = scan->scanner;
	struct match_digests digests = {0};
	struct digest_late late;
	const char *type;
	size_t hits;

	if (*match == NULL)
		return;
	hits = match_end_late(*match, scanner->hits, scanner->matches_room, &digests, &type, &late);
	*match = NULL;
	if (matcher_was_partial(scanner->matcher))
		scan_set_suspect(scan, "limit-matching");
	for (size_t i = 0; i < hits && !digests.allowed; i++)
		object_add_match(scan, &scanner->hits[i], object->part);
	scan_gather_add(scan, object, &late, NULL);
}

void scan_copy_match_feed(struct scan *scan, const struct scan_object *object,
	struct match_object **match, const uint8_t *data, size_t n)
{
	if (*match == NULL || n == 0)
		return;
	if (match_feed(*match, data, n) != 0) {
		scan_set_unscannable(scan, "scanner");
		scan_copy_match_end(scan, object, match);
	} else if (!scan->is_hit) {
		scan->is_hit = match_is_hit(*match);
	}
}

// ---- text --------------------------------------------------------------------------------------

static void feed_text(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_copies *copies = object->copies;
	uint8_t *out = scan->scanner->copies.text;

	while (copies->text != NULL && n > 0) {
		size_t slice = n < SCAN_COPY_SLICE ? n : SCAN_COPY_SLICE;
		size_t bytes = normalise_text(&copies->text_state, data, slice, out);

		scan_copy_match_feed(scan, object, &copies->text, out, bytes);
		data += slice;
		n -= slice;
	}
}

// ---- HTML --------------------------------------------------------------------------------------

static void begin_member(struct scan *scan, struct scan_object *object, const char *type)
{
	struct scan_copies *copies = object->copies;
	char name[NORMALISE_HTML_VALUE + 1];
	size_t n = strcspn(type, ";");

	if (!scan->scanner->copies.wants_members)
		return;
	memcpy(name, type, n);
	name[n] = '\0';
	copies->is_base64 = strstr(type, ";base64") != NULL;
	copies->base64 = (struct base64_state){0};
	copies->member = object_begin_inline(scan, object, name);
}

static void end_member(struct scan *scan, struct scan_copies *copies)
{
	struct scan_object *member = copies->member;

	copies->member = NULL;
	object_end(scan, member);
}

static void feed_member(
	struct scan *scan, struct scan_copies *copies, const uint8_t *data, size_t n)
{
	if (copies->member == NULL || object_feed_inline(scan, copies->member, data, n))
		return;
	scan_set_suspect(scan, "limit-unpacked-bytes");
	end_member(scan, copies);
}

// What comes out of a call. A member has copies of its own, whose output is in the same place: what is
// still wanted of this one is taken before.
static void html_out(struct scan *scan, struct scan_object *object)
{
	const struct normalise_html_out *out = scan->scanner->copies.html;
	struct scan_copies *copies = object->copies;
	enum normalise_html_event event = out->event;
	uint8_t data[NORMALISE_HTML_ROOM + DECODE_SLACK];
	size_t bytes = out->data_bytes;

	scan_copy_match_feed(scan, object, &copies->page, out->page, out->page_bytes);
	scan_copy_match_feed(scan, object, &copies->words, out->text, out->text_bytes);
	scan_page_script_feed(scan, object, out->script, out->script_bytes);
	if (copies->member != NULL && bytes > 0) {
		if (copies->is_base64)
			bytes = base64_decode(&copies->base64, out->data, bytes, data);
		else
			memcpy(data, out->data, bytes);
		feed_member(scan, copies, data, bytes);
	}
	if (event == NORMALISE_HTML_DATA_BEGIN)
		begin_member(scan, object, copies->html.value);
	if (event != NORMALISE_HTML_DATA_END || copies->member == NULL)
		return;
	if (copies->is_base64)
		feed_member(scan, copies, data, base64_end(&copies->base64, data));
	end_member(scan, copies);
}

static void normalise(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	for (size_t used = 0; used < n;) {
		used += normalise_html(
			&object->copies->html, data + used, n - used, scan->scanner->copies.html);
		html_out(scan, object);
	}
}

// Up to the last byte that came.
static void settle(struct scan *scan, struct scan_object *object)
{
	while (normalise_html_settle(&object->copies->html, scan->scanner->copies.html))
		html_out(scan, object);
}

static void feed_page(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_copies *copies = object->copies;
	bool found = false;

	if (!scan->scanner->copies.wants_members) {
		normalise(scan, object, data, n);
		return;
	}
	for (size_t used = 0; used < n;) {
		size_t step = scan_inline_find(&copies->elsewhere, data + used, n - used, &found);

		scan_inline_feed(scan, object, &copies->elsewhere, data + used, step);
		normalise(scan, object, data + used, step);
		if (found)
			settle(scan, object);
		if (found && !normalise_html_is_in_data(&copies->html))
			scan_inline_begin(scan, object, &copies->elsewhere);
		used += step;
	}
}

// UTF-16 as ClamAV makes bytes of it.
static void feed_wide(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_copies *copies = object->copies;
	uint8_t out[WIDE_SLICE / 2 + 1];

	while (n > 0) {
		size_t slice = n < WIDE_SLICE ? n : WIDE_SLICE;
		size_t count = 0;

		for (size_t i = 0; i < slice; i++) {
			if (copies->has_half)
				out[count++] = (uint8_t)(copies->half + (data[i] << 4));
			copies->half = data[i];
			copies->has_half = !copies->has_half;
		}
		feed_page(scan, object, out, count);
		data += slice;
		n -= slice;
	}
}

static void begin_html(struct scan *scan, struct scan_object *object)
{
	struct scan_copies *copies = object->copies;

	copies->is_html = true;
	copies->is_searched = false;
	normalise_html_begin(&copies->html);
	if (!scan->scanner->copies.wants_html)
		return;
	copies->page = scan_copy_match(scan, object, MATCH_TARGET_HTML);
	copies->words = scan_copy_match(scan, object, MATCH_TARGET_HTML);
}

static void feed_html(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	if (object->copies->is_wide)
		feed_wide(scan, object, data, n);
	else
		feed_page(scan, object, data, n);
}

// A page that begins in the middle of the object has a blank before it, so that nothing in it is at its
// start.
static void search_html(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	static const uint8_t before[] = "- ";
	struct scan_copies *copies = object->copies;
	size_t at;

	if (!normalise_find_tag(&copies->search, data, n, &at))
		return;
	begin_html(scan, object);
	feed_page(scan, object, before, sizeof(before) - 1);
	feed_page(scan, object, copies->search.bytes, copies->search.count);
	feed_page(scan, object, data + at, n - at);
}

// ---- the object --------------------------------------------------------------------------------

// is_known: the bytes were searched already, and no page begins in them.
static void feed_all(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n, bool is_known)
{
	struct scan_copies *copies = object->copies;

	feed_text(scan, object, data, n);
	if (copies->is_html)
		feed_html(scan, object, data, n);
	else if (copies->is_searched && !is_known)
		search_html(scan, object, data, n);
}

static void give_back(struct scan_object *object)
{
	struct scan_copy_pool *pool = &object->owner->copies;

	object->copies->next = pool->free_copies;
	pool->free_copies = object->copies;
	object->copies = NULL;
}

// HTML that begins in the first bytes begins with them. Otherwise the search goes on behind them.
static bool begins_with_html(struct scan_copies *copies)
{
	size_t at;

	return normalise_find_tag(&copies->search, copies->prefix, copies->prefix_bytes, &at);
}

// Of what lies in an archive the name tells who opens it. Whatever that is, what ClamAV takes for HTML is.
static bool is_no_page(
	const struct scan *scan, const struct scan_object *object, enum normalise_kind kind)
{
	const struct scan_copies *copies = object->copies;
	const enum filetype_container around = object->lies_in;
	const bool in_office = around == FILETYPE_CONTAINER_OOXML_WORD ||
			       around == FILETYPE_CONTAINER_OOXML_EXCEL ||
			       around == FILETYPE_CONTAINER_OOXML_POWERPOINT;
	const bool in_archive =
		around == FILETYPE_CONTAINER_ZIP || around == FILETYPE_CONTAINER_TAR ||
		around == FILETYPE_CONTAINER_7Z || around == FILETYPE_CONTAINER_RAR ||
		around == FILETYPE_CONTAINER_CAB;
	const bool is_text = kind != NORMALISE_NONE;
	const bool is_document =
		in_office && page_is_document(copies->prefix, copies->prefix_bytes);

	if (!object->is_listed || object->has_other_name || (!in_office && !in_archive))
		return false;
	return !page_name_may_open(
		       scan->table->parts[object->part - 1].filename, in_office && is_document) &&
	       (!in_office || !is_text || is_document);
}

// What signature files say that it is comes before what the content tells.
static enum normalise_kind kind_of(const struct filetype_clamav *told, const struct filetype *type,
	const struct scan_copies *copies)
{
	const enum filetype_target target =
		told != NULL ? told->type.target : (enum filetype_target)type->target;

	if (told != NULL && target == FILETYPE_TARGET_HTML)
		return strcmp(told->name, "CL_TYPE_HTML_UTF16") == 0 ? NORMALISE_HTML_UTF16
								     : NORMALISE_HTML;
	if (told != NULL)
		return target == FILETYPE_TARGET_TEXT ? NORMALISE_TEXT : NORMALISE_NONE;
	if (type->name[0] != '\0' && target != FILETYPE_TARGET_TEXT &&
		target != FILETYPE_TARGET_HTML)
		return NORMALISE_NONE;
	return normalise_detect(copies->prefix, copies->prefix_bytes);
}

static void detect(struct scan *scan, struct scan_object *object)
{
	const struct scan_copy_pool *pool = &scan->scanner->copies;
	struct scan_copies *copies = object->copies;
	const struct filetype_clamav *told =
		object->match != NULL ? match_told_type(object->match) : NULL;
	const struct filetype *type = scan_whole_type(object, copies->prefix, copies->prefix_bytes);
	enum normalise_kind kind = kind_of(told, type, copies);
	bool wants_html = pool->wants_html || pool->wants_members;
	bool is_html = kind == NORMALISE_HTML || kind == NORMALISE_HTML_UTF16;

	copies->is_detected = true;
	copies->search.is_marked = is_no_page(scan, object, kind);
	copies->is_wide = kind == NORMALISE_HTML_UTF16;
	copies->is_searched = (wants_html && kind == NORMALISE_TEXT) ||
			      (pool->wants_html && type->target == FILETYPE_TARGET_GRAPHICS);
	if (kind == NORMALISE_TEXT && pool->wants_text)
		copies->text = scan_copy_match(scan, object, MATCH_TARGET_TEXT);
	if (copies->text != NULL)
		match_set_normalised(copies->text);
	if (wants_html && (is_html || (kind == NORMALISE_TEXT && begins_with_html(copies))))
		begin_html(scan, object);
	if (copies->text == NULL && !copies->is_html && !copies->is_searched)
		give_back(object);
	else
		feed_all(
			scan, object, copies->prefix, copies->prefix_bytes, kind == NORMALISE_TEXT);
}

void scan_copy_begin(struct scan *scan, struct scan_object *object)
{
	struct scan_copy_pool *pool = &scan->scanner->copies;
	struct scan_copies *copies = pool->free_copies;

	if (pool->memory == NULL)
		return;
	if (copies != NULL) {
		pool->free_copies = copies->next;
	} else if (pool->begun < pool->count) {
		copies = &pool->memory[pool->begun++];
	} else {
		scan_set_unscannable(scan, "memory");
		return;
	}
	memset(copies, 0, offsetof(struct scan_copies, prefix));
	object->copies = copies;
}

void scan_copy_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_copies *copies = object->copies;

	if (copies == NULL)
		return;
	if (!copies->is_detected) {
		size_t take = sizeof(copies->prefix) - copies->prefix_bytes;

		take = take < n ? take : n;
		memcpy(copies->prefix + copies->prefix_bytes, data, take);
		copies->prefix_bytes = (uint16_t)(copies->prefix_bytes + take);
		data += take;
		n -= take;
		if (copies->prefix_bytes < sizeof(copies->prefix))
			return;
		detect(scan, object);
	}
	if (object->copies != NULL)
		feed_all(scan, object, data, n, false);
}

// Also where there are no copies.
void scan_copy_end(struct scan *scan, struct scan_object *object)
{
	struct scan_copies *copies = object->copies;

	// What is too short for patterns has no copies either.
	if (copies != NULL && !copies->is_detected && copies->prefix_bytes < MATCH_LEAST_BYTES)
		give_back(object);
	else if (copies != NULL && !copies->is_detected)
		detect(scan, object);
	if (object->copies == NULL)
		return;
	if (copies->is_html) {
		settle(scan, object);
		normalise_html_end(&copies->html, scan->scanner->copies.html);
		html_out(scan, object);
		scan_page_script_end(scan, object);
		scan_inline_end(scan, object, &copies->elsewhere);
	}
	if (copies->text != NULL)
		match_set_file_bytes(copies->text, object->fed);
	scan_copy_match_end(scan, object, &copies->text);
	scan_copy_match_end(scan, object, &copies->page);
	scan_copy_match_end(scan, object, &copies->words);
	give_back(object);
}

void scan_copy_drop(struct scan_object *object)
{
	struct scan_copies *copies = object->copies;

	if (copies == NULL)
		return;
	if (copies->text != NULL)
		match_abort(copies->text);
	if (copies->page != NULL)
		match_abort(copies->page);
	if (copies->words != NULL)
		match_abort(copies->words);
	scan_page_script_drop(object);
	give_back(object);
}
