// SPDX-License-Identifier: BSD-3-Clause
// What does not wait for other work of the main loop: the sources of alerts. They hang on a main context of their own,
// which the process's one thread serves whenever the default context waits or looks for events, before any of those
// (but sources of G_PRIORITY_HIGH, for which GLib looks nowhere else),
// and which long work serves in between: a seal then waits for a piece of it, not for the end.
//
// One for each process, for the default context's poll function has no argument. All of it is the thread's that opened
// it.
#pragma once

#include <glib.h>

// From now on until urgent_close. A process that does not call it has its alerts in the default context. Returns 0, or
// -errno when there can be no thread for urgent_wait: then it is as if it had not been called.
int urgent_open(void) __attribute__((warn_unused_result));
// When nothing hangs on the context any more.
void urgent_close(void);
// Where sources of alerts are attached; NULL: the default context.
GMainContext *urgent_context(void);
// Serves what has come, without waiting; seldom enough that it may be called in any inner loop. Does nothing while
// something urgent is being served. Whatever an alert changes at once (seals, what the dataplane knows of them, counts,
// events) may be another one after it; nothing of the store or of held mail is.
void urgent_turn(void);
// Has a thread of its own do the work, which may take long, and serves what comes until it is done. The same holds
// for what an alert may change. While something urgent is being served, or nothing can be, the caller does it itself.
void urgent_wait(void (*work)(void *ctx), void *ctx);
