// SPDX-License-Identifier: BSD-3-Clause
// What the main thread tells a running worker: rules and seals to go on with. The worker looks once a turn
// of its loop; the main thread waits until it has.
#pragma once

#include "dataplane/engine.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker_orders {
	_Atomic(struct scanner *) offered;          // main to worker; NULL: taken
	_Atomic(struct scanner *) idle;             // worker to main; NULL: none
	_Atomic(const struct engine_seals *) seals; // main to worker
	_Atomic(const struct engine_seals *) taken; // worker to main: those that it goes by
	_Atomic uint32_t given;                     // main to worker: so many orders; ends a nap
	atomic_bool is_napping;                     // worker to main: it looks at orders first
};

// Of the worker: takes what is there. After a nap nothing else is done before.
void worker_orders_take(struct worker_orders *orders, struct engine *engine);
// Of the worker: how many orders were given, to be asked before they are taken; and a nap that ends when
// another one has been given since.
uint32_t worker_orders_given(const struct worker_orders *orders);
void worker_orders_nap(struct worker_orders *orders, uint32_t given, uint32_t us);

// Of the main thread. What waits, waits for the worker's turn: returns 0 when what follows is in force, or
// -ETIMEDOUT. Then the scanner is the caller's again; of the seals the worker may take the old or the new. A worker that
// has no room for a scanner yet is no reason for others to wait: meanwhile (NULL: nothing is to be done) is called as
// long as it is waited for, and may give seals.
int worker_orders_set_scanner(struct worker_orders *orders, struct scanner *scanner,
	void (*meanwhile)(void *ctx), void *ctx) __attribute__((warn_unused_result));
// Seals are given to all workers before the first of them is waited for. They are in force, too, in a worker that naps:
// whatever it does next, it does by them, however long it has to wait for a processor first. The ones before may not
// be freed until it has taken them; and_taken: that is waited for.
void worker_orders_give_seals(struct worker_orders *orders, const struct engine_seals *seals);
int worker_orders_wait_seals(struct worker_orders *orders, const struct engine_seals *seals,
	bool and_taken) __attribute__((warn_unused_result));
bool worker_orders_have_taken(const struct worker_orders *orders, const struct engine_seals *seals);
// A scanner that the worker does not need any more: the caller frees it. NULL: none.
struct scanner *worker_orders_take_idle(struct worker_orders *orders);
