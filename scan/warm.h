// SPDX-License-Identifier: BSD-3-Clause
// Memory that is there before it is needed: who writes to a page for the first time waits for the kernel to clear it.
#pragma once

#include <stddef.h>

// Nothing was written to it yet, and what is in it does not matter.
void warm_memory(void *memory, size_t bytes);
