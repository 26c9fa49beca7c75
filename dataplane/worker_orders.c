// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker_orders.h"

#include <linux/futex.h>

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// A worker's turn is a matter of microseconds, and an order ends its nap.
#define WAIT_NS 2000000000ull
#define POLL_US 10
#define AWAKE_NS                                                                                   \
	100000u // that a worker takes to wake: less than it would take to sleep, and to wake again
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
	// In one order with the store of worker_orders_give_seals, and with that nap's end: see is_in_force.
	const struct engine_seals *seals =
		atomic_load_explicit(&orders->seals, memory_order_seq_cst);

	if (seals == atomic_load_explicit(&orders->taken, memory_order_relaxed))
		return;
	engine_set_seals(engine, seals);
	// Release, with the acquire of worker_orders_have_taken: nobody looks at the old ones here.
	atomic_store_explicit(&orders->taken, seals, memory_order_release);
}

uint32_t worker_orders_given(const struct worker_orders *orders)
{
	// Acquire, with the release of end_nap: the order that was counted is there to be taken.
	return atomic_load_explicit(&orders->given, memory_order_acquire);
}

void worker_orders_nap(struct worker_orders *orders, uint32_t given, uint32_t us)
{
	const struct timespec most = {us / 1000000, (long)(us % 1000000) * 1000};

	atomic_store_explicit(&orders->is_napping, true, memory_order_seq_cst);
	// Returns at once when the number is another one by now.
	(void)syscall(SYS_futex, &orders->given, FUTEX_WAIT_PRIVATE, given, &most, NULL, 0);
	atomic_store_explicit(&orders->is_napping, false, memory_order_seq_cst);
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

static void end_nap(struct worker_orders *orders)
{
	(void)atomic_fetch_add_explicit(&orders->given, 1, memory_order_release);
	(void)syscall(SYS_futex, &orders->given, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int worker_orders_set_scanner(struct worker_orders *orders, struct scanner *scanner,
	void (*meanwhile)(void *ctx), void *ctx)
{
	uint64_t limit_ns = now_ns() + WAIT_NS;

	atomic_store_explicit(&orders->offered, scanner, memory_order_release);
	end_nap(orders);
	while (atomic_load_explicit(&orders->offered, memory_order_acquire) != NULL) {
		if (now_ns() > limit_ns)
			return atomic_exchange_explicit(
				       &orders->offered, NULL, memory_order_acq_rel) != NULL
				       ? -ETIMEDOUT
				       : 0;
		if (meanwhile != NULL)
			meanwhile(ctx);
		(void)usleep(POLL_US);
	}
	return 0;
}

void worker_orders_give_seals(struct worker_orders *orders, const struct engine_seals *seals)
{
	atomic_store_explicit(&orders->seals, seals, memory_order_seq_cst);
	end_nap(orders);
}

bool worker_orders_have_taken(const struct worker_orders *orders, const struct engine_seals *seals)
{
	return atomic_load_explicit(&orders->taken, memory_order_acquire) == seals;
}

// That the worker naps is read after the seals were stored; it reads the seals after it has stored that its nap is
// over. All four are in one order, so that a nap that is seen here ends before the seals are looked at.
static bool is_in_force(
	const struct worker_orders *orders, const struct engine_seals *seals, bool and_taken)
{
	return worker_orders_have_taken(orders, seals) ||
	       (!and_taken && atomic_load_explicit(&orders->is_napping, memory_order_seq_cst));
}

int worker_orders_wait_seals(
	struct worker_orders *orders, const struct engine_seals *seals, bool and_taken)
{
	uint64_t began_ns = now_ns();
	uint64_t limit_ns = began_ns + WAIT_NS;

	while (!is_in_force(orders, seals, and_taken)) {
		uint64_t now = now_ns();

		if (now > limit_ns)
			return -ETIMEDOUT;
		if (now - began_ns < AWAKE_NS)
			(void)sched_yield();
		else
			(void)usleep(POLL_US);
	}
	return 0;
}

struct scanner *worker_orders_take_idle(struct worker_orders *orders)
{
	return atomic_exchange_explicit(&orders->idle, NULL, memory_order_acq_rel);
}
