// SPDX-License-Identifier: BSD-3-Clause
// Rules that are swapped under load: bench_swap [--quick] [FOLDER OR FILE OF SIGNATURES...]
//
// A worker under SMTP traffic (rig.h), while another thread puts the same large image in force again and again, as
// the dataplane's main thread does: a fresh memfd, mapped, checked, a scanner made of it and tried, handed over.
// 20,000 literals and 265,000 hashes are the image, and what is named on the command line besides. Without and
// with swaps in turn (the same made, but not handed over): how long the worker's turns are (a burst from each port
// waits no longer than one), by its processor's time, which other programs do not lengthen, and by the clock, which
// they do; how often it has slept or touched a page that was not there in the midst of a turn. Every mail and every
// verdict is checked: what is in progress at a swap ends on the rules that it began with.
#include "dataplane/memory_limit.h"
#include "dataplane/worker_rules.h"
#include "perf/perf.h"
#include "perf/rig.h"
#include "perf/rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LITERALS 20000u
#define HASHES 265000u
#define MAIL_BYTES 10000u
#define SET 25u
#define CONNECTIONS 64u
#define SLOTS 100000u // of a microsecond each
#define PAUSE_US 20000

struct turns {
	uint64_t count;
	uint64_t faults;
	uint64_t sleeps; // in a turn
	uint32_t by_cpu[SLOTS];
	uint32_t by_clock[SLOTS];
	double longest_cpu;
	double longest_clock;
	atomic_bool wanted;
	bool counts; // of the turn that is going on: it was wanted when that began
	double cpu;
	double clock;
	struct rusage usage;
};

struct bench {
	char folder[64];
	char spool[64]; // where mail in progress at a swap is read from again
	struct rules rules;
	struct rig *rig;
	struct options options;
	struct worker_rules *worker_rules;
	struct mail set[SET];
	struct traffic_options traffic;
	atomic_bool swaps;
	atomic_bool ends;
	uint32_t swapped;
	double swap_s; // that they took
	uint32_t rounds;
	int image;
};

static struct turns turns;

static double seconds(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- turns --------------------------------------------------------------------------------------

static void note(uint32_t *slots, double s, double *longest)
{
	double us = s * 1e6;

	slots[us < SLOTS - 1 ? (uint32_t)us : SLOTS - 1]++;
	if (us > *longest)
		*longest = us;
}

static void turned(void *ctx, bool ends)
{
	struct turns *it = ctx;
	struct rusage usage;

	if (!ends) {
		it->counts = atomic_load_explicit(&it->wanted, memory_order_acquire);
		(void)getrusage(RUSAGE_THREAD, &it->usage);
		it->clock = seconds(CLOCK_MONOTONIC);
		it->cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
		return;
	}
	if (!it->counts)
		return;
	note(it->by_cpu, seconds(CLOCK_THREAD_CPUTIME_ID) - it->cpu, &it->longest_cpu);
	note(it->by_clock, seconds(CLOCK_MONOTONIC) - it->clock, &it->longest_clock);
	(void)getrusage(RUSAGE_THREAD, &usage);
	it->count++;
	it->faults += (uint64_t)(usage.ru_minflt + usage.ru_majflt - it->usage.ru_minflt -
				 it->usage.ru_majflt);
	it->sleeps += (uint64_t)(usage.ru_nvcsw - it->usage.ru_nvcsw);
}

static double share(const uint32_t *slots, uint64_t count, double part)
{
	uint64_t wanted = (uint64_t)((double)count * part);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		sum += slots[i];
		if (sum > wanted)
			return i + 1;
	}
	return SLOTS;
}

// ---- the image ----------------------------------------------------------------------------------

static void write_hashes(const char *path)
{
	FILE *file = fopen(path, "we");

	perf_need(file != NULL, path);
	for (uint32_t i = 0; i < HASHES; i++) {
		uint8_t digest[16];

		perf_fill(digest, sizeof(digest), i + 1);
		for (size_t j = 0; j < sizeof(digest); j++)
			(void)fprintf(file, "%02x", digest[j]);
		(void)fprintf(file, ":%u:Bench.Hash-%u\n", 1000 + i % 90000, i);
	}
	perf_need(fclose(file) == 0, path);
}

static void compile(const struct bench *bench, char **more, int count, const char *image)
{
	const char *build = getenv("BUILD"); // NOLINT(concurrency-mt-unsafe): no thread yet
	char program[512];
	const char *argv[64] = {program, "compile", bench->folder, "-o", image};
	pid_t child;
	int status;

	(void)snprintf(program, sizeof(program), "%s/cordonctl", build != NULL ? build : "build");
	for (int i = 0; i < count && i < 50; i++)
		argv[5 + i] = more[i];
	child = fork();
	perf_need(child >= 0, "a process");
	if (child == 0) {
		int nowhere = open("/dev/null", O_WRONLY);

		(void)dup2(nowhere, STDERR_FILENO);
		(void)dup2(nowhere, STDOUT_FILENO);
		(void)execv(program, (char **)(uintptr_t)argv);
		_exit(127);
	}
	perf_need(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
			  WEXITSTATUS(status) == 0,
		"cordonctl compile");
}

