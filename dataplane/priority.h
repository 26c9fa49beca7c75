// SPDX-License-Identifier: BSD-3-Clause
// Which thread goes first on a processor that others use too.
#pragma once

// The calling thread, and none that it starts, goes before all that have no such priority (SCHED_RR). 0: it shares
// with all others, but by a nice value of -15 where it may (CAP_SYS_NICE), and in short turns, for which it waits less
// when it wakes. Returns 0 or -errno: -EPERM without CAP_SYS_NICE.
int priority_set(unsigned int level);
