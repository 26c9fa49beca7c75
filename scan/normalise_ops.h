// SPDX-License-Identifier: BSD-3-Clause
// The parts of the normalisers that exist in several variants, one for each kind of processor. Private
// to scan/ and its tests. A variant only speeds up whole vectors: the plain code goes on from there.
#pragma once

#include "scan/normalise_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a byte is in the copy of a text: 0 where it is dropped, ' ' for all white space.
extern const uint8_t normalise_text_bytes[256];

// Where a variant reads and writes. It may store up to NORMALISE_TEXT_SLACK bytes past out.
struct normalise_run {
	const uint8_t *in;
	const uint8_t *end;
	uint8_t *out;
	bool after_space;
};

struct normalise_ops {
	const char *name;
	void (*text_run)(struct normalise_run *run);
	// The plain bytes of HTML text that data begins with, in lower case to both: words with one space
	// between them. May stop anywhere before their end, behind a word's byte. Stores up to
	// NORMALISE_TEXT_SLACK bytes behind them. Returns how many.
	size_t (*html_run)(const uint8_t *in, size_t n, uint8_t *page, uint8_t *text);
};

// Whether a byte of HTML text means nothing but itself.
static inline bool normalise_is_plain(uint8_t byte)
{
	return byte > ' ' && byte < 0x80 && byte != '<' && byte != '&';
}

extern const struct normalise_ops normalise_ops_portable;
extern const struct normalise_ops normalise_ops_avx2;
extern const struct normalise_ops normalise_ops_avx512;

// Variant number i that this processor can run, the slowest first; NULL past the last.
const struct normalise_ops *normalise_variant(size_t i);

const struct normalise_ops *normalise_best(void);

size_t normalise_text_with(const struct normalise_ops *ops, struct normalise_text *state,
	const uint8_t *in, size_t n, uint8_t *out);
