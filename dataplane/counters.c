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

void counters_add(struct counters *into, const struct counters *from)
{
#define COUNTER(name, unit, help) into->name += from->name;
#include "dataplane/counters.def"
#undef COUNTER
}
