// SPDX-License-Identifier: BSD-3-Clause
// A worker under complete SMTP conversations: bench_traffic [--quick] [-d] [-l] [-s SIZE] [-k KIND] [-w FOLDER]
//
// Traffic on one core, the worker on another, ring ports between them (rig.h). Mails are of all kinds (mails.h),
// one in 25 is infected; every reply, verdict and byte is checked. What counts is the processor's time of the
// worker's thread, in turns of its loop that had packets (rig_wait.c), and its helper's, so that a machine that others
// use as well gives the same figures. Beside it
// stands the speed of light (light.h) of the same mails, measured in turn; the ratio is the median of rounds.
//
// Four times: with signatures as ClamAV's are and with random literals (rules.h), with SHA-256 of every part and without
// digests. clamav-like+sha256 is what the goal is about.
//
// -s: mails of about so many bytes alone, with ClamAV-like signatures (-l: literals), without digests (-d: with SHA-256
// of every part). -k: of that kind alone (office, zip), with 100 KB or -s. -w: writes the signatures and the mails to a
// folder, for peers, and ends.
#include "perf/figures.h"
#include "perf/light.h"
#include "perf/perf.h"
#include "perf/rig.h"
#include "perf/rules.h"

#include <rte_cycles.h>

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNATURES 10000u
#define SET MAIL_SET
#define CONNECTIONS 64u
#define PER_CONNECTION 20u
#define FLIGHT_BYTES 45000u
#define STAGE_RUNS 3

enum stage {
	STAGE_FORWARD, // no SMTP: only forwarded
	STAGE_PARSE,   // one signature
	STAGE_MATCH,
	STAGE_DIGEST, // SHA-256 of every part
	STAGES,
};

struct rule_set {
	struct rules rules;
	struct ruleset *ruleset;
	void *image;
	struct light *light;
};

struct bench {
	struct rule_set sets[2]; // by enum rules_kind
	struct rule_set one;     // the first of the ClamAV-like ones
	const struct rule_set *in_use;
	const char *folder; // of the spool
	const char *kind;   // NULL: all
	uint32_t rounds;
	bool quick;
	bool digests; // are in use
};

static void measure(const struct bench *bench, struct rig *rig,
	const struct traffic_options *traffic, struct figures *figures)
{
	const struct figures_how how = {
		figures_run_rig, rig, bench->in_use->light, bench->rounds, bench->digests};

	figures_measure(&how, traffic, figures);
}

static void make_set(const struct bench *bench, struct mail *set, size_t bytes)
{
	mail_set_make(set, bytes, &bench->in_use->rules.sign);
}

static void prepare(const struct bench *bench, struct options *options)
{
	options_init(options);
	options->engine.scan.digests = bench->digests ? DIGEST_SHA256 : 0;
	options->engine.max_connections = 4096;
	options->engine.scan.max_messages = 1024;
}

// Of so many mails a round takes some tenths of a second.
static struct traffic_options traffic_of(
	const struct bench *bench, const struct mail *set, size_t bytes)
{
	uint32_t mails = (uint32_t)((bench->quick ? 8e6 : 30e6) / (double)bytes);

	return (struct traffic_options){.connections = CONNECTIONS,
		.per_connection = PER_CONNECTION,
		.mails = mails / SET * SET > 0 ? mails / SET * SET : SET,
		.flight_bytes = FLIGHT_BYTES,
		.port = 25,
		.set = set,
		.set_count = SET};
}

static void name_row(char name[96], const char *size, const char *what)
{
	(void)snprintf(name, 96, "traffic/%s/%s", size, what);
}

// The size, the signatures, the digests in use.
static void label(const struct bench *bench, const char *size, char out[48])
{
	(void)snprintf(out, 48, "%s/%s%s", size,
		bench->in_use->rules.kind == RULES_CLAMAV ? "clamav-like" : "literals",
		bench->digests ? "+sha256" : "");
}

