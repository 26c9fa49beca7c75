// SPDX-License-Identifier: BSD-3-Clause
// How much is left of a worker's speed when there is much of everything: bench_scale [--quick]
//
// The same traffic as in bench_traffic: over 10,000 connections at once instead of 64; with 285,000 signatures and
// with 1,000,000 checksums instead of 10,000 signatures (a quick run has fewer). Each beside the plain one: the
// ratio is of their shares of the speed of light, which is measured in turn with each. And what it costs to hand
// packets to workers where the ports cannot do that.
#include "dataplane/distributor.h"
#include "perf/figures.h"
#include "perf/perf.h"
#include "perf/rig_wires.h"
#include "perf/rules.h"

#include <rte_cycles.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURES 10000u
#define FEW 64u
#define MANY 10000u
#define PER_CONNECTION 20u
#define FLIGHT_BYTES 45000u
#define FLIGHT_OF_MANY 2920u
#define WORKERS 4u
#define SPREAD_FRAMES 4096u
#define SPREAD_TURNS 64u

struct bench {
	struct rules rules;
	struct ruleset *ruleset;
	void *image;
	struct light *light;
	uint32_t rounds;
	bool quick;
};

static void make_set(const struct bench *bench, struct mail *set, size_t bytes)
{
	mail_set_make(set, bytes, &bench->rules.sign);
}

static void measure(const struct bench *bench, const struct options *options,
	const struct ruleset *ruleset, const struct traffic_options *traffic,
	struct figures *figures)
{
	struct rig *rig = rig_new(options, ruleset, NULL);
	const struct figures_how how = {figures_run_rig, rig, bench->light, bench->rounds, false};

	figures_measure(&how, traffic, figures);
	rig_free(rig);
}

static void show(const char *name, const struct figures *figures, const char *against,
	const struct figures *peer)
{
	perf_row_ratio(name, 8e-9 / figures->cost, "Gbit/s", against, 8e-9 / peer->cost,
		figures->ratio / peer->ratio);
}

static struct traffic_options traffic_of(const struct mail *set, uint32_t mails)
{
	return (struct traffic_options){.connections = FEW,
		.per_connection = PER_CONNECTION,
		.mails = mails / MAIL_SET * MAIL_SET,
		.flight_bytes = FLIGHT_BYTES,
		.port = 25,
		.set = set,
		.set_count = MAIL_SET};
}

// ---- connections --------------------------------------------------------------------------------

static void bench_connections(const struct bench *bench)
{
	static struct mail set[MAIL_SET];
	struct traffic_options traffic;
	struct figures few;
	struct figures many;
	struct options options;

	make_set(bench, set, 10000);
	options_init(&options);
	options.engine.scan.max_messages = MANY + FEW;
	options.engine.max_connections = 4 * MANY;
	options.engine.max_half_open = 2 * MANY;
	options.engine.max_pages = 16 * MANY;
	traffic = traffic_of(set, bench->quick ? MANY : 4 * MANY);
	traffic.flight_bytes = FLIGHT_OF_MANY;
	measure(bench, &options, bench->ruleset, &traffic, &few);
	traffic.connections = MANY;
	measure(bench, &options, bench->ruleset, &traffic, &many);
	show("traffic/10k/connections-10000", &many, "64 connections", &few);
	perf_row("traffic/10k/connections-10000/lost",
		(double)(many.last.dropped + many.last.totals.lost), "packets", NULL, 0);
	mail_set_free(set);
}

// ---- rules --------------------------------------------------------------------------------------

static void bench_rules(const struct bench *bench)
{
	static struct mail set[MAIL_SET];
	uint32_t signatures = bench->quick ? 50000 : 285000;
	uint32_t checksums = bench->quick ? 100000 : 1000000;
	struct traffic_options traffic;
	struct options options;
	struct figures plain;
	struct figures figures;
	struct rules rules;
	struct ruleset *ruleset;
	struct ruleset *screened;
	void *image = NULL;
	void *screen = NULL;
	char name[96];

	make_set(bench, set, 100000);
	options_init(&options);
	traffic = traffic_of(set, bench->quick ? 75 : 300);
	measure(bench, &options, bench->ruleset, &traffic, &plain);
	rules_make(&rules, RULES_CLAMAV, signatures);
	ruleset = rules_build(&rules, &image);
	measure(bench, &options, ruleset, &traffic, &figures);
	(void)snprintf(name, sizeof(name), "traffic/100k/signatures-%u", signatures);
	show(name, &figures, "10,000 signatures", &plain);
	screened = rules_screen(ruleset, checksums, &screen);
	measure(bench, &options, screened, &traffic, &figures);
	(void)snprintf(name, sizeof(name), "traffic/100k/signatures-%u/checksums-%u", signatures,
		checksums);
	show(name, &figures, "10,000 signatures", &plain);
	ruleset_close(screened);
	ruleset_close(ruleset);
	free(screen);
	free(image);
	rules_free(&rules);
	mail_set_free(set);
}

