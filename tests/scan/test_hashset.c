// SPDX-License-Identifier: BSD-3-Clause
#include "scan/hashset.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MANY 20000

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint32_t random32(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20);
}

static void fill(struct hashset_entry *entry, uint32_t value, uint64_t bytes)
{
	memset(entry, 0, sizeof(*entry));
	for (size_t i = 0; i < 16; i++)
		entry->digest[i] = (uint8_t)random32();
	entry->value = value;
	entry->bytes = bytes;
}

static void *build(struct hashset_entry *entries, size_t count, size_t *bytes)
{
	void *block;

	*bytes = hashset_block_bytes(count);
	block = aligned_alloc(64, (*bytes + 63) & ~(size_t)63);
	assert_non_null(block);
	memset(block, 0, *bytes);
	hashset_build(entries, count, block);
	return block;
}

static void every_entry_is_found_and_nothing_else(void **state)
{
	struct hashset_entry *entries = calloc(MANY, sizeof(*entries));
	struct hashset set;
	uint32_t values[4];
	size_t bytes;
	void *block;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		fill(&entries[i], i, i % 3 == 0 ? 0 : i);
	block = build(entries, MANY, &bytes);
	assert_int_equal(hashset_open(block, bytes, MANY, &set), 0);
	assert_true(set.any);
	assert_false(set.allows);
	assert_int_equal(set.max_bytes, MANY - 1);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct hashset_entry *entry = &entries[i];
		struct hashset_entry other;
		uint64_t size = entry->bytes == 0 ? 77 : entry->bytes;

		assert_int_equal(hashset_find(&set, entry->digest, size, values, 4), 1);
		assert_int_equal(values[0], entry->value);
		assert_int_equal(hashset_find(&set, entry->digest, size + 1, values, 4),
			entry->bytes == 0 ? 1 : 0);
		fill(&other, 0, 0);
		assert_int_equal(hashset_find(&set, other.digest, size, values, 4), 0);
	}
	free(block);
	free(entries);
}

static void full_buckets_overflow_into_the_next(void **state)
{
	struct hashset_entry entries[60];
	struct hashset set;
	uint32_t values[4];
	size_t bytes;
	void *block;

	(void)state;
	for (uint32_t i = 0; i < 60; i++) {
		fill(&entries[i], i, 0);
		memset(entries[i].digest, 0xff, 8); // one bucket, one tag
	}
	block = build(entries, 60, &bytes);
	assert_int_equal(hashset_open(block, bytes, 60, &set), 0);
	for (uint32_t i = 0; i < 60; i++) {
		assert_int_equal(hashset_find(&set, entries[i].digest, 1, values, 4), 1);
		assert_int_equal(values[0], entries[i].value);
	}
	memset(entries[0].digest, 0xff, HASHSET_DIGEST_BYTES);
	assert_int_equal(hashset_find(&set, entries[0].digest, 1, values, 4), 0);
	free(block);
}

static void one_digest_may_have_several_entries(void **state)
{
	struct hashset_entry entries[4];
	struct hashset set;
	uint32_t values[4];
	size_t bytes;
	void *block;

	(void)state;
	fill(&entries[0], 0, 10);
	for (uint32_t i = 1; i < 4; i++)
		entries[i] = entries[0];
	entries[1].value = 1;
	entries[2].value = HASHSET_ALLOWED;
	entries[2].bytes = 11;
	entries[3].value = 2;
	entries[3].bytes = 0;
	block = build(entries, 4, &bytes);
	assert_int_equal(hashset_open(block, bytes, 3, &set), 0);
	assert_true(set.allows);
	assert_int_equal(hashset_find(&set, entries[0].digest, 10, values, 4), 3);
	assert_int_equal(values[0], 2);
	assert_int_equal(values[1], 0);
	assert_int_equal(values[2], 1);
	assert_int_equal(hashset_find(&set, entries[0].digest, 10, values, 2), 2);
	assert_int_equal(hashset_find(&set, entries[0].digest, 11, values, 4), 2);
	assert_int_equal(values[1], HASHSET_ALLOWED);
	assert_int_equal(hashset_open(block, bytes, 2, &set), -EBADMSG);
	free(block);
}

static void an_empty_set_finds_nothing(void **state)
{
	const uint8_t digest[HASHSET_DIGEST_BYTES] = {0};
	struct hashset none = {0};
	struct hashset set;
	uint32_t value;
	size_t bytes;
	void *block = build(NULL, 0, &bytes);

	(void)state;
	assert_int_equal(hashset_open(block, bytes, 0, &set), 0);
	assert_int_equal(hashset_find(&set, digest, 0, &value, 1), 0);
	assert_int_equal(hashset_find(&none, digest, 0, &value, 1), 0);
	for (size_t n = 0; n < bytes; n++)
		assert_int_equal(hashset_open(block, n, 0, &set), -EBADMSG);
	free(block);
}

static void a_damaged_block_is_refused_or_harmless(void **state)
{
	struct hashset_entry entries[40];
	struct hashset set;
	uint32_t values[8];
	unsigned int refused = 0;
	size_t bytes;
	uint8_t *block;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		fill(&entries[i], i, i);
	block = build(entries, 40, &bytes);
	for (unsigned int round = 0; round < 20000; round++) {
		size_t at = random32() % bytes;
		uint8_t before = block[at];

		block[at] = (uint8_t)random32();
		if (hashset_open(block, bytes, 40, &set) != 0)
			refused++;
		else
			(void)hashset_find(&set, entries[round % 40].digest, 3, values, 8);
		block[at] = before;
	}
	assert_true(refused > 0);
	free(block);
}

static void all_ways_to_compare_agree(void **state)
{
	uint32_t tags[HASHSET_SLOTS];

	(void)state;
	for (unsigned int round = 0; round < 10000; round++) {
		uint32_t tag = random32();
		uint32_t wanted = 0;

		for (uint32_t i = 0; i < HASHSET_SLOTS; i++) {
			tags[i] = random32() % 3 == 0 ? tag : random32();
			wanted |= (uint32_t)(tags[i] == tag) << i;
		}
		assert_int_equal(hashset_compare_portable(tags, tag), wanted);
		if (__builtin_cpu_supports("avx2"))
			assert_int_equal(hashset_compare_avx2(tags, tag), wanted);
		if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vbmi2"))
			assert_int_equal(hashset_compare_avx512(tags, tag), wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_found_and_nothing_else),
		cmocka_unit_test(full_buckets_overflow_into_the_next),
		cmocka_unit_test(one_digest_may_have_several_entries),
		cmocka_unit_test(an_empty_set_finds_nothing),
		cmocka_unit_test(a_damaged_block_is_refused_or_harmless),
		cmocka_unit_test(all_ways_to_compare_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
