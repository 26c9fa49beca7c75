// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/random.h"
#include "tests/support/stream_model.h"
#include "tests/support/unit.h"

// Mixes of operations, each kind with a weight of its own in every round.
static void a_stream_agrees_with_a_naive_model(void **state)
{
	static uint8_t ops[5 * 200];
	struct random random = {1};

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint8_t favour = (uint8_t)random_below(&random, 256);

		for (size_t i = 0; i < sizeof(ops); i++)
			ops[i] = (uint8_t)random_below(&random, 256);
		for (size_t i = 0; i < sizeof(ops); i += 5) {
			if (random_below(&random, 3) == 0)
				ops[i] = favour;
			if (round % 2 == 0)
				ops[i + 4] = 0; // short ones: many holes
		}
		assert_int_equal(stream_model_run(ops, sizeof(ops)), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_agrees_with_a_naive_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
