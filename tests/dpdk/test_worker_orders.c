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
#include <sched.h>
#include <stdbool.h>
#include <string.h>

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
		assert_int_equal(worker_orders_wait_seals(&worker.orders, next, true), 0);
		free(seals);
		seals = next;
	}
	atomic_store_explicit(&worker.ends, true, memory_order_relaxed);
	worker_orders_give_seals(&worker.orders, seals); // another order ends its last nap
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ptr_equal(engine.seals, seals);
	free(seals);
}

// ---- naps ---------------------------------------------------------------------------------------

#define TURNS 20000

// What main says is in force, and a worker that takes naps of any length, and looks at it in the midst of its turns.
static struct {
	struct worker worker;
	struct engine engine;
	atomic_uint_fast64_t in_force;
	atomic_uint wrong;
	pthread_mutex_t processor; // it has none as long as this is held
	atomic_bool is_waiting;    // for it
} napper;

static void *turn_and_nap(void *arg)
{
	struct worker_orders *orders = &napper.worker.orders;
	uint32_t us = 0;

	while (!atomic_load(&napper.worker.ends)) {
		uint32_t given = worker_orders_given(orders);

		atomic_store(&napper.is_waiting, true);
		(void)pthread_mutex_lock(&napper.processor);
		atomic_store(&napper.is_waiting, false);
		(void)pthread_mutex_unlock(&napper.processor);
		worker_orders_take(orders, &napper.engine);
		// A packet that comes now, and what is in force by then.
		for (uint32_t i = 0; i < us; i++) {
			if (atomic_load(&napper.in_force) > napper.engine.seals->generation)
				(void)atomic_fetch_add(&napper.wrong, 1);
		}
		worker_orders_nap(orders, given, us++ % 40);
	}
	return arg;
}

static struct engine_seals *seals_of(uint64_t generation)
{
	struct engine_seals *seals = NULL;

	assert_int_equal(seals_none(&seals), 0);
	seals->generation = generation;
	return seals;
}

static int begin_naps(void **state)
{
	struct worker_orders *orders = &napper.worker.orders;

	memset(&napper, 0, sizeof(napper));
	(void)pthread_mutex_init(&napper.processor, NULL);
	worker_orders_give_seals(orders, seals_of(0));
	*state = malloc(sizeof(pthread_t));
	return pthread_create(*state, NULL, turn_and_nap, NULL);
}

static int end_naps(void **state)
{
	const pthread_t *thread = *state;

	atomic_store(&napper.worker.ends, true);
	assert_int_equal(pthread_join(*thread, NULL), 0);
	free(*state);
	free((void *)(uintptr_t)atomic_load(&napper.worker.orders.seals));
	return 0;
}

static void what_is_in_force_holds_in_each_turn_that_follows(void **state)
{
	struct worker_orders *orders = &napper.worker.orders;
	struct engine_seals *before[2] = {NULL, NULL};

	(void)state;
	for (uint64_t i = 1; i <= TURNS; i++) {
		const struct engine_seals *now = atomic_load(&orders->seals);
		struct engine_seals *next = seals_of(i);
		// Now and then all that were before are let go.
		bool and_taken = i % 2 == 0;

		worker_orders_give_seals(orders, next);
		assert_int_equal(worker_orders_wait_seals(orders, next, and_taken), 0);
		atomic_store(&napper.in_force, i);
		before[i % 2] = (struct engine_seals *)(uintptr_t)now;
		if (!and_taken)
			continue;
		assert_true(worker_orders_have_taken(orders, next));
		free(before[0]);
		free(before[1]);
	}
	assert_int_equal(atomic_load(&napper.wrong), 0);
}

// Between a look at the orders and the end of the nap no order may come that is told to be in force. That is a matter of
// nanoseconds, which no race meets: so it is the nap itself that says that it is over, and looking does not.
static void a_nap_is_over_before_orders_are_looked_at(void **state)
{
	static struct engine engine;
	struct worker_orders orders = {.given = 1};
	struct engine_seals *seals = seals_of(1);

	(void)state;
	// An order came before it has begun.
	worker_orders_nap(&orders, 0, NAP_US);
	assert_false(atomic_load(&orders.is_napping));
	worker_orders_give_seals(&orders, seals);
	atomic_store(&orders.is_napping, true);
	worker_orders_take(&orders, &engine);
	assert_ptr_equal(engine.seals, seals);
	assert_true(atomic_load(&orders.is_napping));
	free(seals);
}

// One that has napped, and gets no processor: nothing else comes before it looks at its orders.
static void who_naps_is_not_waited_for(void **state)
{
	struct worker_orders *orders = &napper.worker.orders;
	const struct engine_seals *first = atomic_load(&orders->seals);
	struct engine_seals *next = seals_of(1);

	(void)state;
	assert_int_equal(worker_orders_wait_seals(orders, first, true), 0);
	(void)pthread_mutex_lock(&napper.processor);
	while (!atomic_load(&napper.is_waiting))
		(void)sched_yield();
	// As in a nap that the kernel does not end yet.
	atomic_store(&orders->is_napping, true);
	worker_orders_give_seals(orders, next);
	assert_int_equal(worker_orders_wait_seals(orders, next, false), 0);
	assert_false(worker_orders_have_taken(orders, next));
	(void)pthread_mutex_unlock(&napper.processor);
	assert_int_equal(worker_orders_wait_seals(orders, next, true), 0);
	free((void *)(uintptr_t)first);
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
		cmocka_unit_test_setup_teardown(
			what_is_in_force_holds_in_each_turn_that_follows, begin_naps, end_naps),
		cmocka_unit_test(a_nap_is_over_before_orders_are_looked_at),
		cmocka_unit_test_setup_teardown(who_naps_is_not_waited_for, begin_naps, end_naps),
		cmocka_unit_test(a_scanner_that_is_not_taken_keeps_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
