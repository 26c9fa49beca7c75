// SPDX-License-Identifier: BSD-3-Clause
// spool: what is acknowledged is there once and intact, whatever the disk does and whenever power goes.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "tests/support/random.h"
#include "tests/support/spool_disk.h"
#include "tests/support/spool_mail.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define MAILS 512
#define CRASHES 400

enum fate { FATE_NONE, FATE_BEGUN, FATE_ABORTED, FATE_COMMITTED, FATE_STORED, FATE_FAILED };

// A writer on a simulated disk, and what became of each mail.
struct rig {
	struct spool_folder folder;
	struct spool_disk disk;
	struct spool *spool;
	struct spool_options options;
	uint64_t now_ns;
	uint8_t fates[MAILS];
	uint8_t times[MAILS];
	int errors[MAILS];
	struct spoolfile_stats stats;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static struct spool_options small_options(void)
{
	struct spool_options options;

	spool_options_init(&options);
	options.records = 64;
	options.memory_bytes = 2u << 20;
	options.spill_bytes = 65536;
	options.segment_bytes = 1u << 20;
	options.spares = 1;
	options.deadline_ns = 3600 * SECOND;
	options.thread = false;
	return options;
}

static void rig_begin(struct rig *rig, uint64_t seed)
{
	memset(rig->fates, 0, sizeof(rig->fates));
	memset(rig->errors, 0, sizeof(rig->errors));
	spool_disk_init(&rig->disk, seed);
	assert_int_equal(
		spool_open(&rig->options, rig->folder.keys, &rig->disk.io, &rig->spool), 0);
	rig->now_ns = clock_ns();
}

static struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	spool_folder_init(&rig->folder);
	rig->options = small_options();
	return rig;
}

static void rig_end(struct rig *rig)
{
	rig->disk.dead = true;
	spool_close(rig->spool);
	spool_disk_fini(&rig->disk);
}

static void rig_free(struct rig *rig)
{
	spool_folder_fini(&rig->folder);
	free(rig);
}

static void rig_poll(struct rig *rig)
{
	struct spool_done done[8];
	size_t n;

	for (uint32_t i = 0; i < rig->options.workers; i++) {
		n = spool_poll(spool_get_worker(rig->spool, i), rig->now_ns, done, 8);
		for (size_t j = 0; j < n; j++) {
			uint32_t number = spool_mail_number(&done[j]);

			assert_int_equal(rig->fates[number], FATE_COMMITTED);
			rig->fates[number] = done[j].error == 0 ? FATE_STORED : FATE_FAILED;
			rig->errors[number] = done[j].error;
		}
	}
}

static void rig_turn(struct rig *rig, unsigned int turns)
{
	while (turns-- > 0) {
		(void)spool_step(rig->spool, rig->now_ns, 1);
		rig->now_ns += 1000000;
		rig_poll(rig);
	}
}

static int rig_send(struct rig *rig, uint32_t number)
{
	int err = spool_mail_send(spool_get_worker(rig->spool, 0), number, rig->now_ns);

	if (err == 0)
		rig->fates[number] = FATE_COMMITTED;
	return err;
}

static uint64_t counter(const struct rig *rig, size_t offset)
{
	struct spool_status status;
	uint64_t value;

	spool_get_status(rig->spool, &status);
	memcpy(&value, (const char *)&status + offset, sizeof(value));
	return value;
}

#define COUNTER(rig, name) counter((rig), offsetof(struct spool_status, name))

