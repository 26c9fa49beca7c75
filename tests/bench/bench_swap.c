// SPDX-License-Identifier: BSD-3-Clause
// What a swap of rules costs the thread that scans: bench_swap IMAGE MAIL [SECONDS]
//
// One thread scans a mail again and again, eight messages interleaved, in bursts of 32 segments, as a worker
// does. In turns of a second nothing else happens, or another thread maps the image, checks it, makes a scanner,
// tries it, or not, as worker_rules does, hands it over and frees the one before. Told are the times of bursts by
// the thread's own clock, which other programs do not disturb, and its page faults.
#include "scan/scan.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEGMENT 1448u
#define BURST 32u
#define OPEN 8u
#define WARM 64u
#define BURSTS 4000000u

enum way { QUIET, COLD, WARMED, WAYS };

struct image {
	struct ruleset *ruleset;
	void *data;
	size_t bytes;
};

struct offer {
	struct scanner *scanner;
	struct image image;
};

static struct scan_options options;
static const char *path;
static _Atomic(struct offer *) offered;
static _Atomic(struct offer *) retired;
static atomic_int way;
static atomic_bool stop;
static float *times[WAYS];
static size_t counts[WAYS];
static long faults[WAYS];
static unsigned int swaps[WAYS];
static uint8_t *mail;
static size_t mail_bytes;

static void need(bool is_so, const char *what)
{
	if (is_so)
		return;
	(void)fprintf(stderr, "bench_swap: %s: %m\n", what);
	_exit(2);
}

static void warm(struct scanner *scanner)
{
	struct scan *scans[WARM];

	for (uint32_t i = 0; i < WARM; i++) {
		need(scan_begin(scanner, SCAN_MESSAGE, &scans[i]) == 0, "scan");
		scan_feed(scans[i], mail, mail_bytes);
	}
	for (uint32_t i = WARM; i-- > 0;) {
		(void)scan_end(scans[i]);
		scan_free(scans[i]);
	}
}

static struct offer *make(bool warmed)
{
	struct offer *offer = calloc(1, sizeof(*offer));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	need(offer != NULL && fd >= 0 && fstat(fd, &status) == 0, path);
	offer->image.bytes = (size_t)status.st_size;
	offer->image.data =
		mmap(NULL, offer->image.bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	need(offer->image.data != MAP_FAILED, "mmap");
	(void)close(fd);
	need(ruleset_attach(offer->image.data, offer->image.bytes, &offer->image.ruleset) == 0 &&
			scanner_new(&options, offer->image.ruleset, &offer->scanner) == 0,
		"scanner");
	if (warmed)
		warm(offer->scanner);
	return offer;
}

static void *swap(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		int now = atomic_load(&way);
		struct offer *old = atomic_exchange(&retired, NULL);

		if (old != NULL) {
			scanner_free(old->scanner);
			ruleset_close(old->image.ruleset);
			(void)munmap(old->image.data, old->image.bytes);
			free(old);
		}
		if (now != QUIET && atomic_load(&offered) == NULL) {
			atomic_store(&offered, make(now == WARMED));
			swaps[now]++;
		}
		(void)usleep(20000);
	}
	return NULL;
}

static double thread_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

struct open_scan {
	struct scan *scan;
	size_t at;
};

static void burst(struct scanner *scanner, struct open_scan *scans)
{
	for (uint32_t i = 0; i < BURST; i++) {
		struct open_scan *open = &scans[i % OPEN];
		size_t n = mail_bytes - open->at < SEGMENT ? mail_bytes - open->at : SEGMENT;

		if (open->scan == NULL)
			need(scan_begin(scanner, SCAN_MESSAGE, &open->scan) == 0, "scan");
		scan_feed(open->scan, mail + open->at, n);
		open->at += n;
		if (open->at < mail_bytes)
			continue;
		(void)scan_end(open->scan);
		scan_free(open->scan);
		*open = (struct open_scan){NULL, 0};
	}
}

static void run(struct offer **current, struct open_scan *scans, enum way now, double seconds)
{
	static struct offer *older;
	struct rusage before;
	struct rusage after;
	double end_us = thread_us() + seconds * 1e6;
	double from_us = thread_us();

	(void)getrusage(RUSAGE_THREAD, &before);
	while (from_us < end_us) {
		struct offer *offer = atomic_load(&offered);
		double to_us;

		if (offer != NULL && older == NULL) {
			older = *current;
			*current = offer;
			atomic_store(&offered, NULL);
		}
		burst((*current)->scanner, scans);
		if (older != NULL && scanner_in_progress(older->scanner) == 0 &&
			atomic_load(&retired) == NULL) {
			atomic_store(&retired, older);
			older = NULL;
		}
		to_us = thread_us();
		if (counts[now] < BURSTS)
			times[now][counts[now]++] = (float)(to_us - from_us);
		from_us = to_us;
	}
	(void)getrusage(RUSAGE_THREAD, &after);
	faults[now] += after.ru_minflt - before.ru_minflt;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a;
	float y = *(const float *)b;

	return (x > y) - (x < y);
}

static void read_mail(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat status;

	need(fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0, name);
	mail_bytes = (size_t)status.st_size;
	mail = malloc(mail_bytes);
	need(mail != NULL && read(fd, mail, mail_bytes) == (ssize_t)mail_bytes, name);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"no swap", "swap, scanner not tried", "swap"};
	struct open_scan scans[OPEN] = {0};
	long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 5;
	struct offer *current;
	pthread_t thread;

	if (argc < 3) {
		(void)fprintf(stderr, "bench_swap IMAGE MAIL [SECONDS]\n");
		return 2;
	}
	path = argv[1];
	read_mail(argv[2]);
	scan_options_init(&options);
	options.has_helper = true;
	for (int i = 0; i < WAYS; i++) {
		times[i] = malloc(BURSTS * sizeof(float));
		need(times[i] != NULL, "memory");
		memset(times[i], 0, BURSTS * sizeof(float));
	}
	current = make(true);
	need(pthread_create(&thread, NULL, swap, NULL) == 0, "thread");
	for (long round = 0; round < rounds; round++) {
		for (int i = 0; i < WAYS; i++) {
			atomic_store(&way, i);
			run(&current, scans, (enum way)i, 1);
		}
	}
	atomic_store(&stop, true);
	(void)pthread_join(thread, NULL);
	for (int i = 0; i < WAYS; i++) {
		qsort(times[i], counts[i], sizeof(float), compare);
		(void)printf("%-24s %8zu bursts, us: p50 %.1f p99 %.1f p99.9 %.1f p99.99 %.1f max "
			     "%.1f; %u swaps, %ld faults\n",
			names[i], counts[i], (double)times[i][counts[i] / 2],
			(double)times[i][counts[i] * 99 / 100],
			(double)times[i][counts[i] * 999 / 1000],
			(double)times[i][counts[i] * 9999 / 10000], (double)times[i][counts[i] - 1],
			swaps[i], faults[i]);
	}
	return 0;
}
