// SPDX-License-Identifier: BSD-3-Clause
// A million SMTP connections that are silent: bench_idle [--quick] [-n CONNECTIONS]
//
// A worker between ring ports as in bench_traffic (rig.h). Mails are driven through it alone; then connections are
// opened from as many addresses, each a whole session up to EHLO, every thousandth with a mail, and left as they
// are; then the same mails are driven beside them. Shown are the memory that the engine has really taken for them
// (with the pages that opening them needed, which are free again), what the active mails lose, and what silence
// costs. A random sample then sends a mail each, and all are closed. Every reply, verdict and byte is checked, and
// a packet or connection lost ends it.
#include "perf/figures.h"
#include "perf/light.h"
#include "perf/perf.h"
#include "perf/rig.h"
#include "perf/rules.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALL 1000000u
#define QUICK 100000u
#define MORE 4096u // connections that the engine has room for beside them
#define SIGNATURES 1000u
#define MAIL_BYTES 10000u
#define ACTIVE 64u
#define ACTIVE_FIRST 0xf00000u // of their addresses
#define PER_CONNECTION 20u
#define FLIGHT_BYTES 45000u
#define AT_ONCE 4096u     // connections that open or close
#define WAKE_AT_ONCE 512u // that send: fewer than the engine scans at once
#define MAIL_EACH 1000u
#define WAIT_MS 1000u
#define GIB (1024.0 * 1024.0 * 1024.0)
#define MOST_ROUNDS 9u

struct bench {
	struct rules rules;
	struct ruleset *ruleset;
	void *image;
	struct mail set[MAIL_SET];
	struct light *light;
	struct rig *rig;
	uint32_t connections;
	uint32_t rounds;
	bool quick;
};

struct active {
	double cost;  // s of the worker and its helper for a byte of mail
	double light; // what cannot be less, of the same, over that
	uint64_t lost;
	uint32_t added[3]; // to the end of data
};

// ---- what is checked ----------------------------------------------------------------------------

static void check(bool is_so, const char *what, const struct rig_result *result)
{
	const struct traffic_totals *totals = &result->totals;

	if (is_so && totals->wrong + totals->refused + totals->resets == 0 &&
		totals->lost + totals->changed + result->verdicts_wrong + result->dropped == 0)
		return;
	(void)fprintf(stderr,
		"mails begun %u, accepted %u, rejected %u, refused %u, delivered %u, wrong %u; "
		"verdicts %lu, wrong %lu; segments lost %lu, changed %lu; dropped %lu; "
		"connections greeted %u, resting %u, ended %u, reset %u\n",
		totals->begun, totals->accepted, totals->rejected, totals->refused,
		totals->delivered, totals->wrong, result->events, result->verdicts_wrong,
		totals->lost, totals->changed, result->dropped, totals->greeted, totals->resting,
		totals->ended, totals->resets);
	perf_need(false, what);
}

// ---- memory -------------------------------------------------------------------------------------

// Of the mapping of so many bytes, what is there: of a line "from-to ..." of smaps, and of its line "Rss:".
static double resident(size_t bytes)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	bool is_it = false;
	double found = 0;

	perf_need(file != NULL, "/proc/self/smaps");
	while (fgets(line, sizeof(line), file) != NULL) {
		char *end = NULL;
		unsigned long from = strtoul(line, &end, 16);

		if (end != line && *end == '-')
			is_it = strtoul(end + 1, NULL, 16) - from == bytes;
		else if (is_it && strncmp(line, "Rss:", 4) == 0)
			found = (double)strtoul(line + 4, NULL, 10) * 1024;
	}
	(void)fclose(file);
	perf_need(found > 0, "the engine's memory");
	return found;
}

static double engine_resident(const struct bench *bench)
{
	return resident(rig_memory_bytes(bench->rig));
}

// ---- active mails -------------------------------------------------------------------------------

