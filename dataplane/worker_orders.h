// SPDX-License-Identifier: BSD-3-Clause
// What the main thread tells a running worker: rules and seals to go on with. The worker looks once a turn
// of its loop; the main thread waits until it has.
#pragma once

#include "dataplane/engine.h"

#include <stdatomic.h>
#include <stdint.h>

struct worker_orders {
	_Atomic(struct scanner *) offered;          // main to worker; NULL: taken
	_Atomic(struct scanner *) idle;             // worker to main; NULL: none
	_Atomic(const struct engine_seals *) seals; // main to worker
	_Atomic(const struct engine_seals *) taken; // worker to main: those that are in force
};

// Of the worker: takes what is there.
void worker_orders_take(struct worker_orders *orders, struct engine *engine);

// Of the main thread. Each waits for the worker's turn: returns 0 when what follows is in force, or
// -ETIMEDOUT. Then the scanner is the caller's again; of the seals the worker may take the old or the new.
int worker_orders_set_scanner(struct worker_orders *orders, struct scanner *scanner)
	__attribute__((warn_unused_result));
int worker_orders_set_seals(struct worker_orders *orders, const struct engine_seals *seals,
	bool is_running) __attribute__((warn_unused_result));
// A scanner that the worker does not need any more: the caller frees it. NULL: none.
struct scanner *worker_orders_take_idle(struct worker_orders *orders);
