// SPDX-License-Identifier: BSD-3-Clause
// The epoch and sequence of alerts that act before they are written to the order (alert_order.h), out of reach of a
// process that is killed before they do: they are in the kernel's hands then. A machine that goes down meanwhile takes
// what has acted with it, and nobody was told of it. With them stand
// the digests of those that the order does not have yet: after a kill these may come again, and nothing else that is
// not newer.
//
// They are put into a file in memory where there is one: one on a disk can make its writer wait for the file
// system's journal, which waits for all that others write. Both are read, and what was put later counts. One in memory
// that is not this user's alone is not read; where it is taken away, the disk has what it had.
//
// Two sectors for each vendor and role in turn: one that is torn by a power cut leaves the other.
#pragma once

#include "control/alert.h"

#include <stdbool.h>
#include <stdint.h>

#define ALERT_MARKS 16 // digests of one vendor and role

struct alert_marks;

// Opens or makes the file. quick: another one that is used where it is in memory (tmpfs), and does not stay where it is
// not; NULL: none. Returns 0 or -errno.
int alert_marks_open(const char *path, const char *quick, struct alert_marks **out)
	__attribute__((warn_unused_result));
void alert_marks_close(struct alert_marks *marks);

// Returns 0 when it outlives the process; -EAGAIN: as many wait for the order as are kept; -ENOSPC: too many vendors; or -errno.
int alert_marks_put(struct alert_marks *marks, const struct alert *alert, const char *digest)
	__attribute__((warn_unused_result));
// What was put becomes durable at path, if the disk lets it: for when the order cannot have it. By any thread.
void alert_marks_sync(const struct alert_marks *marks);
// The order has it.
void alert_marks_done(struct alert_marks *marks, const struct alert *alert, const char *digest);

// The highest that was marked; false: none was.
bool alert_marks_highest(const struct alert_marks *marks, const char *vendor, enum key_role role,
	uint64_t *epoch, uint64_t *sequence);
// Whether it was marked, and the order may not have it.
bool alert_marks_has(
	const struct alert_marks *marks, const struct alert *alert, const char *digest);