// ---- what is shown ------------------------------------------------------------------------------

static void show_quantiles(const char *size, const char *what, const uint32_t *ns, const char *unit)
{
	static const char *const names[] = {"p50", "p99", "p99.9"};
	char name[96];
	char last[64];

	for (int i = 0; i < 3; i++) {
		(void)snprintf(last, sizeof(last), "%s/%s", what, names[i]);
		name_row(name, size, last);
		perf_row(name, (double)ns[i] / 1e3, unit, NULL, 0);
	}
}

static void show_throughput(const char *size, const struct figures *figures)
{
	char name[96];

	name_row(name, size, "throughput");
	perf_row_ratio(name, 8e-9 / figures->cost, "Gbit/s", "speed of light",
		8e-9 / figures->light, figures->ratio);
	name_row(name, size, "throughput-own-search");
	perf_row_ratio(name, 8e-9 / figures->cost, "Gbit/s", "light with our search",
		8e-9 / figures->own_light, figures->own_ratio);
}

static void show_mails(const char *size, double mail_bytes, const struct figures *figures)
{
	char name[96];

	name_row(name, size, "mails");
	perf_row(name, 1 / figures->cost / mail_bytes, "mails/s", NULL, 0);
}

static void show_all(const char *size, const struct figures *figures)
{
	char name[96];

	name_row(name, size, "worker-alone");
	perf_row(name, 8e-9 / figures->worker, "Gbit/s", NULL, 0);
	name_row(name, size, "waiting");
	perf_row(name, 100 * figures->waiting, "% of worker", NULL, 0);
	name_row(name, size, "packets");
	perf_row(name, figures->packets_s / 1e6, "Mpps", NULL, 0);
	name_row(name, size, "lost");
	perf_row(name, (double)(figures->last.dropped + figures->last.totals.lost), "packets", NULL,
		0);
	show_quantiles(size, "end-of-data/added", figures->last.engine_latencies, "us");
	show_quantiles(size, "end-of-data/loaded", figures->last.latencies, "us");
}

// ---- parts of the bench -------------------------------------------------------------------------

// Seconds of a processor for a byte with all stages up to this one.
static double measure_stage(struct bench *bench, int stage, const struct mail *set, size_t bytes,
	struct rig_result *result)
{
	struct traffic_options traffic = traffic_of(bench, set, bytes);
	struct options options;
	double least = INFINITY;
	struct rig *rig;

	bench->digests = stage == STAGE_DIGEST;
	prepare(bench, &options);
	traffic.port = stage == STAGE_FORWARD ? 26 : 25;
	traffic.unseen = stage == STAGE_FORWARD;
	rig = rig_new(
		&options, stage < STAGE_MATCH ? bench->one.ruleset : bench->in_use->ruleset, NULL);
	for (int i = 0; i < STAGE_RUNS; i++) { // the first takes up memory and fills caches
		rig_run(rig, &traffic, result);
		figures_check(result, &traffic);
		least = fmin(least, (result->worker_s - result->waiting_s + result->others_s) /
					    (double)result->totals.mail_bytes);
	}
	rig_free(rig);
	return least;
}

// All stages in turn, as often as there are rounds: the least of each, which is what nothing has disturbed, and of that
// what is more than the stage before it takes.
static void bench_stages(
	struct bench *bench, const struct mail *set, const char *size, size_t bytes)
{
	static const char *const names[STAGES] = {
		"stage/forward", "stage/parse-and-decode", "stage/match", "stage/sha256"};
	static const char *const against[STAGES] = {
		"rx and tx alone", "decoding alone", "hs_scan alone", "EVP_Digest alone"};
	double per_byte = (double)rte_get_tsc_hz() / (double)mail_set_bytes(set, SET);
	double costs[STAGES] = {INFINITY, INFINITY, INFINITY, INFINITY};
	double alone[STAGES] = {INFINITY, INFINITY, INFINITY, INFINITY};
	struct light_frames frames = {0};
	struct rig_result result;
	bool digests = bench->digests;
	double before = 0;

