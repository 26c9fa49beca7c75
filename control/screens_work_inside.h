// SPDX-License-Identifier: BSD-3-Clause
// Between the files of screens_work.
#pragma once

#include "control/screens_work.h"

#include <glib.h>

#include <stdatomic.h>

struct screens_work {
	const struct control_options *options;
	struct screen_store *store;  // of the pool's thread
	struct screens_image *image; // the same
	GThreadPool *pool;           // one thread
	GThreadPool *merging;        // another one
	GThreadPool *coming;         // and one for long lists
	atomic_bool is_ending;       // told to these two
	GMutex lock;                 // a long list waits for the pool's thread
	GCond stepped;
	char path[CONTROL_TEXT_BYTES + 16];
	GAsyncQueue *finished;
	size_t pending;
	size_t waiting_bytes; // of long lists, the main loop's
	size_t most_waiting_bytes;
	screens_done_fn done;
	void *ctx;
	uint64_t layer_entries;
};

struct screens_task {
	struct screens_work *work;
	struct screens_job *job;
	struct screens_step *step; // of a long list, that waits for it; NULL: the job as a whole
	size_t bytes;              // of a long list
};

// Puts what was made in force, and what came of it in the job. is_new: another image is below the layer.
void screens_work_put(
	struct screens_work *work, struct screens_job *job, struct screens_made *made, bool is_new);

// ---- screens_work_add.c -------------------------------------------------------------------------

// A short list, on the pool's thread.
void screens_work_add(struct screens_work *work, struct screens_job *job);
// A long one, on its own thread, so that short ones and what ends lists need not wait: it is read, and written piece by
// piece, and an image is made with it, before the pool's thread lets it go on in a step.
void screens_work_add_long(struct screens_work *work, struct screens_job *job);
void screens_work_run_step(struct screens_step *step);
// What is coming does not go on, if that can be written down; by a transaction of its own.
void screens_work_abandon(struct screen_store *store);
