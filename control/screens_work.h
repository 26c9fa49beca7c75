// SPDX-License-Identifier: BSD-3-Clause
// What screening does on a thread of its own, so that a list of a million entries keeps nobody waiting: lists
// are read, made durable, made into an image or a layer (screens_image.h) and handed to the dataplane. One job after the
// other, but that a large image is made on another thread meanwhile, and long lists, one after the other, are read and
// written on one more: what comes behind a long list does not wait for it.
#pragma once

#include "control/control_options.h"
#include "control/screen_store.h"
#include "control/screens_image.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screens_work;

enum screens_job_kind {
	SCREENS_ADD, // a list; then as PUT
	SCREENS_PUT, // what is on is made and handed over
	SCREENS_MERGE, // an image is made of all that is on, beside the other jobs, for a PUT that follows
	SCREENS_HITS,  // the dataplane's counts are taken over
	SCREENS_SWEEP, // what is off is deleted
	SCREENS_COPY,  // what is chosen is written to a file
};

struct screens_job {
	enum screens_job_kind kind;
	// For ADD: the list as JSON (screen_json.h), of malloc or NULL; whose virus id is "" takes those of the entries.
	char *text;
	struct screen_store_list list;
	uint64_t most; // entries that may be on
	int64_t now_s;
	// COPY: what is chosen, by texts of the request, which the job has a copy of; and where it goes, which is closed.
	struct screen_store_choice choice;
	json_t *request;
	int fd;
	struct screens_merged
		*merged; // what came of MERGE, and for the PUT after it, which takes it; NULL: none
	void *ctx;       // the caller's
	bool is_long;    // a list that takes its time
	// What came of it.
	// Of adding or building: nothing has changed then; -EEXIST: it was there; -EACCES: what ends it was issued later;
	// -ECANCELED: the process is ending.
	int err;
	int told;         // of handing over, or of the dataplane's answer
	char why[256];    // of either
	char version[40]; // of the image in force; "" none
	uint64_t entries; // added, or copied
	uint64_t layered; // changes in the layer that was made, 0: none
	json_t *hits;     // HITS: [{"id", "more"}]
};

// Called on the main loop; the job is freed after it.
typedef void (*screens_done_fn)(void *ctx, struct screens_job *job);

struct screens_work_setup {
	const struct control_options *options; // outlive it
	const char *path;                      // of the database
	screens_done_fn done;
	void *ctx;
	uint64_t
		layer_entries; // of a list that is still put into a layer; 0: SCREENS_LAYER_ENTRIES
	size_t waiting_bytes;  // of long lists that wait; 0: SCREENS_WAITING_BYTES
};

// No more are a layer that is made, while the others wait, in a tenth of a second.
#define SCREENS_LAYER_ENTRIES 16384
#define SCREENS_WAITING_BYTES (256u << 20)

// Returns 0, -ENOMEM, or as screen_store_open.
int screens_work_new(const struct screens_work_setup *setup, struct screens_work **out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
// Waits for what is being done at the moment.
void screens_work_free(struct screens_work *work);
// Takes the job, of malloc, and what is in it.
void screens_work_push(struct screens_work *work, struct screens_job *job);
// For this list: long ones may be too many, short ones do not wait with them.
bool screens_work_has_room(const struct screens_work *work, const char *text);
size_t screens_work_count(const struct screens_work *work);
