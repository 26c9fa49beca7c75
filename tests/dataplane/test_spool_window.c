// SPDX-License-Identifier: BSD-3-Clause
// spool: who follows a writer looks behind empty stretches of a segment only so far. Nothing is acknowledged
// further behind, whatever has failed before.
#include "dataplane/spool.h"
#include "dataplane/spool_state.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>

#define LONG_BYTES (400u << 10)

// Returns whether it was taken.
static bool send_long(struct rig *rig, uint32_t number)
{
	static const uint8_t data[LONG_BYTES];
	struct spool_record *record;

	if (spool_mail_begin(spool_get_worker(rig->spool, 0), number, &record) != 0)
		return false;
	if (spool_append(record, data, sizeof(data)) != 0 ||
		spool_mail_commit(record, number, rig->now_ns) != 0) {
		spool_abort(record);
		return false;
	}
	rig->fates[number] = FATE_COMMITTED;
	return true;
}

// As many as are taken: more than can be on their way.
static void send_many(struct rig *rig)
{
	uint32_t next = 2;

	while (next < RIG_MAILS && send_long(rig, next))
		next++;
	assert_true(next * (uint64_t)LONG_BYTES > (uint64_t)GROUPS * GROUP_BYTES);
	rig_turn(rig, 300);
}

static uint32_t count(const struct rig *rig, enum fate fate)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < RIG_MAILS; i++)
		n += rig->fates[i] == fate;
	return n;
}

// What a reader sees that does not look everywhere.
static size_t seen_by_a_follower(struct rig *rig)
{
	const struct spoolfile_record *list;
	struct spoolfile *store;
	size_t n;

	spool_disk_write_out(&rig->disk, rig->folder.path);
	assert_int_equal(spoolfile_open(rig->folder.path, rig->folder.keys, &store), 0);
	assert_int_equal(spoolfile_refresh(store, false), 0);
	n = spoolfile_list(store, &list);
	spoolfile_close(store);
	return n;
}

// The device loses all that is on its way to the segment in use, and it is the making of a spare that is told so.
static void lose(struct rig *rig)
{
	uint64_t failed = RIG_COUNTER(rig, segments_failed);

	spool_disk_lose(&rig->disk);
	rig->now_ns += 2 * RIG_SECOND;
	for (int i = 0; i < 500 && RIG_COUNTER(rig, segments_failed) == failed; i++)
		rig_turn(rig, 1);
	assert_true(RIG_COUNTER(rig, segments_failed) > failed);
}

static void what_fails_twice_in_a_row_hides_no_mail_behind_it(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig->options.memory_bytes = 64u << 20;
	rig->options.segment_bytes = 96u << 20;
	rig_begin(rig, 9);
	rig_turn(rig, 500);
	assert_int_equal(RIG_COUNTER(rig, segments_filled), 1);
	rig->disk.fail_kind[SPOOL_IO_RENAME] = -EIO;
	assert_int_equal(rig_send(rig, 1), 0);
	rig_turn(rig, 50);
	assert_int_equal(rig->fates[1], FATE_STORED);
	// Else each write would be alone, and need no sync.
	rig->disk.patient = 500;
	rig->disk.hang_sync = 1000;
	send_many(rig);
	lose(rig);
	// What comes back is written again, and none of that completes.
	rig->disk.hang_sync = 0;
	for (int i = 0; i < 500 && RIG_COUNTER(rig, rewrites) < GROUPS / 2; i++)
		rig_turn(rig, 1);
	rig->disk.hang = 1000;
	lose(rig);
	rig->disk.hang = 0;
	rig->disk.fail_kind[SPOOL_IO_RENAME] = 0;
	rig->now_ns += 2 * RIG_SECOND;
	rig_turn(rig, 1000);
	assert_int_equal(count(rig, FATE_COMMITTED), 0);
	assert_true(RIG_COUNTER(rig, rewrites) > GROUPS);
	assert_int_equal(seen_by_a_follower(rig), count(rig, FATE_STORED));
	rig_end(rig);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fails_twice_in_a_row_hides_no_mail_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
