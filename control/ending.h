// SPDX-License-Identifier: BSD-3-Clause
// The end of the process, for threads that wait for others meanwhile: a dataplane that hangs would hold it for half a
// minute, a mail server that is silent for five. One for each process.
#pragma once

#include <stdbool.h>

// Returns 0 or -errno.
int ending_open(void) __attribute__((warn_unused_result));
void ending_begin(void);
// To be polled on any thread: readable from a second after that on. -1: not open.
int ending_descriptor(void);
// Whether it is.
bool ending_has_come(void);
void ending_close(void);
