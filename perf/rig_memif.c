// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rig_memif.h"

#include "perf/perf.h"
#include "perf/rig_state.h"

#include <rte_cycles.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_US 50u
#define IDLE_TURNS 200u
#define STALL_NS 20000000000ull

// What the worker's process knows of itself.
struct numbers {
	double worker_s;
	double waiting_s;
	double others_s;
	uint64_t dropped;
	uint64_t events;
	uint64_t verdicts_wrong;
};

// Written by both processes: asked, is_open and stop by that of the traffic, the others by that of the worker; numbers are
// there once answered is what asked is.
struct shared {
	atomic_uint asked;
	atomic_uint answered;
	atomic_uint_fast64_t events;
	atomic_bool is_open; // the traffic's ports are there
	atomic_bool ready;
	atomic_bool stop;
	struct numbers numbers;
};

struct rig_memif {
	struct shared *shared;
	struct worker_shared clock;
	struct rig_ends ends;
	pid_t pid;
};

// ---- the worker's process -----------------------------------------------------------------------

static void answer(struct shared *shared, const struct rig *rig)
{
	double own = rig_seconds(CLOCK_THREAD_CPUTIME_ID);
	double all = rig_seconds(CLOCK_PROCESS_CPUTIME_ID);
	double worker = rig_seconds(rig->worker_clock);

	shared->numbers = (struct numbers){.worker_s = worker,
		.waiting_s = rig_wait_s(rig),
		.others_s = all - own - worker,
		.dropped = rig_drops(worker_engine(rig->worker)),
		.events = rig->result->events,
		.verdicts_wrong = rig->result->verdicts_wrong};
}

static void serve(struct shared *shared, const char *name, const struct options *options,
	const struct ruleset *ruleset)
{
	struct rig_result result = {0};
	struct rig *rig;

	rig_start_memif(name, true, &shared->is_open);
	rig = rig_new(options, ruleset, NULL);
	rig->result = &result;
	atomic_store_explicit(&shared->ready, true, memory_order_release);
	while (!atomic_load_explicit(&shared->stop, memory_order_acquire)) {
		unsigned int asked = atomic_load_explicit(&shared->asked, memory_order_acquire);

		rig_take_events(rig);
		atomic_store_explicit(&shared->events, result.events, memory_order_release);
		if (asked != atomic_load_explicit(&shared->answered, memory_order_relaxed)) {
			answer(shared, rig);
			atomic_store_explicit(&shared->answered, asked, memory_order_release);
		}
		rte_delay_us_sleep(LOOK_US);
	}
	rig_free(rig);
}

// ---- the traffic's process ----------------------------------------------------------------------

static void need_alive(const struct rig_memif *memif)
{
	int status = 0;

	perf_need(waitpid(memif->pid, &status, WNOHANG) == 0, "the worker's process");
}

struct rig_memif *rig_memif_new(const struct options *options, const struct ruleset *ruleset)
{
	struct rig_memif *memif = perf_alloc(sizeof(*memif));
	char name[64];

	memif->shared = mmap(NULL, sizeof(*memif->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	perf_need(memif->shared != MAP_FAILED, "shared memory");
	(void)snprintf(name, sizeof(name), "cordon-perf-%d", (int)getpid());
	memif->pid = fork();
	perf_need(memif->pid >= 0, "a process");
	if (memif->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(memif->shared, name, options, ruleset);
		_exit(0);
	}
	rig_start_memif(name, false, &memif->shared->is_open);
	worker_clock_init(&memif->clock);
	while (!atomic_load_explicit(&memif->shared->ready, memory_order_acquire)) {
		need_alive(memif);
		rte_delay_us_sleep(LOOK_US);
	}
	return memif;
}

void rig_memif_free(struct rig_memif *memif)
{
	int status = 0;

	atomic_store_explicit(&memif->shared->stop, true, memory_order_release);
	perf_need(waitpid(memif->pid, &status, 0) == memif->pid && status == 0,
		"the worker's process to end well");
	(void)munmap(memif->shared, sizeof(*memif->shared));
	free(memif);
}

static struct numbers ask(const struct rig_memif *memif)
{
	struct shared *shared = memif->shared;
	unsigned int asked = atomic_fetch_add_explicit(&shared->asked, 1, memory_order_acq_rel) + 1;

	while (atomic_load_explicit(&shared->answered, memory_order_acquire) != asked) {
		need_alive(memif);
		rte_delay_us_sleep(LOOK_US);
	}
	return shared->numbers;
}

static bool is_done(const struct rig_memif *memif, const struct numbers *before)
{
	const struct traffic *traffic = memif->ends.active;

	return traffic_is_done(traffic) &&
	       atomic_load_explicit(&memif->shared->events, memory_order_acquire) ==
		       before->events + traffic_totals(traffic)->begun;
}

static void complete(struct rig_memif *memif, const struct numbers *before)
{
	uint64_t moved_ns = worker_clock_ns(&memif->clock);
	uint32_t empty = 0;

	while (!is_done(memif, before)) {
		uint64_t now_ns = worker_clock_ns(&memif->clock);

		if (rig_ends_turn(&memif->ends, now_ns)) {
			moved_ns = now_ns;
			empty = 0;
		} else if (++empty > IDLE_TURNS) {
			need_alive(memif);
			rte_delay_us_sleep(LOOK_US); // the processor may be the worker's
		}
		perf_need(now_ns - moved_ns < STALL_NS, "traffic that moves");
	}
}

void rig_memif_run(void *ctx, const struct traffic_options *options, struct rig_result *result)
{
	struct rig_memif *memif = ctx;
	struct numbers before = ask(memif);
	double wall = rig_seconds(CLOCK_MONOTONIC);
	const uint32_t *latencies;
	struct numbers after;
	uint32_t count;

	memset(result, 0, sizeof(*result));
	memif->ends.active = rig_ends_traffic(&memif->ends, options);
	complete(memif, &before);
	after = ask(memif);
	result->totals = *traffic_totals(memif->ends.active);
	result->wall_s = rig_seconds(CLOCK_MONOTONIC) - wall;
	result->worker_s = after.worker_s - before.worker_s;
	result->waiting_s = after.waiting_s - before.waiting_s;
	result->others_s = after.others_s - before.others_s;
	result->dropped = after.dropped - before.dropped;
	result->events = after.events - before.events;
	result->verdicts_wrong = after.verdicts_wrong - before.verdicts_wrong;
	count = traffic_latencies(memif->ends.active, &latencies);
	rig_quantiles(latencies, count, 1, result->latencies);
	traffic_free(memif->ends.active);
	memif->ends.active = NULL;
}
