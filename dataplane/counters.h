// SPDX-License-Identifier: BSD-3-Clause
// The counters of one worker, from counters.def.
#pragma once

#include <stdint.h>

// Written by its worker alone; read by anybody, a little late.
struct counters {
#define COUNTER(name, unit, help) uint64_t name;
#include "dataplane/counters.def"
#undef COUNTER
} __attribute__((aligned(64)));

struct counter_info {
	const char *name;
	const char *unit;
	const char *help;
};

// Table of all counters in order of the struct; *count receives how many.
const struct counter_info *counters_info(uint32_t *count);
