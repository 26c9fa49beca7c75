// SPDX-License-Identifier: BSD-3-Clause
// The steps of the search for patterns, each by itself: whatever the processor can do, they tell the same, and read
// no more than they may.
#include "scan/anchor_ops.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define OBJECT 40000

static uint8_t object_bytes[OBJECT];

// ---- the sieve ---------------------------------------------------------------------------------

static void check_sieve(struct random *random, const uint8_t *sieve, enum anchor_content content)
{
	// All small numbers, and some that are more than the vector forms do at once.
	for (size_t n = 0; n < 9000; n += n < 1200 ? 1 : 1 + random_below(random, 40)) {
		// Not one byte more is there.
		uint8_t *data = malloc(n + ANCHOR_PADDING);
		uint16_t expected[9000 + ANCHOR_SIEVE_SLACK];
		size_t count;

		assert_non_null(data);
		memcpy(data, object_bytes + random_below(random, 1000), n + ANCHOR_PADDING);
		count = anchor_sieve_variant(content, 0)(sieve, data, n, expected);
		for (size_t i = 0; anchor_sieve_variant(content, i) != NULL; i++) {
			uint16_t places[9000 + ANCHOR_SIEVE_SLACK];

			assert_int_equal(
				anchor_sieve_variant(content, i)(sieve, data, n, places), count);
			assert_memory_equal(places, expected, count * sizeof(places[0]));
		}
		free(data);
	}
}

static void all_variants_of_the_sieve_pass_the_same_places(void **state)
{
	static uint8_t sieve[ANCHOR_SLOTS];
	struct random random = {815};

	(void)state;
	for (size_t i = 0; i < sizeof(sieve); i++)
		sieve[i] = (uint8_t)(random_below(&random, 65536) % 255);
	for (size_t i = 0; i < OBJECT; i++)
		object_bytes[i] = (uint8_t)random_below(&random, 256);
	for (unsigned int content = 0; content < ANCHOR_CONTENTS; content++)
		check_sieve(&random, sieve, (enum anchor_content)content);
}

// ---- the filter --------------------------------------------------------------------------------

#define SIEVED 1200

// Whatever the processor can do, the same places pass the filter, for the same buckets.
static void filters_pass_the_same(void **state)
{
	static uint32_t filter[1u << 10];
	static uint8_t data[2 * SIEVED + ANCHOR_PADDING];
	struct random random = {31};
	uint16_t places[SIEVED];
	uint32_t met[4][SIEVED + ANCHOR_FILTER_SLACK];
	const struct anchor_met expected = {met[0], met[1]};
	const struct anchor_met got = {met[2], met[3]};
	size_t passed = 0;

	(void)state;
	for (unsigned int round = 0; round < 400; round++) {
		const struct anchor_table table = {.words_log = 1 + random_below(&random, 10),
			.buckets_log = 1 + random_below(&random, 20),
			.filter = filter};
		const size_t at = random_below(&random, SIEVED);
		const size_t n = random_below(&random, SIEVED);
		size_t count;

		for (size_t i = 0; i < sizeof(filter) / sizeof(filter[0]); i++)
			filter[i] = random_below(&random, UINT32_MAX) | 1u << i % 32;
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)random_below(&random, 256);
		for (size_t i = 0; i < n; i++)
			places[i] = (uint16_t)random_below(&random, SIEVED);
		count = anchor_filter_variant(0)(&table, data, at, places, n, &expected);
		for (size_t i = 0; anchor_filter_variant(i) != NULL; i++) {
			assert_int_equal(
				anchor_filter_variant(i)(&table, data, at, places, n, &got), count);
			assert_memory_equal(got.ats, expected.ats, count * sizeof(uint32_t));
			assert_memory_equal(
				got.buckets, expected.buckets, count * sizeof(uint32_t));
		}
		passed += count;
	}
	assert_true(passed > 0);
}

// ---- the content -------------------------------------------------------------------------------

static enum anchor_content content_of(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return ANCHOR_TEXT;
	return byte >= ' ' || byte == '\t' || byte == '\n' || byte == '\r' ? ANCHOR_LOWER
									   : ANCHOR_BYTES;
}

static void one_byte_tells_what_all_are(void **state)
{
	uint8_t data[200];

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t n = 0; n < sizeof(data); n++)
		assert_int_equal(anchor_content_of(data, n), ANCHOR_LOWER);
	for (size_t at = 0; at < sizeof(data); at++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			enum anchor_content expected = content_of((uint8_t)byte);

			data[at] = (uint8_t)byte;
			assert_int_equal(anchor_content_of(data, sizeof(data)), expected);
			assert_int_equal(anchor_content_of(data, at), ANCHOR_LOWER);
			for (size_t i = 0; anchor_content_variant(i) != NULL; i++)
				assert_int_equal(anchor_content_variant(i)(data, 192),
					at < 192 ? expected : ANCHOR_LOWER);
			if (at + 1 == sizeof(data))
				continue;
			data[at + 1] = 'X';
			assert_int_equal(anchor_content_of(data, sizeof(data)),
				expected < ANCHOR_TEXT ? expected : ANCHOR_TEXT);
			data[at + 1] = 'x';
		}
		data[at] = 'x';
	}
}

