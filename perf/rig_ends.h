// SPDX-License-Identifier: BSD-3-Clause
// Traffic at both ends of the wires.
#pragma once

#include "perf/rig_wires.h"
#include "perf/traffic.h"

struct rig_ends {
	struct rte_mbuf *burst[2][RIG_BURST]; // by enum link_side, to be sent
	uint32_t count[2];
	struct traffic *active; // NULL: none
	struct traffic *idle;   // the same; other addresses
};

struct traffic *rig_ends_traffic(struct rig_ends *ends, const struct traffic_options *options);
// Takes what has come and sends what is due. Returns whether there was anything.
bool rig_ends_turn(struct rig_ends *ends, uint64_t now_ns);
