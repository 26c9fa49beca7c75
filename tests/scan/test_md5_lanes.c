// SPDX-License-Identifier: BSD-3-Clause
// Against the crypto library's MD5, for captures of all lengths beside one another.
#include "scan/md5_lanes.h"
#include "tests/scan/lanes_case.h"

static void captures_do_not_mix(void **state)
{
	struct random random = {7};
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, LANES_CHUNK_BYTES, LANES_CHUNKS), 0);
	for (unsigned int round = 0; round < LANES_ROUNDS; round++) {
		struct capture copies[LANES_JOBS] = {0};
		struct md5_job jobs[LANES_JOBS];
		uint8_t digests[LANES_JOBS][MD5_DIGEST_BYTES] = {{0}};
		size_t count = random_below(&random, LANES_JOBS + 1);

		for (size_t i = 0; i < count; i++) {
			capture_begin(&copies[i], &pool, LANES_MAX_BYTES);
			lanes_fill(&random, &copies[i],
				random_below(&random, round % 2 == 0 ? 200 : LANES_MAX_BYTES));
			jobs[i] = (struct md5_job){&copies[i], digests[i]};
		}
		md5_lanes(jobs, count);
		for (size_t i = 0; i < count; i++) {
			lanes_expect(&copies[i], DIGEST_INDEX_MD5, digests[i]);
			capture_free(&copies[i]);
		}
	}
	capture_pool_fini(&pool);
}

static void each_length_has_its_padding(void **state)
{
	struct random random = {3};
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, LANES_CHUNK_BYTES, LANES_CHUNKS), 0);
	for (size_t n = 0; n <= 2 * (size_t)LANES_CHUNK_BYTES + 1; n++) {
		struct capture copy = {0};
		uint8_t digest[MD5_DIGEST_BYTES];
		const struct md5_job job = {&copy, digest};

		capture_begin(&copy, &pool, LANES_MAX_BYTES);
		lanes_fill(&random, &copy, n);
		md5_lanes(&job, 1);
		lanes_expect(&copy, DIGEST_INDEX_MD5, digest);
		capture_free(&copy);
	}
	capture_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captures_do_not_mix),
		cmocka_unit_test(each_length_has_its_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
