// SPDX-License-Identifier: BSD-3-Clause
// The scripts of a page, rewritten one behind the other in one more copy for the signatures of HTML and texts
// (script_norm.h). Private to scan*.c.
#pragma once

#include "scan/match.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_SCRIPT_END 9 // bytes of "</script>"

struct scan;
struct scan_object;
struct script_norm;

// Of a page.
struct scan_page_script {
	struct match_object *page;
	struct match_object *text;
	struct script_norm *script; // in progress
	bool has_begun;
	bool is_skipped;               // up to its end
	uint8_t last[SCAN_SCRIPT_END]; // bytes of the copy
};

// What the pages of a scanner share: memory for scripts in progress, which pages have begun and not ended yet. Where
// there are more of them, one that begins is not rewritten, and the message is suspect.
struct scan_script_pool {
	struct script_norm *memory;
	struct script_norm **free_scripts;
	size_t count;
	size_t free_count;
	size_t begun; // those behind were never used: their memory is not there yet
};

// Of zeroes. Returns 0 or -ENOMEM; scan_script_pool_fini in any case.
int scan_script_pool_init(struct scan_script_pool *pool, size_t count);
void scan_script_pool_fini(struct scan_script_pool *pool);

// Of one script.
size_t scan_script_bytes(void);

// Scripts as normalise_html gives them.
void scan_page_script_feed(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n);
void scan_page_script_end(struct scan *scan, struct scan_object *object);
void scan_page_script_drop(struct scan_object *object);