// The folder, compared with what became of the mails.
static void rig_check(struct rig *rig, bool failed_may_show)
{
	spool_mail_recover(&rig->folder, rig->times, MAILS, &rig->stats);
	assert_int_equal(rig->stats.chunks_bad, 0);
	for (uint32_t i = 0; i < MAILS; i++) {
		enum fate fate = (enum fate)rig->fates[i];

		if (rig->times[i] > 1)
			fail_msg("mail %u is there %u times", i, rig->times[i]);
		if (fate == FATE_STORED && rig->times[i] != 1)
			fail_msg("mail %u was acknowledged and is not there", i);
		if (fate < FATE_COMMITTED && rig->times[i] != 0)
			fail_msg("mail %u is there and was never committed", i);
		if (fate == FATE_FAILED && rig->times[i] != 0 && !failed_may_show)
			fail_msg("mail %u is there and had failed", i);
	}
}

// ---- one worker, random work ---------------------------------------------------------------------

struct going {
	struct spool_record *record;
	uint32_t number;
	size_t at;
};

struct work {
	struct going going[16];
	uint32_t next;
};

static void work_on(struct rig *rig, struct work *work, struct going *going)
{
	struct random *random = &rig->disk.random;
	size_t left = spool_mail_bytes(going->number) - going->at;
	size_t n = 1 + random_below(random, 30000);
	int err;

	if (random_below(random, 40) == 0) {
		spool_abort(going->record);
		rig->fates[going->number] = FATE_ABORTED;
		going->record = NULL;
		return;
	}
	(void)work;
	if (n > left)
		n = left;
	err = spool_mail_append(going->record, going->number, going->at, n);
	if (err == 0)
		going->at += n;
	if (err == 0 && n == left) {
		err = spool_mail_commit(going->record, going->number, rig->now_ns);
		if (err == 0) {
			rig->fates[going->number] = FATE_COMMITTED;
			going->record = NULL;
		}
	}
	// Also what there was no room for: spool_mail_append may have put in a part.
	if (err != 0) {
		spool_abort(going->record);
		rig->fates[going->number] = FATE_ABORTED;
		going->record = NULL;
	}
}

static void work_once(struct rig *rig, struct work *work)
{
	struct random *random = &rig->disk.random;
	struct going *going = &work->going[random_below(random, 16)];
	uint32_t worker = random_below(random, rig->options.workers);

	if (going->record != NULL) {
		work_on(rig, work, going);
	} else if (work->next < MAILS && spool_mail_begin(spool_get_worker(rig->spool, worker),
						 work->next, &going->record) == 0) {
		going->number = work->next++;
		going->at = 0;
		rig->fates[going->number] = FATE_BEGUN;
	}
	if (random_below(random, 3) == 0)
		rig_turn(rig, 1);
}

static void work_random(struct rig *rig, struct work *work, uint32_t steps)
{
	while (steps-- > 0)
		work_once(rig, work);
}

// ---- tests --------------------------------------------------------------------------------------

static void mails_of_all_sizes_come_back_as_they_went_in(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig_begin(rig, 1);
	for (uint32_t i = 0; i < 200; i++) {
		while (rig_send(rig, i) == -EAGAIN)
			rig_turn(rig, 1);
	}
	rig_turn(rig, 5000);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(rig->fates[i], FATE_STORED);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, 200);
	rig_end(rig);
	rig_free(rig);
}

static void an_abort_of_what_fits_in_memory_writes_nothing(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;
	uint64_t writes;

	(void)state;
	rig_begin(rig, 1);
	rig_turn(rig, 100);
	writes = rig->disk.writes;
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 1, &record), 0);
		assert_int_equal(spool_mail_append(record, 1, 0, 50000), 0);
		spool_abort(record);
	}
	rig_turn(rig, 100);
	assert_int_equal(rig->disk.writes, writes);
	assert_int_equal(COUNTER(rig, records_aborted), 0);
	rig_end(rig);
	rig_free(rig);
}

