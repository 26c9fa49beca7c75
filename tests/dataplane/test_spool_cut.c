// SPDX-License-Identifier: BSD-3-Clause
// spool: power is cut behind each single thing that the disk has done, in runs over several workers, segments and data
// keys, with a disk that is sound and with disks that fail. test_spool_crash cuts many more runs, each once.
#include "dataplane/spool.h"
#include "tests/support/random.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>

#define MAILS 48u
#define RUNS 16u

struct cuts {
	struct rig *rig;
	uint32_t count;
	uint64_t torn;
	uint64_t incomplete;
	uint64_t late;
	uint64_t gone; // were there, whole, and withdrawn
};

static void cut(void *ctx)
{
	struct cuts *cuts = ctx;
	struct rig *rig = cuts->rig;

	spool_disk_cut(&rig->disk, rig->folder.path);
	// Who was told that a mail was not taken does not find it taken, but where that could not be written either.
	rig_check(rig, RIG_COUNTER(rig, withdrawals_lost) > 0);
	spool_folder_empty(&rig->folder);
	cuts->count++;
	cuts->torn += rig->stats.chunks_torn;
	cuts->incomplete += rig->stats.incomplete;
	cuts->gone += rig->stats.gone;
}

static uint32_t count(const struct rig *rig, enum fate fate)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAILS; i++)
		n += rig->fates[i] == fate;
	return n;
}

// A disk that stands still until mail is late, and goes on before all is lost.
static void stand_still(struct rig *rig)
{
	rig->disk.hang = 1000;
	rig_turn(rig, 110);
	rig->disk.hang = 0;
	rig_turn(rig, 60);
}

// Returns how many mails were acknowledged.
static uint32_t run(struct cuts *cuts, uint64_t seed)
{
	struct rig *rig = cuts->rig;
	struct random random = {seed * 131 + 7};
	bool is_slow = seed % 4 == 0;
	uint32_t next = 0;
	uint32_t stored;

	// Groups of several workers are on their way at once.
	rig->options.workers = 1 + (uint32_t)(seed % 3);
	rig->options.deadline_ns = is_slow ? RIG_SECOND / 10 : 3600 * RIG_SECOND;
	rig_begin(rig, seed);
	rig->disk.patient = 400;
	rig->disk.fail_sync = seed % 4 == 1 ? 60 : 0;
	rig->disk.fail_eio = seed % 4 == 2 ? 20 : 0;
	rig->disk.cut_short = seed % 4 == 3 ? 40 : 0;
	rig->disk.fail_enospc = seed % 8 == 7 ? 40 : 0;
	rig->disk.after = cut;
	rig->disk.ctx = cuts;
	while (next < MAILS) {
		uint32_t n = random_below(&random, 6);

		while (n-- > 0 && next < MAILS && rig_send(rig, next) == 0)
			next++;
		if (random_below(&random, 12) == 0)
			assert_in_range(-spool_rotate(rig->spool, rig->folder.keys), 0, EBUSY);
		rig_turn(rig, 1);
		if (is_slow && random_below(&random, 10) == 0)
			stand_still(rig);
		// A segment that could not be made is tried again a second later.
		else if (!is_slow && random_below(&random, 30) == 0)
			rig->now_ns += RIG_SECOND;
	}
	for (int i = 0; i < 400 && count(rig, FATE_COMMITTED) > 0; i++) {
		rig_turn(rig, 1);
		rig->now_ns += is_slow ? 0 : RIG_SECOND / 10;
	}
	assert_int_equal(count(rig, FATE_COMMITTED), 0);
	stored = count(rig, FATE_STORED);
	cuts->late += RIG_COUNTER(rig, records_late);
	rig->disk.after = NULL;
	rig_end(rig);
	return stored;
}

static void a_power_cut_behind_each_step_of_the_disk_loses_nothing_acknowledged(void **state)
{
	struct cuts cuts = {.rig = rig_new()};
	uint32_t stored = 0;

	(void)state;
	cuts.rig->options.memory_bytes = 8u << 20;
	for (uint64_t seed = 0; seed < RUNS; seed++)
		stored += run(&cuts, seed);
	print_message("%u power cuts: %lu chunks torn, %lu records incomplete, all dropped; %u "
		      "mails acknowledged, %lu too late\n",
		cuts.count, (unsigned long)cuts.torn, (unsigned long)cuts.incomplete, stored,
		(unsigned long)cuts.late);
	// Else this has proved nothing.
	assert_true(stored > RUNS * MAILS / 2);
	assert_true(cuts.count > RUNS * 40);
	assert_true(cuts.torn > 0 && cuts.incomplete > 0);
	assert_true(cuts.late > RUNS && cuts.gone > 0);
	rig_free(cuts.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_power_cut_behind_each_step_of_the_disk_loses_nothing_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
