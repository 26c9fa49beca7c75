// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/event_ring.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

static size_t take(struct event_ring *ring, char *out, size_t most)
{
	struct iovec pieces[2];
	size_t n = event_ring_peek(ring, pieces);
	char whole[512];

	assert_true(n <= sizeof(whole));
	memcpy(whole, pieces[0].iov_base, pieces[0].iov_len);
	memcpy(whole + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
	n = n < most ? n : most;
	memcpy(out, whole, n);
	event_ring_consume(ring, n);
	return n;
}

static void what_goes_in_comes_out_in_order(void **state)
{
	(void)state;
	struct event_ring *ring;
	char out[512];

	assert_int_equal(event_ring_new(100, &ring), 0);
	assert_int_equal(take(ring, out, sizeof(out)), 0);
	// Every alignment of the wrap: 7 and 64 have no common factor.
	for (int i = 0; i < 1000; i++) {
		assert_true(event_ring_push(ring, "abc", 3));
		assert_true(event_ring_push(ring, "defg", 4));
		assert_int_equal(take(ring, out, 2), 2);
		assert_int_equal(take(ring, out + 2, sizeof(out) - 2), 5);
		assert_memory_equal(out, "abcdefg", 7);
	}
	event_ring_free(ring);
}

static void a_full_ring_takes_all_or_nothing(void **state)
{
	(void)state;
	static const char data[256] = "x";
	struct event_ring *ring;
	char out[512];

	assert_int_equal(event_ring_new(128, &ring), 0);
	assert_false(event_ring_push(ring, data, 129));
	assert_true(event_ring_push(ring, data, 100));
	assert_false(event_ring_push(ring, data, 29));
	assert_true(event_ring_push(ring, data, 28));
	assert_false(event_ring_push(ring, data, 1));
	assert_true(event_ring_push(ring, data, 0));
	assert_int_equal(take(ring, out, 1), 1);
	assert_true(event_ring_push(ring, "y", 1));
	assert_int_equal(take(ring, out, sizeof(out)), 128);
	assert_int_equal(out[127], 'y');
	event_ring_free(ring);
}

#define NUMBERS 200000u

static void *produce(void *ring)
{
	for (uint32_t i = 0; i < NUMBERS;) {
		if (event_ring_push(ring, (const char *)&i, sizeof(i)))
			i++;
	}
	return NULL;
}

static void two_threads_lose_and_double_nothing(void **state)
{
	(void)state;
	struct event_ring *ring;
	pthread_t producer;
	uint32_t next = 0;

	assert_int_equal(event_ring_new(256, &ring), 0);
	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	while (next < NUMBERS) {
		uint32_t number;
		struct iovec pieces[2];

		if (event_ring_peek(ring, pieces) < sizeof(number))
			continue;
		assert_int_equal(take(ring, (char *)&number, sizeof(number)), sizeof(number));
		assert_int_equal(number, next);
		next++;
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	event_ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out_in_order),
		cmocka_unit_test(a_full_ring_takes_all_or_nothing),
		cmocka_unit_test(two_threads_lose_and_double_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
