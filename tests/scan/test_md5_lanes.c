// SPDX-License-Identifier: BSD-3-Clause
// Against the crypto library's MD5, for captures of all lengths beside one another.
#include "scan/digest.h"
#include "scan/md5_lanes.h"
#include "scan/scan.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <string.h>

#define CHUNK_BYTES 256
#define CHUNKS 64
#define MAX_BYTES 1500
#define ROUNDS 3000
#define JOBS 7

static void fill(struct random *random, struct capture *copy, size_t n)
{
	uint8_t data[MAX_BYTES];

	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)random_below(random, 256);
	assert_int_equal(capture_append(copy, data, n), n);
}

static void expect(const struct capture *copy, const uint8_t *digest)
{
	uint8_t wanted[DIGEST_MAX_BYTES];
	uint8_t data[MAX_BYTES];
	struct digest state;

	digest_begin(&state, DIGEST_MD5);
	digest_feed(&state, data, capture_read(copy, 0, data, sizeof(data)));
	assert_true(digest_end(&state, DIGEST_INDEX_MD5, wanted));
	assert_memory_equal(digest, wanted, MD5_DIGEST_BYTES);
}

static void captures_do_not_mix(void **state)
{
	struct random random = {7};
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK_BYTES, CHUNKS), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct capture copies[JOBS] = {0};
		struct md5_job jobs[JOBS];
		uint8_t digests[JOBS][MD5_DIGEST_BYTES] = {{0}};
		size_t count = random_below(&random, JOBS + 1);

		for (size_t i = 0; i < count; i++) {
			capture_begin(&copies[i], &pool, MAX_BYTES);
			fill(&random, &copies[i],
				random_below(&random, round % 2 == 0 ? 200 : MAX_BYTES));
			jobs[i] = (struct md5_job){&copies[i], digests[i]};
		}
		md5_lanes(jobs, count);
		for (size_t i = 0; i < count; i++) {
			expect(&copies[i], digests[i]);
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
	assert_int_equal(capture_pool_init(&pool, CHUNK_BYTES, CHUNKS), 0);
	for (size_t n = 0; n <= 2 * (size_t)CHUNK_BYTES + 1; n++) {
		struct capture copy = {0};
		uint8_t digest[MD5_DIGEST_BYTES];
		const struct md5_job job = {&copy, digest};

		capture_begin(&copy, &pool, MAX_BYTES);
		fill(&random, &copy, n);
		md5_lanes(&job, 1);
		expect(&copy, digest);
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
