// SPDX-License-Identifier: BSD-3-Clause
// spool: a process that is killed under load, again and again in one directory. What it said was durable
// is there, once and intact, and stays so over the next kills, until it is retired.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "tests/support/random.h"
#include "tests/support/spool_mail.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILLS 200
#define KILLS_EACH 10 // in one directory
#define PRODUCERS 3
#define MAILS_EACH 100000 // numbers of one life of the child

static uint64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// ---- the child ----------------------------------------------------------------------------------

struct producer {
	struct spool_worker *worker;
	uint32_t number;
	int pipe;
};

// Until it is killed. The number of each mail that is durable goes into the pipe: a write of four bytes is
// there whole or not at all.
static void *produce(void *arg)
{
	struct producer *producer = arg;
	uint32_t number = producer->number;

	for (;;) {
		struct spool_done done[16];
		size_t n;

		if (spool_mail_send(producer->worker, number, clock_ns()) == 0)
			number += PRODUCERS;
		n = spool_poll(producer->worker, clock_ns(), done, 16);
		if (n == 0)
			(void)sched_yield();
		for (size_t i = 0; i < n; i++) {
			uint32_t which = spool_mail_number(&done[i]);

			if (done[i].error == 0 &&
				write(producer->pipe, &which, sizeof(which)) != sizeof(which))
				_exit(1);
		}
	}
	return NULL;
}

static void live(const struct spool_folder *folder, uint32_t life, int fd, bool ring)
{
	struct producer producers[PRODUCERS];
	struct spool_options options;
	struct spool *spool;
	struct spool_io *io;
	pthread_t thread;

	spool_options_init(&options);
	options.workers = PRODUCERS;
	options.records = 64;
	options.memory_bytes = 2u << 20;
	options.spill_bytes = 65536;
	options.segment_bytes = 1u << 20;
	if ((ring ? spool_io_open(folder->path, &io) : spool_thread_open(folder->path, 4, &io)) !=
			0 ||
		spool_open(&options, folder->keys, io, &spool) != 0)
		_exit(2);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] =
			(struct producer){spool_get_worker(spool, i), life * MAILS_EACH + i, fd};
		if (pthread_create(&thread, NULL, produce, &producers[i]) != 0)
			_exit(3);
	}
	for (;;)
		(void)pause();
}

// ---- the parent ---------------------------------------------------------------------------------

struct trial {
	struct spool_folder folder;
	struct random random;
	uint8_t *acked;   // by number
	uint8_t *retired; // by number
	uint32_t acked_count;
	uint32_t torn;
	uint32_t unacked; // whole, but the child did not come to say so
};

static void kill_once(struct trial *trial, uint32_t life)
{
	struct timespec wait = {.tv_nsec = 1000 * (long)random_below(&trial->random, 30000)};
	uint32_t numbers[256];
	int ends[2];
	ssize_t n;
	int status;
	pid_t child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	// It must not wait for us.
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		live(&trial->folder, life, ends[1], life % 4 != 3);
	assert_int_equal(close(ends[1]), 0);
	// Half of them once there is load, half at any time since the start.
	n = 0;
	if (random_below(&trial->random, 2) == 0)
		n = read(ends[0], numbers, sizeof(numbers[0]));
	(void)nanosleep(&wait, NULL);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	do {
		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(numbers[0]); i++) {
			assert_true(numbers[i] / MAILS_EACH == life);
			trial->acked[numbers[i]]++;
			trial->acked_count++;
		}
		n = read(ends[0], numbers, sizeof(numbers));
	} while (n > 0);
	assert_int_equal(close(ends[0]), 0);
}

