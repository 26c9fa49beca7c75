// SPDX-License-Identifier: BSD-3-Clause
// What rig.c and rig_idle.c share.
#pragma once

#include "dataplane/seal.h"
#include "dataplane/worker.h"
#include "perf/rig.h"
#include "perf/rig_wires.h"

#include <time.h>

struct rig {
	struct options options;
	struct worker_shared shared;
	struct worker *worker;
	struct engine_seals *seals;
	clockid_t worker_clock;
	atomic_bool has_clock;
	struct rte_mbuf *burst[2][RIG_BURST];
	uint32_t burst_count[2];
	char *line;
	size_t line_bytes;
	uint32_t *latencies; // of the engine, in us
	uint32_t latencies_count;
	struct rig_result *result; // of the run
	struct traffic *active;    // of the run, NULL: none
	struct traffic *idle;      // beside it, NULL: none
};

// Asked before each turn whether there is more to do or to wait for.
typedef bool (*rig_more_fn)(struct rig *rig, void *ctx);

struct traffic *rig_traffic(struct rig *rig, const struct traffic_options *options);
// Takes turns, and measures them; the totals are this traffic's (NULL: nobody's).
void rig_drive(struct rig *rig, struct traffic *traffic, rig_more_fn more, void *ctx,
	struct rig_result *result);
