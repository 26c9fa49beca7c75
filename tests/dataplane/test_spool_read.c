// SPDX-License-Identifier: BSD-3-Clause
// Reading back a mail that is in progress, and the memory that such mails share.
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

struct reading {
	uint32_t number;
	size_t bytes;
	size_t stop_at; // 0: never
};

static int compare(void *ctx, const uint8_t *data, size_t n)
{
	struct reading *reading = ctx;

	for (size_t i = 0; i < n; i++) {
		if (data[i] != spool_mail_byte(reading->number, reading->bytes + i))
			fail_msg(
				"byte %zu of mail %u differs", reading->bytes + i, reading->number);
	}
	reading->bytes += n;
	return reading->stop_at > 0 && reading->bytes >= reading->stop_at ? -ECANCELED : 0;
}

static void recall(struct rig *rig, struct spool_record *record, int expected)
{
	int err = spool_recall(record);

	for (uint32_t i = 0; err == -EINPROGRESS && i < 100000; i++) {
		rig_turn(rig, 1);
		err = spool_recall(record);
	}
	assert_int_equal(err, expected);
}

static void check(struct spool_record *record, uint32_t number, size_t bytes)
{
	struct reading reading = {number, 0, 0};

	assert_int_equal(spool_read(record, compare, &reading), 0);
	assert_int_equal(reading.bytes, bytes);
}

static void append(struct rig *rig, struct spool_record *record, uint32_t number, size_t from,
	size_t to, size_t piece)
{
	for (size_t at = from; at < to; at += piece) {
		while (spool_mail_append(record, number, at, to - at < piece ? to - at : piece) ==
			-EAGAIN)
			rig_turn(rig, 1);
		if (at % 7 == 0)
			rig_turn(rig, 1);
	}
}

static void a_mail_in_progress_can_be_read_at_any_length(void **state)
{
	static const size_t ends[] = {0, 1, 3000, 4079, 4080, 4081, 65000, 65536, 70000, 131072,
		300000, 2000000, 5000000};
	struct rig *rig = rig_new();
	struct spool_record *record;
	size_t at = 0;

	(void)state;
	rig_begin(rig, 3);
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 15, &record), 0);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		append(rig, record, 15, at, ends[i], 1013);
		at = ends[i];
		recall(rig, record, 0);
		check(record, 15, at);
		// And once more.
		recall(rig, record, 0);
		check(record, 15, at);
	}
	spool_abort(record);
	rig_turn(rig, 1000);
	rig_end(rig);
	rig_free(rig);
}

// The answer to what was asked before more came in is none to what is asked now.
static void what_is_appended_behind_a_recall_needs_another(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;
	struct spool_done done;

	(void)state;
	rig_begin(rig, 3);
	rig_turn(rig, 100);
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 15, &record), 0);
	append(rig, record, 15, 0, 70000, 10000);
	assert_int_equal(spool_recall(record), -EINPROGRESS);
	for (int i = 0; i < 20; i++)
		(void)spool_step(rig->spool, rig->now_ns, 1);
	// The answer waits for the worker.
	for (size_t at = 70000; at < 140000; at += 10000)
		assert_int_equal(spool_mail_append(record, 15, at, 10000), 0);
	assert_int_equal(spool_recall(record), -EINPROGRESS);
	(void)spool_poll(spool_get_worker(rig->spool, 0), rig->now_ns, &done, 1);
	assert_int_equal(spool_recall(record), -EINPROGRESS);
	recall(rig, record, 0);
	check(record, 15, 140000);
	spool_abort(record);
	rig_turn(rig, 1000);
	rig_end(rig);
	rig_free(rig);
}

