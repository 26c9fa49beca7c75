// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/telemetry.h"

#include <rte_telemetry.h>

#include <stddef.h>

// One per process, as the socket is; set before the command is registered.
static const struct stats_source *stats;

static int answer(const char *command, const char *parameters, struct rte_tel_data *data)
{
	struct counters sum;

	(void)command;
	(void)parameters;
	stats_sum(stats, &sum);
	(void)rte_tel_data_start_dict(data);
#define COUNTER(name, unit, help) (void)rte_tel_data_add_dict_u64(data, #name, sum.name);
#include "dataplane/counters.def"
#undef COUNTER
	return 0;
}

int telemetry_register(const struct stats_source *source)
{
	stats = source;
	return rte_telemetry_register_cmd(
		"/cordon/stats", answer, "Counters of all workers together. No parameters.");
}
