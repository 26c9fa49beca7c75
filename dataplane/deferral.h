// SPDX-License-Identifier: BSD-3-Clause
// Messages whose verdict waits for another thread: what it works on, until when, and who wants to know.
//
// The end of such a message is held, like all that its client sends behind it. When the work is done, or
// has taken too long, the message is decided and its session goes on. Two things may be worked on:
//
//   the rest of its scan (scan_work). A message that ends before that leaves its scan behind, which is given
//   back once the thread is done with it.
//
//   all of it once more, because the rules have changed since it began: its copy is recalled from the spool,
//   and scanned by the rules that are in force, on the scanner that belongs to the thread. When these change
//   as well meanwhile, it begins anew. A message that ends before that leaves its copy behind.
#pragma once

#include "dataplane/session.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum deferral_step {
	DEFERRAL_SCAN,   // the thread has the rest of a scan
	DEFERRAL_RECALL, // the copy is waited for; the thread has nothing
	DEFERRAL_JUDGE,  // the thread scans the copy
	DEFERRAL_USED,   // that scan's result is the message's; the thread has nothing
	DEFERRAL_FREE,   // the thread gives that scan back
};

struct deferral {
	struct deferral *next;   // in the pool, or of those outstanding: oldest first
	struct scan *scan;       // the other thread's
	struct session *session; // NULL: nobody wants to know
	struct scanner *scanner; // of the rules that judge it again
	const struct engine_spool *spool;
	const struct scan_result *result;
	void *copy; // read by the thread
	uint64_t deadline_ns;
	_Atomic(struct scan *) again; // the thread writes
	atomic_bool stop;             // the engine writes
	int error;                    // of judging again: 0, or why there is no result
	uint8_t step;                 // enum deferral_step
	bool is_read;                 // a message still tells what was known of it
	bool is_back;                 // the other thread is done with it
	bool has_copy;                // its message is gone, and the copy goes with this
};

size_t deferral_pool_bytes(uint32_t count);
struct deferral_pool *deferral_pool_init(void *memory, uint32_t count);
// How many could be taken still, and how many the other thread has, or will have.
uint32_t deferral_pool_free(const struct deferral_pool *pool);
uint32_t deferral_outstanding(const struct deferral_pool *pool);

// On the other thread: what was handed over.
void deferral_work(struct deferral *deferral);

// Hands the scan of the session's building message over. False: there is no room, or no such thread.
bool deferral_begin(struct engine *engine, struct session *session, uint64_t now_ns)
	__attribute__((warn_unused_result));
// Has the session's building message, which is complete in its copy, judged by the rules in force. False:
// there is no copy, no room, or no such thread.
bool deferral_judge_again(struct engine *engine, struct session *session, uint64_t now_ns)
	__attribute__((warn_unused_result));
// The message does not wait any more. It loses its scan, and what was known of it before is its result; or
// its copy.
void deferral_leave(struct engine *engine, struct message *message);
// The message does not read that result any more.
void deferral_forget(struct engine *engine, struct message *message);
// Nor that of having been judged again.
void deferral_release(struct engine *engine, struct message *message);
// Messages that are judged again by this scanner's rules: they began on others.
bool deferral_uses(const struct engine *engine, const struct scanner *scanner);
// What is judged by this scanner's rules is begun anew with those in force.
void deferral_outdate(struct engine *engine, const struct scanner *scanner);
// Goes on with messages whose work is done, or has taken too long.
void deferral_tick(struct engine *engine, uint64_t now_ns);