// ---- base64 ------------------------------------------------------------------------------------

static bool is_code(uint8_t byte)
{
	return byte != '\0' &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\r\n",
		       byte) != NULL;
}

static void one_byte_ends_a_run_of_base64(void **state)
{
	uint8_t data[640];

	(void)state;
	memset(data, 'Q', sizeof(data));
	for (size_t at = 0; at < sizeof(data); at++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			const size_t expected = is_code((uint8_t)byte) ? 576 : at & ~(size_t)63;

			data[at] = (uint8_t)byte;
			for (size_t n = 576; n < 640; n += 21) {
				const size_t least = expected < 576 ? expected : 576;

				assert_int_equal(anchor_codes_portable(data, n), least);
				if (anchor_filter_variant(1) !=
					NULL) // or it has no such instructions
					assert_int_equal(anchor_codes_avx512(data, n), least);
			}
		}
		data[at] = 'Q';
	}
}

// What is told is base64 alone, in order, and all that lies in the midst of a long run is told.
static void long_runs_of_base64_are_found(void **state)
{
	struct random random = {64};
	size_t found = 0;

	(void)state;
	for (unsigned int round = 0; round < 3000; round++) {
		const size_t n = random_below(&random, 20000);
		const size_t start = random_below(&random, (uint32_t)n + 1);
		const size_t length = random_below(&random, (uint32_t)(n - start) + 1);
		const size_t from =
			random_below(&random, 4) == 0 ? random_below(&random, (uint32_t)n + 1) : 0;
		const size_t first = start > from ? start : from;
		size_t end = 0;
		size_t at;

		memset(object_bytes, ' ', n);
		memset(object_bytes + start, 'Q', length);
		at = anchor_find_codes(object_bytes, from, n, &end);
		if (at == n)
			assert_true(anchor_filter_variant(1) == NULL ||
				    start + length < first + 2048 + 128);
		else
			assert_true(at >= first && at < first + 64 && end <= start + length &&
				    end > start + length - 64);
		found += at < n;
	}
	assert_true(found > 0 || anchor_filter_variant(1) == NULL);
}

// ---- pieces ------------------------------------------------------------------------------------

static bool fits(const struct anchor_entry *entry, const uint8_t *data, uint32_t at)
{
	uint64_t bytes;

	memcpy(&bytes, data + (entry->at <= at ? (int)at + entry->piece_at : 0), sizeof(bytes));
	return entry->at <= at && (bytes & entry->mask) == entry->piece;
}

static void invent_entry(
	struct random *random, const uint8_t *data, uint32_t at, struct anchor_entry *out)
{
	const int before = (int)random_below(random, ANCHOR_PIECE_BEFORE + 1);
	const uint32_t room = (uint32_t)before + ANCHOR_PIECE_BEHIND + 1;

	out->piece_at = (int8_t)((int)random_below(random, room) - before);
	out->at = (uint16_t)(before + (int)random_below(random, 30));
	out->mask = random_below(random, 2) != 0 ? 0xff00ff : 0xff;
	if ((int)at + out->piece_at >= 0 && random_below(random, 2) != 0)
		memcpy(&out->piece, data + at + out->piece_at, sizeof(out->piece));
	out->piece &= out->mask;
}

static void those_fit_whose_piece_is_there(void **state)
{
	struct random random = {16};
	size_t fitting = 0;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		const uint32_t count = 1 + random_below(&random, 16);
		const uint32_t last = random_below(&random, 60);
		const size_t n = last + ANCHOR_PADDING; // and not one byte more is read
		uint8_t *bytes = malloc(n);
		struct anchor_entry *entries = calloc(count, sizeof(*entries));
		struct anchor_meeting meetings[16], expected[16];
		size_t expected_count = 0;

		assert_true(bytes != NULL && entries != NULL);
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)random_below(&random, 3);
		for (uint32_t i = 0; i < count; i++) {
			meetings[i] = (struct anchor_meeting){random_below(&random, last + 1), i};
			invent_entry(&random, bytes, meetings[i].at, &entries[i]);
			expected[expected_count] = meetings[i];
			expected_count += fits(&entries[i], bytes, meetings[i].at);
		}
		fitting += expected_count;
		assert_int_equal(anchor_fit(entries, bytes, meetings, count), expected_count);
		assert_memory_equal(meetings, expected, expected_count * sizeof(expected[0]));
		free(entries);
		free(bytes);
	}
	assert_true(fitting > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_variants_of_the_sieve_pass_the_same_places),
		cmocka_unit_test(filters_pass_the_same),
		cmocka_unit_test(those_fit_whose_piece_is_there),
		cmocka_unit_test(one_byte_tells_what_all_are),
		cmocka_unit_test(one_byte_ends_a_run_of_base64),
		cmocka_unit_test(long_runs_of_base64_are_found),
	};

	return cmocka_run_group_tests_name("anchor_sieve", tests, NULL, NULL);
}
