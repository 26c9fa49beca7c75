// SPDX-License-Identifier: BSD-3-Clause
#include "scan/capture.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <string.h>

#define CHUNK ((size_t)64)
#define CHUNKS 20
#define MOST (16 * CHUNK) // that one capture can list in a chunk of 64 bytes

static uint8_t pattern[4096];

static void fill_pattern(void)
{
	struct random random = {7};

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)random_below(&random, 256);
}

static void check_content(const struct capture *capture, size_t n)
{
	uint8_t copy[sizeof(pattern)];
	const uint8_t *data = NULL;
	uint64_t at = 0;

	assert_int_equal(capture->bytes, n);
	for (size_t piece; (piece = capture_piece(capture, at, &data)) > 0; at += piece)
		assert_memory_equal(data, pattern + at, piece);
	assert_int_equal(at, n);
	for (size_t from = 0; from <= n + 1; from += 13) {
		size_t wanted = 150;
		size_t there = from >= n ? 0 : n - from < wanted ? n - from : wanted;

		assert_int_equal(capture_read(capture, from, copy, wanted), there);
		assert_memory_equal(copy, pattern + (from < n ? from : 0), there);
	}
}

static void what_is_appended_can_be_read_at_any_offset(void **state)
{
	struct capture_pool pool;
	struct capture capture;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK, CHUNKS), 0);
	for (size_t n = 0; n <= MOST; n += 31) {
		for (size_t step = 1; step <= MOST; step = 3 * step + 1) {
			capture_begin(&capture, &pool, UINT64_MAX);
			for (size_t at = 0; at < n; at += step) {
				size_t take = n - at < step ? n - at : step;

				assert_int_equal(
					capture_append(&capture, pattern + at, take), take);
			}
			assert_false(capture.is_full);
			check_content(&capture, n);
			capture_free(&capture);
			assert_int_equal(pool.free_count, CHUNKS);
		}
	}
	capture_pool_fini(&pool);
}

// Bytes that are appended and bytes that are written into the room are the same.
static void before_a_chunk_stand_the_bytes_before_it(void **state)
{
	const size_t margin = 24;
	struct capture_pool pool;
	struct capture capture;
	uint8_t *room = NULL;
	uint8_t *again = NULL;
	size_t n;

	(void)state;
	assert_int_equal(capture_pool_init_margins(&pool, CHUNK, CHUNK + 1, 1), -EINVAL);
	assert_int_equal(capture_pool_init_margins(&pool, CHUNK, margin, CHUNKS), 0);
	for (size_t step = 1; step <= 3 * CHUNK; step += 7) {
		capture_begin(&capture, &pool, 10 * CHUNK);
		for (size_t at = 0; (n = capture_room(&capture, &room)) > 0; at += n) {
			assert_int_equal(capture_room(&capture, &again), n);
			assert_ptr_equal(again, room);
			assert_int_equal(n, CHUNK - at % CHUNK);
			n = n < step ? n : step;
			memcpy(room, pattern + at, n);
			memset(room + n, 0,
				margin); // as far as one can write behind the last bytes
			capture_keep(&capture, n);
			if (at >= CHUNK)
				assert_memory_equal(room - at % CHUNK - margin,
					pattern + at - at % CHUNK - margin, margin);
			if (at % 3 != 0)
				continue;
			at += n;
			n = 10 * CHUNK - at < step ? 10 * CHUNK - at : step;
			assert_int_equal(capture_append(&capture, pattern + at, n), n);
		}
		assert_true(capture.is_full);
		check_content(&capture, 10 * CHUNK);
		capture_free(&capture);
	}
	capture_pool_fini(&pool);
}

static void a_capture_keeps_what_its_limit_allows_and_no_more(void **state)
{
	struct capture_pool pool;
	struct capture capture;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK, CHUNKS), 0);
	for (size_t limit = 0; limit < 3 * CHUNK; limit++) {
		capture_begin(&capture, &pool, limit);
		assert_int_equal(capture_append(&capture, pattern, limit), limit);
		assert_false(capture.is_full);
		assert_int_equal(capture_append(&capture, pattern + limit, 0), 0);
		assert_false(capture.is_full);
		assert_int_equal(capture_append(&capture, pattern + limit, 2), 0);
		assert_true(capture.is_full);
		check_content(&capture, limit);
		capture_free(&capture);

		capture_begin(&capture, &pool, limit);
		assert_int_equal(capture_append(&capture, pattern, 4 * CHUNK), limit);
		assert_true(capture.is_full);
		check_content(&capture, limit);
		capture_free(&capture);
	}
	// The list of chunks has an end too.
	capture_begin(&capture, &pool, UINT64_MAX);
	assert_int_equal(capture_append(&capture, pattern, MOST + 1), MOST);
	assert_true(capture.is_full);
	check_content(&capture, MOST);
	capture_free(&capture);
	assert_int_equal(pool.free_count, CHUNKS);
	capture_pool_fini(&pool);
}

