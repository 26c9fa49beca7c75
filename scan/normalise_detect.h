// SPDX-License-Identifier: BSD-3-Clause
// Which normalised copies an object has: what ClamAV takes for a text and for HTML, and where HTML begins
// in what it does not.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// So many first bytes tell; all of it, where it has fewer.
#define NORMALISE_DETECT_BYTES 1024

enum normalise_kind {
	NORMALISE_NONE,
	NORMALISE_TEXT,
	NORMALISE_HTML,
	NORMALISE_HTML_UTF16, // little-endian
};

// Of data that is no other type of file.
enum normalise_kind normalise_detect(const uint8_t *data, size_t n);

// The search for the first tag of HTML in data that passes, in any chunking; zeroed to begin with.
#define NORMALISE_TAG_BYTES 16

struct normalise_search {
	uint8_t bytes[NORMALISE_TAG_BYTES]; // from a "<" on, until they tell
	uint8_t count;
};

// Returns true where a tag was found: *at is where the data behind search->bytes goes on, which are the
// tag's first ones.
bool normalise_find_tag(struct normalise_search *search, const uint8_t *data, size_t n, size_t *at);
