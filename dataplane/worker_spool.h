// SPDX-License-Identifier: BSD-3-Clause
// What an engine asks of the spool (struct engine_spool), done by a worker's side of the real one.
#pragma once

#include "dataplane/engine.h"
#include "dataplane/events.h"
#include "dataplane/spool.h"

#include <stdint.h>

struct worker_spool;

// records: copies at once, as the spool has. events has the links' names and outlives it. Returns 0 or
// -ENOMEM.
int worker_spool_new(struct spool_worker *side, uint32_t records,
	const struct events_context *events, struct worker_spool **out)
	__attribute__((warn_unused_result));
void worker_spool_free(struct worker_spool *spool);
// For engine_ops.spool.
const struct engine_spool *worker_spool_ops(struct worker_spool *spool);
// Takes in what has become durable: once a turn of the loop.
void worker_spool_poll(struct worker_spool *spool);
// Copies that the spool has still: committed or in progress.
uint32_t worker_spool_busy(const struct worker_spool *spool);
