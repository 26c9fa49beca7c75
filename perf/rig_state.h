// SPDX-License-Identifier: BSD-3-Clause
// What rig*.c share.
#pragma once

#include "dataplane/seal.h"
#include "dataplane/worker.h"
#include "perf/rig.h"
#include "perf/rig_ends.h"

#include <stdatomic.h>
#include <time.h>

// Of the worker's thread, but ns: it adds to that, any thread reads it.
struct rig_wait {
	uint64_t packets;  // that were seen, both ways
	double since;      // of its clock
	bool waits;        // the last turn was without packets
	uint64_t clock_ns; // that it takes to read its clock; 0: not measured yet
	atomic_uint_fast64_t ns;
};

struct rig {
	struct options options;
	struct worker_shared shared;
	struct worker *worker;
	struct engine_seals *seals;
	clockid_t worker_clock;
	atomic_bool has_clock;
	struct rig_wait wait;
	struct rig_ends ends; // beside the run's there may be idle ones
	char *line;
	size_t line_bytes;
	uint32_t *latencies; // of the engine, in us
	uint32_t latencies_count;
	struct rig_result *result; // of the run
};

// rig_wait.c: to be called around each turn of the worker; what it has spent waiting.
void rig_wait_turned(struct rig *rig, bool ends);
double rig_wait_s(const struct rig *rig);
// Asked before each turn whether there is more to do or to wait for.
typedef bool (*rig_more_fn)(struct rig *rig, void *ctx);

// Takes turns, and measures them; the totals are this traffic's (NULL: nobody's).
void rig_drive(struct rig *rig, struct traffic *traffic, rig_more_fn more, void *ctx,
	struct rig_result *result);
// Lines about mails are looked at.
void rig_take_events(struct rig *rig);
// Packets, by any counter.
uint64_t rig_drops(const struct engine *engine);
double rig_seconds(clockid_t clock);
// p50, p99 and p99.9, times scale.
void rig_quantiles(const uint32_t *sorted, uint32_t count, uint32_t scale, uint32_t out[3]);
