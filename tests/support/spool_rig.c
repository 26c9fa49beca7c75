// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/spool_rig.h"

#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t rig_clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * RIG_SECOND + (uint64_t)now.tv_nsec;
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
	options.deadline_ns = 3600 * RIG_SECOND;
	options.thread = false;
	return options;
}

void rig_begin(struct rig *rig, uint64_t seed)
{
	memset(rig->fates, 0, sizeof(rig->fates));
	memset(rig->errors, 0, sizeof(rig->errors));
	spool_disk_init(&rig->disk, seed);
	assert_int_equal(
		spool_open(&rig->options, rig->folder.keys, &rig->disk.io, &rig->spool), 0);
	rig->now_ns = rig_clock_ns();
}

struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	spool_folder_init(&rig->folder);
	rig->options = small_options();
	return rig;
}

void rig_end(struct rig *rig)
{
	rig->disk.dead = true;
	spool_close(rig->spool);
	spool_disk_fini(&rig->disk);
}

void rig_free(struct rig *rig)
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

void rig_turn(struct rig *rig, unsigned int turns)
{
	while (turns-- > 0) {
		(void)spool_step(rig->spool, rig->now_ns, 1);
		rig->now_ns += 1000000;
		rig_poll(rig);
	}
}

int rig_send(struct rig *rig, uint32_t number)
{
	struct spool_worker *worker = spool_get_worker(rig->spool, number % rig->options.workers);
	int err = spool_mail_send(worker, number, rig->now_ns);

	if (err == 0)
		rig->fates[number] = FATE_COMMITTED;
	return err;
}

uint64_t rig_counter(const struct rig *rig, size_t offset)
{
	struct spool_status status;
	uint64_t value;

	spool_get_status(rig->spool, &status);
	memcpy(&value, (const char *)&status + offset, sizeof(value));
	return value;
}

// The folder, compared with what became of the mails.
void rig_check(struct rig *rig, bool failed_may_show)
{
	spool_mail_recover(&rig->folder, rig->times, RIG_MAILS, &rig->stats);
	assert_int_equal(rig->stats.chunks_bad, 0);
	for (uint32_t i = 0; i < RIG_MAILS; i++) {
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
