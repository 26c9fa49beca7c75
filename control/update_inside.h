// SPDX-License-Identifier: BSD-3-Clause
// Changes of the rules from inside: what update.c, which takes them, and update_steps.c, which does them, share.
#pragma once

#include "control/control.h"
#include "control/update.h"
#include "control/update_fetch.h"
#include "control/update_folder.h"
#include "control/update_journal.h"

#include <limits.h>

// One change, that waits or is on its way.
struct job {
	struct job *next;
	struct update_journal journal;
	struct update_plan plan;       // of an update
	json_t *revoke;                // the body of a revoke
	uint64_t client;               // of a rollback
	bool is_uncovered;             // the same: what was covered is screened for again
	bool is_open;                  // the seals that it covers have ended
	enum update_step waiting_step; // in which something is waited for,
	int64_t waiting_s;             // since this steady time; 0: nothing was yet
};

// What a thread finds out of rules, beside the job that it is for.
struct update_looking {
	bool is_bundle;
	bool has_looked;
	char path[PATH_MAX]; // of the version
	json_t *covers;
	json_t *covered;
	json_t *uncovered;
};

struct update {
	struct control *control;
	struct update_folder folder;
	char journal_path[PATH_MAX];
	char revoked_path[PATH_MAX];
	struct job *jobs;            // the first is on its way
	struct update_journal found; // where the last process stopped; kind and digest say of what
	bool has_found;
	bool is_compiling;
	struct update_looking looking;
	unsigned int compiles; // of this job
	struct update_fetch *fetch;
	update_covered_fn covered;
	void *covered_ctx;
	guint idle; // that begins; 0: none
};

void update_job_free(struct job *job);
void update_looking_clear(struct update_looking *looking);
// What the next compilation reads.
void update_use_version(struct update *update, const char *version);
// Has the main loop do that, if it is not on its way.
void update_run_soon(struct update *update);
// Does what the first job's step asks for, or waits for its end.
void update_run(struct update *update);
