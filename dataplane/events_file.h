// SPDX-License-Identifier: BSD-3-Clause
// Where event lines end: a file that is appended to, or standard output. Used by one thread.
#pragma once

#include "dataplane/event_ring.h"

#include <stdbool.h>
#include <stddef.h>

struct events_file {
	const char *path; // "-": standard output
	int fd;
	int error; // errno of the last write that failed, 0 since one went well
};

// path must outlive it. Returns 0 or -errno.
int events_file_open(struct events_file *file, const char *path)
	__attribute__((warn_unused_result));
void events_file_close(struct events_file *file);
// Opens the path again, after it was moved away; keeps the old one when that fails. Returns 0 or -errno.
int events_file_reopen(struct events_file *file);
// Writes what the file takes now without waiting; the rest stays in the ring. A ring holds whole lines:
// drain one ring before the next until it is empty, or lines get mixed. Returns true when it is empty.
bool events_file_drain(struct events_file *file, struct event_ring *ring);
