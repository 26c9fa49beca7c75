// SPDX-License-Identifier: BSD-3-Clause
// spool: files that somebody removes while they are in use. What is acknowledged from then on is in other files.
#include "dataplane/spool.h"
#include "tests/dataplane/spoolfile_case.h"
#include "tests/support/random.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REMOVALS 100

static void send_some(struct rig *rig, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		while (rig_send(rig, i) == -EAGAIN)
			rig_turn(rig, 1);
		if (random_below(&rig->disk.random, 3) == 0)
			rig_turn(rig, random_below(&rig->disk.random, 4));
	}
}

static void note_result(struct rig *rig, const struct spool_done *done)
{
	rig->fates[spool_mail_number(done)] = done->error == 0 ? FATE_STORED : FATE_FAILED;
}

// What was acknowledged before is gone with its files.
static void forget_stored(struct rig *rig)
{
	struct spool_done done;

	while (spool_poll(spool_get_worker(rig->spool, 0), rig->now_ns, &done, 1) > 0)
		note_result(rig, &done);
	for (uint32_t i = 0; i < RIG_MAILS; i++) {
		if (rig->fates[i] == FATE_STORED)
			rig->fates[i] = FATE_NONE;
	}
}

static uint32_t count(const struct rig *rig, enum fate fate)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < RIG_MAILS; i++)
		n += rig->fates[i] == fate;
	return n;
}

static void at_any_instant_nothing_is_acknowledged_that_was_removed(void **state)
{
	struct rig *rig = rig_new();
	uint32_t failed = 0;

	(void)state;
	rig->options.spares = 2;
	for (uint64_t seed = 1; seed <= REMOVALS; seed++) {
		uint32_t before;

		rig_begin(rig, seed);
		rig->disk.patient = seed % 2 == 0 ? 500 : 0;
		before = random_below(&rig->disk.random, 100);
		send_some(rig, 0, before);
		forget_stored(rig);
		spool_disk_remove(&rig->disk);
		send_some(rig, before, before + 100);
		rig_turn(rig, 4000);
		assert_int_equal(count(rig, FATE_COMMITTED), 0);
		assert_true(count(rig, FATE_STORED) > 50);
		assert_true(RIG_COUNTER(rig, segments_removed) > 0);
		assert_int_equal(RIG_COUNTER(rig, withdrawals_lost), 0);
		failed += count(rig, FATE_FAILED);
		spool_disk_cut(&rig->disk, rig->folder.path);
		rig_check(rig, false);
		spool_folder_empty(&rig->folder);
		rig_end(rig);
	}
	print_message("%d removals: %u mails failed, of all others nothing is missing\n", REMOVALS,
		failed);
	assert_true(failed > 0);
	rig_free(rig);
}

static void a_mail_in_progress_fails_with_what_was_there_of_it(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;
	size_t at = 0;
	int err = 0;

	(void)state;
	rig_begin(rig, 3);
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 15, &record), 0);
	for (; at < 200000; at += 10000) {
		assert_int_equal(spool_mail_append(record, 15, at, 10000), 0);
		rig_turn(rig, 10);
	}
	spool_disk_remove(&rig->disk);
	for (; err == 0 && at < 400000; at += 10000) {
		err = spool_mail_append(record, 15, at, 10000);
		rig_turn(rig, 10);
	}
	assert_int_equal(err, -ENOENT);
	spool_abort(record);
	send_some(rig, 16, 32);
	rig_turn(rig, 1000);
	assert_int_equal(count(rig, FATE_STORED), 16);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void it_is_noticed_without_mail(void **state)
{
	struct rig *rig = rig_new();
	uint64_t made;

	(void)state;
	rig_begin(rig, 4);
	rig_turn(rig, 200);
	made = RIG_COUNTER(rig, segments_made);
	spool_disk_remove(&rig->disk);
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 200);
	assert_true(RIG_COUNTER(rig, segments_removed) > 0);
	assert_true(RIG_COUNTER(rig, segments_made) > made);
	send_some(rig, 0, 8);
	rig_turn(rig, 500);
	assert_int_equal(count(rig, FATE_STORED), 8);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void without_the_directory_mail_is_refused(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;

	(void)state;
	rig_begin(rig, 5);
	rig_turn(rig, 200);
	spool_disk_remove(&rig->disk);
	rig->disk.fail_kind[SPOOL_IO_CREATE] = -ENOENT;
	send_some(rig, 0, 8);
	rig_turn(rig, 2000);
	assert_int_equal(count(rig, FATE_FAILED), 8);
	assert_true(spool_is_refusing(spool_get_worker(rig->spool, 0)));
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 9, &record), -ENOENT);
	rig_end(rig);
	rig_free(rig);
}

