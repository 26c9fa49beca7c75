// SPDX-License-Identifier: BSD-3-Clause
// Every variant of the text normaliser against the rule, byte by byte and in any chunking. Buffers are as
// large as the contract says and no larger.
#include "scan/anchor.h"
#include "scan/normalise_ops.h"
#include "scan/normalise_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define MAX_BYTES 700

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 16) % n);
}

// The rule as it is written.
static size_t model(const uint8_t *in, size_t n, uint8_t *out)
{
	bool after_space = false;
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (in[i] < 0x80 && isspace(in[i]) != 0) {
			if (!after_space)
				out[count++] = ' ';
			after_space = true;
		} else if (in[i] > 0x20 && in[i] < 0x80) {
			out[count++] = (uint8_t)tolower(in[i]);
			after_space = false;
		}
	}
	return count;
}

static void check(const struct normalise_ops *ops, const uint8_t *in, size_t n, size_t step)
{
	struct normalise_text state = {0};
	uint8_t expected[MAX_BYTES];
	uint8_t actual[MAX_BYTES];
	size_t count = 0;

	for (size_t at = 0; at < n; at += step) {
		size_t piece = n - at < step ? n - at : step;
		uint8_t *copy = malloc(piece);
		uint8_t *out = malloc(piece + NORMALISE_TEXT_SLACK);
		size_t bytes;

		assert_non_null(copy);
		assert_non_null(out);
		memcpy(copy, in + at, piece);
		bytes = normalise_text_with(ops, &state, copy, piece, out);
		assert_true(bytes <= piece);
		memcpy(actual + count, out, bytes);
		count += bytes;
		free(out);
		free(copy);
	}
	assert_int_equal(count, model(in, n, expected));
	assert_memory_equal(actual, expected, count);
	// Nobody looks at it again to know that.
	assert_int_equal(anchor_content_of(actual, count), ANCHOR_LOWER);
}

static void every_variant_keeps_the_rule(void **state)
{
	static const char *const alphabets[] = {
		"abcXYZ  \n", "ab \r\n\t", " \x01", "a\xe9 ", "@[`{AZaz09 \v\f\x7f\x1f\x80\xff"};
	uint8_t in[MAX_BYTES];

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		const char *alphabet = alphabets[round % 5];
		size_t n = random_below(MAX_BYTES);

		for (size_t i = 0; i < n; i++)
			in[i] = round % 7 == 0 ? (uint8_t)random_below(256)
					       : (uint8_t)alphabet[random_below(
							 (uint32_t)strlen(alphabet))];
		for (size_t i = 0; normalise_variant(i) != NULL; i++) {
			check(normalise_variant(i), in, n, MAX_BYTES);
			check(normalise_variant(i), in, n, 1 + random_below(130));
		}
	}
}

static void each_byte_has_its_place(void **state)
{
	uint8_t in[256];

	(void)state;
	for (unsigned int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; normalise_variant(i) != NULL; i++)
		for (size_t step = 1; step <= 256; step++)
			check(normalise_variant(i), in, sizeof(in), step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_keeps_the_rule),
		cmocka_unit_test(each_byte_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
