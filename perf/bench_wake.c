// SPDX-License-Identifier: BSD-3-Clause
// What the machine alone takes of a message's way: bench_wake [--quick] [-f] [-m MILLISECONDS] [-p PRIORITY]
//
// A chain of threads that do nothing but wake the next one by an eventfd, as an alert goes: a client, the control
// process, the dataplane's main thread, two workers, which nap on a futex, and back. What other programs make of
// the processors is in these figures and in those of a seal (bench_alert.py) alike.
//
// -f: until standard input ends, one ping every MILLISECONDS (5); then p50, p99, p99.9, the longest (ms) and their
// number, as one line. -p: all threads with this real-time priority.
#include "perf/perf.h"

#include <linux/futex.h>

#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define MOST 100000u
#define NAP_NS 20000000

static struct {
	int to_control;
	int to_dataplane;
	int to_client;
	atomic_uint given; // that workers nap on
	atomic_uint taken[WORKERS];
	atomic_bool stop;
} chain;

static void ring(int fd)
{
	uint64_t one = 1;

	perf_need(write(fd, &one, sizeof(one)) == sizeof(one), "eventfd");
}

static void wait_for(int fd)
{
	struct pollfd asked = {.fd = fd, .events = POLLIN};
	uint64_t count;

	perf_need(poll(&asked, 1, -1) == 1 && read(fd, &count, sizeof(count)) == sizeof(count),
		"poll");
}

static void *control(void *arg)
{
	(void)arg;
	while (!atomic_load(&chain.stop)) {
		wait_for(chain.to_control);
		ring(chain.to_dataplane);
	}
	return NULL;
}

static void *dataplane(void *arg)
{
	(void)arg;
	while (!atomic_load(&chain.stop)) {
		unsigned int given;

		wait_for(chain.to_dataplane);
		given = atomic_fetch_add(&chain.given, 1) + 1;
		(void)syscall(SYS_futex, &chain.given, FUTEX_WAKE_PRIVATE, WORKERS, NULL, NULL, 0);
		for (int i = 0; i < WORKERS; i++) {
			while (atomic_load(&chain.taken[i]) != given && !atomic_load(&chain.stop))
				(void)usleep(10);
		}
		ring(chain.to_client);
	}
	return NULL;
}

static void *worker(void *arg)
{
	atomic_uint *taken = arg;
	const struct timespec nap = {.tv_nsec = NAP_NS};

	while (!atomic_load(&chain.stop)) {
		unsigned int given = atomic_load(&chain.given);

		atomic_store(taken, given);
		(void)syscall(SYS_futex, &chain.given, FUTEX_WAIT_PRIVATE, given, &nap, NULL, 0);
	}
	return NULL;
}

static double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool has_input_ended(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void start(pthread_t threads[2 + WORKERS])
{
	chain.to_control = eventfd(0, EFD_CLOEXEC);
	chain.to_dataplane = eventfd(0, EFD_CLOEXEC);
	chain.to_client = eventfd(0, EFD_CLOEXEC);
	perf_need(chain.to_control >= 0 && chain.to_dataplane >= 0 && chain.to_client >= 0,
		"eventfd");
	perf_need(pthread_create(&threads[0], NULL, control, NULL) == 0, "thread");
	perf_need(pthread_create(&threads[1], NULL, dataplane, NULL) == 0, "thread");
	for (int i = 0; i < WORKERS; i++)
		perf_need(pthread_create(&threads[2 + i], NULL, worker, &chain.taken[i]) == 0,
			"thread");
}

static void stop(pthread_t threads[2 + WORKERS])
{
	atomic_store(&chain.stop, true);
	(void)atomic_fetch_add(&chain.given, 1);
	ring(chain.to_control);
	ring(chain.to_dataplane);
	for (int i = 0; i < 2 + WORKERS; i++)
		(void)pthread_join(threads[i], NULL);
}

static unsigned int ping(double *took, unsigned int most, bool follows, unsigned int pause_ms)
{
	unsigned int count = 0;

	while (count < most && !(follows && has_input_ended())) {
		double began;

		(void)usleep(pause_ms * 1000);
		began = now_ms();
		ring(chain.to_control);
		wait_for(chain.to_client);
		took[count++] = now_ms() - began;
	}
	qsort(took, count, sizeof(*took), compare);
	return count;
}

static double at(const double *sorted, unsigned int count, double part)
{
	return count > 0 ? sorted[(unsigned int)((count - 1) * part)] : 0;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static const double parts[] = {0.5, 0.99, 0.999, 1};
	static const char *const texts[] = {"p50", "p99", "p99.9", "longest"};
	static double took[MOST];
	pthread_t threads[2 + WORKERS];
	unsigned int pause_ms = 5;
	unsigned int most = 1000;
	bool follows = false;
	int priority = 0;
	unsigned int count;
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet
	while ((option = getopt_long(argc, argv, "fm:p:", names, NULL)) != -1) {
		if (option == 'f')
			follows = true;
		else if (option == 'm')
			pause_ms = (unsigned int)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			priority = (int)strtol(optarg, NULL, 10);
		else if (option == 'q')
			most = 200;
		else
			return 2;
	}
	if (priority > 0)
		perf_need(sched_setscheduler(0, SCHED_RR,
				  &(struct sched_param){.sched_priority = priority}) == 0,
			"a priority");
	start(threads);
	count = ping(took, follows ? MOST : most, follows, pause_ms);
	stop(threads);
	for (size_t i = 0; follows && i < 4; i++)
		(void)printf("%.3f ", at(took, count, parts[i]));
	if (follows)
		(void)printf("%u\n", count);
	for (size_t i = 0; !follows && i < 4; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "wake/chain/%s", texts[i]);
		perf_row(name, at(took, count, parts[i]), "ms", NULL, 0);
	}
	return 0;
}
