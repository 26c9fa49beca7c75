// SPDX-License-Identifier: BSD-3-Clause
// spool: what comes back, what is refused, what fails, and with which disk.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

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
	assert_int_equal(RIG_COUNTER(rig, records_aborted), 0);
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
	assert_true(RIG_COUNTER(rig, stored_bytes) > 7u << 20);
	spool_abort(record);
	rig_turn(rig, 1000);
	assert_int_equal(RIG_COUNTER(rig, records_aborted), 1);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, 0);
	assert_int_equal(rig->stats.incomplete, 1);
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
	assert_int_equal(RIG_COUNTER(rig, short_writes), 6);
	assert_int_equal(RIG_COUNTER(rig, records_durable), 0);
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
		err = number < RIG_MAILS / 2 ? rig_send(rig, number) : 0;
		if (err == 0)
			number++;
		rig_turn(rig, 20);
	}
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 1, &record), error);
	assert_int_equal(RIG_COUNTER(rig, refusal), -error);
	// Once there is room again it goes on by itself.
	rig->disk.fail_kind[kind] = 0;
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 2000);
	assert_int_equal(rig_send(rig, RIG_MAILS - 1), 0);
	rig_turn(rig, 2000);
	assert_int_equal(rig->fates[RIG_MAILS - 1], FATE_STORED);
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
	assert_int_equal(RIG_COUNTER(rig, fill_level), 0);
	for (uint32_t i = 0; i < 4000 && err != -EDQUOT; i++) {
		err = number < RIG_MAILS ? rig_send(rig, number) : 0;
		if (err == 0)
			number++;
		rig_turn(rig, 20);
	}
	assert_int_equal(err, -EDQUOT);
	// Of what is used, not of what was made ready: no more than one mail past it.
	assert_in_range(RIG_COUNTER(rig, usage_bytes), 4u << 20, 5u << 20);
	assert_in_range(RIG_COUNTER(rig, fill_percent), 100, 125);
	assert_int_equal(RIG_COUNTER(rig, fill_level), 2);
	assert_int_equal(RIG_COUNTER(rig, refusal), EDQUOT);
	assert_true(RIG_COUNTER(rig, stored_bytes) > 3u << 20);
	rig_turn(rig, 2000);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void a_quota_smaller_than_a_segment_holds(void **state)
{
	struct rig *rig = rig_new();
	uint32_t number = 0;

	(void)state;
	rig->options.quota_bytes = 300000;
	rig_begin(rig, 3);
	rig_turn(rig, 10);
	assert_int_equal(RIG_COUNTER(rig, usage_bytes), 0);
	while (rig_send(rig, number) == 0) {
		number++;
		rig_turn(rig, 200);
		assert_true(number < RIG_MAILS);
	}
	assert_in_range(RIG_COUNTER(rig, usage_bytes), 300000, 1u << 20);
	for (uint32_t i = 0; i < number; i++)
		assert_int_equal(rig->fates[i], FATE_STORED);
	rig_end(rig);
	rig_free(rig);
}

static void a_slow_disk_is_told_and_so_is_its_end(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig_begin(rig, 3);
	rig_turn(rig, 1500);
	assert_int_equal(rig_send(rig, 1), 0);
	rig_turn(rig, 1500);
	assert_int_equal(RIG_COUNTER(rig, slow), 0);
	rig->disk.hang = 1000;
	assert_int_equal(rig_send(rig, 2), 0);
	rig_turn(rig, 3000);
	assert_int_equal(RIG_COUNTER(rig, slow), 1);
	assert_true(RIG_COUNTER(rig, slowest_us) >= 1000000);
	rig->disk.hang = 0;
	rig_turn(rig, 3000);
	assert_int_equal(rig->fates[2], FATE_STORED);
	assert_int_equal(RIG_COUNTER(rig, slow), 0);
	rig_end(rig);
	rig_free(rig);
}

