// SPDX-License-Identifier: BSD-3-Clause
#include "perf/figures.h"

#include "perf/perf.h"

#include <stdio.h>
#include <stdlib.h>

#define FIGURES 7

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

void figures_check(const struct rig_result *result, const struct traffic_options *traffic)
{
	const struct traffic_totals *totals = &result->totals;
	uint32_t infected = 0;
	uint32_t sealed = 0;

	for (uint32_t i = 0; i < totals->begun; i++) {
		bool is_sealed = (uint64_t)(i + 1) * traffic->sealed_percent / 100 !=
				 (uint64_t)i * traffic->sealed_percent / 100;

		if (traffic->set[i % traffic->set_count].infected && !traffic->unseen)
			infected++;
		else if (is_sealed)
			sealed++;
	}
	if (totals->wrong + totals->refused + totals->resets + result->verdicts_wrong == 0 &&
		totals->lost + totals->changed + result->dropped == 0 &&
		totals->begun == traffic->mails &&
		result->events == (traffic->unseen ? 0 : totals->begun) &&
		totals->rejected == infected &&
		totals->delivered + infected + sealed == totals->begun)
		return;
	(void)fprintf(stderr,
		"of %u mails, %u infected, %u sealed: accepted %u, rejected %u, refused %u, "
		"delivered %u, wrong %u, resets %u; verdicts %lu, wrong %lu; segments lost %lu, "
		"changed %lu; dropped %lu\n",
		totals->begun, infected, sealed, totals->accepted, totals->rejected,
		totals->refused, totals->delivered, totals->wrong, totals->resets, result->events,
		result->verdicts_wrong, totals->lost, totals->changed, result->dropped);
	perf_need(false, "all mails as they must be");
}

void figures_run_rig(void *ctx, const struct traffic_options *options, struct rig_result *result)
{
	rig_run(ctx, options, result);
}

struct light_frames figures_frames(const struct rig_result *result)
{
	return (struct light_frames){(double)result->totals.frames / result->totals.begun,
		(double)result->totals.frame_bytes / (double)result->totals.frames};
}

static void measure_round(const struct figures_how *how, const struct traffic_options *traffic,
	struct rig_result *result, double *out)
{
	struct light_cost light;
	struct light_frames frames;
	double bytes = (double)mail_set_bytes(traffic->set, traffic->set_count);

	how->run(how->ctx, traffic, result);
	figures_check(result, traffic);
	frames = figures_frames(result);
	light_measure(how->light, traffic->set, traffic->set_count, &frames, how->digests, &light);
	out[1] = (result->worker_s - result->waiting_s) / (double)result->totals.mail_bytes;
	out[0] = out[1] + result->others_s / (double)result->totals.mail_bytes;
	out[2] = light_goal(&light) / bytes;
	out[3] = out[2] / out[0];
	out[4] = result->waiting_s / result->worker_s;
	out[5] = (light.forward + light.decode + light.search + light.digest) / bytes;
	out[6] = out[5] / out[0];
}

void figures_measure(const struct figures_how *how, const struct traffic_options *traffic,
	struct figures *figures)
{
	double values[FIGURES][FIGURES_MOST_ROUNDS] = {0};
	struct rig_result result;

	// Memory is taken up, caches are filled.
	how->run(how->ctx, traffic, &result);
	figures_check(&result, traffic);

	for (uint32_t round = 0; round < how->rounds; round++) {
		double one[FIGURES];

		measure_round(how, traffic, &result, one);
		for (int i = 0; i < FIGURES; i++)
			values[i][round] = one[i];
	}
	figures->cost = median(values[0], how->rounds);
	figures->worker = median(values[1], how->rounds);
	figures->light = median(values[2], how->rounds);
	figures->ratio = median(values[3], how->rounds);
	figures->waiting = median(values[4], how->rounds);
	figures->own_light = median(values[5], how->rounds);
	figures->own_ratio = median(values[6], how->rounds);
	figures->last = result;
	figures->packets_s = (double)figures->last.totals.frames /
			     (figures->last.worker_s - figures->last.waiting_s);
}
