// SPDX-License-Identifier: BSD-3-Clause
// spool: mails of a few bytes, of which hundreds lie in one write, and several in each sector.
#include "dataplane/spool.h"
#include "dataplane/spoolfile.h"
#include "tests/support/random.h"
#include "tests/support/spool_rig.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define SHORT_MAILS 3000u
#define CUTS 60

struct shorts {
	struct rig *rig;
	uint32_t next;
	uint8_t fates[SHORT_MAILS];
	uint8_t times[SHORT_MAILS];
};

static struct shorts *shorts_new(void)
{
	struct shorts *shorts = calloc(1, sizeof(*shorts));

	assert_non_null(shorts);
	shorts->rig = rig_new();
	shorts->rig->options.records = SHORT_MAILS + 1;
	shorts->rig->options.memory_bytes = 32u << 20;
	return shorts;
}

static void shorts_free(struct shorts *shorts)
{
	rig_free(shorts->rig);
	free(shorts);
}

static size_t body_of(uint32_t number, uint8_t *out)
{
	size_t n = number * 7 % 90;

	memset(out, (int)(number % 251), n);
	return n;
}

static void send_next(struct shorts *shorts)
{
	const struct spool_envelope envelope = {.message = shorts->next};
	const struct spool_reason reason = {.state = SPOOL_HELD};
	struct spool_record *record;
	uint8_t body[90];

	assert_int_equal(spool_begin(spool_get_worker(shorts->rig->spool, 0), &envelope,
				 (void *)(uintptr_t)shorts->next, &record),
		0);
	assert_int_equal(spool_append(record, body, body_of(shorts->next, body)), 0);
	assert_int_equal(spool_commit(record, &reason, shorts->rig->now_ns), 0);
	shorts->fates[shorts->next++] = FATE_COMMITTED;
}

static void turn(struct shorts *shorts)
{
	struct spool_done done[64];
	size_t n;

	(void)spool_step(shorts->rig->spool, shorts->rig->now_ns, 1);
	shorts->rig->now_ns += 1000000;
	do {
		n = spool_poll(
			spool_get_worker(shorts->rig->spool, 0), shorts->rig->now_ns, done, 64);
		for (size_t i = 0; i < n; i++) {
			uint8_t *fate = &shorts->fates[(uintptr_t)done[i].cookie];

			assert_int_equal(*fate, FATE_COMMITTED);
			*fate = done[i].error == 0 ? FATE_STORED : FATE_FAILED;
		}
	} while (n > 0);
}

static void check_record(struct shorts *shorts, struct spoolfile *store, struct spool_id id)
{
	struct spoolfile_reader *reader;
	const uint8_t *data = NULL;
	uint8_t body[90];
	uint32_t number;
	size_t n;

	assert_int_equal(spoolfile_reader_open(store, id, &reader), 0);
	number = spoolfile_envelope(reader)->message;
	assert_true(number < shorts->next);
	assert_int_equal(spoolfile_read(reader, &data, &n), 0);
	assert_int_equal(n, body_of(number, body));
	if (n > 0)
		assert_memory_equal(data, body, n);
	shorts->times[number]++;
	spoolfile_reader_close(reader);
}

// Returns how many chunks were torn.
static uint64_t check(struct shorts *shorts)
{
	struct rig *rig = shorts->rig;
	const struct spoolfile_record *list;
	struct spoolfile_stats stats;
	struct spoolfile *store;
	size_t count;

	memset(shorts->times, 0, sizeof(shorts->times));
	assert_int_equal(spoolfile_open(rig->folder.path, rig->folder.keys, &store), 0);
	assert_int_equal(spoolfile_refresh(store, true), 0);
	spoolfile_get_stats(store, &stats);
	assert_int_equal(stats.chunks_bad, 0);
	count = spoolfile_list(store, &list);
	for (size_t i = 0; i < count; i++)
		check_record(shorts, store, list[i].id);
	spoolfile_close(store);
	for (uint32_t i = 0; i < shorts->next; i++) {
		if (shorts->times[i] > 1)
			fail_msg("mail %u is there %u times", i, shorts->times[i]);
		if (shorts->fates[i] == FATE_STORED && shorts->times[i] != 1)
			fail_msg("mail %u was acknowledged and is not there", i);
	}
	return stats.chunks_torn;
}

static void thousands_at_once_go_in_few_writes_and_come_back(void **state)
{
	struct shorts *shorts = shorts_new();
	uint64_t writes;

	(void)state;
	rig_begin(shorts->rig, 1);
	writes = shorts->rig->disk.writes;
	// In as many turns of the worker, before the writer looks once: in one it seals a few hundred.
	while (shorts->next < SHORT_MAILS) {
		send_next(shorts);
		shorts->rig->now_ns++;
	}
	for (uint32_t i = 0; i < 1000; i++)
		turn(shorts);
	for (uint32_t i = 0; i < SHORT_MAILS; i++)
		assert_int_equal(shorts->fates[i], FATE_STORED);
	assert_in_range(shorts->rig->disk.writes - writes, 2, SHORT_MAILS / 500);
	spool_disk_write_out(&shorts->rig->disk, shorts->rig->folder.path);
	assert_int_equal(check(shorts), 0);
	rig_end(shorts->rig);
	shorts_free(shorts);
}

static uint64_t cut_once(struct shorts *shorts, uint64_t seed)
{
	struct spool_disk *disk = &shorts->rig->disk;
	struct random random = {seed * 91 + 5};
	uint32_t most = 1 + random_below(&random, 400);
	uint64_t torn;

	rig_begin(shorts->rig, seed);
	disk->patient = 300;
	disk->fail_eio = seed % 4 == 1 ? 30 : 0;
	disk->cut_short = seed % 4 == 2 ? 30 : 0;
	disk->fail_enospc = seed % 4 == 3 ? 30 : 0;
	shorts->next = 0;
	for (uint32_t steps = 20 + random_below(&random, 200); steps > 0; steps--) {
		uint32_t n = random_below(&random, most);

		while (n-- > 0 && shorts->next < SHORT_MAILS)
			send_next(shorts);
		turn(shorts);
	}
	spool_disk_cut(disk, shorts->rig->folder.path);
	torn = check(shorts);
	spool_folder_empty(&shorts->rig->folder);
	rig_end(shorts->rig);
	return torn;
}

static void a_power_cut_loses_none_that_was_acknowledged(void **state)
{
	struct shorts *shorts = shorts_new();
	uint32_t stored = 0;
	uint64_t torn = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= CUTS; seed++) {
		torn += cut_once(shorts, seed);
		for (uint32_t i = 0; i < shorts->next; i++)
			stored += shorts->fates[i] == FATE_STORED;
	}
	// Else this has proved nothing.
	assert_true(stored > 300 * CUTS);
	assert_true(torn > CUTS);
	shorts_free(shorts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_at_once_go_in_few_writes_and_come_back),
		cmocka_unit_test(a_power_cut_loses_none_that_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
