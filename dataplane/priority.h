// SPDX-License-Identifier: BSD-3-Clause
// Which thread goes first on a processor that others use too.
#pragma once

// The calling thread, and none that it starts, goes before all that have no such priority (SCHED_RR). 0: it has its share
// as all others, but in short turns, for which it waits less when it wakes. Returns 0 or -errno: -EPERM without
// CAP_SYS_NICE.
int priority_set(unsigned int level);
