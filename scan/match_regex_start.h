// SPDX-License-Identifier: BSD-3-Clause
// What a regular expression begins with, where it begins with a word or one of several: `\b(FedEx|DHL|US?PS).*`.
// PCRE2 tries such an expression at almost every byte; words are found much faster.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEX_START_WORDS 12u // of an expression
#define REGEX_START_ROOM 24u  // for those of several
#define REGEX_START_LEAST 2u  // bytes of a word
#define REGEX_START_MOST 8u
#define REGEX_START_LOOKS 4u // so many bytes of each word are looked at together

// A word, where the mask has ones.
struct regex_word {
	uint64_t value;
	uint64_t mask;
	uint8_t bytes;
};

struct regex_start {
	uint32_t count; // 0: not known
	struct regex_word words[REGEX_START_ROOM];
	// Bits of the words, by number modulo 8, that may have a byte with this half at each place.
	uint8_t low[REGEX_START_LOOKS][16];
	uint8_t high[REGEX_START_LOOKS][16];
};

// Whether an expression has no syntax that could change what other parts of it mean.
bool regex_is_plain(const char *text, const char *letters);
// Passes over one thing of an expression: a byte, an escape, a class. Returns false where it does not end.
bool regex_pass(const char **at);

// The words of an expression that PCRE2 takes. letters: its options.
void regex_start_read(const char *text, const char *letters, struct regex_start *out);
// One word by itself, of REGEX_START_LEAST to REGEX_START_MOST bytes.
void regex_start_word(const uint8_t *bytes, size_t n, bool is_caseless, struct regex_start *out);
// What is looked at together, once all words are there.
void regex_start_ready(struct regex_start *start);
// The first place, not before at, where a word begins; n: none.
size_t regex_start_find(const struct regex_start *start, const uint8_t *data, size_t n, size_t at);

// ---- for each kind of processor ----------------------------------------------------------------

#define REGEX_START_BLOCK 64u

// Passes over blocks of 64 bytes in which no word begins, n of which is a multiple. Returns where the first
// block is in which one may, with a bit for each such place; n: none. Three bytes behind them are read.
typedef size_t (*regex_start_skip_fn)(
	const struct regex_start *start, const uint8_t *data, size_t n, uint64_t *marks);
size_t regex_start_skip_portable(
	const struct regex_start *start, const uint8_t *data, size_t n, uint64_t *marks);
size_t regex_start_skip_avx2(
	const struct regex_start *start, const uint8_t *data, size_t n, uint64_t *marks);
// Variant number i that this processor can run, the slowest first; NULL past the last.
regex_start_skip_fn regex_start_variant(size_t i);
size_t regex_start_find_with(regex_start_skip_fn skip, const struct regex_start *start,
	const uint8_t *data, size_t n, size_t at);
