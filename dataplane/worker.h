// SPDX-License-Identifier: BSD-3-Clause
// A worker: one thread that polls, runs its engine, and sends. It owns the engine and everything the
// engine reaches; others look at counters and take event lines out of the ring.
#pragma once

#include "dataplane/distributor.h"
#include "dataplane/engine.h"
#include "dataplane/event_ring.h"
#include "dataplane/events.h"
#include "dataplane/port.h"
#include "dataplane/worker_orders.h"

#include <stdatomic.h>
#include <stdint.h>

// What all workers have in common. Set up before they start; only the atomics change afterwards.
struct worker_shared {
	const struct options *options;
	const struct ports *ports;
	struct spool *spool;             // NULL: nothing can be kept
	struct distributor *distributor; // NULL: every worker polls queues of its own
	const char *links[OPTIONS_MAX_LINKS];
	uint64_t clock_base;                 // TSC at now_ns == 0
	uint64_t clock_scale;                // ns per TSC tick, times 2^32
	atomic_int_fast64_t epoch_offset_ns; // main thread writes, workers read
	atomic_bool stop;                    // main thread sets
	atomic_uint running;                 // workers in their loop
	atomic_uint stopping;                // workers that have not sent everything yet
	// For who measures, from within the worker's thread: before each turn of its loop and after it. NULL: nobody.
	void (*turned)(void *ctx, bool ends);
	void *turned_ctx;
};

struct worker;

// Everything the worker will need. Returns 0 or -ENOMEM.
int worker_new(struct worker_shared *shared, uint32_t number, const struct ruleset *ruleset,
	struct worker **out) __attribute__((warn_unused_result));
void worker_free(struct worker *worker);
// The loop of the struct worker that arg is, until shared->stop; for rte_eal_remote_launch. Returns 0.
int worker_run(void *arg);

// What another thread may tell it while it runs.
struct worker_orders *worker_get_orders(struct worker *worker);
const struct engine *worker_engine(const struct worker *worker);
struct event_ring *worker_ring(struct worker *worker);

void worker_clock_init(struct worker_shared *shared);
uint64_t worker_clock_ns(const struct worker_shared *shared);
