// SPDX-License-Identifier: BSD-3-Clause
// A worker's second thread: does what needs time and memory (deferral_work), so that the worker need not.
// Deferrals go to it and come back through rings that only these two threads use.
#pragma once

#include "dataplane/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct worker_helper;

// count: with it at once. Starts the thread. Returns 0, -ENOMEM or the negative errno of the thread.
int worker_helper_new(uint32_t number, uint32_t count, struct worker_helper **out)
	__attribute__((warn_unused_result));
// It has been given nothing, or has given all back: else it is left as it is, and its thread goes on.
void worker_helper_free(struct worker_helper *helper);

// By the worker's thread alone. push: false when there is no room. pull: NULL when nothing is done.
bool worker_helper_push(struct worker_helper *helper, struct deferral *deferral);
struct deferral *worker_helper_pull(struct worker_helper *helper);
