// SPDX-License-Identifier: BSD-3-Clause
// A writer of the buffer on a simulated disk, in virtual time, and what became of each mail.
#pragma once

#include "dataplane/spool.h"
#include "tests/support/spool_disk.h"
#include "tests/support/spool_mail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_SECOND 1000000000ull
#define RIG_MAILS 512

enum fate { FATE_NONE, FATE_BEGUN, FATE_ABORTED, FATE_COMMITTED, FATE_STORED, FATE_FAILED };

struct rig {
	struct spool_folder folder;
	struct spool_disk disk;
	struct spool *spool;
	struct spool_options options;
	uint64_t now_ns;
	uint8_t fates[RIG_MAILS];
	uint8_t times[RIG_MAILS];
	int errors[RIG_MAILS];
	struct spoolfile_stats stats; // of the last check
};

// Small memory, small segments, one worker, no thread, an hour's deadline.
struct rig *rig_new(void);
void rig_free(struct rig *rig);
// A new disk and a writer on it; adjust options before.
void rig_begin(struct rig *rig, uint64_t seed);
void rig_end(struct rig *rig);
// So many steps of the writer, a virtual millisecond each.
void rig_turn(struct rig *rig, unsigned int turns);
// Commits a whole mail on the first worker. Returns what the writer says.
int rig_send(struct rig *rig, uint32_t number);
// Compares the folder with what became of the mails.
void rig_check(struct rig *rig, bool failed_may_show);
uint64_t rig_clock_ns(void);

// One of the writer's counters.
uint64_t rig_counter(const struct rig *rig, size_t offset);
#define RIG_COUNTER(rig, name) rig_counter((rig), offsetof(struct spool_status, name))
