// SPDX-License-Identifier: BSD-3-Clause
// Regular expressions of logical signatures, by PCRE2. They are compiled once for a thread and run
// within limits on backtracking and memory.
#pragma once

#include "scan/executable.h"
#include "scan/match_copy.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct match_regexes;

struct match_regex_object {
	const struct match_copy *copy;
	uint64_t from; // where in the copy it begins
	uint64_t bytes;
	const struct executable *executable; // NULL: none
};

// Returns 0 or -ENOMEM.
int match_regexes_new(const struct ruleset *ruleset, struct match_regexes **out);
void match_regexes_free(struct match_regexes *regexes);

// Another object is decided now.
void match_regexes_begin(struct match_regexes *regexes);
// How often the expression matches the object of so many bytes: 1 at most, unless every match counts.
// A search that was given up, or that looked at a part of the object without finding anything, sets
// *partial.
uint32_t match_regex_count(const struct match_regexes *regexes, uint32_t number,
	const struct match_regex_object *object, bool *partial);
// Why PCRE2 does not take an expression, written to reason, or an empty string.
void match_regex_validate(const char *text, const char *letters, char *reason, size_t bytes);
