// SPDX-License-Identifier: BSD-3-Clause
// Against the crypto library's digests, in every variant that this processor has: captures of all lengths beside
// one another, with other bytes behind them.
#include "scan/digest_lanes_ops.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>

#include <stdint.h>
#include <string.h>

#define CHUNK_BYTES 256
#define CHUNKS 256
#define MAX_BYTES 1500
#define ROUNDS 400
#define JOBS 40
#define UNTOUCHED 0xa5

struct some_jobs {
	size_t count;
	struct capture copies[JOBS];
	uint64_t bytes[JOBS];
	struct digest_form forms[JOBS][DIGEST_FORMS];
	uint8_t digests[JOBS][DIGEST_FORMS][DIGEST_MAX_BYTES];
	struct digest_job jobs[JOBS];
};

static const EVP_MD *reference(enum digest_algorithm algorithm)
{
	switch (algorithm) {
	case DIGEST_INDEX_MD5:
		return EVP_md5();
	case DIGEST_INDEX_SHA1:
		return EVP_sha1();
	case DIGEST_INDEX_SHA256:
		return EVP_sha256();
	}
	return NULL;
}

static void fill(struct random *random, struct capture *copy, size_t n)
{
	uint8_t data[MAX_BYTES];

	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)random_below(random, 256);
	assert_int_equal(capture_append(copy, data, n), n);
}

static void make_form(struct random *random, struct digest_form *form)
{
	form->behind_bytes = (uint8_t)random_below(random, DIGEST_BEHIND_BYTES + 1);
	for (size_t i = 0; i < sizeof(form->behind); i++)
		form->behind[i] = (uint8_t)random_below(random, 256);
}

static void expect(const struct digest_job *job, enum digest_algorithm algorithm)
{
	uint8_t data[MAX_BYTES + DIGEST_BEHIND_BYTES];
	size_t n = capture_read(job->copy, 0, data, (size_t)job->bytes);

	assert_int_equal(n, job->bytes);
	for (size_t i = 0; i < DIGEST_FORMS; i++) {
		const struct digest_form *form = &job->forms[i];
		uint8_t wanted[EVP_MAX_MD_SIZE] = {0};

		if ((job->wanted >> i & 1) == 0) {
			memset(wanted, UNTOUCHED, sizeof(wanted));
			assert_memory_equal(job->digests[i], wanted, DIGEST_MAX_BYTES);
			continue;
		}
		memcpy(data + n, form->behind, form->behind_bytes);
		assert_int_equal(EVP_Digest(data, n + form->behind_bytes, wanted, NULL,
					 reference(algorithm), NULL),
			1);
		assert_memory_equal(job->digests[i], wanted, DIGEST_MAX_BYTES);
	}
}

static void make_jobs(struct random *random, struct capture_pool *pool, struct some_jobs *some)
{
	const uint32_t longest = random_below(random, 2) == 0 ? 200 : MAX_BYTES;

	some->count = random_below(random, JOBS + 1);
	for (size_t i = 0; i < some->count; i++) {
		struct digest_job *job = &some->jobs[i];
		size_t n = random_below(random, longest);

		some->copies[i] = (struct capture){0};
		capture_begin(&some->copies[i], pool, MAX_BYTES);
		fill(random, &some->copies[i], n);
		*job = (struct digest_job){.copy = &some->copies[i],
			.bytes = n - random_below(random, (uint32_t)(n < 3 ? n : 3) + 1),
			.forms = some->forms[i],
			.wanted = 1 + random_below(random, (1u << DIGEST_FORMS) - 1),
			.digests = some->digests[i]};
		for (size_t k = 0; k < DIGEST_FORMS; k++)
			make_form(random, &some->forms[i][k]);
	}
}

// Some free chunks lie between others after some rounds.
static void captures_do_not_mix(void **state)
{
	static struct some_jobs some;
	struct random random = {7};
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK_BYTES, CHUNKS), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		make_jobs(&random, &pool, &some);
		for (enum digest_algorithm a = 0; a < DIGEST_ALGORITHMS; a++) {
			const struct digest_lanes_ops *ops;

			for (size_t k = 0; (ops = digest_lanes_variant(k)) != NULL; k++) {
				memset(some.digests, UNTOUCHED, sizeof(some.digests));
				digest_lanes_with(ops, a, some.jobs, some.count);
				for (size_t i = 0; i < some.count; i++)
					expect(&some.jobs[i], a);
			}
			digest_lanes(a, some.jobs, some.count);
		}
		for (size_t i = 0; i < some.count; i++)
			capture_free(&some.copies[i]);
	}
	capture_pool_fini(&pool);
}

static void each_length_has_its_padding(void **state)
{
	static const struct digest_form forms[] = {{{0}, 0}, {"\r\n", 2}, {"\n", 1}};
	struct random random = {3};
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK_BYTES, CHUNKS), 0);
	for (size_t n = 0; n <= 2 * (size_t)CHUNK_BYTES + 1; n++) {
		uint8_t digests[DIGEST_FORMS][DIGEST_MAX_BYTES];
		struct capture copy = {0};
		const struct digest_job job = {.copy = &copy,
			.bytes = n,
			.forms = forms,
			.wanted = (1u << DIGEST_FORMS) - 1,
			.digests = digests};

		capture_begin(&copy, &pool, MAX_BYTES);
		fill(&random, &copy, n);
		for (enum digest_algorithm a = 0; a < DIGEST_ALGORITHMS; a++) {
			digest_lanes(a, &job, 1);
			expect(&job, a);
		}
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
