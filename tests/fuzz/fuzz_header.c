// SPDX-License-Identifier: BSD-3-Clause
// Property: whatever a field holds, texts are valid UTF-8 without NUL, end in their buffer, and are
// the beginning of what a larger buffer gets; input is not read past its end.
#include "scan/header.h"

#include <stdlib.h>
#include <string.h>

#define LARGE 8192
#define SMALL 17

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool what)
{
	if (!what)
		abort();
}

// Bytes of the character at text, 0 where it is not valid.
static size_t character(const uint8_t *text, size_t n)
{
	size_t bytes = text[0] < 0x80   ? 1
		       : text[0] < 0xc2 ? 0
		       : text[0] < 0xe0 ? 2
		       : text[0] < 0xf0 ? 3
					: 4;
	uint32_t point = bytes == 1 ? text[0] : text[0] & (0x7fu >> bytes);

	if (bytes == 0 || bytes > n || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	if ((bytes == 3 && point < 0x800) || (bytes == 4 && point < 0x10000) || point > 0x10ffff)
		return 0;
	return point >= 0xd800 && point < 0xe000 ? 0 : bytes;
}

static void check_text(const char *large, const char *small)
{
	size_t n = strnlen(large, LARGE);
	size_t short_n = strnlen(small, SMALL);

	must(n < LARGE && short_n < SMALL && short_n <= n);
	must(memcmp(large, small, short_n) == 0);
	for (size_t i = 0; i < n;) {
		size_t bytes = character((const uint8_t *)large + i, n - i);

		must(bytes > 0);
		i += bytes;
	}
}

static void check_value(struct span value)
{
	static const char *const names[] = {"boundary", "filename", "name", "charset"};
	static char large[LARGE];
	char small[SMALL];
	uint8_t bytes[64];
	size_t n;

	(void)header_text(value, large, sizeof(large));
	(void)header_text(value, small, sizeof(small));
	check_text(large, small);
	(void)header_token(value, large, sizeof(large));
	(void)header_token(value, small, sizeof(small));
	check_text(large, small);
	(void)header_type(value, large, sizeof(large));
	(void)header_type(value, small, sizeof(small));
	check_text(large, small);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool has = header_param(value, names[i], large, sizeof(large));

		must(has == header_param(value, names[i], small, sizeof(small)));
		must(has == header_param_bytes(value, names[i], bytes, sizeof(bytes), &n));
		if (has)
			check_text(large, small);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy;
	struct span name;
	struct span value;

	if (n > LARGE / 4)
		n = LARGE / 4;
	copy = malloc(n > 0 ? n : 1);
	must(copy != NULL);
	memcpy(copy, data, n);
	check_value((struct span){copy, n});
	if (header_split((struct span){copy, n}, &name, &value)) {
		must(name.bytes + value.bytes < n);
		check_value(value);
	}
	free(copy);
	return 0;
}