static void a_long_mail_goes_to_disk_ahead_and_is_nothing_when_aborted(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;

	(void)state;
	rig_begin(rig, 1);
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 3, &record), 0);
	// Much more than the worker has memory for.
	for (size_t at = 0; at < 8u << 20; at += 16384) {
		while (spool_mail_append(record, 3, at, 16384) == -EAGAIN)
			rig_turn(rig, 1);
		rig_turn(rig, 1);
	}
	rig_turn(rig, 1000);
	assert_true(COUNTER(rig, stored_bytes) > 7u << 20);
	spool_abort(record);
	rig_turn(rig, 1000);
	assert_int_equal(COUNTER(rig, records_aborted), 1);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, 0);
	assert_int_equal(rig->stats.incomplete, 1);
	rig_end(rig);
	rig_free(rig);
}

static void crash_once(struct rig *rig, uint64_t seed)
{
	struct random random = {seed * 77 + 1};
	struct work work = {.next = 0};

	rig->options.workers = 1 + (uint32_t)(seed % 2);
	rig_begin(rig, seed);
	rig->disk.patient = 300;
	if (seed % 4 == 1)
		rig->disk.fail_eio = 30;
	if (seed % 4 == 2)
		rig->disk.cut_short = 30;
	if (seed % 8 == 3) {
		rig->disk.fail_enospc = 20;
		rig->disk.hang = 100;
	}
	work_random(rig, &work, 50 + random_below(&random, 1000));
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, true);
	spool_folder_empty(&rig->folder);
	rig_end(rig);
}

static void a_power_cut_at_any_instant_loses_nothing_acknowledged(void **state)
{
	struct rig *rig = rig_new();
	uint64_t torn = 0;
	uint64_t incomplete = 0;
	uint32_t stored = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= CRASHES; seed++) {
		crash_once(rig, seed);
		torn += rig->stats.chunks_torn;
		incomplete += rig->stats.incomplete;
		for (uint32_t i = 0; i < MAILS; i++)
			stored += rig->fates[i] == FATE_STORED;
	}
	print_message("%d power cuts: %u mails acknowledged, all there; %lu chunks torn, %lu "
		      "records incomplete, all dropped\n",
		CRASHES, stored, (unsigned long)torn, (unsigned long)incomplete);
	// Else this has proved nothing.
	assert_true(stored > 100 * CRASHES / 10);
	assert_true(torn > 0);
	assert_true(incomplete > 0);
	rig_free(rig);
}

static void a_failed_write_goes_elsewhere_and_never_back(void **state)
{
	struct rig *rig = rig_new();
	struct work work = {.next = 0};

	(void)state;
	rig_begin(rig, 5);
	rig->disk.patient = 300;
	rig->disk.fail_eio = 20;
	work_random(rig, &work, 4000);
	rig->disk.fail_eio = 0;
	rig_turn(rig, 5000);
	assert_true(COUNTER(rig, write_errors) > 0);
	assert_true(COUNTER(rig, segments_poisoned) > 0);
	assert_true(COUNTER(rig, rewrites) >= COUNTER(rig, write_errors));
	for (uint32_t i = 0; i < MAILS; i++)
		assert_int_not_equal(rig->fates[i], FATE_COMMITTED);
	// Without a power cut: also what failed and was withdrawn must not show.
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, true);
	rig_end(rig);
	rig_free(rig);
}

static void a_write_cut_short_counts_as_failed(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig_begin(rig, 5);
	rig_turn(rig, 100);
	rig->disk.cut_short = 1000;
	assert_int_equal(rig_send(rig, 2), 0);
	rig_turn(rig, 2000);
	assert_int_equal(rig->fates[2], FATE_FAILED);
	assert_int_equal(rig->errors[2], -EIO);
	// Three tries for the mail, three for its withdrawal.
	assert_int_equal(COUNTER(rig, short_writes), 6);
	assert_int_equal(COUNTER(rig, records_durable), 0);
	rig->disk.cut_short = 0;
	rig_turn(rig, 2000);
	assert_int_equal(rig_send(rig, 4), 0);
	rig_turn(rig, 2000);
	assert_int_equal(rig->fates[4], FATE_STORED);
	rig_end(rig);
	rig_free(rig);
}