static void run_active(struct bench *bench, struct rig_result *result)
{
	const struct traffic_options traffic = {.connections = ACTIVE,
		.per_connection = PER_CONNECTION,
		.mails = bench->quick ? 20 * MAIL_SET : 80 * MAIL_SET,
		.flight_bytes = FLIGHT_BYTES,
		.first = ACTIVE_FIRST,
		.port = 25,
		.set = bench->set,
		.set_count = MAIL_SET};
	uint32_t infected = traffic.mails / MAIL_SET;

	rig_run(bench->rig, &traffic, result);
	check(result->totals.begun == traffic.mails && result->events == traffic.mails &&
			result->totals.rejected == infected &&
			result->totals.delivered == traffic.mails - infected,
		"all active mails as they must be", result);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

// The least that the same mails cost, in seconds for a byte: what else happens on the machine meets both.
static double light_of(const struct bench *bench, const struct rig_result *result)
{
	struct light_frames frames = figures_frames(result);
	struct light_cost cost;

	light_measure(bench->light, bench->set, MAIL_SET, &frames, false, &cost);
	return (cost.forward + cost.decode + cost.match) /
	       (double)mail_set_bytes(bench->set, MAIL_SET);
}

static struct active measure_active(struct bench *bench)
{
	struct active active = {0};
	struct rig_result result;
	double costs[MOST_ROUNDS] = {0};
	double lights[MOST_ROUNDS] = {0};

	run_active(bench, &result); // caches are filled
	for (uint32_t round = 0; round < bench->rounds; round++) {
		run_active(bench, &result);
		costs[round] = (result.worker_s - result.waiting_s + result.others_s) /
			       (double)result.totals.mail_bytes;
		lights[round] = light_of(bench, &result) / costs[round];
		active.lost += result.dropped + result.totals.lost;
	}
	qsort(costs, bench->rounds, sizeof(*costs), compare);
	qsort(lights, bench->rounds, sizeof(*lights), compare);
	active.cost = costs[bench->rounds / 2];
	active.light = lights[bench->rounds / 2];
	memcpy(active.added, result.engine_latencies, sizeof(active.added));
	return active;
}

// Of a core, while no packet passes.
static double measure_silence(struct bench *bench)
{
	struct rig_result result;

	rig_wait(bench->rig, WAIT_MS, &result);
	return 100 * result.worker_s / result.wall_s;
}

// ---- idle connections ---------------------------------------------------------------------------

static void open_all(struct bench *bench)
{
	const struct traffic_options traffic = {.connections = bench->connections,
		.per_connection = UINT8_MAX,
		.mails = UINT32_MAX,
		.flight_bytes = FLIGHT_BYTES,
		.idle = true,
		.opening = AT_ONCE,
		.mail_each = MAIL_EACH,
		.port = 25,
		.set = bench->set,
		.set_count = MAIL_SET};
	uint32_t mails = (bench->connections + MAIL_EACH - 1) / MAIL_EACH;
	uint32_t infected = mails / MAIL_SET;
	double before = engine_resident(bench);
	double taken;
	struct rig_result result;

	rig_idle_open(bench->rig, &traffic, &result);
	// Who sent an infected mail has left.
	check(result.totals.greeted == bench->connections && result.totals.begun == mails &&
			result.totals.rejected == infected && result.totals.ended == infected &&
			result.totals.resting == bench->connections - infected,
		"all connections open", &result);
	perf_row("idle/connections", result.totals.resting, "connections", NULL, 0);
	perf_row("idle/open", bench->connections / result.worker_s, "connections/s", NULL, 0);
	rig_wait(bench->rig, 2 * WAIT_MS, &result); // what was acknowledged is given back
	check(result.totals.resting == bench->connections - infected, "all still open", &result);
	taken = engine_resident(bench) - before;
	perf_row("idle/memory/really-used", taken / bench->connections, "B/connection",
		"an entry of the table", (double)rig_connection_bytes(bench->rig));
	perf_row("idle/memory/engine", engine_resident(bench) / GIB, "GiB", "1 GiB", 1);
	perf_row("idle/memory/engine/all-pools-full", (double)rig_memory_bytes(bench->rig) / GIB,
		"GiB", "1 GiB", 1);
}

// So many different ones at random.
static uint32_t *choose(uint32_t connections, uint32_t count)
{
	uint32_t *all = perf_alloc(sizeof(*all) * connections);
	uint32_t *random = perf_alloc(sizeof(*random) * count);

	perf_fill((uint8_t *)random, sizeof(*random) * count, 17);
	for (uint32_t i = 0; i < connections; i++)
		all[i] = i;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i + random[i] % (connections - i);
		uint32_t one = all[at];

		all[at] = all[i];
		all[i] = one;
	}
	free(random);
	return all;
}

