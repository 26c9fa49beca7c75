// SPDX-License-Identifier: BSD-3-Clause
// A bound on the processor time of one call into a library that may never come back.
//
// A timer of the thread's own processor time interrupts the call, and it is left where it stands: what
// it had is lost. It is not left inside of libc or the loader, whose locks the thread may hold there, but
// as soon as it is out of them. For threads that may make system calls; the signal SIGRTMIN + 5 is
// taken for it.
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

struct guard {
	sigjmp_buf leave;
};

// So many calls may be left in a process. After that nothing may be begun: what each of them had is memory
// that never comes back.
#define GUARD_MAX_LEFT 16

// Whether calls may be guarded; else they should not be made.
bool guard_is_ready(void);
// Processor time that a call may take from the last guard_renew on; at least 1.
void guard_set_ms(uint32_t ms);
// Between guard_begin and guard_end the thread may be taken back to where GUARD_IS_LEFT was asked, which
// is true then. All in one function; no two guards at once in a thread.
#define GUARD_IS_LEFT(guard) (sigsetjmp((guard)->leave, 1) != 0)
void guard_begin(struct guard *guard);
// There is progress: the time begins anew.
void guard_renew(void);
void guard_end(void);
// How many calls were left until now.
uint32_t guard_left(void);
