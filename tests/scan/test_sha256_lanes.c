// SPDX-License-Identifier: BSD-3-Clause
// Against the crypto library's SHA-256, for captures of all lengths beside one another.
#include "scan/digest.h"
#include "scan/scan.h"
#include "scan/sha256_lanes.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <string.h>

#define CHUNK_BYTES 256
#define CHUNKS 64
#define MAX_BYTES 1500
#define ROUNDS 3000
#define JOBS 7
#define SHA256_BYTES 32

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

	digest_begin(&state, DIGEST_SHA256);
	digest_feed(&state, data, capture_read(copy, 0, data, sizeof(data)));
	assert_true(digest_end(&state, DIGEST_INDEX_SHA256, wanted));
	assert_memory_equal(digest, wanted, SHA256_BYTES);
}

static void captures_do_not_mix(void **state)
{
	struct random random = {7};
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK_BYTES, CHUNKS), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct capture copies[JOBS] = {0};
		struct sha256_job jobs[JOBS];
		uint8_t digests[JOBS][SHA256_BYTES] = {{0}};
		size_t count = random_below(&random, JOBS + 1);

		for (size_t i = 0; i < count; i++) {
			capture_begin(&copies[i], &pool, MAX_BYTES);
			fill(&random, &copies[i],
				random_below(&random, round % 2 == 0 ? 200 : MAX_BYTES));
			jobs[i] = (struct sha256_job){&copies[i], digests[i]};
		}
		sha256_lanes(jobs, count);
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
		uint8_t digest[SHA256_BYTES];
		uint8_t again[SHA256_BYTES];
		const struct sha256_job jobs[] = {{&copy, digest}, {&copy, again}};

		capture_begin(&copy, &pool, MAX_BYTES);
		fill(&random, &copy, n);
		sha256_lanes(jobs, 2);
		expect(&copy, digest);
		expect(&copy, again);
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
