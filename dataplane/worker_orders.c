// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_orders.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

// A worker's turn is a matter of microseconds, its nap of a millisecond.
#define WAIT_NS 2000000000ull
#define POLL_US 10
#define NS_PER_S 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

// ---- the worker's side --------------------------------------------------------------------------

static void take_scanner(struct worker_orders *orders, struct engine *engine)
{
	struct scanner *offered;

	if (atomic_load_explicit(&orders->offered, memory_order_relaxed) == NULL ||
		!engine_has_room_for_scanner(engine))
		return;
	// Once more in earnest: the other thread may have taken it back.
	offered = atomic_exchange_explicit(&orders->offered, NULL, memory_order_acq_rel);
	if (offered != NULL)
		engine_set_scanner(engine, offered);
}

static void take_seals(struct worker_orders *orders, struct engine *engine)
{
	// Acquire, with the release of worker_orders_set_seals: what they point to is there.
	const struct engine_seals *seals =
		atomic_load_explicit(&orders->seals, memory_order_acquire);

	if (seals == atomic_load_explicit(&orders->taken, memory_order_relaxed))
		return;
	engine_set_seals(engine, seals);
	// Release, with the acquire of worker_orders_set_seals: nobody looks at the old ones here.
	atomic_store_explicit(&orders->taken, seals, memory_order_release);
}

void worker_orders_take(struct worker_orders *orders, struct engine *engine)
{
	take_seals(orders, engine);
	take_scanner(orders, engine);
	if (atomic_load_explicit(&orders->idle, memory_order_relaxed) == NULL)
		atomic_store_explicit(
			&orders->idle, engine_take_idle_scanner(engine), memory_order_release);
}

// ---- the main thread's side ---------------------------------------------------------------------

int worker_orders_set_scanner(struct worker_orders *orders, struct scanner *scanner)
{
	uint64_t limit_ns = now_ns() + WAIT_NS;

	atomic_store_explicit(&orders->offered, scanner, memory_order_release);
	while (atomic_load_explicit(&orders->offered, memory_order_acquire) != NULL) {
		if (now_ns() > limit_ns)
			return atomic_exchange_explicit(
				       &orders->offered, NULL, memory_order_acq_rel) != NULL
				       ? -ETIMEDOUT
				       : 0;
		(void)usleep(POLL_US);
	}
	return 0;
}

int worker_orders_set_seals(
	struct worker_orders *orders, const struct engine_seals *seals, bool is_running)
{
	uint64_t limit_ns = now_ns() + WAIT_NS;

	atomic_store_explicit(&orders->seals, seals, memory_order_release);
	while (is_running && atomic_load_explicit(&orders->taken, memory_order_acquire) != seals) {
		if (now_ns() > limit_ns)
			return -ETIMEDOUT;
		(void)usleep(POLL_US);
	}
	return 0;
}

struct scanner *worker_orders_take_idle(struct worker_orders *orders)
{
	return atomic_exchange_explicit(&orders->idle, NULL, memory_order_acq_rel);
}
