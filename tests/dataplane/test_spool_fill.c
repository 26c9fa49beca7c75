// SPDX-License-Identifier: BSD-3-Clause
// spool: zeros for spares come when there is time, and never in the way of mail.
#include "dataplane/spool.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>

static void spares_are_filled_with_zeros_while_there_is_no_mail(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.spares = 3;
	rig_begin(rig, 3);
	rig_turn(rig, 200);
	assert_int_equal(RIG_COUNTER(rig, segments_made), 3);
	assert_int_equal(RIG_COUNTER(rig, segments_filled), 3);
	// The one that is used is replaced, and that one filled.
	assert_int_equal(rig_send(rig, 1), 0);
	rig_turn(rig, 200);
	assert_int_equal(rig->fates[1], FATE_STORED);
	assert_int_equal(RIG_COUNTER(rig, segments_filled), 4);
	spool_disk_write_out(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void a_spare_that_cannot_be_filled_is_not_used(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig_begin(rig, 3);
	assert_int_equal(RIG_COUNTER(rig, segments_filled), 0);
	rig->disk.fail_kind[SPOOL_IO_WRITE] = -EIO;
	rig_turn(rig, 100);
	assert_int_equal(RIG_COUNTER(rig, segments_failed), 2);
	assert_int_equal(RIG_COUNTER(rig, segments_made), 1);
	rig->disk.fail_kind[SPOOL_IO_WRITE] = 0;
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 100);
	assert_int_equal(RIG_COUNTER(rig, segments_made), 2);
	assert_int_equal(RIG_COUNTER(rig, segments_filled), 1);
	assert_int_equal(rig_send(rig, 1), 0);
	rig_turn(rig, 200);
	assert_int_equal(rig->fates[1], FATE_STORED);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

// Also while the segment in use, which is older, stays so.
static void a_spare_that_could_not_be_filled_is_removed_at_once(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.spares = 3;
	rig_begin(rig, 3);
	rig_turn(rig, 200);
	assert_int_equal(rig_send(rig, 1), 0);
	while (RIG_COUNTER(rig, segments_made) < 4)
		rig_turn(rig, 1);
	rig->disk.fail_kind[SPOOL_IO_WRITE] = -EIO;
	rig_turn(rig, 5);
	assert_int_equal(RIG_COUNTER(rig, segments_failed), 2);
	rig_turn(rig, 10);
	assert_int_equal(spool_disk_files(&rig->disk), 3);
	rig->disk.fail_kind[SPOOL_IO_WRITE] = 0;
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 200);
	assert_int_equal(spool_disk_files(&rig->disk), 4);
	assert_int_equal(rig_send(rig, 2), 0);
	rig_turn(rig, 50);
	assert_int_equal(rig->fates[1], FATE_STORED);
	assert_int_equal(rig->fates[2], FATE_STORED);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

static void spares_of_an_old_key_are_removed(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.spares = 2;
	rig_begin(rig, 3);
	rig_turn(rig, 200);
	assert_int_equal(rig_send(rig, 1), 0);
	rig_turn(rig, 200);
	assert_int_equal(spool_disk_files(&rig->disk), 3);
	assert_int_equal(spool_rotate(rig->spool, rig->folder.keys), 0);
	rig_turn(rig, 300);
	// What holds mail stays.
	assert_int_equal(RIG_COUNTER(rig, segments_made), 5);
	assert_int_equal(spool_disk_files(&rig->disk), 3);
	assert_int_equal(rig->fates[1], FATE_STORED);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

// The disk of the test refuses two writes to one place at a time.
static void mail_waits_for_no_zeros_and_loses_nothing_to_them(void **state)
{
	struct rig *rig = rig_new();
	uint32_t next = 0;

	(void)state;
	rig->options.spares = 2;
	rig_begin(rig, 8);
	rig->disk.patient = 700;
	for (uint32_t i = 0; i < 4000 && next < RIG_MAILS; i++) {
		// Now and then there is time for a few zeros.
		if (i % 50 < 40 && rig_send(rig, next) == 0)
			next++;
		rig_turn(rig, 1);
	}
	rig_turn(rig, 500);
	for (uint32_t i = 0; i < next; i++)
		assert_int_equal(rig->fates[i], FATE_STORED);
	assert_true(RIG_COUNTER(rig, segments_filled) > 0);
	// Some were used as they were.
	assert_true(RIG_COUNTER(rig, segments_made) > RIG_COUNTER(rig, segments_filled) + 3);
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, false);
	rig_end(rig);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spares_are_filled_with_zeros_while_there_is_no_mail),
		cmocka_unit_test(a_spare_that_cannot_be_filled_is_not_used),
		cmocka_unit_test(a_spare_that_could_not_be_filled_is_removed_at_once),
		cmocka_unit_test(spares_of_an_old_key_are_removed),
		cmocka_unit_test(mail_waits_for_no_zeros_and_loses_nothing_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
