// SPDX-License-Identifier: BSD-3-Clause
// The end of the process, for threads that wait for the dataplane meanwhile: one that hangs would hold it for half a minute.
// One for each process.
#pragma once

// Returns 0 or -errno.
int ending_open(void) __attribute__((warn_unused_result));
void ending_begin(void);
// For local_ask_until, on any thread: readable from a second after that on. -1: not open.
int ending_descriptor(void);
void ending_close(void);