	for (uint32_t round = 0; round < bench->rounds; round++) {
		struct light_cost light;

		for (int stage = 0; stage < STAGES; stage++) {
			double cost = measure_stage(bench, stage, set, bytes, &result);

			frames = stage == 0 ? figures_frames(&result) : frames;
			costs[stage] = fmin(costs[stage], cost);
		}
		light_measure(bench->in_use->light, set, SET, &frames, true, &light);
		alone[STAGE_FORWARD] = fmin(alone[STAGE_FORWARD], light.forward * per_byte);
		alone[STAGE_PARSE] = fmin(alone[STAGE_PARSE], light.decode * per_byte);
		alone[STAGE_MATCH] = fmin(alone[STAGE_MATCH], light.match * per_byte);
		alone[STAGE_DIGEST] = fmin(alone[STAGE_DIGEST], light.digest * per_byte);
	}
	for (int stage = 0; stage < STAGES; stage++) {
		double cost = (costs[stage] - before) * (double)rte_get_tsc_hz();
		char name[96];

		before = costs[stage];
		name_row(name, size, names[stage]);
		perf_row_ratio(
			name, cost, "cycles/B", against[stage], alone[stage], alone[stage] / cost);
	}
	bench->digests = digests;
}

static void bench_alone(struct bench *bench, struct rig *rig, const struct mail *set,
	const char *size, size_t bytes)
{
	struct traffic_options traffic = traffic_of(bench, set, bytes);
	struct rig_result result;

	traffic.connections = 1;
	traffic.mails = bench->quick ? 4 * SET : 40 * SET;
	rig_run(rig, &traffic, &result);
	figures_check(&result, &traffic);
	show_quantiles(size, "end-of-data/one-connection", result.latencies, "us");
}

static void bench_sealed(const struct bench *bench, const struct mail *set, const char *size,
	size_t bytes, uint32_t percent)
{
	struct traffic_options traffic = traffic_of(bench, set, bytes);
	struct rig_result result;
	struct options options;
	struct rig *rig;
	char name[96];
	char what[64];

	prepare(bench, &options);
	traffic.sealed_percent = percent;
	rig = rig_new(&options, bench->in_use->ruleset, bench->folder);
	rig_run(rig, &traffic, &result);
	figures_check(&result, &traffic);
	rig_run(rig, &traffic, &result);
	figures_check(&result, &traffic);
	(void)snprintf(what, sizeof(what), "sealed-%u/worker-alone", percent);
	name_row(name, size, what);
	perf_row(name,
		8e-9 * (double)result.totals.mail_bytes / (result.worker_s - result.waiting_s),
		"Gbit/s", NULL, 0);
	(void)snprintf(what, sizeof(what), "sealed-%u/wall", percent);
	name_row(name, size, what);
	perf_row(name, (double)result.totals.begun / result.wall_s, "mails/s", NULL, 0);
	rig_free(rig);
}

static void measure_only(const struct bench *bench, struct rig *rig,
	const struct traffic_options *traffic, const char *size, const char *what)
{
	struct figures figures;
	char name[96];
	char only[64];

	measure(bench, rig, traffic, &figures);
	(void)snprintf(only, sizeof(only), "only-%s", what);
	name_row(name, size, only);
	perf_row_ratio(name, 8e-9 / figures.cost, "Gbit/s", "speed of light", 8e-9 / figures.light,
		figures.ratio);
}

// Mails without archives, for peers that do not look into these.
static void bench_plain(struct bench *bench, struct rig *rig, const struct mail *set,
	const char *size, size_t bytes)
{
	static struct mail plain[SET];
	struct traffic_options traffic = traffic_of(bench, set, bytes);

	traffic.set = plain;
	traffic.set_count = 0;
	for (uint32_t i = 0; i < SET; i++) {
		if (set[i].member_count == 0)
			plain[traffic.set_count++] = set[i];
	}
	measure_only(bench, rig, &traffic, size, "plain");
}

