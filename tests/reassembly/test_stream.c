// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/stream.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 256u

struct fixture {
	void *memory;
	struct stream_pool *pool;
	struct stream stream;
};

static int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->memory = aligned_alloc(64, (stream_pool_bytes(PAGES) + 63) / 64 * 64);
	fixture->pool = stream_pool_init(fixture->memory, PAGES);
	stream_init(&fixture->stream, 1u << 20);
	*state = fixture;
	return 0;
}

// Whatever a test did: every page comes back.
static int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;
	bool leaked;

	stream_fini(&fixture->stream, fixture->pool);
	leaked = stream_pool_free_pages(fixture->pool) != PAGES;
	free(fixture->memory);
	free(fixture);
	return leaked;
}

static enum stream_put put(
	struct fixture *fixture, uint64_t offset, const char *text, char *out, uint32_t *rewritten)
{
	uint32_t n = (uint32_t)strlen(text);

	memcpy(out, text, n + 1);
	return stream_put(&fixture->stream, fixture->pool, offset, (uint8_t *)out, n, rewritten);
}

static void assert_reads(struct fixture *fixture, const char *text)
{
	char read[256] = "";
	size_t n = 0;
	size_t got;
	uint8_t *data;

	while ((got = stream_peek(&fixture->stream, &data)) > 0) {
		memcpy(read + n, data, got);
		n += got;
		stream_consume(&fixture->stream, got);
	}
	assert_string_equal(read, text);
}

static void bytes_come_out_as_they_came_in(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	assert_int_equal(put(fixture, 0, "EHLO ", out, &rewritten), STREAM_NEW);
	assert_int_equal(put(fixture, 5, "a\r\n", out, &rewritten), STREAM_NEW);
	assert_int_equal(rewritten, 0);
	assert_reads(fixture, "EHLO a\r\n");
	assert_null(fixture->stream.ranges);
}

static void a_hole_is_waited_for(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	assert_int_equal(put(fixture, 4, "ef", out, &rewritten), STREAM_NEW);
	assert_int_equal(put(fixture, 1, "bc", out, &rewritten), STREAM_NEW);
	assert_reads(fixture, "");
	assert_non_null(fixture->stream.ranges);
	assert_int_equal(put(fixture, 0, "a", out, &rewritten), STREAM_NEW);
	assert_reads(fixture, "abc");
	assert_int_equal(put(fixture, 3, "d", out, &rewritten), STREAM_NEW);
	assert_reads(fixture, "def");
	assert_null(fixture->stream.ranges);
}

static void a_differing_retransmission_is_rewritten_to_the_first_copy(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	(void)put(fixture, 0, "abcdef", out, &rewritten);
	assert_int_equal(put(fixture, 0, "abXdYf", out, &rewritten), STREAM_OLD);
	assert_string_equal(out, "abcdef");
	assert_int_equal(rewritten, 2);
	assert_int_equal(put(fixture, 1, "bc", out, &rewritten), STREAM_OLD);
	assert_int_equal(rewritten, 0);
}

static void an_overlap_keeps_the_first_copy_on_either_side_of_a_hole(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	(void)put(fixture, 0, "ab", out, &rewritten);
	(void)put(fixture, 4, "ef", out, &rewritten);
	assert_int_equal(put(fixture, 0, "ABCDEFGH", out, &rewritten), STREAM_NEW);
	assert_string_equal(out, "abCDefGH");
	assert_int_equal(rewritten, 4);
	assert_reads(fixture, "abCDefGH");
}

static void a_resegmented_retransmission_is_rewritten_as_well(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	(void)put(fixture, 0, "ab", out, &rewritten);
	(void)put(fixture, 2, "cd", out, &rewritten);
	assert_int_equal(put(fixture, 1, "XY", out, &rewritten), STREAM_OLD);
	assert_string_equal(out, "bc");
	assert_int_equal(rewritten, 2);
}

static void what_lies_below_the_forgotten_edge_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	(void)put(fixture, 0, "abcd", out, &rewritten);
	assert_reads(fixture, "abcd");
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 0, 4));
	stream_release(&fixture->stream, fixture->pool, 2);
	stream_trim(&fixture->stream, fixture->pool);
	assert_int_equal(fixture->stream.trimmed, 2);
	assert_int_equal(put(fixture, 0, "XX", out, &rewritten), STREAM_FORGOTTEN);
	assert_int_equal(put(fixture, 0, "XXYYzz", out, &rewritten), STREAM_NEW);
	assert_string_equal(out, "XXcdzz");
	assert_int_equal(rewritten, 2);
}

