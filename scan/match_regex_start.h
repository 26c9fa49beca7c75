// SPDX-License-Identifier: BSD-3-Clause
// What a regular expression begins with, where it begins with one of several words: `\b(FedEx|DHL|US?PS).*`.
// PCRE2 tries such an expression at almost every byte; words are found much faster.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEX_START_WORDS 12u
#define REGEX_START_LEAST 2u // bytes of a word
#define REGEX_START_MOST 8u

// A word, where the mask has ones.
struct regex_word {
	uint64_t value;
	uint64_t mask;
	uint8_t bytes;
};

struct regex_start {
	uint32_t count; // 0: not known
	struct regex_word words[REGEX_START_WORDS];
};

// The words of an expression that PCRE2 takes. letters: its options.
void regex_start_read(const char *text, const char *letters, struct regex_start *out);
// The first place, not before at, where a word begins; n: none.
size_t regex_start_find(const struct regex_start *start, const uint8_t *data, size_t n, size_t at);