static void what_was_read_can_be_committed(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;

	(void)state;
	rig_begin(rig, 3);
	for (uint32_t number = 0; number < 64; number++) {
		assert_int_equal(
			spool_mail_begin(spool_get_worker(rig->spool, 0), number, &record), 0);
		append(rig, record, number, 0, spool_mail_bytes(number), 5000);
		recall(rig, record, 0);
		check(record, number, spool_mail_bytes(number));
		assert_int_equal(spool_mail_commit(record, number, rig->now_ns), 0);
		rig->fates[number] = FATE_COMMITTED;
	}
	rig_turn(rig, 2000);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	assert_int_equal(rig->stats.records, 64);
	rig_end(rig);
	rig_free(rig);
}

static void errors_and_rewrites_do_not_mix_it_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct rig *rig = rig_new();
		struct spool_record *records[4];

		rig_begin(rig, seed);
		rig->disk.fail_eio = 30;
		rig->disk.cut_short = 30;
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(
				spool_mail_begin(spool_get_worker(rig->spool, 0), i, &records[i]),
				0);
		for (size_t at = 0; at < 400000; at += 20000) {
			for (uint32_t i = 0; i < 4; i++) {
				int err;

				while ((err = spool_mail_append(records[i], i, at, 20000)) ==
					-EAGAIN)
					rig_turn(rig, 1);
				assert_true(err == 0 || err == -EIO);
				if (err == 0 && spool_recall(records[i]) == 0)
					check(records[i], i, at + 20000);
			}
			rig_turn(rig, 3);
		}
		for (uint32_t i = 0; i < 4; i++)
			spool_abort(records[i]);
		rig_turn(rig, 3000);
		rig_end(rig);
		rig_free(rig);
	}
}

static void what_the_disk_does_not_give_is_not_made_up(void **state)
{
	struct rig *rig = rig_new();
	struct reading reading = {15, 0, 0};
	struct spool_record *record;

	(void)state;
	rig_begin(rig, 3);
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 15, &record), 0);
	append(rig, record, 15, 0, 300000, 10000);
	recall(rig, record, 0);
	rig->disk.fail_reads = -EIO;
	assert_int_equal(spool_read(record, compare, &reading), -EIO);
	rig->disk.fail_reads = 0;
	reading = (struct reading){15, 0, 100000};
	assert_int_equal(spool_read(record, compare, &reading), -ECANCELED);
	assert_true(reading.bytes >= 100000 && reading.bytes < 200000);
	// One bit of what is stored.
	for (int i = 0; i < rig->disk.files_count; i++) {
		if (rig->disk.files[i].bytes > 10000)
			rig->disk.files[i].stable[4096 + 5000] ^= 1;
	}
	reading = (struct reading){15, 0, 0};
	assert_int_equal(spool_read(record, compare, &reading), -EBADMSG);
	spool_abort(record);
	rig_turn(rig, 1000);
	rig_end(rig);
	rig_free(rig);
}

static void a_failed_one_says_so(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *record;

	(void)state;
	rig_begin(rig, 3);
	assert_int_equal(spool_mail_begin(spool_get_worker(rig->spool, 0), 15, &record), 0);
	append(rig, record, 15, 0, 60000, 10000);
	rig->disk.fail_eio = 1000;
	append(rig, record, 15, 60000, 70000, 10000);
	recall(rig, record, -EIO);
	spool_abort(record);
	rig_turn(rig, 1000);
	rig_end(rig);
	rig_free(rig);
}