static void what_comes_too_late_is_failed_and_withdrawn(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.deadline_ns = RIG_SECOND;
	rig_begin(rig, 4);
	rig_turn(rig, 200);
	rig->disk.hang = 1000;
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(rig_send(rig, i), 0);
	rig_turn(rig, 1100);
	// Nobody is told before they are withdrawn.
	assert_int_equal(rig->fates[0], FATE_COMMITTED);
	rig->disk.hang = 0;
	rig_turn(rig, 500);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(rig->fates[i], FATE_FAILED);
		assert_int_equal(rig->errors[i], -ETIMEDOUT);
	}
	assert_int_equal(RIG_COUNTER(rig, records_late), 10);
	assert_int_equal(RIG_COUNTER(rig, records_durable), 0);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.gone, 10);
	rig_end(rig);
	rig_free(rig);
}

static void on_a_disk_that_hangs_the_answer_waits_twice_the_deadline(void **state)
{
	struct rig *rig = rig_new();
	uint32_t next;

	(void)state;
	rig->options.deadline_ns = RIG_SECOND;
	rig_begin(rig, 4);
	rig_turn(rig, 200);
	rig->disk.hang = 1000;
	for (next = 0; next < 10; next++)
		assert_int_equal(rig_send(rig, next), 0);
	rig_turn(rig, 1500);
	// This one is in time, when the others are not.
	assert_int_equal(rig_send(rig, next), 0);
	rig_turn(rig, 400);
	assert_int_equal(rig->fates[0], FATE_COMMITTED);
	rig_turn(rig, 200);
	for (uint32_t i = 0; i < next; i++) {
		assert_int_equal(rig->fates[i], FATE_FAILED);
		assert_int_equal(rig->errors[i], -ETIMEDOUT);
	}
	rig->disk.hang = 0;
	rig_turn(rig, 300);
	assert_int_equal(rig->fates[next], FATE_STORED);
	assert_int_equal(RIG_COUNTER(rig, records_late), next);
	assert_int_equal(RIG_COUNTER(rig, records_durable), 1);
	// Their slots are free again, and nothing is told twice.
	assert_true(spool_is_at_rest(spool_get_worker(rig->spool, 0)));
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.gone, next);
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

static void many_long_mails_at_once_share_the_memory(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *records[32];
	uint32_t refused = 0;

	(void)state;
	// 32 mails of 200 KB and more in 2 MiB.
	rig->options.spill_bytes = 1u << 20;
	rig_begin(rig, 6);
	for (uint32_t i = 0; i < 32; i++) {
		rig->fates[i * 16 + 15] = FATE_BEGUN;
		assert_int_equal(
			spool_mail_begin(spool_get_worker(rig->spool, 0), i * 16 + 15, &records[i]),
			0);
	}
	for (size_t at = 0; at < 460000; at += 4096) {
		for (uint32_t i = 0; i < 32; i++) {
			size_t left = spool_mail_bytes(i * 16 + 15);

			left = left > at ? left - at : 0;
			while (spool_mail_append(records[i], i * 16 + 15, at,
				       left < 4096 ? left : 4096) == -EAGAIN) {
				rig_turn(rig, 1);
				assert_true(++refused < 100000);
			}
		}
		rig_turn(rig, 4);
	}
	for (uint32_t i = 0; i < 32; i++) {
		assert_int_equal(spool_mail_commit(records[i], i * 16 + 15, rig->now_ns), 0);
		rig->fates[i * 16 + 15] = FATE_COMMITTED;
	}
	rig_turn(rig, 3000);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, 32);
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
	spool_mail_recover(&rig->folder, rig->times, RIG_MAILS, &rig->stats);
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

	while (number < RIG_MAILS || waiting > 0) {
		struct spool_done done[8];
		size_t n;

		if (number < RIG_MAILS &&
			spool_mail_send(producer->worker, number, rig_clock_ns()) == 0) {
			number += PRODUCERS;
			waiting++;
		}
		n = spool_poll(producer->worker, rig_clock_ns(), done, 8);
		for (size_t i = 0; i < n; i++) {
			uint32_t which = spool_mail_number(&done[i]);

			producer->fates[which] = done[i].error == 0 ? FATE_STORED : FATE_FAILED;
		}
		waiting -= (uint32_t)n;
	}
	return NULL;
}

