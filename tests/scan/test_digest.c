// SPDX-License-Identifier: BSD-3-Clause
#include "scan/digest.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <openssl/crypto.h>

#include <stdlib.h>
#include <string.h>

static unsigned int allocations;

static void *count_malloc(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return malloc(bytes);
}

static void *count_realloc(void *memory, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return realloc(memory, bytes);
}

static void count_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

// RFC 1321 appendix A.5, FIPS 180-2 appendix A.1 and B.1: of "abc".
static const uint8_t abc_md5[] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f,
	0x7d, 0x28, 0xe1, 0x7f, 0x72};
static const uint8_t abc_sha1[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25,
	0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
static const uint8_t abc_sha256[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
	0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4,
	0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
static const uint8_t *const abc[] = {abc_md5, abc_sha1, abc_sha256};
#define ALL (DIGEST_MD5 | DIGEST_SHA1 | DIGEST_SHA256)

static void check_abc(struct digest *digest, enum digest_algorithm algorithm)
{
	uint8_t out[DIGEST_MAX_BYTES];
	size_t n = digest_bytes(algorithm);

	assert_true(digest_end(digest, algorithm, out));
	assert_memory_equal(out, abc[algorithm], n);
	for (size_t i = n; i < sizeof(out); i++)
		assert_int_equal(out[i], 0);
	assert_false(digest_end(digest, algorithm, out));
}

static void digests_are_right_in_any_chunks_and_take_no_memory(void **state)
{
	static const uint8_t data[] = "abc";
	struct digest digest;
	unsigned int before;

	(void)state;
	before = allocations;
	for (size_t split = 0; split <= 3; split++) {
		digest_begin(&digest, ALL);
		digest_feed(&digest, data, split);
		digest_feed(&digest, data + split, 3 - split);
		for (int i = 0; i < DIGEST_ALGORITHMS; i++)
			check_abc(&digest, (enum digest_algorithm)i);
	}
	assert_int_equal(allocations, before);
}

static void only_what_was_begun_and_kept_ends(void **state)
{
	struct digest digest;
	uint8_t out[DIGEST_MAX_BYTES];

	(void)state;
	digest_begin(&digest, DIGEST_MD5 | DIGEST_SHA256);
	assert_int_equal(digest.running, DIGEST_MD5 | DIGEST_SHA256);
	digest_drop(&digest, DIGEST_INDEX_MD5);
	digest_feed(&digest, (const uint8_t *)"abc", 3);
	assert_false(digest_end(&digest, DIGEST_INDEX_MD5, out));
	assert_false(digest_end(&digest, DIGEST_INDEX_SHA1, out));
	check_abc(&digest, DIGEST_INDEX_SHA256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_right_in_any_chunks_and_take_no_memory),
		cmocka_unit_test(only_what_was_begun_and_kept_ends),
	};

	if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
