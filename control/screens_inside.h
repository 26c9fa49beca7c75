// SPDX-License-Identifier: BSD-3-Clause
// Between screens.c and screens_add.c.
#pragma once

#include "control/screens.h"
#include "control/screens_work.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screens {
	struct control *control;
	struct screen_store *store; // the main loop's
	struct screens_work *work;
	json_t *again; // what is to be judged again: bodies of release_reconsider, one after the other
	json_t *doubted;  // virus ids that an update says it covers, and does not
	size_t changes;   // on their way to the dataplane
	bool is_told;     // the dataplane has what is on
	bool has_looked;  // at the rules
	bool is_counting; // hits
	bool is_merging;
	bool has_failed; // the last merge
	bool is_ending;
	int64_t tried_s; // steady, as these:
	int64_t counted_s;
	int64_t changed_s; // or when a merge failed
	int64_t expiry_s;  // since 1970
	uint64_t layered;  // changes in the layer that is in force
	char version[40];  // in force
	char why[256];     // when it is not
};

// Who waits for the end of a job.
struct screens_waiter {
	char alert[SCREEN_STORE_ALERT_BYTES]; // "": nobody of the vendor's
	uint64_t client;
	int64_t removed;
};

int64_t screens_now_s(void);
// An event "screening". Takes the members.
void screens_tell(const struct screens *screening, const char *result, json_t *members);
// An event "fault".
void screens_fault(struct screens *screening, const char *why);
// Whether the rules in force know it.
bool screens_is_known(const struct screens *screening, const char *virus_id);
// Both are NULL where there is no memory.
struct screens_job *screens_job_new(enum screens_job_kind kind);
struct screens_waiter *screens_waiter_new(const char *alert, uint64_t client);
