// SPDX-License-Identifier: BSD-3-Clause
// What comes out of a page of HTML, by any variant or by the states alone, and fed in any pieces.
#pragma once

#include "scan/normalise_ops.h"

#include <stddef.h>
#include <stdint.h>

#define HTML_COPIES_ROOM (1u << 16)

struct html_copies {
	uint8_t page[HTML_COPIES_ROOM];
	uint8_t text[HTML_COPIES_ROOM];
	uint8_t data[HTML_COPIES_ROOM]; // inline data: "[type|data]"
	size_t page_bytes;
	size_t text_bytes;
	size_t data_bytes;
};

// Leaves all to the states, which look at one byte after another.
extern const struct normalise_ops html_states_alone;

// Cut at first and from there on every step bytes (0: no more), each piece in memory of its own size. ops NULL:
// the best.
void html_copies_make(const struct normalise_ops *ops, const uint8_t *data, size_t n, size_t first,
	size_t step, struct html_copies *out);
void html_copies_check_same(const struct html_copies *actual, const struct html_copies *expected);
// Every variant, whole, cut there, and in small pieces, behind each of which what waits may be asked for, against the
// states.
void html_copies_check_variants(const uint8_t *html, size_t n, size_t cut);
