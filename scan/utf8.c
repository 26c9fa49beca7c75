// SPDX-License-Identifier: BSD-3-Clause
#include "scan/utf8.h"

#include <stdbool.h>
#include <string.h>

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0u) == 0x80u;
}

// Bytes that a character with this first byte has, 0 where no character begins so; low and high bound
// the second byte, which keeps out overlong forms, surrogates and what is above U+10FFFF.
static size_t utf8_shape(uint8_t first, uint8_t *low, uint8_t *high)
{
	*low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0x80)
		return first == 0 ? 0 : 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t utf8_character(const uint8_t *text, size_t n)
{
	uint8_t low;
	uint8_t high;
	size_t length = utf8_shape(text[0], &low, &high);

	if (length <= 1)
		return length;
	if (n < length || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if (!is_continuation(text[i]))
			return 0;
	}
	return length;
}

// How much of text one U+FFFD stands for: the longest beginning of a character, at least one byte.
static size_t utf8_bad_bytes(const uint8_t *text, size_t n)
{
	uint8_t low;
	uint8_t high;
	size_t length = utf8_shape(text[0], &low, &high);
	size_t i = 1;

	if (length < 2 || n < 2 || text[1] < low || text[1] > high)
		return 1;
	while (i < length && i < n && is_continuation(text[i]))
		i++;
	return i;
}

size_t utf8_plain(const uint8_t *text, size_t n)
{
	size_t at = 0;

	for (; n - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
		uint64_t bytes;

		memcpy(&bytes, text + at, sizeof(bytes));
		if (((bytes | (bytes - UINT64_C(0x0101010101010101))) &
			    UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (at < n && text[at] != 0 && text[at] < 0x80)
		at++;
	return at;
}

size_t utf8_copy(char *out, size_t room, const char *text, size_t n)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const uint8_t *in = (const uint8_t *)text;
	size_t written = 0;

	while (n > 0) {
		size_t length;
		size_t used;
		const void *from;
		size_t bytes;

		// Most are plain.
		used = utf8_plain(in, n < room - written - 1 ? n : room - written - 1);
		memcpy(out + written, in, used);
		written += used;
		in += used;
		n -= used;
		if (n == 0)
			break;
		length = utf8_character(in, n);
		used = length > 0 ? length : utf8_bad_bytes(in, n);
		from = length > 0 ? (const void *)in : replacement;
		bytes = length > 0 ? length : sizeof(replacement) - 1;

		if (written + bytes >= room)
			break;
		memcpy(out + written, from, bytes);
		written += bytes;
		in += used;
		n -= used;
	}
	out[written] = '\0';
	return written;
}
