// SPDX-License-Identifier: BSD-3-Clause
// A worker under complete SMTP conversations: bench_traffic [--quick] [-d] [-s SIZE] [-k KIND] [-w FOLDER]
//
// Traffic on one core, the worker on another, ring ports between them (rig.h). Mails are of all kinds (mails.h),
// one in 25 is infected; every reply, verdict and byte is checked. What counts is the processor's time of the
// worker's thread, in turns of its loop that had packets (rig_wait.c), and its helper's, so that a machine that others
// use as well gives the same figures. Beside it
// stands the speed of light (light.h) of the same mails, measured in turn; the ratio is the median of rounds.
//
// -d: with SHA-256 of every part. -s: mails of about so many bytes alone. -k: of that kind alone (office, zip), with
// 100 KB or -s. -w: writes the signatures and one mail of each kind to a folder,
// for peers, and ends.
#include "perf/figures.h"
#include "perf/light.h"
#include "perf/perf.h"
#include "perf/rig.h"
#include "perf/rules.h"

#include <rte_cycles.h>

#include <getopt.h>
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

enum stage {
	STAGE_FORWARD, // no SMTP: only forwarded
	STAGE_PARSE,   // one signature
	STAGE_MATCH,
	STAGE_DIGEST, // SHA-256 of every part
	STAGES,
};

struct bench {
	struct rules rules;
	struct rules one;
	struct ruleset *ruleset;
	struct ruleset *one_ruleset;
	void *image;
	void *one_image;
	struct light *light;
	const char *folder; // of the spool
	const char *kind;   // NULL: all
	uint32_t rounds;
	bool quick;
	bool digests; // are in use
};

static const char *const kind_names[] = {
#define X(name, text) text,
	MAIL_KINDS(X)
#undef X
};

static void measure(const struct bench *bench, struct rig *rig,
	const struct traffic_options *traffic, struct figures *figures)
{
	const struct figures_how how = {
		figures_run_rig, rig, bench->light, bench->rounds, bench->digests};

	figures_measure(&how, traffic, figures);
}