// Retires some of what is there, as control would, and removes what is empty.
static void retire_some(struct trial *trial, struct spoolfile *store)
{
	const struct spoolfile_record *list;
	size_t count = spoolfile_list(store, &list);
	struct spoolfile_log *log;
	struct spool_io *io;
	unsigned int removed;
	uint32_t *numbers = calloc(count + 1, sizeof(*numbers));
	struct spool_id *ids = calloc(count + 1, sizeof(*ids));
	size_t taken = 0;

	assert_non_null(numbers);
	assert_non_null(ids);
	for (size_t i = 0; i < count; i++) {
		if (random_below(&trial->random, 3) == 0 || taken >= 20)
			continue;
		numbers[taken] = spool_mail_check(store, list[i].id);
		ids[taken++] = list[i].id;
	}
	assert_int_equal(spool_plain_open(trial->folder.path, &io), 0);
	assert_int_equal(spoolfile_log_open(store, "control", io, &log), 0);
	for (size_t i = 0; i < taken; i++) {
		const struct spool_change change = {
			.id = ids[i], .state = SPOOL_DELIVERED, .time_ns = 1, .who = {"test", 4}};

		assert_int_equal(spoolfile_log_append(log, &change), 0);
		trial->retired[numbers[i]] = 1;
	}
	spoolfile_log_close(log);
	io->ops->close(io);
	assert_int_equal(spoolfile_reap(store, false, &removed), 0);
	free(numbers);
	free(ids);
}

static void check(struct trial *trial, uint32_t lives, bool retire)
{
	const uint32_t mails = lives * MAILS_EACH;
	const struct spoolfile_record *list;
	struct spoolfile_stats stats;
	struct spoolfile *store;
	uint8_t *times = calloc(mails, 1);
	size_t count;

	assert_non_null(times);
	assert_int_equal(spoolfile_open(trial->folder.path, trial->folder.keys, &store), 0);
	assert_int_equal(spoolfile_refresh(store, true), 0);
	spoolfile_get_stats(store, &stats);
	assert_int_equal(stats.chunks_bad, 0);
	trial->torn += (uint32_t)stats.incomplete;
	count = spoolfile_list(store, &list);
	for (size_t i = 0; i < count; i++) {
		uint32_t number = spool_mail_check(store, list[i].id);

		assert_true(number < mails);
		times[number]++;
	}
	for (uint32_t i = 0; i < mails; i++) {
		if (times[i] > 1 || trial->acked[i] > 1)
			fail_msg("mail %u is there %u times", i, times[i]);
		if (trial->acked[i] && !trial->retired[i] && times[i] != 1)
			fail_msg("mail %u was acknowledged and is not there", i);
		if (trial->retired[i] && times[i] != 0)
			fail_msg("mail %u was retired and is there again", i);
		trial->unacked += times[i] != 0 && !trial->acked[i];
	}
	if (retire)
		retire_some(trial, store);
	spoolfile_close(store);
	free(times);
}

static void a_killed_process_has_lost_nothing_that_it_acknowledged(void **state)
{
	struct trial trial = {.random = {4711}};

	(void)state;
	trial.acked = malloc((size_t)KILLS_EACH * MAILS_EACH);
	trial.retired = malloc((size_t)KILLS_EACH * MAILS_EACH);
	assert_true(trial.acked != NULL && trial.retired != NULL);
	for (uint32_t i = 0; i < KILLS; i += KILLS_EACH) {
		spool_folder_init(&trial.folder);
		memset(trial.acked, 0, (size_t)KILLS_EACH * MAILS_EACH);
		memset(trial.retired, 0, (size_t)KILLS_EACH * MAILS_EACH);
		for (uint32_t life = 0; life < KILLS_EACH; life++) {
			kill_once(&trial, life);
			check(&trial, life + 1, true);
		}
		check(&trial, KILLS_EACH, false);
		spool_folder_fini(&trial.folder);
	}
	print_message("%d kills: %u mails acknowledged, all there; seen incomplete %u times, whole "
		      "and not acknowledged %u times\n",
		KILLS, trial.acked_count, trial.torn, trial.unacked);
	// Else this has proved nothing.
	assert_true(trial.acked_count > KILLS);
	free(trial.acked);
	free(trial.retired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_process_has_lost_nothing_that_it_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
