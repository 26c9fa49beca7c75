// SPDX-License-Identifier: BSD-3-Clause
// What a body is searched for, in each form, beside the two sentences of smtp_find.h.
#include "reassembly/smtp_find.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define MOST 210 // three steps of the widest form and some

typedef size_t (*find_fn)(const uint8_t *data, size_t n);

static bool is_dot(const uint8_t *at)
{
	return at[0] == '.' && (at[-1] == '\r' || at[-1] == '\n' || at[-1] == '\0');
}

static bool is_bare(const uint8_t *at)
{
	return at[0] == '\0' || (at[0] == '\n') != (at[-1] == '\r');
}

static size_t find_slowly(bool (*is_it)(const uint8_t *at), const uint8_t *data, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (is_it(data + i))
			return i;
	return n;
}

// In memory of its own, so that a sanitizer sees what is read behind it.
static void compare(const uint8_t *data, size_t n)
{
	const size_t dot = find_slowly(is_dot, data, n);
	const size_t bare = find_slowly(is_bare, data, n);
	uint8_t *own = malloc(n > 0 ? n : 1);

	assert_non_null(own);
	memcpy(own, data, n);
	assert_int_equal(smtp_find_dot(own, n), dot);
	assert_int_equal(smtp_find_dot_portable(own, n), dot);
	assert_int_equal(smtp_find_bare(own, n), bare);
	assert_int_equal(smtp_find_bare_portable(own, n), bare);
	free(own);
}

static void any_two_bytes_anywhere(void **state)
{
	(void)state;
	uint8_t data[MOST];

	memset(data, 'x', sizeof(data));
	for (unsigned int pair = 0; pair < 65536; pair++) {
		// Where the second is a dot all places; else one.
		const size_t least = (pair & 0xff) == '.' ? 0 : pair % (MOST - 1);
		const size_t most = (pair & 0xff) == '.' ? MOST - 2 : least;

		for (size_t at = least; at <= most; at++) {
			data[at] = (uint8_t)(pair >> 8);
			data[at + 1] = (uint8_t)pair;
			compare(data, sizeof(data));
			data[at] = 'x';
			data[at + 1] = 'x';
		}
	}
}

static void any_length_of_what_is_nearly_it(void **state)
{
	(void)state;
	static const char bytes[] = "....\r\n\t\v\f\x01\x0d\x0e\x8d\xae.x";
	static const char sparse[] = "..\t\t\v\v\f\f\x0e\x0e\x8d\x8d\xae\xaexx";
	uint64_t random = 0x2545f4914f6cdd1du;

	for (int round = 0; round < 40000; round++) {
		const char *from = round % 4 == 0 ? bytes : sparse;
		uint8_t data[MOST];
		const size_t n = (size_t)round % (MOST + 1);

		for (size_t i = 0; i < n; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			data[i] = (uint8_t)from[random >> 60];
		}
		// One that is it, most often behind much that is not.
		if (n > 1 && round % 3 == 0) {
			data[n - 2] = (uint8_t) "\r\n\0"[random % 3];
			data[n - 1] = '.';
		}
		compare(data, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_two_bytes_anywhere),
		cmocka_unit_test(any_length_of_what_is_nearly_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
