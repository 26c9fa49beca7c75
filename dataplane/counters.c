// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/counters.h"

static const struct counter_info table[] = {
#define COUNTER(name, unit, help) {#name, unit, help},
#include "dataplane/counters.def"
#undef COUNTER
};

const struct counter_info *counters_info(uint32_t *count)
{
	*count = sizeof(table) / sizeof(table[0]);
	return table;
}
