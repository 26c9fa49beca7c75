// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_page_script.h"

#include "scan/scan_copy.h"
#include "scan/scan_object.h"
#include "scan/scan_pool.h"
#include "scan/script_norm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 4096

static const char opening[] = "<script>";
static const char closing[SCAN_SCRIPT_END + 1] = "</script>";

int scan_script_pool_init(struct scan_script_pool *pool, size_t count)
{
	pool->memory = calloc(count, sizeof(*pool->memory));
	pool->free_scripts = calloc(count, sizeof(struct script_norm *));
	pool->count = count;
	return pool->memory != NULL && pool->free_scripts != NULL ? 0 : -ENOMEM;
}

void scan_script_pool_fini(struct scan_script_pool *pool)
{
	free(pool->memory);
	free(pool->free_scripts);
}

size_t scan_script_bytes(void)
{
	return sizeof(struct script_norm) + sizeof(struct script_norm *);
}

// What was used last: its memory is there already.
static struct script_norm *take(struct scan_script_pool *pool)
{
	if (pool->free_count > 0)
		return pool->free_scripts[--pool->free_count];
	return pool->begun < pool->count ? &pool->memory[pool->begun++] : NULL;
}

static void give_back(struct scan_script_pool *pool, struct scan_page_script *page)
{
	pool->free_scripts[pool->free_count++] = page->script;
	page->script = NULL;
}

// ---- the copy ----------------------------------------------------------------------------------

static void put(struct scan *scan, struct scan_object *object, const void *data, size_t n)
{
	struct scan_page_script *page = &object->copies->script;
	const size_t kept = n < SCAN_SCRIPT_END ? n : SCAN_SCRIPT_END;

	memmove(page->last, page->last + kept, SCAN_SCRIPT_END - kept);
	memcpy(page->last + SCAN_SCRIPT_END - kept, (const uint8_t *)data + n - kept, kept);
	scan_copy_match_feed(scan, object, &page->page, data, n);
	scan_copy_match_feed(scan, object, &page->text, data, n);
}

static void put_copy(struct scan *scan, struct scan_object *object)
{
	uint8_t out[SLICE];
	size_t n;

	while ((n = script_norm_read(object->copies->script.script, out, sizeof(out))) > 0)
		put(scan, object, out, n);
}

static void begin(struct scan *scan, struct scan_object *object)
{
	struct scan_copy_pool *pool = &object->owner->copies;
	struct scan_page_script *page = &object->copies->script;

	page->script = take(&pool->scripts);
	page->is_skipped = page->script == NULL;
	if (page->is_skipped) {
		scan_set_suspect(scan, "limit-matching");
		return;
	}
	if (!page->has_begun && pool->wants_html)
		page->page = scan_copy_match(scan, object, MATCH_TARGET_HTML);
	if (!page->has_begun && pool->wants_text)
		page->text = scan_copy_match(scan, object, MATCH_TARGET_TEXT);
	if (page->has_begun)
		put(scan, object, "\n", 1);
	page->has_begun = true;
	script_norm_begin(page->script);
	put(scan, object, opening, sizeof(opening) - 1);
}

static void end(struct scan *scan, struct scan_object *object)
{
	struct scan_page_script *page = &object->copies->script;

	script_norm_end(page->script);
	put_copy(scan, object);
	if (memcmp(page->last, closing, SCAN_SCRIPT_END) != 0)
		put(scan, object, closing, SCAN_SCRIPT_END);
	give_back(&object->owner->copies.scripts, page);
}

static void feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct script_norm *script = object->copies->script.script;

	while (n > 0) {
		size_t used = script_norm_feed(script, data, n);

		put_copy(scan, object);
		data += used;
		n -= used;
	}
}

void scan_page_script_feed(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct scan_page_script *page = &object->copies->script;

	if (object->owner->copies.scripts.memory == NULL)
		return;
	while (n > 0) {
		const uint8_t *nul = memchr(data, '\0', n);
		const size_t bytes = nul != NULL ? (size_t)(nul - data) : n;

		if (page->script == NULL && !page->is_skipped)
			begin(scan, object);
		if (page->script != NULL)
			feed(scan, object, data, bytes);
		if (nul != NULL && page->script != NULL)
			end(scan, object);
		if (nul != NULL)
			page->is_skipped = false;
		data += bytes + (nul != NULL);
		n -= bytes + (nul != NULL);
	}
}

void scan_page_script_end(struct scan *scan, struct scan_object *object)
{
	if (object->copies->script.script != NULL)
		end(scan, object);
	scan_copy_match_end(scan, object, &object->copies->script.page);
	scan_copy_match_end(scan, object, &object->copies->script.text);
}

void scan_page_script_drop(struct scan_object *object)
{
	struct scan_page_script *page = &object->copies->script;

	if (page->script != NULL)
		give_back(&object->owner->copies.scripts, page);
	if (page->page != NULL)
		match_abort(page->page);
	if (page->text != NULL)
		match_abort(page->text);
}