static void refuses_with(struct rig *rig, enum spool_io_kind kind, int error)
{
	struct spool_record *record;
	uint32_t number = 0;
	int err = 0;

	rig_begin(rig, 9);
	rig_turn(rig, 200);
	rig->disk.fail_kind[kind] = error;
	for (uint32_t i = 0; i < 4000 && err != error; i++) {
		err = number < MAILS / 2 ? rig_send(rig, number) : 0;
		if (err == 0)
			number++;
		rig_turn(rig, 20);
	}
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 1, &record), error);
	assert_int_equal(COUNTER(rig, refusal), -error);
	// Once there is room again it goes on by itself.
	rig->disk.fail_kind[kind] = 0;
	rig->now_ns += 2 * SECOND;
	rig_turn(rig, 2000);
	assert_int_equal(rig_send(rig, MAILS - 1), 0);
	rig_turn(rig, 2000);
	assert_int_equal(rig->fates[MAILS - 1], FATE_STORED);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	spool_folder_empty(&rig->folder);
	rig_end(rig);
}

static void a_disk_that_is_full_or_broken_refuses_new_mail_until_it_is_not(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	refuses_with(rig, SPOOL_IO_CREATE, -ENOSPC);
	refuses_with(rig, SPOOL_IO_SYNC, -EIO);
	refuses_with(rig, SPOOL_IO_RENAME, -EACCES);
	refuses_with(rig, SPOOL_IO_SYNC_DIRECTORY, -EIO);
	rig_free(rig);
}

static void a_quota_is_kept_and_its_levels_are_told(void **state)
{
	struct rig *rig = rig_new();
	uint32_t number = 0;
	int err = 0;

	(void)state;
	rig->options.quota_bytes = 4u << 20;
	rig->options.levels[0] = 50;
	rig->options.levels[1] = 90;
	rig->options.levels[2] = 0;
	rig_begin(rig, 3);
	rig_turn(rig, 10);
	assert_int_equal(COUNTER(rig, fill_level), 0);
	for (uint32_t i = 0; i < 4000 && err != -EDQUOT; i++) {
		err = number < MAILS ? rig_send(rig, number) : 0;
		if (err == 0)
			number++;
		rig_turn(rig, 20);
	}
	assert_int_equal(err, -EDQUOT);
	assert_int_equal(COUNTER(rig, usage_bytes), 4u << 20);
	assert_int_equal(COUNTER(rig, fill_percent), 100);
	assert_int_equal(COUNTER(rig, fill_level), 2);
	rig_turn(rig, 2000);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void what_comes_too_late_is_failed_and_withdrawn(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.deadline_ns = SECOND;
	rig_begin(rig, 4);
	rig_turn(rig, 200);
	rig->disk.hang = 1000;
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(rig_send(rig, i), 0);
	rig_turn(rig, 900);
	assert_int_equal(rig->fates[0], FATE_COMMITTED);
	rig_turn(rig, 200);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(rig->fates[i], FATE_FAILED);
		assert_int_equal(rig->errors[i], -ETIMEDOUT);
	}
	rig->disk.hang = 0;
	rig_turn(rig, 1000);
	assert_int_equal(COUNTER(rig, records_late), 10);
	assert_int_equal(COUNTER(rig, records_durable), 0);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.gone, 10);
	rig_end(rig);
	rig_free(rig);
}