static void make_set(const struct bench *bench, struct mail *set, size_t bytes)
{
	struct mail_bytes sign = rules_get(&bench->one, 0);

	mail_set_make(set, bytes, &sign);
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

static void show(const char *size, double mail_bytes, const struct figures *figures)
{
	char name[96];

	name_row(name, size, "throughput");
	perf_row_ratio(name, 8e-9 / figures->cost, "Gbit/s", "speed of light",
		8e-9 / figures->light, figures->ratio);
	name_row(name, size, "mails");
	perf_row(name, 1 / figures->cost / mail_bytes, "mails/s", NULL, 0);
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

static void bench_stages(
	struct bench *bench, const struct mail *set, const char *size, size_t bytes)
{
	static const char *const names[STAGES] = {
		"stage/forward", "stage/parse-and-decode", "stage/match", "stage/sha256"};
	static const char *const against[STAGES] = {
		"rx and tx alone", "decoding alone", "hs_scan alone", "EVP_Digest alone"};
	double hz = (double)rte_get_tsc_hz();
	double before = 0;
	double total = (double)mail_set_bytes(set, SET);
	struct light_cost light;

	for (int stage = 0; stage < STAGES; stage++) {
		double alone[STAGES];
		struct traffic_options traffic = traffic_of(bench, set, bytes);
		struct options options;
		struct figures figures;
		struct rig *rig;
		char name[96];

		bench->digests = stage == STAGE_DIGEST;
		prepare(bench, &options);
		if (stage == STAGE_FORWARD)
			traffic.port = 26;
		traffic.unseen = stage == STAGE_FORWARD;
		rig = rig_new(
			&options, stage < STAGE_MATCH ? bench->one_ruleset : bench->ruleset, NULL);
		measure(bench, rig, &traffic, &figures);
		if (stage == STAGE_FORWARD) {
			struct light_frames frames = figures_frames(&figures.last);

			light_measure(bench->light, set, SET, &frames, true, &light);
		}
		memcpy(alone,
			(double[STAGES]){light.forward, light.decode, light.match, light.digest},
			sizeof(alone));
		name_row(name, size, names[stage]);
		perf_row_ratio(name, (figures.least - before) * hz, "cycles/B", against[stage],
			alone[stage] / total * hz, alone[stage] / total / (figures.least - before));
		before = figures.least;
		rig_free(rig);
		bench->digests = false;
	}
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
	rig = rig_new(&options, bench->ruleset, bench->folder);
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

// Mails of one kind alone, all clean: what is inside decides what there is to do.
static void bench_kinds(struct bench *bench, struct rig *rig, const struct mail *set,
	const char *size, size_t bytes)
{
	for (uint32_t kind = 0; kind < MAIL_KINDS_COUNT; kind++) {
		struct traffic_options traffic = traffic_of(bench, set, bytes);
		struct figures figures;
		char name[96];
		char what[64];

		if (bench->kind != NULL && strcmp(bench->kind, kind_names[kind]) != 0)
			continue;
		traffic.set = &set[kind];
		traffic.set_count = 1;
		measure(bench, rig, &traffic, &figures);
		(void)snprintf(what, sizeof(what), "only-%s", kind_names[kind]);
		name_row(name, size, what);
		perf_row_ratio(name, 8e-9 / figures.cost, "Gbit/s", "speed of light",
			8e-9 / figures.light, figures.ratio);
	}
}

static void bench_size(struct bench *bench, const char *size, size_t bytes, bool all)
{
	static struct mail set[SET];
	struct traffic_options traffic;
	struct figures figures;
	struct options options;
	struct rig *rig;
	char name[96];

	make_set(bench, set, bytes);
	traffic = traffic_of(bench, set, bytes);
	prepare(bench, &options);
	rig = rig_new(&options, bench->ruleset, NULL);
	measure(bench, rig, &traffic, &figures);
	show(size, (double)mail_set_bytes(set, SET) / SET, &figures);
	bench_alone(bench, rig, set, size, bytes);
	if (all)
		bench_kinds(bench, rig, set, size, bytes);
	name_row(name, size, "memory/idle");
	perf_row(name, (double)rig_connection_bytes(rig), "B/connection", NULL, 0);
	name_row(name, size, "memory/message");
	perf_row(name, (double)rig_message_bytes(rig), "B/connection", NULL, 0);
	rig_free(rig);
	if (all) {
		bench_sealed(bench, set, size, bytes, 10);
		bench_sealed(bench, set, size, bytes, 100);
		bench_stages(bench, set, size, bytes);
	}
	mail_set_free(set);
}

static void bench_kind(struct bench *bench, size_t bytes)
{
	static struct mail set[SET];
	struct options options;
	struct rig *rig;

	make_set(bench, set, bytes);
	prepare(bench, &options);
	rig = rig_new(&options, bench->ruleset, NULL);
	bench_kinds(bench, rig, set, "kind", bytes);
	rig_free(rig);
	mail_set_free(set);
}

// ---- all of it ----------------------------------------------------------------------------------

static void write_mails(const struct bench *bench, const char *folder)
{
	static struct mail set[SET];
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/perf.ndb", folder);
	rules_write(&bench->rules, path);
	make_set(bench, set, 100000);
	for (uint32_t i = 0; i <= MAIL_KINDS_COUNT; i++) {
		const struct mail *mail = i < MAIL_KINDS_COUNT ? &set[i] : &set[SET - 1];
		FILE *file;

		(void)snprintf(path, sizeof(path), "%s/%s%s.eml", folder, kind_names[mail->kind],
			mail->infected ? "-infected" : "");
		file = fopen(path, "we");
		// Without the end-of-data's dot.
		perf_need(file != NULL &&
				  fwrite(mail->wire.data, mail->wire.bytes - 3, 1, file) == 1 &&
				  fclose(file) == 0,
			path);
	}
	mail_set_free(set);
}

static void prepare_rules(struct bench *bench)
{
	rules_make(&bench->rules, SIGNATURES);
	rules_make(&bench->one, 1);
	bench->ruleset = rules_build(&bench->rules, &bench->image);
	bench->one_ruleset = rules_build(&bench->one, &bench->one_image);
	bench->light = light_new(&bench->rules);
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

int main(int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static struct bench bench = {.rounds = 7};
	char folder[] = "cordon-traffic-XXXXXX";
	const char *out = NULL;
	size_t only = 0;
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((option = getopt_long(argc, argv, "dk:s:w:", names, NULL)) != -1) {
		if (option == 'q')
			bench.quick = true;
		else if (option == 'd')
			bench.digests = true;
		else if (option == 's')
			only = strtoul(optarg, NULL, 10);
		else if (option == 'k')
			bench.kind = optarg;
		else if (option == 'w')
			out = optarg;
		else
			return 2;
	}
	bench.rounds = bench.quick ? 3 : bench.rounds;
	if (out != NULL) {
		rules_make(&bench.rules, SIGNATURES);
		rules_make(&bench.one, 1);
		write_mails(&bench, out);
		return 0;
	}
	perf_need(mkdtemp(folder) != NULL, folder);
	bench.folder = folder;
	rig_start_dpdk();
	prepare_rules(&bench);
	if (bench.kind != NULL) {
		bench_kind(&bench, only > 0 ? only : 100000);
		remove_folder(folder);
		return 0;
	}
	if (only == 0 || only == 10000)
		bench_size(&bench, "10k", 10000, false);
	if (only == 0 || only == 100000)
		bench_size(&bench, "100k", 100000, only == 0);
	if (only == 1000000 || (only == 0 && !bench.quick))
		bench_size(&bench, "1m", 1000000, false);
	remove_folder(folder);
	return 0;
}
