// SPDX-License-Identifier: BSD-3-Clause
// A word that every match of a regular expression holds, as ".exe" is one of `[A-Z]{5}\s[0-9]+\.exe`. Of hundreds of
// such expressions most ask for one of a few words: where an object has none of these, none of them matches.
#pragma once

#include "scan/match_regex_start.h"

#include <stdint.h>

#define REGEX_NEED_LEAST 3u // bytes of a word
#define REGEX_NEED_ANY UINT32_MAX

struct regex_need {
	uint32_t bytes;  // of the word, 0: none is known
	uint32_t before; // so many bytes of a match stand before it at most, or any number
	struct regex_start word;
};

// The word of an expression that PCRE2 takes. letters: its options.
void regex_need_read(const char *text, const char *letters, struct regex_need *out);
