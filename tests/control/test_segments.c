// SPDX-License-Identifier: BSD-3-Clause
// Envelopes that come in pieces.
#include "control/segments.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST (4u << 20)

static char *whole; // what add has put together
static size_t whole_bytes;

static int add(struct segments *segments, const char *sender, const char *id, uint32_t number,
	uint32_t count, const char *data)
{
	const struct segment segment = {.sender = sender,
		.id = id,
		.id_bytes = strlen(id),
		.number = number,
		.count = count,
		.data = data,
		.bytes = strlen(data)};
	void *all = NULL;
	int got = segments_add(segments, &segment, MOST, 1000, &all, &whole_bytes);

	whole = all;
	return got;
}

static void pieces_in_any_order_and_twice_are_put_together(void **state)
{
	static const char *const data[] = {"one ", "two ", "three "};
	static const uint32_t orders[][3] = {
		{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
	struct segments *segments = NULL;

	(void)state;
	assert_int_equal(segments_new(&segments), 0);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		for (size_t k = 0; k < 3; k++) {
			uint32_t number = orders[i][k];

			assert_int_equal(
				add(segments, "a", "x", number, 3, data[number - 1]), k == 2);
			if (k < 2)
				assert_int_equal(
					add(segments, "a", "x", number, 3, data[number - 1]), 0);
		}
		assert_int_equal(whole_bytes, 14);
		assert_memory_equal(whole, "one two three ", 14);
		assert_int_equal(segments_count(segments), 0);
		free(whole);
	}
	segments_free(segments);
}

static void pieces_of_others_are_no_part_of_it(void **state)
{
	struct segments *segments = NULL;

	(void)state;
	assert_int_equal(segments_new(&segments), 0);
	assert_int_equal(add(segments, "a", "x", 1, 2, "1"), 0);
	assert_int_equal(add(segments, "b", "x", 2, 2, "9"), 0);
	assert_int_equal(add(segments, "a", "y", 2, 2, "8"), 0);
	assert_int_equal(segments_count(segments), 3);
	assert_int_equal(add(segments, "a", "x", 2, 2, "2"), 1);
	assert_int_equal(whole_bytes, 2);
	assert_memory_equal(whole, "12", 2);
	free(whole);
	segments_free(segments);
}

static void what_contradicts_itself_is_forgotten(void **state)
{
	static const struct {
		uint32_t number;
		uint32_t count;
		const char *data;
	} bad[] = {{0, 2, "x"}, {3, 2, "x"}, {1, 0, "x"}, {1, SEGMENTS_MOST + 1, "x"}, {2, 2, ""},
		{2, 3, "x"}, {1, 2, "other"}};
	struct segments *segments = NULL;

	(void)state;
	assert_int_equal(segments_new(&segments), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(add(segments, "a", "x", 1, 2, "1"), 0);
		assert_int_equal(
			add(segments, "a", "x", bad[i].number, bad[i].count, bad[i].data), -EINVAL);
		assert_in_range(segments_count(segments), 0, 1);
	}
	segments_free(segments);
}

static void nothing_grows_whoever_sends(void **state)
{
	static char large[1 << 20];
	struct segments *segments = NULL;
	char name[32];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(segments_new(&segments), 0);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(add(segments, "a", name, 1, SEGMENTS_MOST, "x"), 0);
		assert_in_range(segments_count(segments), 1, SEGMENTS_SENDER);
	}
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(add(segments, name, "x", 1, 2, large), 0);
		assert_in_range(segments_count(segments), 1,
			SEGMENTS_BYTES / sizeof(large) + SEGMENTS_SENDER);
	}
	for (uint32_t i = 1; i <= 4; i++)
		assert_int_equal(add(segments, "b", "x", i, 9, large), 0);
	// Four of these are four bytes short of all that one may have.
	assert_int_equal(add(segments, "b", "x", 5, 9, "12345"), -EMSGSIZE);
	segments_free(segments);
}

static void what_is_not_complete_in_time_is_forgotten(void **state)
{
	struct segment segment = {.sender = "a",
		.id = "x",
		.id_bytes = 1,
		.number = 1,
		.count = 2,
		.data = "1",
		.bytes = 1};
	struct segments *segments = NULL;
	void *all = NULL;
	size_t bytes = 0;

	(void)state;
	assert_int_equal(segments_new(&segments), 0);
	assert_int_equal(segments_add(segments, &segment, MOST, 1000, &all, &bytes), 0);
	segment.number = 2;
	assert_int_equal(
		segments_add(segments, &segment, MOST, 1001 + SEGMENTS_SECONDS, &all, &bytes), 0);
	assert_int_equal(segments_count(segments), 1);
	segments_free(segments);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_in_any_order_and_twice_are_put_together),
		cmocka_unit_test(pieces_of_others_are_no_part_of_it),
		cmocka_unit_test(what_contradicts_itself_is_forgotten),
		cmocka_unit_test(nothing_grows_whoever_sends),
		cmocka_unit_test(what_is_not_complete_in_time_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