// ---- real files ---------------------------------------------------------------------------------

static void remove_segments(const char *folder)
{
	char path[512];
	DIR *all = opendir(folder);
	struct dirent *entry;

	assert_non_null(all);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while ((entry = readdir(all)) != NULL) {
		if (strstr(entry->d_name, ".seg") == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(closedir(all), 0);
}

static void send_and_wait(struct rig *rig, uint32_t number)
{
	struct spool_done done;

	assert_int_equal(rig_send(rig, number), 0);
	assert_int_equal(spool_wait(rig->spool, spool_get_worker(rig->spool, 0), &done), 0);
	assert_int_equal(spool_mail_number(&done), number);
	note_result(rig, &done);
}

static void check_real(int (*open_io)(const char *directory, struct spool_io **out))
{
	struct rig *rig = rig_new();
	struct spool_io *io;

	assert_int_equal(open_io(rig->folder.path, &io), 0);
	rig->options.deadline_ns = 10 * RIG_SECOND;
	assert_int_equal(spool_open(&rig->options, rig->folder.keys, io, &rig->spool), 0);
	rig->now_ns = rig_clock_ns();
	for (uint32_t i = 0; i < 4; i++)
		send_and_wait(rig, i);
	assert_int_equal(count(rig, FATE_STORED), 4);
	forget_stored(rig);
	remove_segments(rig->folder.path);
	for (uint32_t i = 4; i < 24; i++)
		send_and_wait(rig, i);
	assert_true(count(rig, FATE_STORED) >= 19);
	spool_close(rig->spool);
	rig_check(rig, false);
	rig_free(rig);
}

static int open_four_threads(const char *directory, struct spool_io **out)
{
	return spool_thread_open(directory, 4, out);
}

static void real_files_are_looked_at(void **state)
{
	struct spool_io *io;

	(void)state;
	check_real(spool_plain_open);
	check_real(open_four_threads);
	if (spool_ring_open("/", &io) != 0) {
		print_message("no io_uring here: not tried with it\n");
		return;
	}
	io->ops->close(io);
	check_real(spool_ring_open);
}

static void a_log_that_was_removed_takes_no_change(void **state)
{
	struct shelf *shelf = shelf_new();
	const struct spool_change change = {.id = shelf->ids[4], .state = SPOOL_DELETED};
	struct spoolfile_log *log;
	char path[512];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/c.state", shelf->folder.path);
	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &log), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(spoolfile_log_append(log, &change), -ENOENT);
	assert_int_equal(spoolfile_log_append(log, &change), -EIO);
	spoolfile_log_close(log);
	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &log), 0);
	assert_int_equal(spoolfile_log_append(log, &change), 0);
	spoolfile_log_close(log);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	assert_null(spoolfile_find(shelf->store, change.id));
	shelf_free(shelf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_any_instant_nothing_is_acknowledged_that_was_removed),
		cmocka_unit_test(a_mail_in_progress_fails_with_what_was_there_of_it),
		cmocka_unit_test(it_is_noticed_without_mail),
		cmocka_unit_test(without_the_directory_mail_is_refused),
		cmocka_unit_test(real_files_are_looked_at),
		cmocka_unit_test(a_log_that_was_removed_takes_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
