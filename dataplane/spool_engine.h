// SPDX-License-Identifier: BSD-3-Clause
// The spool as a worker's engine sees it: engine_spool over a spool_worker. The engine asks of each copy how
// far it is; the spool tells of results in the order they come in.
//
// In the record the reason of what a seal holds is "sealed:MODE" (hold, hold-attachments, strip), "seal-scope"
// for what no seal covers after all (seal.h), "alert" (and the seal's mode) for what may be one, and that of the
// verdict for what is in quarantine. Its parts
// are what events_format_summary says of the scan.
#pragma once

#include "dataplane/engine.h"
#include "dataplane/spool.h"

#include <stdint.h>

struct spool_engine;

// copies: begun and not yet done, at once. links are the names by link number; both outlive it. Returns 0 or
// -ENOMEM.
int spool_engine_new(struct spool_worker *worker, uint32_t copies, const char *const *links,
	struct spool_engine **out) __attribute__((warn_unused_result));
// Copies that are still there are given up.
void spool_engine_free(struct spool_engine *engine);
// For engine_ops.spool; lives as long as this.
const struct engine_spool *spool_engine_ops(struct spool_engine *engine);
// Takes results in, once a turn of the loop. now_ns is of CLOCK_MONOTONIC, the spool's; epoch_offset_ns
// makes the engine's times (held_mail.time_ns) nanoseconds since 1970.
void spool_engine_turn(struct spool_engine *engine, uint64_t now_ns, int64_t epoch_offset_ns);
// Copies that were begun and are not done yet.
uint32_t spool_engine_busy(const struct spool_engine *engine);