static struct ruleset *make_image(struct bench *bench, char **more, int count)
{
	char path[96];
	char image[96];
	struct ruleset *ruleset = NULL;

	(void)snprintf(bench->folder, sizeof(bench->folder), "/tmp/cordon-swap-XXXXXX");
	perf_need(mkdtemp(bench->folder) != NULL, bench->folder);
	(void)snprintf(path, sizeof(path), "%s/literals.ndb", bench->folder);
	rules_make(&bench->rules, RULES_LITERAL, LITERALS);
	rules_write(&bench->rules, path);
	(void)snprintf(path, sizeof(path), "%s/hashes.hdb", bench->folder);
	write_hashes(path);
	(void)snprintf(image, sizeof(image), "%s.image", bench->folder);
	compile(bench, more, count, image);
	bench->image = open(image, O_RDONLY | O_CLOEXEC);
	perf_need(bench->image >= 0 && ruleset_open(image, &ruleset) == 0, image);
	(void)unlink(image);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/literals.ndb", bench->folder);
	(void)unlink(path);
	(void)rmdir(bench->folder);
	return ruleset;
}

// ---- swaps --------------------------------------------------------------------------------------

static int fresh_copy(const struct bench *bench)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat status;
	off_t at = 0;

	perf_need(fd >= 0 && fstat(bench->image, &status) == 0, "a memfd");
	while (at < status.st_size)
		perf_need(sendfile(fd, bench->image, &at, (size_t)(status.st_size - at)) > 0,
			"a copy");
	perf_need(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0, "seals");
	return fd;
}

// What a swap is but for handing over: the processors are two and this thread is the third here, so that the worker
// is interrupted by this alone.
static void make_in_vain(const struct bench *bench, int fd)
{
	struct ruleset *ruleset = NULL;
	struct scanner *scanner = NULL;
	struct stat status;
	void *data;

	perf_need(fstat(fd, &status) == 0, "a memfd");
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	perf_need(data != MAP_FAILED &&
			  ruleset_attach(data, (size_t)status.st_size, &ruleset) == 0 &&
			  scanner_new(&bench->options.engine.scan, ruleset, &scanner) == 0,
		"an image");
	scanner_free(scanner);
	ruleset_close(ruleset);
	(void)munmap(data, (size_t)status.st_size);
}

static void *swap(void *arg)
{
	struct bench *bench = arg;

	while (!atomic_load(&bench->ends)) {
		struct worker_rules_image image = {-1, WORKER_RULES_IMAGE};
		char error[256] = "";
		double began;
		int err;

		(void)usleep(PAUSE_US);
		worker_rules_collect(bench->worker_rules);
		image.fd = fresh_copy(bench);
		if (!atomic_load(&bench->swaps)) {
			make_in_vain(bench, image.fd);
			(void)close(image.fd);
			continue;
		}
		began = seconds(CLOCK_MONOTONIC);
		err = worker_rules_set(bench->worker_rules, &image, &bench->options.engine.scan,
			error, sizeof(error));
		(void)close(image.fd);
		if (err == -EBUSY)
			continue;
		perf_need(err == 0, error);
		bench->swap_s += seconds(CLOCK_MONOTONIC) - began;
		bench->swapped++;
	}
	return NULL;
}

// ---- traffic ------------------------------------------------------------------------------------

static void check(const struct bench *bench, const struct rig_result *result)
{
	const struct traffic_totals *totals = &result->totals;

	if (totals->wrong + totals->refused + totals->resets + result->verdicts_wrong == 0 &&
		totals->lost + totals->changed + result->dropped == 0 &&
		totals->begun == bench->traffic.mails && result->events == totals->begun &&
		totals->delivered + totals->rejected == totals->begun)
		return;
	(void)fprintf(stderr,
		"of %u mails: accepted %u, rejected %u, refused %u, delivered %u, wrong %u, resets "
		"%u; "
		"verdicts %lu, wrong %lu; segments lost %lu, changed %lu; dropped %lu\n",
		totals->begun, totals->accepted, totals->rejected, totals->refused,
		totals->delivered, totals->wrong, totals->resets, result->events,
		result->verdicts_wrong, totals->lost, totals->changed, result->dropped);
	perf_need(false, "all mails as they must be");
}