static void wake_some(struct bench *bench)
{
	uint32_t count = bench->connections / 50 / MAIL_SET * MAIL_SET;
	uint32_t *which = choose(bench->connections, count);
	struct traffic_totals before;
	struct rig_result result;
	uint32_t begun;

	rig_wait(bench->rig, 1, &result);
	before = result.totals;
	rig_idle_wake(bench->rig, which, count, WAKE_AT_ONCE, &result);
	// Some may be of those that have left.
	begun = result.totals.begun - before.begun;
	check(begun >= count - before.ended && result.events == begun &&
			result.totals.rejected - before.rejected >= begun / MAIL_SET &&
			result.totals.delivered - before.delivered + result.totals.rejected -
					before.rejected ==
				begun &&
			result.totals.ended - before.ended ==
				result.totals.rejected - before.rejected &&
			result.totals.resting + result.totals.ended == bench->connections,
		"mails of connections that were idle", &result);
	perf_row("idle/wake/mails", begun, "mails", NULL, 0);
	perf_row("idle/wake/infected-stopped", result.totals.rejected - before.rejected, "mails",
		NULL, 0);
	perf_row("idle/wake/rate", begun / (result.worker_s + result.others_s), "mails/s", NULL, 0);
	free(which);
}

static void close_all(struct bench *bench)
{
	struct rig_result result;

	rig_idle_close(bench->rig, AT_ONCE, &result);
	check(result.totals.ended == bench->connections && result.totals.resting == 0,
		"all connections closed", &result);
	perf_row("idle/close", bench->connections / result.worker_s, "connections/s", NULL, 0);
}

// ---- all of it ----------------------------------------------------------------------------------

static void start(struct bench *bench)
{
	struct options options;

	rules_make(&bench->rules, RULES_CLAMAV, SIGNATURES);
	bench->ruleset = rules_build(&bench->rules, &bench->image);
	mail_set_make(bench->set, MAIL_BYTES, &bench->rules.sign);
	bench->light = light_new(&bench->rules, bench->ruleset);
	// As docs/configuration.md says for so many.
	options_init(&options);
	options.engine.max_connections = bench->connections + MORE;
	options.engine.max_half_open = 2 * AT_ONCE;
	options.engine.max_diverted = 16384;
	bench->rig = rig_new(&options, bench->ruleset, NULL);
}

static void run(struct bench *bench)
{
	struct active alone = measure_active(bench);
	double silence = measure_silence(bench);
	struct active beside;

	open_all(bench);
	beside = measure_active(bench);
	perf_row_ratio("idle/active/throughput", 8e-9 / beside.cost, "Gbit/s", "no idle ones",
		8e-9 / alone.cost, beside.light / alone.light);
	perf_row("idle/active/end-of-data/added/p99", beside.added[1] / 1e3, "us", "no idle ones",
		alone.added[1] / 1e3);
	perf_row(
		"idle/active/packets-lost", (double)(alone.lost + beside.lost), "packets", NULL, 0);
	perf_row("idle/timers/in-silence", measure_silence(bench), "% of a core", "no idle ones",
		silence);
	wake_some(bench);
	close_all(bench);
	perf_row("idle/connections-lost", 0, "connections", NULL, 0); // or it had ended
	alone = measure_active(bench);
	perf_row_ratio("idle/active/after", 8e-9 / alone.cost, "Gbit/s", "beside idle ones",
		8e-9 / beside.cost, alone.light / beside.light);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static struct bench bench = {.rounds = 7, .connections = ALL};
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((option = getopt_long(argc, argv, "n:", names, NULL)) != -1) {
		if (option == 'q') {
			bench.quick = true;
			bench.rounds = 3;
			bench.connections = QUICK;
		} else if (option == 'n') {
			bench.connections = (uint32_t)strtoul(optarg, NULL, 10);
		} else {
			return 2;
		}
	}
	rig_start_dpdk();
	start(&bench);
	run(&bench);
	rig_free(bench.rig);
	light_free(bench.light);
	mail_set_free(bench.set);
	return 0;
}
