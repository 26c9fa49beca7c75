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

// What kind of text data is to ClamAV, if it is no other type of file.
enum normalise_text_kind {
	NORMALISE_NO_TEXT,
	NORMALISE_BYTES,
	NORMALISE_LITTLE, // UTF-16
	NORMALISE_BIG,
};

enum normalise_text_kind normalise_text_kind(const uint8_t *data, size_t n);
// Whether a byte order mark of UTF-16 is there.
bool normalise_has_mark(const uint8_t *data, size_t n);
// The low bytes of UTF-16, as ClamAV makes one byte of two; out holds half of them.
size_t normalise_narrow(const uint8_t *data, size_t n, uint8_t *out);
// What is left of the bytes without NULs. Returns how many that are.
size_t normalise_without_nuls(const uint8_t *data, size_t n, uint8_t *out);

// The search for the first tag of HTML in data that passes, in any chunking; zeroed to begin with, but for what the caller sets.
#define NORMALISE_TAG_BYTES 16

struct normalise_search {
	uint8_t bytes[NORMALISE_TAG_BYTES]; // from a "<" on, until they tell
	uint8_t count;
	bool is_marked; // set by the caller: only the tags by which ClamAV knows HTML count
};

// Returns true where a tag was found: *at is where the data behind search->bytes goes on, which are the
// tag's first ones.
bool normalise_find_tag(struct normalise_search *search, const uint8_t *data, size_t n, size_t *at);

// For its own files and their tests: the next "<" that may begin a tag, of those that so many bytes follow; some
// that begin none may be left out. Where there is no more, the place from where on they are too near to the end.
#define NORMALISE_OPENING_BYTES (64 + NORMALISE_TAG_BYTES)

typedef const uint8_t *(*normalise_opening_fn)(const uint8_t *at, const uint8_t *end);

const uint8_t *normalise_opening_portable(const uint8_t *at, const uint8_t *end);
const uint8_t *normalise_opening_avx512(const uint8_t *at, const uint8_t *end);

// Variant number i that this processor can run, the slowest first; NULL past the last.
normalise_opening_fn normalise_opening_variant(size_t i);