static void measure(struct bench *bench, bool with_swaps, struct turns *sum)
{
	struct rig_result result;

	atomic_store(&bench->swaps, with_swaps);
	memset(&turns, 0, sizeof(turns));
	atomic_store_explicit(&turns.wanted, true, memory_order_release);
	rig_run(bench->rig, &bench->traffic, &result);
	atomic_store_explicit(&turns.wanted, false, memory_order_relaxed);
	(void)usleep(PAUSE_US); // the last turn has ended
	check(bench, &result);
	sum->count += turns.count;
	sum->faults += turns.faults;
	sum->sleeps += turns.sleeps;
	for (uint32_t i = 0; i < SLOTS; i++) {
		sum->by_cpu[i] += turns.by_cpu[i];
		sum->by_clock[i] += turns.by_clock[i];
	}
	if (turns.longest_cpu > sum->longest_cpu)
		sum->longest_cpu = turns.longest_cpu;
	if (turns.longest_clock > sum->longest_clock)
		sum->longest_clock = turns.longest_clock;
}

static void show(const struct bench *bench, const struct turns *with, const struct turns *without)
{
	static const double parts[] = {0.99, 0.999, 0.9999};
	static const char *const names[] = {"p99", "p99.9", "p99.99"};
	char name[64];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "swap/turn/cpu/%s", names[i]);
		perf_row(name, share(with->by_cpu, with->count, parts[i]), "us",
			"made, but not handed over",
			share(without->by_cpu, without->count, parts[i]));
		(void)snprintf(name, sizeof(name), "swap/turn/clock/%s", names[i]);
		perf_row(name, share(with->by_clock, with->count, parts[i]), "us",
			"made, but not handed over",
			share(without->by_clock, without->count, parts[i]));
	}
	perf_row("swap/turn/cpu/longest", with->longest_cpu, "us", "made, but not handed over",
		without->longest_cpu);
	perf_row("swap/turn/clock/longest", with->longest_clock, "us", "made, but not handed over",
		without->longest_clock);
	perf_row("swap/page-faults", 1e6 * (double)with->faults / (double)with->count,
		"in a million turns", "made, but not handed over",
		1e6 * (double)without->faults / (double)without->count);
	perf_row("swap/slept-in-a-turn", 1e6 * (double)with->sleeps / (double)with->count,
		"in a million turns", "made, but not handed over",
		1e6 * (double)without->sleeps / (double)without->count);
	perf_row("swap/packets-lost", 0, "packets", NULL, 0); // or it had ended
	perf_row("swap/in-force", bench->swap_s * 1e3 / bench->swapped, "ms", NULL, 0);
	perf_row("swap/count", bench->swapped, "swaps", NULL, 0);
}

static void remove_folder(const char *path)
{
	DIR *list = opendir(path);
	struct dirent *entry;

	perf_need(list != NULL, path);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(list), entry->d_name, 0);
	}
	(void)closedir(list);
	(void)rmdir(path);
}

static void start(struct bench *bench, char **more, int count)
{
	struct ruleset *ruleset = make_image(bench, more, count);
	static struct worker *workers[1];

	mail_set_make(bench->set, MAIL_BYTES, &bench->rules.sign);
	rig_start_dpdk();
	(void)snprintf(bench->spool, sizeof(bench->spool), "build/bench-swap-XXXXXX");
	perf_need(mkdtemp(bench->spool) != NULL, bench->spool);
	rig_watch_turns(turned, &turns);
	options_init(&bench->options);
	bench->options.engine.max_connections = 4096;
	bench->options.engine.scan.max_messages = 1024;
	bench->options.engine.scan.has_helper = true;
	bench->rig = rig_new(&bench->options, ruleset, bench->spool);
	workers[0] = rig_worker(bench->rig);
	perf_need(worker_rules_new(ruleset, workers, 1, &bench->worker_rules) == 0, "rules");
	bench->traffic = (struct traffic_options){.connections = CONNECTIONS,
		.per_connection = 20,
		.mails = 2000 / SET * SET,
		.flight_bytes = 45000,
		.port = 25,
		.set = bench->set,
		.set_count = SET};
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static struct bench bench = {.rounds = 15};
	static struct turns with;
	static struct turns without;
	pthread_t thread;
	int option;

	memory_limit_map_large();
	// NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option != 'q')
			return 2;
		bench.rounds = 4;
	}
	start(&bench, argv + optind, argc - optind);
	perf_need(pthread_create(&thread, NULL, swap, &bench) == 0, "a thread");
	measure(&bench, false, &with); // warms up
	memset(&with, 0, sizeof(with));
	for (uint32_t round = 0; round < bench.rounds; round++) {
		measure(&bench, false, &without);
		measure(&bench, true, &with);
	}
	atomic_store(&bench.ends, true);
	(void)pthread_join(thread, NULL);
	show(&bench, &with, &without);
	rig_free(bench.rig);
	worker_rules_free(bench.worker_rules);
	remove_folder(bench.spool);
	mail_set_free(bench.set);
	rules_free(&bench.rules);
	return 0;
}
