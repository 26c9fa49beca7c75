// SPDX-License-Identifier: BSD-3-Clause
// Header fields of mail (RFC 5322, 2045, 2047, 2183, 2231): values, parameters and text.
//
// Input is one unfolded field, as sent; whatever is malformed gets the reading that most mail
// readers take, never an error. Output goes to the caller's buffer, always ends with a NUL and is cut
// at a whole character where it does not fit. Text comes out as valid UTF-8 without NUL. No
// allocation, no state.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that somebody else owns.
struct span {
	const char *at;
	size_t bytes;
};

// Splits a line without its line end into name and value. False where it is no field: no colon, or
// something other than blanks and comments between the name and the colon.
bool header_split(struct span line, struct span *name, struct span *value);

// Whether name is the lower-case word, in any case.
bool span_is(struct span name, const char *lower);

// The value's first token in lower case (Content-Transfer-Encoding, Content-Disposition): comments,
// quotes and blanks around it left out. Returns its length.
size_t header_token(struct span value, char *out, size_t size);

// "type/subtype" in lower case. Returns 0 and "" where the value is no media type.
size_t header_type(struct span value, char *out, size_t size);

// The parameter called name (lower case), RFC 2231 continuations joined and percent escapes decoded.
// False where there is none.
//
// header_param gives text: character sets and encoded words converted.
// header_param_bytes gives the bytes (a boundary); *bytes is the full length, of which at most size
// were written.
bool header_param(struct span value, const char *name, char *out, size_t size);
bool header_param_bytes(
	struct span value, const char *name, uint8_t *out, size_t size, size_t *bytes);

// Whether the parameter stands there more than once, in any form; pieces of one count once.
bool header_param_is_repeated(struct span value, const char *name);

// Unstructured text with encoded words (RFC 2047), blanks around it left out.
size_t header_text(struct span value, char *out, size_t size);