static void memory_and_records_are_bounded(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *records[65];
	struct spool_worker *worker;
	uint8_t data[65536] = {0};
	int err = 0;

	(void)state;
	rig->options.record_bytes = 3u << 20;
	rig_begin(rig, 4);
	worker = spool_get_worker(rig->spool, 0);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(spool_mail_begin(worker, i, &records[i]), 0);
	assert_int_equal(spool_mail_begin(worker, 64, &records[64]), -EAGAIN);
	// Nobody steps: no page comes back.
	for (uint32_t i = 0; err == 0 && i < 64; i++)
		err = spool_append(records[i], data, sizeof(data));
	assert_int_equal(err, -EAGAIN);
	for (uint32_t i = 1; i < 64; i++)
		spool_abort(records[i]);
	rig_turn(rig, 1000);
	for (uint32_t i = 0; i < 47; i++) {
		assert_int_equal(spool_append(records[0], data, sizeof(data)), 0);
		rig_turn(rig, 50);
	}
	assert_int_equal(spool_append(records[0], data, sizeof(data)), -EFBIG);
	spool_abort(records[0]);
	rig_end(rig);
	rig_free(rig);
}

static void a_new_key_is_for_new_records_and_old_ones_stay_readable(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;
	struct spool_keys *keys;

	(void)state;
	rig_begin(rig, 4);
	assert_int_equal(rig_send(rig, 1), 0);
	// One that is begun under the old key, on disk in part, and goes on under it.
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 15, &record), 0);
	assert_int_equal(spool_mail_append(record, 15, 0, spool_mail_bytes(15) - 100), 0);
	rig_turn(rig, 500);
	assert_int_equal(spool_keys_rotate(rig->folder.key_path), 0);
	assert_int_equal(spool_keys_open(rig->folder.key_path, &keys), 0);
	assert_int_equal(spool_rotate(rig->spool, keys), 0);
	assert_int_equal(spool_rotate(rig->spool, keys), -EBUSY);
	rig_turn(rig, 500);
	assert_int_equal(spool_mail_append(record, 15, spool_mail_bytes(15) - 100, 100), 0);
	assert_int_equal(spool_mail_commit(record, 15, rig->now_ns), 0);
	rig->fates[15] = FATE_COMMITTED;
	assert_int_equal(rig_send(rig, 2), 0);
	rig_turn(rig, 500);
	assert_int_equal(rig->fates[15], FATE_STORED);
	assert_int_equal(rig->fates[2], FATE_STORED);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_end(rig);
	// The old key does not open what came later; the new file has both.
	spool_mail_recover(&rig->folder, rig->times, MAILS, &rig->stats);
	assert_int_equal(rig->stats.records, 2);
	assert_true(rig->stats.chunks_bad > 0);
	assert_int_equal(rig->stats.bad[0].error, -ENOKEY);
	spool_keys_free(rig->folder.keys);
	rig->folder.keys = keys;
	rig_check(rig, false);
	rig_free(rig);
}

// ---- real disks ---------------------------------------------------------------------------------

#define PRODUCERS 3

struct producer {
	pthread_t thread;
	struct spool_worker *worker;
	uint32_t number; // first one; then every PRODUCERS-th
	uint8_t *fates;
};

static void *produce(void *arg)
{
	struct producer *producer = arg;
	uint32_t number = producer->number;
	uint32_t waiting = 0;

	while (number < MAILS || waiting > 0) {
		struct spool_done done[8];
		size_t n;

		if (number < MAILS && spool_mail_send(producer->worker, number, clock_ns()) == 0) {
			number += PRODUCERS;
			waiting++;
		}
		n = spool_poll(producer->worker, clock_ns(), done, 8);
		for (size_t i = 0; i < n; i++) {
			uint32_t which = spool_mail_number(&done[i]);

			producer->fates[which] = done[i].error == 0 ? FATE_STORED : FATE_FAILED;
		}
		waiting -= (uint32_t)n;
	}
	return NULL;
}