// Mails of one kind alone, all clean: what is inside decides what there is to do.
static void bench_kinds(struct bench *bench, struct rig *rig, const struct mail *set,
	const char *size, size_t bytes)
{
	for (uint32_t kind = 0; kind < MAIL_KINDS_COUNT; kind++) {
		struct traffic_options traffic = traffic_of(bench, set, bytes);

		if (bench->kind != NULL && strcmp(bench->kind, mail_kind_names[kind]) != 0)
			continue;
		traffic.set = &set[kind];
		traffic.set_count = 1;
		measure_only(bench, rig, &traffic, size, mail_kind_names[kind]);
	}
	if (bench->kind == NULL)
		bench_plain(bench, rig, set, size, bytes);
}

// What is measured of mails of one size with one set of signatures.
struct part {
	enum rules_kind rules;
	bool digests;
	bool all;    // not the rates alone
	bool stages; // kinds, sealed mails and stages, too
	bool plain;  // mails without archives, too
};

static void bench_part(
	struct bench *bench, const struct part *part, const char *size_name, size_t bytes)
{
	static struct mail set[SET];
	struct traffic_options traffic;
	struct figures figures;
	struct options options;
	struct rig *rig;
	char size[48];
	char name[96];

	bench->in_use = &bench->sets[part->rules];
	bench->digests = part->digests;
	label(bench, size_name, size);
	make_set(bench, set, bytes);
	traffic = traffic_of(bench, set, bytes);
	prepare(bench, &options);
	rig = rig_new(&options, bench->in_use->ruleset, NULL);
	measure(bench, rig, &traffic, &figures);
	show_throughput(size, &figures);
	show_mails(size, (double)mail_set_bytes(set, SET) / SET, &figures);
	if (part->all) {
		show_all(size, &figures);
		bench_alone(bench, rig, set, size, bytes);
		name_row(name, size, "memory/idle");
		perf_row(name, (double)rig_connection_bytes(rig), "B/connection", NULL, 0);
		name_row(name, size, "memory/message");
		perf_row(name, (double)rig_message_bytes(rig), "B/connection", NULL, 0);
	}
	if (part->stages)
		bench_kinds(bench, rig, set, size, bytes);
	else if (part->plain)
		bench_plain(bench, rig, set, size, bytes);
	rig_free(rig);
	if (part->stages) {
		bench_sealed(bench, set, size, bytes, 10);
		bench_sealed(bench, set, size, bytes, 100);
		bench_stages(bench, set, size, bytes);
	}
	mail_set_free(set);
}

// All mixes: the goal's first.
static void bench_size(struct bench *bench, const char *size, size_t bytes, bool stages)
{
	const struct part parts[] = {{RULES_CLAMAV, true, true, .stages = stages},
		{.rules = RULES_CLAMAV}, {.rules = RULES_LITERAL, .digests = true},
		{.rules = RULES_LITERAL}};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		bench_part(bench, &parts[i], size, bytes);
}

static void bench_kind(struct bench *bench, size_t bytes)
{
	static struct mail set[SET];
	struct options options;
	struct rig *rig;
	char size[48];

	label(bench, "kind", size);
	make_set(bench, set, bytes);
	prepare(bench, &options);
	rig = rig_new(&options, bench->in_use->ruleset, NULL);
	bench_kinds(bench, rig, set, size, bytes);
	rig_free(rig);
	mail_set_free(set);
}

// ---- all of it ----------------------------------------------------------------------------------

