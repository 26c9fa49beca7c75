// SPDX-License-Identifier: BSD-3-Clause
// The copy of a text that signatures for texts (target 7) are made for: letters in lower case, each run
// of white space one space, and neither control characters nor bytes above 127. In UTF-16 that leaves
// the characters of ASCII.
//
// State is a small struct in the caller's memory, all zero to begin with; any chunking gives the same
// copy. The inner loop exists in several variants, chosen once by what the processor has; all give the
// same output.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct normalise_text {
	bool after_space; // the last byte of the copy is a space
};

// Vector stores may overwrite so many bytes behind the output.
#define NORMALISE_TEXT_SLACK 64

// out needs room for n bytes and the slack. Returns bytes written, at most n.
size_t normalise_text(struct normalise_text *state, const uint8_t *in, size_t n, uint8_t *out);
