// SPDX-License-Identifier: BSD-3-Clause
// Packets to workers where the ports cannot spread them: the first worker polls all ports, hands each
// packet to the worker that its addresses name, and sends what the others have for the ports.
#pragma once

#include "dataplane/options.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdint.h>

#define DISTRIBUTOR_BURST 32

// Frames for one worker that go into its ring together.
struct distributor_burst {
	struct rte_mbuf *frames[DISTRIBUTOR_BURST];
	uint32_t count;
};

struct distributor {
	uint32_t workers;
	enum options_spread spread;
	struct rte_ring *to_worker[OPTIONS_MAX_WORKERS]; // first worker enqueues; [0] is NULL
	struct rte_ring
		*to_ports[OPTIONS_MAX_WORKERS]; // that worker enqueues; mbuf->port: where to
	struct distributor_burst burst[OPTIONS_MAX_WORKERS]; // the first worker's
};

// Makes the rings. Returns 0 or -ENOMEM.
int distributor_init(struct distributor *distributor, uint32_t workers, enum options_spread spread)
	__attribute__((warn_unused_result));
// Frees the rings and the packets in them.
void distributor_fini(struct distributor *distributor);
// The same for both directions of a connection. By addresses alone, or with the ports of whole TCP
// and UDP packets under SPREAD_FLOWS. What is not IP goes to the first worker.
uint32_t distributor_worker_of(const struct distributor *distributor, const struct rte_mbuf *mbuf);
// Hands at most DISTRIBUTOR_BURST frames to their workers, in their order. Those of the first worker are moved to
// the front of frames: *own is their number. Returns how many were freed for want of room in a ring.
uint32_t distributor_spread(
	struct distributor *distributor, struct rte_mbuf **frames, uint32_t n, uint32_t *own);