static void write_mails(const struct bench *bench, const char *folder)
{
	static struct mail set[SET];
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/perf.ndb", folder);
	rules_write(&bench->in_use->rules, path);
	make_set(bench, set, 100000);
	for (uint32_t i = 0; i < SET; i++) {
		const struct mail *mail = &set[i];
		FILE *file;

		(void)snprintf(path, sizeof(path), "%s/%02u-%s%s.eml", folder, i,
			mail_kind_names[mail->kind], mail->infected ? "-infected" : "");
		file = fopen(path, "we");
		// Without the end-of-data's dot.
		perf_need(file != NULL &&
				  fwrite(mail->wire.data, mail->wire.bytes - 3, 1, file) == 1 &&
				  fclose(file) == 0,
			path);
	}
	mail_set_free(set);
}

static void prepare_rules(struct rule_set *set, enum rules_kind kind, uint32_t count)
{
	rules_make(&set->rules, kind, count);
	set->ruleset = rules_build(&set->rules, &set->image);
	set->light = light_new(&set->rules, set->ruleset);
}

static void remove_folder(const char *folder)
{
	const char *const command[] = {"/bin/rm", "-rf", folder, NULL};
	pid_t pid = fork();

	if (pid == 0) {
		(void)execv(command[0], (char **)(uintptr_t)command);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

// One size, with one set of signatures.
static void bench_only(struct bench *bench, enum rules_kind rules, size_t bytes)
{
	const struct part part = {rules, bench->digests, true, .plain = true};
	char size[32];

	(void)snprintf(size, sizeof(size), bytes % 1000000 == 0 ? "%zum" : "%zuk",
		bytes % 1000000 == 0 ? bytes / 1000000 : bytes / 1000);
	bench_part(bench, &part, size, bytes);
}

static void bench_all(struct bench *bench)
{
	bench_size(bench, "10k", 10000, false);
	bench_size(bench, "100k", 100000, true);
	if (!bench->quick)
		bench_size(bench, "1m", 1000000, false);
}

struct choice {
	enum rules_kind rules;
	size_t bytes;    // 0: all
	const char *out; // a folder
};

static int read_options(int argc, char **argv, struct bench *bench, struct choice *choice)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((option = getopt_long(argc, argv, "dlk:s:w:", names, NULL)) != -1) {
		if (option == 'q')
			bench->quick = true;
		else if (option == 'd')
			bench->digests = true;
		else if (option == 'l')
			choice->rules = RULES_LITERAL;
		else if (option == 's')
			choice->bytes = strtoul(optarg, NULL, 10);
		else if (option == 'k')
			bench->kind = optarg;
		else if (option == 'w')
			choice->out = optarg;
		else
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

static void run(struct bench *bench, const struct choice *choice)
{
	bool is_all = bench->kind == NULL && choice->bytes == 0;

	rules_make(&bench->one.rules, RULES_CLAMAV, 1);
	bench->one.ruleset = rules_build(&bench->one.rules, &bench->one.image);
	for (int i = 0; i < 2; i++) {
		if (is_all || (int)choice->rules == i)
			prepare_rules(&bench->sets[i], (enum rules_kind)i, SIGNATURES);
	}
	if (bench->kind != NULL)
		bench_kind(bench, choice->bytes > 0 ? choice->bytes : 100000);
	else if (choice->bytes > 0)
		bench_only(bench, choice->rules, choice->bytes);
	else
		bench_all(bench);
}

int main(int argc, char **argv)
{
	static struct bench bench = {.rounds = 7};
	struct choice choice = {.rules = RULES_CLAMAV};
	char folder[] = "cordon-traffic-XXXXXX";

	if (read_options(argc, argv, &bench, &choice) != 0)
		return 2;
	bench.rounds = bench.quick ? 3 : bench.rounds;
	bench.in_use = &bench.sets[choice.rules];
	if (choice.out != NULL) {
		rules_make(&bench.sets[choice.rules].rules, choice.rules, SIGNATURES);
		write_mails(&bench, choice.out);
		return 0;
	}
	perf_need(mkdtemp(folder) != NULL, folder);
	bench.folder = folder;
	rig_start_dpdk();
	run(&bench, &choice);
	remove_folder(folder);
	return 0;
}
