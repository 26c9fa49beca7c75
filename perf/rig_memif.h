// SPDX-License-Identifier: BSD-3-Clause
// A rig whose traffic is in a process of its own: the packets go through memory that both share (net_memif), and
// nothing else of either is in the other's caches or address space.
#pragma once

#include "perf/rig.h"

struct rig_memif;

// Once, before anything of DPDK: a process with a worker is begun, which this one talks to. Rules are those that
// this process has now.
struct rig_memif *rig_memif_new(const struct options *options, const struct ruleset *ruleset);
void rig_memif_free(struct rig_memif *memif);
// As rig_run, but for what the engine says of latencies. ctx is the rig_memif.
void rig_memif_run(void *ctx, const struct traffic_options *options, struct rig_result *result);
