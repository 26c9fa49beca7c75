// SPDX-License-Identifier: BSD-3-Clause
// Four bytes are found where a comparison at each place finds them.
#include "scan/find_four.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#define MOST 9000

static size_t find_plainly(const uint8_t *data, size_t n, size_t at, const uint8_t *four)
{
	for (; at + 4 <= n; at++)
		if (memcmp(data + at, four, 4) == 0)
			return at;
	return n;
}

// Bytes that are often those of the four, and long runs without them.
static void fill(struct random *random, uint8_t *data, size_t n, const uint8_t *four)
{
	bool is_dense = false;

	for (size_t i = 0; i < n; i++) {
		if (random_below(random, 500) == 0)
			is_dense = !is_dense;
		data[i] = is_dense && random_below(random, 3) > 0
				  ? four[random_below(random, 4)]
				  : (uint8_t)random_below(random, 256);
	}
}

static void every_place_is_found(void **state)
{
	static const uint8_t fours[][5] = {"PK\3\4", "#@~^", "PE\0", "aaaa", "abab"};
	struct random random = {1917};
	static uint8_t data[MOST];
	size_t found = 0;

	(void)state;
	for (unsigned int round = 0; round < 2000; round++) {
		const uint8_t *four = fours[round % 5];
		const size_t n = random_below(&random, round % 3 == 0 ? 150 : MOST + 1);

		fill(&random, data, n, four);
		for (unsigned int i = random_below(&random, 4); i > 0 && n >= 4; i--)
			memcpy(data + random_below(&random, (uint32_t)n - 3), four, 4);
		for (size_t at = 0; at < n; at++) {
			const size_t place = find_plainly(data, n, at, four);

			assert_int_equal(find_four(data, n, at, four), place);
			found += place < n;
			at = place;
		}
	}
	assert_true(found > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
