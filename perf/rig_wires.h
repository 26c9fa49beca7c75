// SPDX-License-Identifier: BSD-3-Clause
// The ports between a rig's worker and its traffic: rings, or memory that is shared with another process
// (net_memif). One set for the process: ports cannot be taken away from a ring.
#pragma once

#include "dataplane/port.h"

#include <rte_mbuf.h>

#include <stdatomic.h>
#include <stdint.h>

#define RIG_BURST 32u

// In place of rig_start_dpdk: the name is of a socket that both processes know (an abstract one). Returns when the
// other process is there. is_open: shared memory, false; the traffic's process sets it when its ports are there.
void rig_start_memif(const char *name, bool is_engine, atomic_bool *is_open);
const struct ports *rig_wires_ports(void);
unsigned int rig_wires_lcore(void); // of the worker
// The traffic's ends, by enum link_side. Return how many frames were taken, or given.
uint32_t rig_wires_send(int side, struct rte_mbuf **frames, uint32_t n);
uint32_t rig_wires_receive(int side, struct rte_mbuf **frames, uint32_t n);