static void an_empty_pool_leaves_no_hole(void **state)
{
	struct capture_pool pool;
	struct capture first;
	struct capture second;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK, 10), 0);
	capture_begin(&first, &pool, UINT64_MAX);
	capture_begin(&second, &pool, UINT64_MAX);
	assert_int_equal(capture_append(&first, pattern, CHUNK + 1), CHUNK + 1);
	// Of ten chunks two are taken and one would be for the list: eight are less than the list.
	assert_int_equal(capture_append(&second, pattern, MOST), 8 * CHUNK);
	assert_true(second.is_full);
	assert_int_equal(pool.free_count, 0);
	assert_int_equal(capture_append(&first, pattern + CHUNK + 1, CHUNK), CHUNK - 1);
	capture_free(&first);
	assert_int_equal(pool.free_count, 2);
	assert_int_equal(capture_append(&second, pattern + CHUNK * 8, 1), 0);
	check_content(&second, 8 * CHUNK);
	capture_free(&second);
	// Freed, it keeps nothing; freed again, nothing happens.
	assert_int_equal(capture_append(&second, pattern, 1), 0);
	capture_free(&second);
	assert_int_equal(pool.free_count, 10);
	capture_pool_fini(&pool);
}

static void captures_that_grow_together_do_not_mix(void **state)
{
	struct random random = {11};
	struct capture_pool pool;
	struct capture captures[6];
	size_t lengths[6] = {0};

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK, 70), 0);
	for (unsigned int i = 0; i < 6; i++)
		capture_begin(&captures[i], &pool, UINT64_MAX);
	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int i = random_below(&random, 6);
		size_t n = random_below(&random, 40);

		if (lengths[i] + n > MOST || random_below(&random, 50) == 0) {
			check_content(&captures[i], lengths[i]);
			capture_free(&captures[i]);
			capture_begin(&captures[i], &pool, UINT64_MAX);
			lengths[i] = 0;
			continue;
		}
		lengths[i] += capture_append(&captures[i], pattern + lengths[i], n);
	}
	for (unsigned int i = 0; i < 6; i++) {
		check_content(&captures[i], lengths[i]);
		capture_free(&captures[i]);
	}
	assert_int_equal(pool.free_count, 70);
	capture_pool_fini(&pool);
}

static void what_is_dropped_goes_back_and_the_rest_stays(void **state)
{
	struct capture_pool pool;
	struct capture capture;
	const uint8_t *data = NULL;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, CHUNK, CHUNKS), 0);
	for (size_t n = 0; n <= MOST; n += 13) {
		for (size_t drop = 0; drop <= n + CHUNK; drop += 17) {
			size_t dropped = (drop < n ? drop : n) / CHUNK * CHUNK;

			capture_begin(&capture, &pool, UINT64_MAX);
			assert_int_equal(capture_append(&capture, pattern, n), n);
			capture_drop_before(&capture, drop);
			capture_drop_before(&capture, drop / 2);
			assert_int_equal(capture_begin_of(&capture), dropped);
			for (size_t at = 0; at < n; at++)
				assert_true((capture_piece(&capture, at, &data) > 0) ==
						    (at >= dropped) &&
					    (at < dropped || *data == pattern[at]));
			if (n + 5 <= MOST) {
				assert_int_equal(capture_append(&capture, pattern + n, 5), 5);
				assert_true(capture_piece(&capture, n + 4, &data) == 1);
				assert_int_equal(*data, pattern[n + 4]);
			}
			capture_free(&capture);
			assert_int_equal(pool.free_count, CHUNKS);
		}
	}
	capture_pool_fini(&pool);
}

static void memory_that_is_there_before_is_memory_like_any(void **state)
{
	static const size_t warm[] = {0, 1, 4095, 4096, 5000, 40 * CHUNK, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(warm) / sizeof(warm[0]); i++) {
		struct capture_pool pool;
		struct capture captures[40];

		assert_int_equal(capture_pool_init(&pool, CHUNK * 64, 40), 0);
		capture_pool_warm(&pool, warm[i]);
		assert_int_equal(pool.free_count, 40);
		for (unsigned int k = 0; k < 40; k++) {
			capture_begin(&captures[k], &pool, UINT64_MAX);
			assert_int_equal(capture_append(&captures[k], pattern, sizeof(pattern)),
				sizeof(pattern));
		}
		for (unsigned int k = 0; k < 40; k++) {
			check_content(&captures[k], sizeof(pattern));
			capture_free(&captures[k]);
		}
		capture_pool_fini(&pool);
	}
	// One that was never made.
	capture_pool_warm(&(struct capture_pool){0}, 4096);
}

static void a_pool_has_chunks_of_a_power_of_two(void **state)
{
	struct capture_pool pool;

	(void)state;
	assert_int_equal(capture_pool_init(&pool, 96, 4), -EINVAL);
	assert_int_equal(capture_pool_init(&pool, 32, 4), -EINVAL);
	assert_int_equal(capture_pool_init(&pool, 128, 0), 0);
	capture_pool_fini(&pool);
	capture_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_can_be_read_at_any_offset),
		cmocka_unit_test(before_a_chunk_stand_the_bytes_before_it),
		cmocka_unit_test(a_capture_keeps_what_its_limit_allows_and_no_more),
		cmocka_unit_test(an_empty_pool_leaves_no_hole),
		cmocka_unit_test(captures_that_grow_together_do_not_mix),
		cmocka_unit_test(what_is_dropped_goes_back_and_the_rest_stays),
		cmocka_unit_test(memory_that_is_there_before_is_memory_like_any),
		cmocka_unit_test(a_pool_has_chunks_of_a_power_of_two),
	};

	fill_pattern();
	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
