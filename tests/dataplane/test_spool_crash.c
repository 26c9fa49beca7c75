// SPDX-License-Identifier: BSD-3-Clause
// spool: what is acknowledged is there once and intact, whenever power goes and whatever the disk does.
#include "dataplane/spool.h"
#include "tests/support/random.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <errno.h>

#define CRASHES 400

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
	} else if (work->next < RIG_MAILS && spool_mail_begin(spool_get_worker(rig->spool, worker),
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

// Counts segments, and those of them that zeros were written to.
static void crash_once(struct rig *rig, uint64_t seed, uint64_t *made, uint64_t *filled)
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
	rig_check(rig, RIG_COUNTER(rig, withdrawals_lost) > 0);
	*made += RIG_COUNTER(rig, segments_made);
	*filled += RIG_COUNTER(rig, segments_filled);
	spool_folder_empty(&rig->folder);
	rig_end(rig);
}

static void a_power_cut_at_any_instant_loses_nothing_acknowledged(void **state)
{
	struct rig *rig = rig_new();
	uint64_t torn = 0;
	uint64_t incomplete = 0;
	uint64_t filled = 0;
	uint64_t made = 0;
	uint32_t stored = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= CRASHES; seed++) {
		crash_once(rig, seed, &made, &filled);
		torn += rig->stats.chunks_torn;
		incomplete += rig->stats.incomplete;
		for (uint32_t i = 0; i < RIG_MAILS; i++)
			stored += rig->fates[i] == FATE_STORED;
	}
	print_message("%d power cuts: %u mails acknowledged, all there; %lu chunks torn, %lu "
		      "records incomplete, all dropped\n",
		CRASHES, stored, (unsigned long)torn, (unsigned long)incomplete);
	// Else this has proved nothing.
	assert_true(stored > 100 * CRASHES / 10);
	assert_true(torn > 0);
	assert_true(filled > CRASHES / 4 && made > filled + CRASHES);
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
	assert_true(RIG_COUNTER(rig, write_errors) > 0);
	assert_true(RIG_COUNTER(rig, segments_poisoned) > 0);
	assert_true(RIG_COUNTER(rig, rewrites) >= RIG_COUNTER(rig, write_errors));
	for (uint32_t i = 0; i < RIG_MAILS; i++)
		assert_int_not_equal(rig->fates[i], FATE_COMMITTED);
	// Without a power cut: also what failed and was withdrawn must not show.
	spool_disk_cut(&rig->disk, rig->folder.path);
	rig_check(rig, RIG_COUNTER(rig, withdrawals_lost) > 0);
	rig_end(rig);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_cut_at_any_instant_loses_nothing_acknowledged),
		cmocka_unit_test(a_failed_write_goes_elsewhere_and_never_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
