// SPDX-License-Identifier: BSD-3-Clause
// The mails of bench_traffic with the traffic in another process: bench_memif [--quick]
//
// Packets go through net_memif, whose memory the two processes share. The worker's side is its client, whose own packet
// buffers are that memory (zero-copy, with --single-file-segments); the traffic's copies each packet in and out. Totals
// and checks are those of bench_traffic, the speed of light is measured in turn with each round as there (light.h).
#include "perf/figures.h"
#include "perf/perf.h"
#include "perf/rig_memif.h"
#include "perf/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURES 10000u
#define CONNECTIONS 64u
#define PER_CONNECTION 20u
#define FLIGHT_BYTES 45000u

struct bench {
	struct rules rules;
	struct ruleset *ruleset;
	void *image;
	struct figures_how how;
	bool quick;
};

static void row(const char *size, const char *what, double value, const char *unit)
{
	char name[96];

	(void)snprintf(name, sizeof(name), "traffic/memif/%s/%s", size, what);
	perf_row(name, value, unit, NULL, 0);
}

static void show(const char *size, const struct figures *figures)
{
	static const char *const names[] = {
		"end-of-data/loaded/p50", "end-of-data/loaded/p99", "end-of-data/loaded/p99.9"};
	char name[96];

	(void)snprintf(name, sizeof(name), "traffic/memif/%s/throughput", size);
	perf_row_ratio(name, 8e-9 / figures->cost, "Gbit/s", "speed of light",
		8e-9 / figures->light, figures->ratio);
	row(size, "worker-alone", 8e-9 / figures->worker, "Gbit/s");
	row(size, "packets", figures->packets_s / 1e6, "Mpps");
	row(size, "mails-on-the-wall", figures->last.totals.begun / figures->last.wall_s,
		"mails/s");
	row(size, "lost", (double)(figures->last.dropped + figures->last.totals.lost), "packets");
	for (int i = 0; i < 3; i++)
		row(size, names[i], (double)figures->last.latencies[i] / 1e3, "us");
}

static void bench_size(struct bench *bench, const char *size, size_t bytes)
{
	static struct mail set[MAIL_SET];
	uint32_t mails = (uint32_t)((bench->quick ? 8e6 : 30e6) / (double)bytes);
	struct traffic_options traffic = {.connections = CONNECTIONS,
		.per_connection = PER_CONNECTION,
		.mails = mails / MAIL_SET * MAIL_SET,
		.flight_bytes = FLIGHT_BYTES,
		.port = 25,
		.set = set,
		.set_count = MAIL_SET};
	struct figures figures;

	mail_set_make(set, bytes, &bench->rules.sign);
	figures_measure(&bench->how, &traffic, &figures);
	show(size, &figures);
	mail_set_free(set);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	struct options options;
	struct rig_memif *memif;

	bench.quick = argc == 2 && strcmp(argv[1], "--quick") == 0;
	if (argc > 1 && !bench.quick)
		return 2;
	rules_make(&bench.rules, RULES_CLAMAV, SIGNATURES);
	bench.ruleset = rules_build(&bench.rules, &bench.image);
	options_init(&options);
	memif = rig_memif_new(&options, bench.ruleset);
	bench.how = (struct figures_how){.run = rig_memif_run,
		.ctx = memif,
		.light = light_new(&bench.rules, bench.ruleset),
		.rounds = bench.quick ? 3 : 7};
	bench_size(&bench, "10k", 10000);
	bench_size(&bench, "100k", 100000);
	rig_memif_free(memif);
	light_free(bench.how.light);
	ruleset_close(bench.ruleset);
	free(bench.image);
	rules_free(&bench.rules);
	return 0;
}