static void an_idle_stream_holds_no_page(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	(void)put(fixture, 0, "NOOP\r\n", out, &rewritten);
	assert_reads(fixture, "NOOP\r\n");
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 0, 6));
	stream_trim(&fixture->stream, fixture->pool);
	assert_int_equal(fixture->stream.pages, 1);
	stream_release(&fixture->stream, fixture->pool, 6);
	stream_trim(&fixture->stream, fixture->pool);
	assert_int_equal(fixture->stream.pages, 0);
	assert_int_equal(stream_pool_free_pages(fixture->pool), PAGES);
	(void)put(fixture, 6, "QUIT\r\n", out, &rewritten);
	assert_reads(fixture, "QUIT\r\n");
}

static void acknowledged_bytes_are_kept_a_little_longer(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t data[65536];
	uint32_t rewritten;
	uint8_t *peeked;
	size_t n;

	(void)stream_put(&fixture->stream, fixture->pool, 0, data, sizeof(data), &rewritten);
	(void)stream_mark_sent(&fixture->stream, fixture->pool, 0, sizeof(data));
	stream_release(&fixture->stream, fixture->pool, 1u << 30);
	assert_int_equal(fixture->stream.trimmed, 0);
	while ((n = stream_peek(&fixture->stream, &peeked)) > 0)
		stream_consume(&fixture->stream, n);
	stream_release(&fixture->stream, fixture->pool, sizeof(data));
	assert_int_equal(fixture->stream.trimmed, sizeof(data) - STREAM_KEEP_BYTES);
	assert_int_equal(fixture->stream.pages, STREAM_KEEP_BYTES / STREAM_PAGE_BYTES);
	// Each connection that has had mail keeps so many.
	assert_true(fixture->stream.pages <= 2);
}

static void filling_changes_what_was_not_sent_and_nothing_else(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;

	(void)put(fixture, 0, "abcdefgh", out, &rewritten);
	(void)put(fixture, 9, "jk", out, &rewritten);
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 0, 2));
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 4, 6));
	stream_fill(&fixture->stream, 1, 10, 'X');
	assert_int_equal(put(fixture, 0, "abcdefgh", out, &rewritten), STREAM_OLD);
	assert_string_equal(out, "abXXefXX");
	assert_int_equal(rewritten, 4);
	(void)put(fixture, 8, "ijk", out, &rewritten);
	assert_string_equal(out, "iXk");
}

static void unsent_bytes_are_found_around_sent_ones(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;
	uint64_t from;
	uint64_t to;

	assert_false(stream_unsent(&fixture->stream, UINT64_MAX, &from, &to));
	(void)put(fixture, 0, "abcd", out, &rewritten);
	(void)put(fixture, 6, "gh", out, &rewritten);
	assert_false(stream_has_sent_behind(&fixture->stream, 0));
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 6, 7));
	assert_true(stream_has_sent_behind(&fixture->stream, 0));
	assert_true(stream_has_sent_behind(&fixture->stream, 6));
	assert_false(stream_has_sent_behind(&fixture->stream, 7));
	assert_int_equal(stream_last_unsent(&fixture->stream, 8), 7);
	assert_int_equal(stream_last_unsent(&fixture->stream, 7), 5);
	assert_int_equal(stream_last_unsent(&fixture->stream, 6), 5);
	assert_true(stream_unsent(&fixture->stream, 3, &from, &to));
	assert_int_equal(from, 0);
	assert_int_equal(to, 3);
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 0, 4));
	assert_true(stream_has_sent_behind(&fixture->stream, 3));
	assert_int_equal(stream_last_unsent(&fixture->stream, 5), 4);
	assert_int_equal(stream_last_unsent(&fixture->stream, 4), 4);
	assert_int_equal(stream_last_unsent(&fixture->stream, 2), 4);
	assert_true(stream_unsent(&fixture->stream, UINT64_MAX, &from, &to));
	assert_int_equal(from, 7);
	assert_int_equal(to, 8);
	assert_false(stream_unsent(&fixture->stream, 7, &from, &to));
}

