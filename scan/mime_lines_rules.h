// SPDX-License-Identifier: BSD-3-Clause
// What the first bytes of a line, or a block of 64 bytes, tell of whether mime_lines_skip goes on. Private to its variants.
#pragma once

#include "scan/decode_ops.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A line that opens a block of base64 has so many characters at least (mime_block.c).
#define PROBE_BYTES 40
#define BLOCK_ESCAPES 4
// What is looked at of a line of base64, and of control characters before a field.
#define PROBE_MOST 400
#define CONTROLS_MOST 64

#define BLOCK_BYTES ((size_t)64)

// How far mime_lines_skip has come.
struct walk {
	const uint8_t *data;
	size_t bytes;
	bool stops_at_dashes;
	size_t at;       // blocks before it were looked at
	size_t line;     // the last that begins before it, or, when it ends, where
	uint64_t begins; // 1: one begins there
};

// In either alphabet of base64.
static inline bool may_be_sextet(uint8_t c)
{
	return decode_sextets[c] != DECODE_INVALID || c == '-' || c == '_';
}

// Whether one of the first bytes is none that base64 has, as far as a cheap look tells.
static inline bool has_break(const uint8_t *line)
{
	uint64_t found = 0;

	for (unsigned int i = 0; i < PROBE_BYTES; i += 8) {
		uint64_t bytes;

		memcpy(&bytes, line + i, sizeof(bytes));
		// Up to the space, or above 127.
		found |= (bytes - UINT64_C(0x2121212121212121)) | bytes;
	}
	return (found & UINT64_C(0x8080808080808080)) != 0;
}

// Whether the line begins with the word, its letters in lower case or in any (0x20), as far as it is there. The first
// byte was looked at.
static inline bool may_begin(const uint8_t *line, size_t n, const char *word, uint8_t any_case)
{
	size_t i = 1;

	while (i < n && word[i] != '\0' && (line[i] | (word[i] > '@' ? any_case : 0)) == word[i])
		i++;
	return i == n || word[i] == '\0';
}

// How many of so many bytes are like the first, but for it, and but for what is less than eight at the end.
static inline size_t repeated(const uint8_t *line, size_t n)
{
	const uint64_t all = line[0] * UINT64_C(0x0101010101010101);
	uint64_t bytes;
	size_t i = 0;

	for (; n - i >= sizeof(bytes); i += sizeof(bytes)) {
		memcpy(&bytes, line + i, sizeof(bytes));
		if (bytes != all)
			break;
	}
	return i > 0 ? i - 1 : 0;
}

// Whether the line may open a block of base64, as opens_base64 of mime_block.c tells: a rule of dashes is none, nor
// are digits alone.
static inline bool begins_base64(const uint8_t *line, size_t n)
{
	const size_t most = n < PROBE_MOST ? n : PROBE_MOST;
	bool upper = false;
	bool small = false;
	bool beyond = false;
	size_t i;

	if (n < PROBE_BYTES || has_break(line))
		return false;
	for (i = repeated(line, most); i < most && may_be_sextet(line[i]); i++) {
		upper |= line[i] >= 'A' && line[i] <= 'Z';
		small |= line[i] >= 'a' && line[i] <= 'z';
		beyond |= (line[i] | 0x20) > 'f';
	}
	if (i == most)
		return true;
	// What is no padding and does not end the line.
	if (i < PROBE_BYTES || (line[i] > ' ' && line[i] != '='))
		return false;
	return upper && small && beyond;
}

// Behind control characters, which some readers do not see.
static inline bool begins_field(const uint8_t *line, size_t n)
{
	size_t i = 0;

	while (i < n && i < CONTROLS_MOST && line[i] < ' ' && line[i] != '\r' && line[i] != '\n')
		i++;
	return i == n || i == CONTROLS_MOST ||
	       ((line[i] | 0x20) == 'c' && may_begin(line + i, n - i, "content-", 0x20));
}

// Whether a line that begins so can be of interest. What only begins with "--" is not, but for what is told by it when
// there is armor (stops_at_dashes).
static inline bool may_matter(const uint8_t *line, size_t n, bool stops_at_dashes)
{
	uint8_t c = line[0];

	if (c < ' ')
		return c != '\r' && c != '\n' && begins_field(line, n);
	if (c == '=')
		return may_begin(line, n, "=y", 0);
	if ((c == '-' && may_begin(line, n, stops_at_dashes ? "--" : "-----begin", 0x20)) ||
		(c == 'b' && may_begin(line, n, "begin ", 0)) ||
		((c | 0x20) == 'c' && may_begin(line, n, "content-", 0x20)))
		return true;
	return begins_base64(line, n);
}

// Whether so many escapes of quoted-printable begin in a block as one at least has of a line that opens a block of
// it: eight, and one for six bytes of the line. What is not there may be one.
static inline bool has_escapes(const uint8_t *data, size_t n, uint64_t equals)
{
	unsigned int count = 0;

	if (__builtin_popcountll(equals) < BLOCK_ESCAPES)
		return false;
	for (; equals != 0; equals &= equals - 1) {
		const size_t at = (unsigned int)__builtin_ctzll(equals);

		count += at + 2 >= n || (decode_nibbles[data[at + 1]] != DECODE_INVALID &&
						decode_nibbles[data[at + 2]] != DECODE_INVALID);
	}
	return count >= BLOCK_ESCAPES;
}

static inline bool walk_matters(const struct walk *walk, size_t line)
{
	return may_matter(walk->data + line, walk->bytes - line, walk->stops_at_dashes);
}
