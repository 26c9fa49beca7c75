// SPDX-License-Identifier: BSD-3-Clause
// Orders to a worker that naps: it takes them now, not when the nap would have ended.
#include "dataplane/seal_json.h"
#include "dataplane/session.h"
#include "dataplane/worker_orders.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
// clang-format on

#include <pthread.h>
#include <stdbool.h>

// Longer than anybody waits for an order to be taken.
#define NAP_US 60000000u
#define ORDERS 1000

struct worker {
	struct worker_orders orders;
	struct engine *engine;
	atomic_bool ends;
};

static void *run(void *arg)
{
	struct worker *worker = arg;

	while (!atomic_load_explicit(&worker->ends, memory_order_relaxed)) {
		uint32_t given = worker_orders_given(&worker->orders);

		worker_orders_take(&worker->orders, worker->engine);
		worker_orders_nap(&worker->orders, given, NAP_US);
	}
	return NULL;
}

static void an_order_ends_a_nap_whenever_it_comes(void **state)
{
	static struct engine engine; // its seals and its want of scanners is all that is looked at
	struct worker worker = {.engine = &engine};
	struct engine_seals *seals = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, run, &worker), 0);
	for (int i = 0; i < ORDERS; i++) {
		struct engine_seals *next = NULL;

		assert_int_equal(seals_none(&next), 0);
		worker_orders_give_seals(&worker.orders, next);
		// It gives up after two seconds.
		assert_int_equal(worker_orders_wait_seals(&worker.orders, next), 0);
		free(seals);
		seals = next;
	}
	atomic_store_explicit(&worker.ends, true, memory_order_relaxed);
	worker_orders_give_seals(&worker.orders, seals); // another order ends its last nap
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ptr_equal(engine.seals, seals);
	free(seals);
}

// ---- meanwhile ----------------------------------------------------------------------------------

static struct worker_orders full;
static struct engine_seals *late;
static unsigned int meanwhiles;

// The worker gets its seals, and takes the scanner then.
static void seal_meanwhile(void *ctx)
{
	assert_ptr_equal(ctx, &full);
	meanwhiles++;
	worker_orders_give_seals(&full, late);
	atomic_store_explicit(&full.offered, NULL, memory_order_release);
}

// Who waits for a worker to have room does what else is to be done.
static void a_scanner_that_is_not_taken_keeps_nothing_else(void **state)
{
	struct scanner *scanner = (struct scanner *)&full; // nobody looks at it

	(void)state;
	assert_int_equal(seals_none(&late), 0);
	assert_int_equal(worker_orders_set_scanner(&full, scanner, seal_meanwhile, &full), 0);
	assert_int_equal(meanwhiles, 1);
	assert_ptr_equal(atomic_load(&full.seals), late);
	free(late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_ends_a_nap_whenever_it_comes),
		cmocka_unit_test(a_scanner_that_is_not_taken_keeps_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
