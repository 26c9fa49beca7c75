// SPDX-License-Identifier: BSD-3-Clause
// Making text valid UTF-8. Source: RFC 3629, Unicode 15 section 3.9 (best practice for replacement).
#pragma once

#include <stddef.h>
#include <stdint.h>

// Length of the valid UTF-8 character at text (n > 0 bytes are there), or 0 where there is none.
size_t utf8_character(const uint8_t *text, size_t n);

// How many bytes at the beginning are ASCII, and no zero bytes.
size_t utf8_plain(const uint8_t *text, size_t n);

// Copies n bytes of text to out, which holds room > 0 bytes, and ends it with a zero byte. What is not
// UTF-8, zero bytes among it, becomes U+FFFD. What does not fit is cut between two characters.
// Returns the bytes written, without the zero byte.
size_t utf8_copy(char *out, size_t room, const char *text, size_t n);
