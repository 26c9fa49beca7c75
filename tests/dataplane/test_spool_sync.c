// SPDX-License-Identifier: BSD-3-Clause
// spool: one sync is for all that were written before it, and when it fails so have they.
#include "dataplane/spool.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>

#define MANY (RIG_MAILS / 16u) // mails of up to half a MB

static uint32_t long_mail(uint32_t i)
{
	return i * 16 + 15;
}

static struct rig *rig_of_long_mails(void)
{
	struct rig *rig = rig_new();

	rig->options.memory_bytes = 64u << 20;
	rig->options.segment_bytes = 8u << 20;
	rig->options.spares = 2;
	return rig;
}

static void send_all(struct rig *rig, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		while (rig_send(rig, long_mail(i)) == -EAGAIN)
			rig_turn(rig, 1);
	}
}

static void assert_all(const struct rig *rig, enum fate fate)
{
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(rig->fates[long_mail(i)], fate);
}

static void several_writes_share_a_sync(void **state)
{
	struct rig *rig = rig_of_long_mails();
	uint64_t writes;

	(void)state;
	rig_begin(rig, 2);
	rig_turn(rig, 200);
	rig->disk.patient = 300;
	writes = rig->disk.writes;
	send_all(rig, 0, MANY);
	rig_turn(rig, 3000);
	assert_all(rig, FATE_STORED);
	assert_true(rig->disk.writes - writes > 10);
	assert_in_range(rig->disk.syncs, 2, (rig->disk.writes - writes) * 3 / 4);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void a_mail_alone_needs_no_sync(void **state)
{
	struct rig *rig = rig_of_long_mails();

	(void)state;
	rig_begin(rig, 2);
	rig_turn(rig, 200);
	for (uint32_t i = 1; i < 10; i++) {
		assert_int_equal(rig_send(rig, i), 0);
		rig_turn(rig, 50);
		assert_int_equal(rig->fates[i], FATE_STORED);
	}
	assert_int_equal(rig->disk.syncs, 0);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

// Until one has been asked for, SYNCs fail.
static void fail_one_sync(struct rig *rig)
{
	uint64_t errors = RIG_COUNTER(rig, write_errors);

	rig->disk.fail_sync = 1000;
	for (uint32_t i = 0; i < 1000 && RIG_COUNTER(rig, write_errors) == errors; i++)
		rig_turn(rig, 1);
	rig->disk.fail_sync = 0;
	assert_true(RIG_COUNTER(rig, write_errors) > errors);
}

static void what_a_failed_sync_was_for_is_written_again_elsewhere(void **state)
{
	struct rig *rig = rig_of_long_mails();

	(void)state;
	rig_begin(rig, 4);
	rig_turn(rig, 200);
	rig->disk.patient = 300;
	send_all(rig, 0, MANY);
	fail_one_sync(rig);
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 4000);
	assert_all(rig, FATE_STORED);
	assert_true(RIG_COUNTER(rig, rewrites) > 0);
	assert_true(RIG_COUNTER(rig, segments_poisoned) > 0);
	assert_int_equal(RIG_COUNTER(rig, records_failed), 0);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void mail_fails_when_no_sync_succeeds_and_is_withdrawn(void **state)
{
	struct rig *rig = rig_of_long_mails();
	uint32_t failed = 0;

	(void)state;
	rig_begin(rig, 6);
	rig_turn(rig, 200);
	rig->disk.patient = 300;
	rig->disk.fail_sync = 1000;
	send_all(rig, 0, 8);
	rig_turn(rig, 3000);
	rig->disk.fail_sync = 0;
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 3000);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_not_equal(rig->fates[long_mail(i)], FATE_COMMITTED);
		failed += rig->fates[long_mail(i)] == FATE_FAILED;
	}
	assert_true(failed > 0);
	assert_true(RIG_COUNTER(rig, write_errors) >= 3);
	assert_int_equal(rig_send(rig, 1), 0);
	rig_turn(rig, 100);
	assert_int_equal(rig->fates[1], FATE_STORED);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

// Senders were told that these failed, and come again: who reads the counters knows that there may be two of each.
static void a_withdrawal_that_cannot_be_written_is_counted(void **state)
{
	struct rig *rig = rig_of_long_mails();

	(void)state;
	rig_begin(rig, 7);
	rig_turn(rig, 200);
	rig->disk.patient = 300;
	rig->disk.fail_eio = 1000;
	send_all(rig, 0, 8);
	for (uint32_t i = 0; i < 8; i++) {
		rig->now_ns += 2 * RIG_SECOND;
		rig_turn(rig, 500);
	}
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(rig->fates[long_mail(i)], FATE_FAILED);
	assert_int_equal(RIG_COUNTER(rig, withdrawals_lost), 8);
	rig_end(rig);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_writes_share_a_sync),
		cmocka_unit_test(a_mail_alone_needs_no_sync),
		cmocka_unit_test(what_a_failed_sync_was_for_is_written_again_elsewhere),
		cmocka_unit_test(mail_fails_when_no_sync_succeeds_and_is_withdrawn),
		cmocka_unit_test(a_withdrawal_that_cannot_be_written_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
