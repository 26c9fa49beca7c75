// SPDX-License-Identifier: BSD-3-Clause
// For tests only: frames lost, doubled, delayed and overtaken between receive and engine, the same way
// for the same seed and the same arrivals.
#pragma once

#include "dataplane/options.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <stdint.h>

struct port_faults;

// Returns 0 or -ENOMEM. number sets the workers' random numbers apart.
int port_faults_new(const struct options_faults *options, uint32_t number, struct rte_mempool *pool,
	struct port_faults **out) __attribute__((warn_unused_result));
// Frees it and the frames in it. NULL is fine.
void port_faults_free(struct port_faults *faults);
// Takes a frame that came in now. Its port and offset come out unchanged.
void port_faults_push(struct port_faults *faults, struct rte_mbuf *mbuf, uint64_t now_ns);
// The next frame that is due, or NULL. The caller owns it.
struct rte_mbuf *port_faults_pull(struct port_faults *faults, uint64_t now_ns);
