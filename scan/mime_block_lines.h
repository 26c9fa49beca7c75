// SPDX-License-Identifier: BSD-3-Clause
// What a line alone tells of the blocks that begin with it. Private to mime_block.c.
#pragma once

#include "scan/decode.h"
#include "scan/decode_ops.h"
#include "scan/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A line that opens a block of base64 has so many characters at least. Encoders make 76 or 64.
#define BASE64_LINE_BYTES 40
// One that opens quoted-printable has so many escapes, and little else.
#define QP_LINE_ESCAPES 8

static inline bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

// Some readers do not see control characters.
static inline size_t skip_controls(const uint8_t *line, size_t n)
{
	size_t i = 0;

	while (i < n && line[i] < ' ')
		i++;
	return i;
}

static inline bool is_blank_line(const uint8_t *line, size_t n)
{
	while (n > 0 && is_blank(line[n - 1]))
		n--;
	return n == 0;
}

static inline bool begins_with(const uint8_t *line, size_t n, const char *lower)
{
	size_t bytes = strlen(lower);

	return n >= bytes && span_is((struct span){(const char *)line, bytes}, lower);
}

// The alphabet of RFC 4648 section 5 counts too: there are mail readers that take it.
static inline bool is_base64_byte(uint8_t c)
{
	return decode_sextets[c] != DECODE_INVALID || c == '-' || c == '_';
}

// Nothing but base64, with padding at most at the end.
static inline bool is_base64(const uint8_t *line, size_t n)
{
	size_t i = 0;

	while (n > 0 && is_blank(line[n - 1]))
		n--;
	while (n > 0 && line[n - 1] == '=')
		n--;
	while (i < n && is_base64_byte(line[i]))
		i++;
	return i == n;
}

// Long enough to be meant, and no digest in hexadecimal.
static inline bool opens_base64(const uint8_t *line, size_t n)
{
	bool upper = false;
	bool small = false;
	bool beyond = false;

	// A rule of dashes is none.
	if (n < BASE64_LINE_BYTES || !is_base64_byte(line[BASE64_LINE_BYTES - 1]) ||
		(line[0] == line[1] && memcmp(line, line + 1, n - 1) == 0) || !is_base64(line, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		upper = upper || (line[i] >= 'A' && line[i] <= 'Z');
		small = small || (line[i] >= 'a' && line[i] <= 'z');
		beyond = beyond || (line[i] | 0x20) > 'f';
	}
	return upper && small && beyond;
}

// More than half of it escapes: bytes that are no text, or text in another script.
static inline bool opens_qp(const uint8_t *line, size_t n)
{
	size_t escapes = 0;

	if (n <= QP_LINE_ESCAPES || memchr(line, '=', n - QP_LINE_ESCAPES) == NULL)
		return false;
	for (size_t i = 0; i + 2 < n; i++)
		escapes += line[i] == '=' && decode_nibbles[line[i + 1]] != DECODE_INVALID &&
			   decode_nibbles[line[i + 2]] != DECODE_INVALID;
	return escapes >= QP_LINE_ESCAPES && escapes * 6 > n;
}

static inline bool begins_field(const uint8_t *line, size_t n)
{
	const size_t at = skip_controls(line, n);

	return begins_with(line + at, n - at, "content-");
}

// Its name may be longer than what is at hand of the line.
static inline bool begins_yenc(const uint8_t *line, size_t n)
{
	return n >= 8 && memcmp(line, "=ybegin ", 8) == 0;
}

// Whether it may be the first line of a body that no blank line precedes.
static inline bool may_be_base64(const uint8_t *line, size_t n)
{
	return is_base64(line, n) && (n >= BASE64_LINE_BYTES || n % 4 == 0) &&
	       memchr(line, '-', n) == NULL;
}

// The first CR or LF, or NULL.
static inline const uint8_t *line_end(const uint8_t *data, size_t n)
{
	const uint8_t *end = find_line_control(data, n);
	const uint8_t *cr;

	// Where there are NULs there are many.
	if (end == NULL || *end != '\0')
		return end;
	n -= (size_t)(end - data);
	data = end;
	end = find_lf(data, n);
	cr = memchr(data, '\r', end != NULL ? (size_t)(end - data) : n);
	return cr != NULL ? cr : end;
}
