// SPDX-License-Identifier: BSD-3-Clause
#include "perf/perf.h"
#include "perf/rig_state.h"

#define NS_PER_MS 1000000ull

// What connections at rest are to do, some at once.
struct idle_work {
	bool (*give)(struct traffic *traffic, uint32_t connection);
	const uint32_t *which; // NULL: all
	uint32_t count;
	uint32_t given;
	uint32_t at_once;
	uint32_t begun; // mails, before
};

static bool is_opening(struct rig *rig, void *ctx)
{
	(void)ctx;
	return !traffic_is_done(rig->ends.idle) ||
	       rig->result->events < traffic_totals(rig->ends.idle)->begun;
}

void rig_idle_open(
	struct rig *rig, const struct traffic_options *options, struct rig_result *result)
{
	perf_need(rig->ends.idle == NULL && options->idle, "idle connections, once");
	rig->ends.idle = rig_ends_traffic(&rig->ends, options);
	rig_drive(rig, rig->ends.idle, is_opening, NULL, result);
}

static bool has_work(struct rig *rig, void *ctx)
{
	struct idle_work *work = ctx;

	while (work->given < work->count && traffic_busy(rig->ends.idle) < work->at_once) {
		uint32_t connection = work->which != NULL ? work->which[work->given] : work->given;

		(void)work->give(rig->ends.idle, connection);
		work->given++;
	}
	return work->given < work->count || !traffic_is_done(rig->ends.idle) ||
	       rig->result->events < traffic_totals(rig->ends.idle)->begun - work->begun;
}

void rig_idle_wake(struct rig *rig, const uint32_t *which, uint32_t count, uint32_t at_once,
	struct rig_result *result)
{
	struct idle_work work = {.give = traffic_rouse,
		.which = which,
		.count = count,
		.at_once = at_once,
		.begun = traffic_totals(rig->ends.idle)->begun};

	rig_drive(rig, rig->ends.idle, has_work, &work, result);
}

void rig_idle_close(struct rig *rig, uint32_t at_once, struct rig_result *result)
{
	struct idle_work work = {.give = traffic_close,
		.count = traffic_totals(rig->ends.idle)->greeted,
		.at_once = at_once,
		.begun = traffic_totals(rig->ends.idle)->begun};

	rig_drive(rig, rig->ends.idle, has_work, &work, result);
	traffic_free(rig->ends.idle);
	rig->ends.idle = NULL;
}

static bool has_time(struct rig *rig, void *ctx)
{
	return worker_clock_ns(&rig->shared) < *(const uint64_t *)ctx;
}

void rig_wait(struct rig *rig, uint32_t ms, struct rig_result *result)
{
	uint64_t until_ns = worker_clock_ns(&rig->shared) + ms * NS_PER_MS;

	rig_drive(rig, rig->ends.idle, has_time, &until_ns, result);
}
