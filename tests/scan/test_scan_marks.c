// SPDX-License-Identifier: BSD-3-Clause
// Every variant of the look for marks tells the same, on buffers as large as what they hold.
#include "scan/scan_marks.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 20000
#define MAX_BYTES 800

static unsigned int expected(const uint8_t *data, size_t n)
{
	static const struct {
		const char *bytes;
		enum scan_mark mark;
	} marks[] = {{"\x03\x04", SCAN_MARK_ZIP}, {"\x05\x06", SCAN_MARK_ZIP},
		{"~^", SCAN_MARK_SCRIPT}, {"7z\xbc", SCAN_MARK_WHOLE}, {"MSC", SCAN_MARK_WHOLE},
		{"Rar", SCAN_MARK_WHOLE}};
	unsigned int found = 0;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (memmem(data, n, marks[i].bytes, strlen(marks[i].bytes)) != NULL)
			found |= (unsigned int)marks[i].mark;
	return found;
}

static void all_variants_tell_the_same(void **state)
{
	static const char *const parts[] = {
		"\x03", "\x04", "\x05", "\x06", "~", "^", "7", "z\xbc", "MS", "C", "Ra", "r"};
	struct random random = {7};
	unsigned int seen[SCAN_MARKS_ALL + 1] = {0};

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const size_t n = random_below(&random, MAX_BYTES + 1);
		// Mostly such as begin nothing.
		const uint32_t rare = 1 + random_below(&random, 60);
		uint8_t *data = malloc(n > 0 ? n : 1);
		unsigned int wanted;

		assert_non_null(data);
		for (size_t i = 0; i < n;) {
			const char *part =
				parts[random_below(&random, sizeof(parts) / sizeof(parts[0]))];

			if (random_below(&random, rare) != 0)
				data[i++] = (uint8_t)random_below(&random, 256);
			else
				while (*part != '\0' && i < n)
					data[i++] = (uint8_t)*part++;
		}
		wanted = expected(data, n);
		seen[wanted]++;
		for (size_t i = 0; scan_marks_variant(i) != NULL; i++)
			assert_int_equal(scan_marks_variant(i)(data, n), wanted);
		free(data);
	}
	for (unsigned int i = 0; i <= SCAN_MARKS_ALL; i++)
		assert_true(seen[i] > 0);
}

// At every place of a block, or of several that are looked at together, and across two of them, but not before its last byte is there.
static void a_mark_is_seen_wherever_it_stands(void **state)
{
	static const struct {
		const char *bytes;
		enum scan_mark mark;
	} marks[] = {{"\x03\x04", SCAN_MARK_ZIP}, {"\x05\x06", SCAN_MARK_ZIP},
		{"~^", SCAN_MARK_SCRIPT}, {"7z\xbc", SCAN_MARK_WHOLE}, {"MSC", SCAN_MARK_WHOLE},
		{"Rar", SCAN_MARK_WHOLE}};
	uint8_t data[600] = {0};

	(void)state;
	for (size_t k = 0; k < sizeof(marks) / sizeof(marks[0]); k++) {
		const size_t bytes = strlen(marks[k].bytes);

		for (size_t n = bytes; n <= sizeof(data); n += n < 140 ? 1 : 23)
			for (size_t at = 0; at + bytes <= n; at++) {
				memcpy(data + at, marks[k].bytes, bytes);
				for (size_t i = 0; scan_marks_variant(i) != NULL; i++) {
					const scan_marks_fn fn = scan_marks_variant(i);

					assert_int_equal(fn(data, n), marks[k].mark);
					assert_int_equal(fn(data, at + bytes - 1), 0);
				}
				memset(data + at, 0, bytes);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_variants_tell_the_same),
		cmocka_unit_test(a_mark_is_seen_wherever_it_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
