// SPDX-License-Identifier: BSD-3-Clause
// A limit to the memory of the process beyond what it has taken at its start (RLIMIT_DATA). What is
// allocated later is for unpacking archives, some of which say that they need gigabytes: they are to
// fail, and not the process.
#pragma once

#include <stdint.h>

// So many bytes more than there are now. Returns 0 or a negative errno.
int memory_limit_set(uint64_t spare_bytes) __attribute__((warn_unused_result));
// While the process itself takes more. Returns the limit that was, for memory_limit_restore.
uint64_t memory_limit_lift(void);
// What was taken since is added to the limit that was: before and after are memory_limit_used.
uint64_t memory_limit_used(void);
void memory_limit_restore(uint64_t limit_bytes, int64_t grown_bytes);
// From here on large blocks are mapped each, so that what a scanner sets aside for the worst case is neither cleared nor
// there before it is needed. By itself the library takes up to 32 MiB from what was used before, which it has to clear.
void memory_limit_map_large(void);
