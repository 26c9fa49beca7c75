// SPDX-License-Identifier: BSD-3-Clause
// Every variant of the look for archives stops at the same block, on buffers as large as what they hold.
#include "scan/scan_probe.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 20000
#define MAX_BYTES 400

// One block, or less where there are not enough bytes, after the other.
static size_t expected(const uint8_t *data, size_t n)
{
	static const char *const starts[] = {"7z", "MS", "Ra"};
	size_t found = n;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const uint8_t *at = memmem(data, n, starts[i], 2);

		if (at != NULL && (size_t)(at - data) < found)
			found = (size_t)(at - data);
	}
	// Of the last byte of all it is not known what is behind it.
	found /= SCAN_PROBE_BLOCK;
	n = n > 0 ? (n - 1) / SCAN_PROBE_BLOCK : 0;
	return (found < n ? found : n) * SCAN_PROBE_BLOCK;
}

static void all_variants_stop_at_the_same_block(void **state)
{
	static const char bytes[] = "7zMSRa xyz";
	struct random random = {5};
	unsigned int stopped = 0;

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		const size_t n = random_below(&random, MAX_BYTES + 1);
		// Mostly such as begin nothing.
		const uint32_t rare = 1 + random_below(&random, 400);
		uint8_t *data = malloc(n > 0 ? n : 1);
		size_t wanted;

		assert_non_null(data);
		for (size_t i = 0; i < n; i++)
			data[i] = random_below(&random, rare) == 0
					  ? (uint8_t)bytes[random_below(&random, 10)]
					  : (uint8_t) "zSaq"[random_below(&random, 4)];
		wanted = expected(data, n);
		stopped += wanted + SCAN_PROBE_BLOCK < n;
		for (size_t i = 0; scan_probe_variant(i) != NULL; i++)
			assert_int_equal(scan_probe_variant(i)(data, n), wanted);
		free(data);
	}
	assert_true(stopped > ROUNDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_variants_stop_at_the_same_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
