// SPDX-License-Identifier: BSD-3-Clause
// Headers of tar archives by their sums, beside a sum that is made byte by byte.
#include "scan/unpack_state.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES 512
#define SUM_AT 148
#define SUM_BYTES 8

static void sums_of(const uint8_t *block, int *plain, int *with_sign)
{
	*plain = SUM_BYTES * ' ';
	*with_sign = SUM_BYTES * ' ';
	for (int i = 0; i < BLOCK_BYTES; i++) {
		if (i >= SUM_AT && i < SUM_AT + SUM_BYTES)
			continue;
		*plain += block[i];
		*with_sign += (int8_t)block[i];
	}
}

// Octal digits, and what may stand behind them.
static void write_sum(uint8_t *block, unsigned int sum)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%06o", sum);
	memcpy(block + SUM_AT, text, 6);
	block[SUM_AT + 6] = '\0';
	block[SUM_AT + 7] = ' ';
}

static void expect_sum(uint8_t *block, int sum, int plain, int with_sign)
{
	if (sum <= 0)
		return;
	write_sum(block, (unsigned int)sum);
	assert_int_equal(tar_is_header(block, BLOCK_BYTES), sum == plain || sum == with_sign);
	assert_false(tar_is_header(block, BLOCK_BYTES - 1));
}

static void a_header_has_its_sum_with_signs_or_without(void **state)
{
	struct random random = {7};
	uint8_t block[BLOCK_BYTES];

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		// Few, some, all of them are negative with a sign.
		const uint32_t most = 1 + random_below(&random, 256);
		int plain;
		int with_sign;

		for (size_t i = 0; i < BLOCK_BYTES; i++)
			block[i] = (uint8_t)random_below(&random, most);
		sums_of(block, &plain, &with_sign);
		for (int off = -1; off <= 1; off++) {
			expect_sum(block, plain + off, plain, with_sign);
			expect_sum(block, with_sign + off, plain, with_sign);
		}
	}
}

static void the_largest_sum_is_one(void **state)
{
	uint8_t block[BLOCK_BYTES];
	int plain;
	int with_sign;

	(void)state;
	memset(block, 0xff, sizeof(block));
	sums_of(block, &plain, &with_sign);
	expect_sum(block, plain, plain, with_sign);
	expect_sum(block, plain + 1, plain, with_sign);
	// In base 256, and far more than any sum.
	memset(block + SUM_AT, 0xff, SUM_BYTES);
	assert_false(tar_is_header(block, BLOCK_BYTES));
	memset(block, 0, sizeof(block));
	assert_false(tar_is_header(block, BLOCK_BYTES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_has_its_sum_with_signs_or_without),
		cmocka_unit_test(the_largest_sum_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
