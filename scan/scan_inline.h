// SPDX-License-Identifier: BSD-3-Clause
// Inline data of a page that does not stand where normalise_html.h looks for it: in a style, a script, a comment, in
// the middle of a value, in capitals. What follows ";base64," is a member, up to what base64 does not have.
// Private to scan*.c.
#pragma once

#include "scan/decode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan;
struct scan_object;

#define INLINE_MARK_BYTES 8 // ";base64,"

struct scan_inline {
	struct scan_object *member;
	struct base64_state base64;
	uint8_t last[INLINE_MARK_BYTES]; // of what was searched
};

// Returns how many bytes there are up to the end of the first mark; n, and *found false, where there is none.
size_t scan_inline_find(struct scan_inline *in, const uint8_t *data, size_t n, bool *found);
// For its own files and their tests: the first place, not before at, where the mark's last two bytes stand; n where
// there is none.
typedef size_t (*scan_inline_end_fn)(const uint8_t *data, size_t n, size_t at);

size_t scan_inline_end_portable(const uint8_t *data, size_t n, size_t at);
size_t scan_inline_end_avx512(const uint8_t *data, size_t n, size_t at);

// Variant number i that this processor can run, the slowest first; NULL past the last.
scan_inline_end_fn scan_inline_variant(size_t i);

// Begins a member behind a mark, unless one is open.
void scan_inline_begin(struct scan *scan, struct scan_object *object, struct scan_inline *in);
// The next bytes of the page.
void scan_inline_feed(struct scan *scan, struct scan_object *object, struct scan_inline *in,
	const uint8_t *data, size_t n);
// The page is over.
void scan_inline_end(struct scan *scan, struct scan_object *object, struct scan_inline *in);