static void producers_store_all(int (*open_io)(const char *directory, struct spool_io **out))
{
	struct rig *rig = rig_new();
	struct producer producers[PRODUCERS];
	struct spool_io *io;

	rig->options.workers = PRODUCERS;
	rig->options.thread = true;
	rig->options.deadline_ns = 60 * SECOND;
	assert_int_equal(open_io(rig->folder.path, &io), 0);
	assert_int_equal(spool_open(&rig->options, rig->folder.keys, io, &rig->spool), 0);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){.worker = spool_get_worker(rig->spool, i),
			.number = i,
			.fates = rig->fates};
		assert_int_equal(
			pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
	}
	for (uint32_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
	assert_int_equal(COUNTER(rig, records_durable), MAILS);
	spool_close(rig->spool);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, MAILS);
	rig_free(rig);
}

static void several_producers_store_all_with_io_uring(void **state)
{
	struct spool_io *io;
	int err = spool_ring_open("/tmp", &io);

	(void)state;
	if (err != 0) {
		print_message("skipped: io_uring is refused here: %s\n", strerror(-err));
		skip();
	}
	io->ops->close(io);
	producers_store_all(spool_ring_open);
}

static int open_threads(const char *directory, struct spool_io **out)
{
	return spool_thread_open(directory, 4, out);
}

static void several_producers_store_all_with_threads(void **state)
{
	(void)state;
	producers_store_all(open_threads);
}

static void a_plain_thread_stores_and_waits(void **state)
{
	struct rig *rig = rig_new();
	struct spool_worker *worker;
	struct spool_done done;
	struct spool_io *io;

	(void)state;
	rig->options.name = "c";
	assert_int_equal(spool_plain_open(rig->folder.path, &io), 0);
	assert_int_equal(spool_open(&rig->options, rig->folder.keys, io, &rig->spool), 0);
	worker = spool_get_worker(rig->spool, 0);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(spool_mail_send(worker, i, clock_ns()), 0);
		assert_int_equal(spool_wait(rig->spool, worker, &done), 0);
		assert_int_equal(done.error, 0);
		assert_int_equal(spool_mail_number(&done), i);
		rig->fates[i] = FATE_STORED;
	}
	assert_int_equal(spool_wait(rig->spool, worker, &done), -ETIMEDOUT);
	spool_close(rig->spool);
	rig_check(rig, false);
	rig_free(rig);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	struct rig *rig = rig_new();
	struct spool_options options = small_options();
	struct spool_io *io;

	(void)state;
	for (int i = 0; i < 6; i++) {
		options = small_options();
		options.name = i == 0 ? "" : i == 1 ? "a/b" : options.name;
		options.workers = i == 2 ? 0 : 1;
		options.segment_bytes = i == 3 ? 4096 : options.segment_bytes;
		options.memory_bytes = i == 4 ? 4096 : options.memory_bytes;
		options.spares = i == 5 ? 0 : 1;
		assert_int_equal(spool_plain_open(rig->folder.path, &io), 0);
		assert_int_equal(spool_open(&options, rig->folder.keys, io, &rig->spool), -EINVAL);
	}
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_of_all_sizes_come_back_as_they_went_in),
		cmocka_unit_test(an_abort_of_what_fits_in_memory_writes_nothing),
		cmocka_unit_test(a_long_mail_goes_to_disk_ahead_and_is_nothing_when_aborted),
		cmocka_unit_test(a_power_cut_at_any_instant_loses_nothing_acknowledged),
		cmocka_unit_test(a_failed_write_goes_elsewhere_and_never_back),
		cmocka_unit_test(a_write_cut_short_counts_as_failed),
		cmocka_unit_test(a_disk_that_is_full_or_broken_refuses_new_mail_until_it_is_not),
		cmocka_unit_test(a_quota_is_kept_and_its_levels_are_told),
		cmocka_unit_test(what_comes_too_late_is_failed_and_withdrawn),
		cmocka_unit_test(memory_and_records_are_bounded),
		cmocka_unit_test(a_new_key_is_for_new_records_and_old_ones_stay_readable),
		cmocka_unit_test(several_producers_store_all_with_io_uring),
		cmocka_unit_test(several_producers_store_all_with_threads),
		cmocka_unit_test(a_plain_thread_stores_and_waits),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