// ---- workers ------------------------------------------------------------------------------------
// Frames of many connections.
static void make_frames(struct rte_mbuf **frames)
{
	static const uint8_t head[54] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0x05,
		0xdc, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 10, 198, 51, 100, 2, 0xa0, 0x28, 0, 25};

	perf_need(rte_pktmbuf_alloc_bulk(rig_wires_ports()->pool, frames, SPREAD_FRAMES) == 0,
		"packet buffers");
	for (uint32_t i = 0; i < SPREAD_FRAMES; i++) {
		uint8_t *data = (uint8_t *)rte_pktmbuf_append(frames[i], TRAFFIC_FRAME_BYTES);

		memcpy(data, head, sizeof(head));
		memcpy(data + 28, &i, 2); // of the client's address
	}
}

// All frames to the workers' rings, and those through to the ring of the first worker.
static void hand_over(struct distributor *distributor, struct rte_mbuf **frames)
{
	struct rte_mbuf *burst[DISTRIBUTOR_BURST];

	for (uint32_t i = 0; i < SPREAD_FRAMES; i += DISTRIBUTOR_BURST) {
		uint32_t own;

		memcpy(burst, frames + i, sizeof(burst)); // NOLINT(bugprone-sizeof-expression)
		perf_need(distributor_spread(distributor, burst, DISTRIBUTOR_BURST, &own) == 0,
			"room in a worker's ring");
	}
	for (uint32_t worker = 1; worker < distributor->workers; worker++) {
		unsigned int n;

		while ((n = rte_ring_sc_dequeue_burst(distributor->to_worker[worker],
				(void **)burst, DISTRIBUTOR_BURST, NULL)) > 0) {
			(void)rte_ring_sp_enqueue_burst(
				distributor->to_ports[worker], (void **)burst, n, NULL);
			n = rte_ring_sc_dequeue_burst(distributor->to_ports[worker], (void **)burst,
				DISTRIBUTOR_BURST, NULL);
			perf_keep(burst[0]->pkt_len + n);
		}
	}
}

static void choose_only(struct distributor *distributor, struct rte_mbuf **frames)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SPREAD_FRAMES; i++)
		sum += distributor_worker_of(distributor, frames[i]);
	perf_keep(sum);
}

// ns for a frame, of the turn that was disturbed least.
static double cost_of(void (*work)(struct distributor *, struct rte_mbuf **),
	struct distributor *distributor, struct rte_mbuf **frames)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t turn = 0; turn < SPREAD_TURNS; turn++) {
		uint64_t took = rte_rdtsc();

		work(distributor, frames);
		took = rte_rdtsc() - took;
		least = took < least ? took : least;
	}
	return (double)least * 1e9 / (double)rte_get_tsc_hz() / SPREAD_FRAMES;
}

// Of what one worker alone forwards, w of them forward so much: the first one takes all packets from the ports
// and to them, for d ns each, and does its share of the engine's work, e ns each. Where the ports spread packets
// themselves, d is nothing.
static double model(double d, double e, uint32_t workers)
{
	return e / (d + e / workers);
}

static void bench_workers(const struct bench *bench)
{
	static struct mail set[MAIL_SET];
	static struct rte_mbuf *frames[SPREAD_FRAMES];
	struct traffic_options traffic;
	struct distributor distributor;
	struct options options;
	struct figures plain;
	double choose;
	double all;
	double engine;

	make_set(bench, set, 10000);
	options_init(&options);
	traffic = traffic_of(set, bench->quick ? 500 : 2000);
	measure(bench, &options, bench->ruleset, &traffic, &plain);
	engine = 1e9 / plain.packets_s;
	make_frames(frames);
	perf_need(distributor_init(&distributor, WORKERS, SPREAD_FLOWS) == 0, "rings");
	choose = cost_of(choose_only, &distributor, frames);
	all = cost_of(hand_over, &distributor, frames);
	distributor_fini(&distributor);
	rte_pktmbuf_free_bulk(frames, SPREAD_FRAMES);
	perf_row("workers/distributor/choose", choose, "ns/packet", "the engine's work", engine);
	perf_row("workers/distributor/all", all, "ns/packet", "the engine's work", engine);
	for (uint32_t workers = 2; workers <= 8; workers *= 2) {
		char name[64];

		(void)snprintf(name, sizeof(name), "workers/model/%u-with-distributor", workers);
		perf_row(name, model(all, engine, workers), "of one", "ports that spread packets",
			workers);
	}
	mail_set_free(set);
}

int main(int argc, char **argv)
{
	static struct bench bench = {.rounds = 5};

	bench.quick = argc == 2 && strcmp(argv[1], "--quick") == 0;
	if (argc > 1 && !bench.quick)
		return 2;
	bench.rounds = bench.quick ? 2 : bench.rounds;
	rig_start_dpdk();
	rules_make(&bench.rules, RULES_CLAMAV, SIGNATURES);
	bench.ruleset = rules_build(&bench.rules, &bench.image);
	bench.light = light_new(&bench.rules, bench.ruleset);
	bench_connections(&bench);
	bench_workers(&bench);
	bench_rules(&bench);
	light_free(bench.light);
	ruleset_close(bench.ruleset);
	free(bench.image);
	rules_free(&bench.rules);
	return 0;
}