static void past_its_limit_a_stream_is_full_and_unchanged(void **state)
{
	struct fixture *fixture = *state;
	struct stream before;
	char out[16];
	uint32_t rewritten;
	uint32_t free_pages;

	fixture->stream.max_bytes = 8;
	(void)put(fixture, 0, "abcdef", out, &rewritten);
	before = fixture->stream;
	free_pages = stream_pool_free_pages(fixture->pool);
	assert_int_equal(put(fixture, 5, "XXXX", out, &rewritten), STREAM_FULL);
	assert_string_equal(out, "XXXX");
	assert_int_equal(put(fixture, UINT64_MAX - 1, "XXXX", out, &rewritten), STREAM_FULL);
	assert_memory_equal(&before, &fixture->stream, sizeof(before));
	assert_int_equal(stream_pool_free_pages(fixture->pool), free_pages);
	assert_int_equal(put(fixture, 6, "gh", out, &rewritten), STREAM_NEW);
}

static void without_pages_a_stream_is_full_and_unchanged(void **state)
{
	struct fixture *fixture = *state;
	struct stream_pool *pool = stream_pool_init(fixture->memory, 2);
	struct stream *stream = &fixture->stream;
	static uint8_t data[3 * STREAM_PAGE_BYTES];
	struct stream before;
	uint32_t rewritten;

	assert_int_equal(stream_put(stream, pool, 0, data, sizeof(data), &rewritten), STREAM_FULL);
	assert_int_equal(
		stream_put(stream, pool, 1, data, STREAM_PAGE_BYTES, &rewritten), STREAM_FULL);
	assert_int_equal(stream_pool_free_pages(pool), 2);
	assert_int_equal(stream_put(stream, pool, 1, data, 1, &rewritten), STREAM_NEW);
	before = *stream;
	assert_int_equal(
		stream_put(stream, pool, STREAM_PAGE_BYTES, data, 1, &rewritten), STREAM_FULL);
	assert_memory_equal(&before, stream, sizeof(before));
	assert_int_equal(stream_put(stream, pool, 0, data, 1, &rewritten), STREAM_NEW);
	assert_int_equal(stream_pool_free_pages(pool), 1);
	stream_fini(stream, pool);
	assert_int_equal(stream_pool_free_pages(pool), 2);
	fixture->pool = stream_pool_init(fixture->memory, PAGES);
}

static void too_many_holes_are_refused_until_one_is_filled(void **state)
{
	struct fixture *fixture = *state;
	char out[16];
	uint32_t rewritten;
	uint64_t at = 1;

	while (put(fixture, at, "x", out, &rewritten) == STREAM_NEW)
		at += 2;
	assert_true(at / 2 >= 1000);
	assert_int_equal(put(fixture, at, "x", out, &rewritten), STREAM_FULL);
	assert_int_equal(put(fixture, at - 1, "x", out, &rewritten), STREAM_NEW);
	assert_int_equal(put(fixture, 0, "x", out, &rewritten), STREAM_NEW);
	assert_int_equal(put(fixture, at + 1, "x", out, &rewritten), STREAM_NEW);
}

static void bytes_in_any_order_are_put_together(void **state)
{
	enum { N = 2003 }; // a prime: any step meets every byte
	static uint8_t read[N];
	struct fixture *fixture = *state;
	uint32_t rewritten;

	for (uint32_t step = 1; step < N; step = step * 3 + 1) {
		uint64_t base = fixture->stream.next;
		size_t n = 0;
		size_t got;
		uint8_t *data;

		for (uint32_t i = 0; i < N; i++) {
			uint32_t at = i * step % N;
			uint8_t byte = (uint8_t)(at * 31 + step);
			uint8_t other = (uint8_t)~byte;

			assert_int_equal(stream_put(&fixture->stream, fixture->pool, base + at,
						 &byte, 1, &rewritten),
				STREAM_NEW);
			assert_int_equal(stream_put(&fixture->stream, fixture->pool, base + at,
						 &other, 1, &rewritten),
				STREAM_OLD);
			assert_int_equal(rewritten, 1);
			assert_int_equal(other, byte);
		}
		while ((got = stream_peek(&fixture->stream, &data)) > 0) {
			memcpy(read + n, data, got);
			n += got;
			stream_consume(&fixture->stream, got);
		}
		assert_int_equal(n, N);
		for (uint32_t at = 0; at < N; at++)
			assert_int_equal(read[at], (uint8_t)(at * 31 + step));
		assert_null(fixture->stream.ranges);
	}
}

