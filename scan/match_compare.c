// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_compare.h"

#include <string.h>

static uint64_t read_raw(const uint8_t *data, uint32_t bytes, bool little_endian)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < bytes; i++)
		value = value << 8 | data[little_endian ? bytes - 1 - i : i];
	return value;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex_prefix(const char *text, size_t n)
{
	return n >= 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
}

// As strtoll reads it, but no further than n bytes: no digits are the number 0, and *end is 0 then.
// Returns false when it is too large.
static bool read_number(const char *text, size_t n, unsigned int base, int64_t *out, size_t *end)
{
	bool negative = n > 0 && text[0] == '-';
	size_t at = n > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
	size_t first;
	int64_t value = 0;

	if (base == 16 && is_hex_prefix(text + at, n - at))
		at += 2;
	for (first = at; at < n; at++) {
		int digit = digit_of((uint8_t)text[at]);

		if (digit < 0 || digit >= (int)base)
			break;
		if (__builtin_mul_overflow(value, (int64_t)base, &value) ||
			__builtin_add_overflow(value, (int64_t)digit, &value))
			return false;
	}
	*out = negative ? -value : value;
	*end = at > first ? at : 0;
	return true;
}

static bool is_pair_part(char c)
{
	return digit_of((uint8_t)c) >= 0 || (c | 0x20) == 'x';
}

// Pairs of digits in the opposite order. A pair with another character makes all that was written
// until then zeros, and so is an odd length filled. Returns the length.
static size_t turn_around(const char *text, size_t n, char *out)
{
	char pairs[RULESET_MAX_COMPARE + 2];
	size_t length = n == 1 ? 1 : (n + 1) & ~(size_t)1;

	memset(pairs, '0', sizeof(pairs));
	memset(out, '0', length);
	if (n <= 1) {
		memcpy(out, text, n);
		return length;
	}
	memcpy(pairs + (length - n), text, n);
	// "0x1234" becomes "3412xx".
	if (n >= 3 && is_hex_prefix(text, n))
		memcpy(pairs, "x00", length > n ? 3 : 1);
	for (size_t i = 0; i < length; i += 2) {
		const char *pair = pairs + (length - i - 2);

		if (!is_pair_part(pair[0]) || !is_pair_part(pair[1])) {
			memset(out, '0', length);
			continue;
		}
		memcpy(out + i, pair, 2);
	}
	return length;
}

static bool read_text(const struct ruleset_compare *item, const uint8_t *data, int64_t *out)
{
	bool little_endian = (item->flags & RULESET_COMPARE_LITTLE) != 0;
	bool exact = (item->flags & RULESET_COMPARE_EXACT) != 0;
	bool hex = item->number == RULESET_NUMBER_HEX;
	char text[RULESET_MAX_COMPARE + 2];
	size_t n = item->bytes;
	size_t length;
	size_t end;

	while (n > 0 && is_space(*data)) {
		data++;
		n--;
	}
	memcpy(text, data, n);
	if (item->number == RULESET_NUMBER_AUTO) {
		if (n < 3)
			return false;
		hex = is_hex_prefix(text, n);
	}
	if (little_endian && !hex)
		return false;
	length = n;
	if (little_endian) {
		char turned[RULESET_MAX_COMPARE + 2];

		length = turn_around(text, n, turned);
		memcpy(text, turned, length);
	}
	if (!read_number(text, length, hex ? 16 : 10, out, &end))
		return false;
	return !exact || end == item->bytes;
}

bool match_compare_holds(const struct ruleset_compare *item, const uint8_t *data)
{
	int64_t value;

	if (item->bytes == 0 || item->bytes > RULESET_MAX_COMPARE)
		return false;
	if (item->number == RULESET_NUMBER_RAW)
		value = (int64_t)read_raw(
			data, item->bytes, (item->flags & RULESET_COMPARE_LITTLE) != 0);
	else if (!read_text(item, data, &value))
		return false;
	for (uint32_t i = 0; i < item->count; i++) {
		int64_t wanted = item->values[i];
		bool holds = item->kinds[i] == '<' ? value < wanted : value > wanted;

		if (item->kinds[i] == '=' ? value != wanted : !holds)
			return false;
	}
	return true;
}