static void those_that_do_not_go_on_give_way_to_those_that_do(void **state)
{
	struct rig *rig = rig_new();
	struct spool_worker *worker;
	struct spool_record *idle[48];
	struct spool_record *record;
	uint8_t data[4096] = {0};
	uint32_t turns = 0;

	(void)state;
	// 48 mails with less than is written ahead, which fill the memory.
	rig_begin(rig, 3);
	worker = spool_get_worker(rig->spool, 0);
	for (uint32_t i = 0; i < 48; i++) {
		assert_int_equal(spool_mail_begin(worker, i, &idle[i]), 0);
		for (uint32_t j = 0; j < 15 && spool_append(idle[i], data, sizeof(data)) == 0; j++)
			continue;
	}
	assert_true(spool_room(worker, NULL) < (size_t)3 * 4080);
	assert_int_equal(spool_mail_begin(worker, 60, &record), 0);
	for (size_t at = 0; at < 1u << 20; at += 4096) {
		while (spool_room(worker, NULL) < 4096) {
			rig_turn(rig, 1);
			assert_true(++turns < 10000);
		}
		assert_int_equal(spool_append(record, data, sizeof(data)), 0);
	}
	assert_true(turns > 0);
	assert_int_equal(spool_mail_commit(record, 60, rig->now_ns), 0);
	rig->fates[60] = FATE_COMMITTED;
	rig_turn(rig, 1000);
	assert_int_equal(rig->fates[60], FATE_STORED);
	for (uint32_t i = 0; i < 48; i++)
		spool_abort(idle[i]);
	rig_turn(rig, 1000);
	rig_end(rig);
	rig_free(rig);
}

static void what_has_come_in_whole_can_be_committed_when_all_memory_is_taken(void **state)
{
	struct rig *rig = rig_new();
	struct spool_record *records[40];
	struct spool_worker *worker;
	uint8_t data[4096] = {0};

	(void)state;
	rig_begin(rig, 3);
	worker = spool_get_worker(rig->spool, 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(spool_mail_begin(worker, i, &records[i]), 0);
	for (uint32_t i = 0; i < 40; i++) {
		while (spool_append(records[i], data, sizeof(data)) == 0)
			continue;
	}
	assert_int_equal(spool_room(worker, NULL), 0);
	for (uint32_t i = 0; i < 30; i++) {
		rig->fates[i] = FATE_COMMITTED;
		assert_int_equal(spool_mail_commit(records[i], i, rig->now_ns), 0);
	}
	for (uint32_t i = 30; i < 40; i++)
		spool_abort(records[i]);
	rig_turn(rig, 2000);
	for (uint32_t i = 0; i < 30; i++)
		assert_int_equal(rig->fates[i], FATE_STORED);
	rig_end(rig);
	rig_free(rig);
}

static void real_files_are_read_like_any(void **state)
{
	struct spool_folder folder;
	struct spool_options options;
	struct spool *spool;
	struct spool_io *io;
	struct spool_record *record;
	struct spool_done done;
	int err;

	(void)state;
	spool_folder_init(&folder);
	spool_options_init(&options);
	options.memory_bytes = 2u << 20;
	options.segment_bytes = 4u << 20;
	assert_int_equal(spool_io_open(folder.path, &io), 0);
	assert_int_equal(spool_open(&options, folder.keys, io, &spool), 0);
	assert_int_equal(spool_mail_begin(spool_get_worker(spool, 0), 15, &record), 0);
	for (size_t at = 0; at < 6u << 20; at += 4096) {
		while ((err = spool_mail_append(record, 15, at, 4096)) == -EAGAIN)
			(void)spool_poll(spool_get_worker(spool, 0), rig_clock_ns(), &done, 1);
		assert_int_equal(err, 0);
	}
	while ((err = spool_recall(record)) == -EINPROGRESS) {
		(void)spool_poll(spool_get_worker(spool, 0), rig_clock_ns(), &done, 1);
		(void)sched_yield();
	}
	assert_int_equal(err, 0);
	check(record, 15, 6u << 20);
	spool_abort(record);
	spool_close(spool);
	spool_folder_fini(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_in_progress_can_be_read_at_any_length),
		cmocka_unit_test(what_is_appended_behind_a_recall_needs_another),
		cmocka_unit_test(what_was_read_can_be_committed),
		cmocka_unit_test(errors_and_rewrites_do_not_mix_it_up),
		cmocka_unit_test(what_the_disk_does_not_give_is_not_made_up),
		cmocka_unit_test(a_failed_one_says_so),
		cmocka_unit_test(those_that_do_not_go_on_give_way_to_those_that_do),
		cmocka_unit_test(what_has_come_in_whole_can_be_committed_when_all_memory_is_taken),
		cmocka_unit_test(real_files_are_read_like_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