static void a_set_of_ranges_takes_blocks_as_it_grows_and_gives_them_back(void **state)
{
	struct fixture *fixture = *state;
	struct stream_pool *pool = fixture->pool;
	uint32_t rewritten;
	char out[16];
	uint64_t at;

	for (at = 1; at < 2001; at += 2)
		assert_int_equal(put(fixture, at, "x", out, &rewritten), STREAM_NEW);
	// Its bytes, the set, and eight blocks for what that has no room for.
	assert_int_equal(stream_pool_free_pages(pool), PAGES - 1 - 1 - 8);
	for (at = 2; at < 1900; at += 2)
		assert_int_equal(put(fixture, at, "y", out, &rewritten), STREAM_NEW);
	assert_true(stream_pool_free_pages(pool) >= PAGES - 1 - 1 - 1);
	while (stream_pool_free_pages(pool) < PAGES - 2) {
		assert_int_equal(put(fixture, at, "y", out, &rewritten), STREAM_NEW);
		at += 2;
	}
	// Without a block to be had it has to wait as before.
	pool = stream_pool_init(fixture->memory, 2);
	stream_init(&fixture->stream, 1u << 20);
	for (at = 1; stream_put(&fixture->stream, pool, at, (uint8_t *)out, 1, &rewritten) ==
		     STREAM_NEW;)
		at += 2;
	assert_true(at / 2 < 100);
	assert_int_equal(stream_pool_free_pages(pool), 0);
	stream_fini(&fixture->stream, pool);
	assert_int_equal(stream_pool_free_pages(pool), 2);
	fixture->pool = stream_pool_init(fixture->memory, PAGES);
}

static void too_many_sent_ranges_are_refused_and_not_marked(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t data[1024];
	uint64_t at = 1;
	uint64_t from;
	uint64_t to;
	uint32_t rewritten;

	(void)stream_put(&fixture->stream, fixture->pool, 0, data, sizeof(data), &rewritten);
	while (stream_mark_sent(&fixture->stream, fixture->pool, at, at + 1))
		at += 2;
	assert_true(at / 2 >= 32);
	assert_true(stream_mark_sent(&fixture->stream, fixture->pool, 0, at));
	assert_true(stream_unsent(&fixture->stream, sizeof(data), &from, &to));
	assert_int_equal(from, at);
}

static void offsets_beyond_four_gigabytes_work(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t data[60000];
	char out[16];
	uint32_t rewritten;
	uint64_t at = 0;

	while (at < 5000000000u) {
		uint8_t *peeked;
		size_t n;

		assert_int_equal(stream_put(&fixture->stream, fixture->pool, at, data, sizeof(data),
					 &rewritten),
			STREAM_NEW);
		at += sizeof(data);
		while ((n = stream_peek(&fixture->stream, &peeked)) > 0)
			stream_consume(&fixture->stream, n);
		(void)stream_mark_sent(&fixture->stream, fixture->pool, 0, at);
		stream_release(&fixture->stream, fixture->pool, at);
	}
	stream_trim(&fixture->stream, fixture->pool);
	(void)put(fixture, at, "abc", out, &rewritten);
	assert_int_equal(put(fixture, at, "aXc", out, &rewritten), STREAM_OLD);
	assert_string_equal(out, "abc");
	assert_reads(fixture, "abc");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(bytes_come_out_as_they_came_in),
		TEST(a_hole_is_waited_for),
		TEST(a_differing_retransmission_is_rewritten_to_the_first_copy),
		TEST(an_overlap_keeps_the_first_copy_on_either_side_of_a_hole),
		TEST(a_resegmented_retransmission_is_rewritten_as_well),
		TEST(what_lies_below_the_forgotten_edge_is_left_alone),
		TEST(an_idle_stream_holds_no_page),
		TEST(acknowledged_bytes_are_kept_a_little_longer),
		TEST(filling_changes_what_was_not_sent_and_nothing_else),
		TEST(unsent_bytes_are_found_around_sent_ones),
		TEST(past_its_limit_a_stream_is_full_and_unchanged),
		TEST(without_pages_a_stream_is_full_and_unchanged),
		TEST(too_many_holes_are_refused_until_one_is_filled),
		TEST(bytes_in_any_order_are_put_together),
		TEST(a_set_of_ranges_takes_blocks_as_it_grows_and_gives_them_back),
		TEST(too_many_sent_ranges_are_refused_and_not_marked),
		TEST(offsets_beyond_four_gigabytes_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
