// SPDX-License-Identifier: BSD-3-Clause
// The ring ports between a rig's worker and its traffic. One set for the process: ports cannot be taken away
// from a ring.
#pragma once

#include "dataplane/port.h"

#include <rte_mbuf.h>

#include <stdint.h>

#define RIG_BURST 32u

const struct ports *rig_wires_ports(void);
unsigned int rig_wires_lcore(void); // of the worker
// The traffic's ends, by enum link_side. Return how many frames were taken, or given.
uint32_t rig_wires_send(int side, struct rte_mbuf **frames, uint32_t n);
uint32_t rig_wires_receive(int side, struct rte_mbuf **frames, uint32_t n);
