// SPDX-License-Identifier: BSD-3-Clause
// DPDK's telemetry socket: /cordon/stats, the sum of all workers' counters.
#pragma once

#include "dataplane/command_stats.h"

// source must outlive the process's telemetry thread. Returns 0 or -errno.
int telemetry_register(const struct stats_source *source) __attribute__((warn_unused_result));