// As control does meanwhile: whatever shows is whole, and nothing that lives is removed.
static void look_meanwhile(struct spoolfile *store)
{
	const struct spoolfile_record *list;
	unsigned int removed;
	size_t count;

	assert_int_equal(spoolfile_refresh(store, false), 0);
	count = spoolfile_list(store, &list);
	for (size_t i = 0; i < count; i++)
		(void)spool_mail_check(store, list[i].id);
	assert_int_equal(spoolfile_reap(store, false, &removed), 0);
	assert_true(spoolfile_list(store, &list) >= count);
}

static void producers_store_all(int (*open_io)(const char *directory, struct spool_io **out))
{
	struct rig *rig = rig_new();
	struct producer producers[PRODUCERS];
	const struct spoolfile_record *list;
	struct spoolfile *store;
	struct spool_io *io;

	rig->options.workers = PRODUCERS;
	rig->options.thread = true;
	rig->options.deadline_ns = 60 * RIG_SECOND;
	assert_int_equal(open_io(rig->folder.path, &io), 0);
	assert_int_equal(spool_open(&rig->options, rig->folder.keys, io, &rig->spool), 0);
	assert_int_equal(spoolfile_open(rig->folder.path, rig->folder.keys, &store), 0);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){.worker = spool_get_worker(rig->spool, i),
			.number = i,
			.fates = rig->fates};
		assert_int_equal(
			pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
	}
	for (uint32_t i = 0; i < 3; i++)
		look_meanwhile(store);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
	assert_int_equal(RIG_COUNTER(rig, records_durable), RIG_MAILS);
	// All that was acknowledged shows while the writer lives, without looking everywhere again.
	assert_int_equal(spoolfile_refresh(store, false), 0);
	assert_int_equal(spoolfile_list(store, &list), RIG_MAILS);
	spoolfile_close(store);
	spool_close(rig->spool);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, RIG_MAILS);
	rig_free(rig);
}

static void several_producers_store_all_with_io_uring(void **state)
{
	struct spool_io *io;
	int err = spool_ring_open("/tmp", &io);

	(void)state;
	if (err != 0) {
		print_message("skipped: io_uring is refused here: errno %d\n", -err);
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
		assert_int_equal(spool_mail_send(worker, i, rig_clock_ns()), 0);
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
	const struct spool_options good = rig->options;
	struct spool_options options;
	struct spool_io *io;

	(void)state;
	for (int i = 0; i < 6; i++) {
		options = good;
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
		cmocka_unit_test(a_write_cut_short_counts_as_failed),
		cmocka_unit_test(a_disk_that_is_full_or_broken_refuses_new_mail_until_it_is_not),
		cmocka_unit_test(a_quota_is_kept_and_its_levels_are_told),
		cmocka_unit_test(a_quota_smaller_than_a_segment_holds),
		cmocka_unit_test(a_slow_disk_is_told_and_so_is_its_end),
		cmocka_unit_test(what_comes_too_late_is_failed_and_withdrawn),
		cmocka_unit_test(on_a_disk_that_hangs_the_answer_waits_twice_the_deadline),
		cmocka_unit_test(memory_and_records_are_bounded),
		cmocka_unit_test(many_long_mails_at_once_share_the_memory),
		cmocka_unit_test(a_new_key_is_for_new_records_and_old_ones_stay_readable),
		cmocka_unit_test(several_producers_store_all_with_io_uring),
		cmocka_unit_test(several_producers_store_all_with_threads),
		cmocka_unit_test(a_plain_thread_stores_and_waits),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
