// SPDX-License-Identifier: BSD-3-Clause
// Messages whose verdict waits for another thread: what it works on, until when, and who wants to know.
//
// The end of such a message is held, like all that its client sends behind it. When the work is done, or
// has taken too long, the message is decided and its session goes on. A message that ends before that
// leaves its scan behind, which is given back once the thread is done with it.
#pragma once

#include "dataplane/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deferral {
	struct deferral *next;   // in the pool, or of those outstanding: oldest first
	struct scan *scan;       // the other thread's
	struct session *session; // NULL: nobody wants to know
	bool is_read;            // a message still tells what was known of it
	bool is_back;            // the other thread is done with it
	uint64_t deadline_ns;
};

size_t deferral_pool_bytes(uint32_t count);
struct deferral_pool *deferral_pool_init(void *memory, uint32_t count);
// How many could be taken still, and how many scans are with the other thread.
uint32_t deferral_pool_free(const struct deferral_pool *pool);
uint32_t deferral_outstanding(const struct deferral_pool *pool);

// Hands the scan of the session's building message over. False: there is no room, or no such thread.
bool deferral_begin(struct engine *engine, struct session *session, uint64_t now_ns)
	__attribute__((warn_unused_result));
// The message does not wait any more. It loses its scan; what was known of it before is its result.
void deferral_leave(struct message *message);
// The message does not read that result any more.
void deferral_forget(struct engine *engine, struct message *message);
// Goes on with messages whose work is done, or has taken too long.
void deferral_tick(struct engine *engine, uint64_t now_ns);
