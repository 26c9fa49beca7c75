// SPDX-License-Identifier: BSD-3-Clause
// What has to be durable, written by a thread of its own: the main loop never waits for the disk. One job after
// the other, in the order in which they were given; what follows from each is done on the main loop, in the same
// order.
#pragma once

struct journal;

// At the head of what its owner needs for it.
struct journal_job {
	// On the thread. Returns 0 or -errno.
	int (*write)(struct journal_job *job);
	// On the main loop, once, with what write returned. Frees the job; it may push others.
	void (*done)(struct journal_job *job, int err);
	struct journal_job *next; // the journal's
	int err;
};

// Of the main context of the thread that calls. Returns 0 or -errno.
int journal_new(struct journal **out) __attribute__((warn_unused_result));
// Nothing may be left in it: see journal_flush.
void journal_free(struct journal *journal);
// Takes the job.
void journal_push(struct journal *journal, struct journal_job *job);
// Waits until all jobs have been written. What follows from them comes later: who calls is in the midst of
// something else.
void journal_drain(struct journal *journal);
// The same, and does what follows from them, until nothing is left.
void journal_flush(struct journal *journal);
