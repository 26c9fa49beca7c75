// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/inflated.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <zlib.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 300000u
#define PACKED_BYTES (2 * MOST_BYTES + 1000)

static uint8_t plain[MOST_BYTES];
static uint8_t packed[PACKED_BYTES];
static uint8_t changed[PACKED_BYTES];

static enum inflated agree(const uint8_t *data, size_t n, size_t step)
{
	const char *what;
	enum inflated result = inflated_compare(data, n, step, &what);

	if (what != NULL)
		fail_msg("%s differs, of %zu bytes in steps of %zu", what, n, step);
	return result;
}

// Bytes of few kinds, runs of them, and copies of what was before, from near and from far.
static size_t make_plain(struct random *random)
{
	size_t n = 1 + random_below(random, MOST_BYTES);
	uint32_t kinds = 1 + random_below(random, 256);
	uint32_t copies = random_below(random, 100);
	size_t at = 0;

	while (at < n) {
		size_t length = 1 + random_below(random, 300);
		size_t from =
			at > 0 ? at - 1 - random_below(random, at < 40000 ? (uint32_t)at : 40000)
			       : 0;

		if (random_below(random, 4) == 0 && at > 3)
			from = at - 1 - random_below(random, 3);
		for (bool is_copy = at > 0 && random_below(random, 100) < copies;
			length > 0 && at < n; length--, at++)
			plain[at] = is_copy ? plain[from++] : (uint8_t)random_below(random, kinds);
	}
	return n;
}

static size_t pack(struct random *random, size_t n)
{
	static const int strategies[] = {
		Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
	z_stream z = {0};
	size_t at = 0;

	assert_int_equal(
		deflateInit2(&z, (int)random_below(random, 10), Z_DEFLATED, -MAX_WBITS,
			1 + (int)random_below(random, 9), strategies[random_below(random, 5)]),
		Z_OK);
	z.next_out = packed;
	z.avail_out = PACKED_BYTES;
	// With empty blocks between, and other kinds of blocks.
	while (at < n) {
		size_t take = 1 + random_below(random, (uint32_t)n);

		take = take < n - at ? take : n - at;
		z.next_in = plain + at;
		z.avail_in = (unsigned int)take;
		assert_int_equal(
			deflate(&z, random_below(random, 2) == 0 ? Z_NO_FLUSH : Z_PARTIAL_FLUSH),
			Z_OK);
		at += take;
		assert_int_equal(deflateParams(&z, (int)random_below(random, 10),
					 strategies[random_below(random, 5)]),
			Z_OK);
	}
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	at = z.total_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
	return at;
}

static void what_zlib_packs_is_unpacked_as_by_zlib(void **state)
{
	(void)state;
	static const size_t steps[] = {0, 1, 17, 1500, 3000, 4096, PACKED_BYTES};
	struct random random = {1};

	for (uint32_t i = 0; i < 60; i++) {
		size_t n = pack(&random, make_plain(&random));

		for (size_t step = 0; step < sizeof(steps) / sizeof(steps[0]); step++)
			assert_int_equal(agree(packed, n, steps[step]), INFLATED_WHOLE);
		// Something behind it is not read.
		memset(packed + n, 0x5a, 100);
		assert_int_equal(agree(packed, n + 100, 64), INFLATED_WHOLE);
	}
}

static void what_is_cut_off_gives_all_until_there(void **state)
{
	(void)state;
	struct random random = {2};

	for (uint32_t i = 0; i < 20; i++) {
		size_t n = pack(&random, 1 + make_plain(&random) % 20000);

		for (uint32_t j = 0; j < 100; j++)
			assert_int_equal(
				agree(packed, random_below(&random, (uint32_t)n), 0), INFLATED_CUT);
	}
}

static void what_is_damaged_is_an_error_at_the_same_place(void **state)
{
	(void)state;
	struct random random = {3};
	uint32_t ended[3] = {0};

	for (uint32_t i = 0; i < 150; i++) {
		size_t n = pack(&random, 1 + make_plain(&random) % 30000);

		for (uint32_t j = 0; j < 60; j++) {
			memcpy(changed, packed, n);
			for (uint32_t k = 1 + random_below(&random, 3); k > 0; k--)
				changed[random_below(&random,
					random_below(&random, 2) == 0 && n > 100 ? 100
										 : (uint32_t)n)] ^=
					(uint8_t)(1u << random_below(&random, 8));
			ended[agree(
				changed, n, j % 2 == 0 ? 0 : 1 + random_below(&random, 5000))]++;
		}
	}
	assert_true(ended[INFLATED_WHOLE] > 100 && ended[INFLATED_BROKEN] > 1000);
}

static void put_bits(size_t *at, uint32_t value, uint32_t bits)
{
	for (uint32_t i = 0; i < bits; i++, (*at)++) {
		if (*at % 8 == 0)
			changed[*at / 8] = 0;
		changed[*at / 8] |= (uint8_t)((value >> i & 1) << *at % 8);
	}
}

// Headers whose lengths of codes are nearly right, which random bytes hardly ever are.
static void what_codes_there_are_is_decided_alike(void **state)
{
	(void)state;
	struct random random = {4};
	uint32_t ended[3] = {0};

	for (uint32_t i = 0; i < 60000; i++) {
		uint32_t orders = 4 + random_below(&random, 16);
		size_t at = 0;

		put_bits(&at, 4 | random_below(&random, 2), 3);
		put_bits(&at, random_below(&random, 32), 5);
		put_bits(&at, random_below(&random, 32), 5);
		put_bits(&at, orders - 4, 4);
		// Two of length 1, or four of length 2; or none.
		for (uint32_t j = 0; j < orders; j++) {
			bool is_there = random_below(&random, orders) < 4;

			put_bits(&at, is_there ? 1 + random_below(&random, 3) : 0, 3);
		}
		for (uint32_t j = 0; j < 400; j++)
			put_bits(&at, random_below(&random, random_below(&random, 256) + 1), 8);
		ended[agree(changed, at / 8, i % 2 * 7ul)]++;
	}
	assert_true(ended[INFLATED_BROKEN] > 1000);
}

static void random_bytes_are_read_alike(void **state)
{
	(void)state;
	struct random random = {5};

	for (uint32_t i = 0; i < 60000; i++) {
		size_t n = 1 + random_below(&random, 400);

		for (size_t j = 0; j < n; j++)
			changed[j] = (uint8_t)random_below(&random, 256);
		// Fixed codes go furthest.
		if (i % 2 == 0)
			changed[0] = (uint8_t)((changed[0] & ~7u) | 2 | i / 2 % 2);
		(void)agree(changed, n, i % 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_zlib_packs_is_unpacked_as_by_zlib),
		cmocka_unit_test(what_is_cut_off_gives_all_until_there),
		cmocka_unit_test(what_is_damaged_is_an_error_at_the_same_place),
		cmocka_unit_test(what_codes_there_are_is_decided_alike),
		cmocka_unit_test(random_bytes_are_read_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
