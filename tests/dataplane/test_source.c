// SPDX-License-Identifier: BSD-3-Clause
// source: counts against a plain array, when buckets are full, when the table is.
#include "dataplane/source.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define NUMBERS 600u

static struct source_table *open_table(uint32_t sources)
{
	size_t bytes = source_table_bytes(sources);
	void *memory = aligned_alloc(64, bytes);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	return source_table_init(memory, sources);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

// few: all in so many home buckets, so that most are elsewhere.
static uint64_t hash_of(uint32_t number, uint32_t few)
{
	uint64_t hash = mix(number + 1);

	return few > 0 ? (hash & ~UINT64_C(0xffffff)) | hash % few : hash;
}

static void compare_with_a_plain_array(uint32_t few)
{
	struct source_table *table = open_table(500);
	uint32_t model[NUMBERS] = {0};
	uint32_t random = 7 + few;
	uint32_t used = 0;
	uint32_t refused = 0;

	for (uint32_t step = 0; step < 300000; step++) {
		uint32_t number = (random = random * 1664525 + 1013904223) >> 8;
		uint32_t what = (number >> 12) % 7;
		uint64_t hash;

		number %= NUMBERS;
		hash = hash_of(number, few);
		assert_int_equal(source_count(table, hash), model[number]);
		if (what < 4) {
			bool room = model[number] > 0 ? model[number] < 5 : used < 500;

			assert_int_equal(source_take(table, hash, 5), room);
			used += room && model[number] == 0;
			model[number] += room;
			refused += !room;
		} else if (model[number] > 0) {
			source_give(table, hash);
			used -= --model[number] == 0;
		}
		assert_int_equal(source_table_used(table), used);
	}
	assert_true(refused > 1000);
	for (uint32_t i = 0; i < NUMBERS; i++) {
		for (; model[i] > 0; model[i]--)
			source_give(table, hash_of(i, few));
		assert_int_equal(source_count(table, hash_of(i, few)), 0);
	}
	assert_int_equal(source_table_used(table), 0);
	free(table);
}

static void a_table_counts_like_a_plain_array(void **state)
{
	(void)state;
	compare_with_a_plain_array(0);
}

static void sources_of_one_bucket_are_told_apart(void **state)
{
	(void)state;
	compare_with_a_plain_array(1);
	compare_with_a_plain_array(3);
}

static void a_million_sources_come_and_go_in_fixed_memory(void **state)
{
	struct source_table *table = open_table(1000);

	(void)state;
	assert_true(source_table_bytes(1000000) < 32u << 20);
	for (uint32_t i = 0; i < 1000000; i++) {
		assert_true(source_take(table, mix(i), 3));
		if (i >= 999)
			source_give(table, mix(i - 999));
	}
	assert_int_equal(source_table_used(table), 999);
	// Full: who is counted already may have more, a new one may not.
	assert_true(source_take(table, mix(1000000), 3));
	assert_false(source_take(table, mix(1000001), 3));
	assert_true(source_take(table, mix(1000000), 3));
	free(table);
}

static void none_is_let_in_where_none_may_be(void **state)
{
	struct source_table *table = open_table(4);

	(void)state;
	assert_false(source_take(table, 1, 0));
	assert_true(source_take(table, 1, 1));
	assert_false(source_take(table, 1, 1));
	assert_false(source_take(table, 1, 0));
	source_give(table, 1);
	assert_true(source_take(table, 1, 1));
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_counts_like_a_plain_array),
		cmocka_unit_test(sources_of_one_bucket_are_told_apart),
		cmocka_unit_test(a_million_sources_come_and_go_in_fixed_memory),
		cmocka_unit_test(none_is_let_in_where_none_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
