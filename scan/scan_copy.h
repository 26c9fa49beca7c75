// SPDX-License-Identifier: BSD-3-Clause
// Normalised copies of an object, for the signatures that are made for them: of a text one, of HTML one
// without comments and one without tags. What is found in a copy is found in the object. Inline data of
// HTML is a member of it. Private to scan*.c.
#pragma once

#include "scan/decode.h"
#include "scan/match.h"
#include "scan/normalise_detect.h"
#include "scan/normalise_html.h"
#include "scan/normalise_text.h"
#include "scan/scan_inline.h"
#include "scan/scan_page_script.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan;
struct scan_object;
struct scanner;

#define SCAN_COPY_SLICE 16384

struct scan_copies {
	struct scan_copies *next; // in the pool
	struct match_object *text;
	struct match_object *page;
	struct match_object *words; // of the page, without tags
	struct scan_object *member; // the inline data that has begun
	struct base64_state base64;
	struct scan_inline elsewhere; // such data in other places of the page
	struct scan_page_script script;
	bool is_base64;
	bool is_detected;
	bool is_searched; // HTML may still begin in it
	bool is_html;
	bool is_wide; // UTF-16
	bool has_half;
	uint8_t half; // the first byte of a character
	struct normalise_text text_state;
	struct normalise_search search;
	uint16_t prefix_bytes;
	uint8_t prefix[NORMALISE_DETECT_BYTES];
	struct normalise_html html;
};

// What the copies of a scanner's objects share: their room, and buffers for one at a time.
struct scan_copy_pool {
	struct scan_copies *free_copies;
	struct scan_copies *memory;
	size_t count;
	size_t begun; // those behind were never used: their memory is not there yet
	struct normalise_html_out *html;
	uint8_t *text;
	struct scan_script_pool scripts;
	bool wants_text; // a signature could see such a copy
	bool wants_html;
	bool wants_members; // inline data is to be looked at
};

// For so many objects and scripts in progress at once. Returns 0 or -ENOMEM. Takes no memory where there is nothing to do with a copy.
int scan_copy_pool_init(struct scan_copy_pool *pool, const struct ruleset *ruleset, size_t objects,
	size_t scripts, bool wants_members);
void scan_copy_pool_fini(struct scan_copy_pool *pool);

// A copy of the object, for the matcher. NULL where there is none.
struct match_object *scan_copy_match(
	struct scan *scan, const struct scan_object *object, enum match_target target);
void scan_copy_match_feed(struct scan *scan, const struct scan_object *object,
	struct match_object **match, const uint8_t *data, size_t n);
void scan_copy_match_end(
	struct scan *scan, const struct scan_object *object, struct match_object **match);

// The object is one that may have copies.
void scan_copy_begin(struct scan *scan, struct scan_object *object);
void scan_copy_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n);
void scan_copy_end(struct scan *scan, struct scan_object *object);
void scan_copy_drop(struct scan_object *object);
