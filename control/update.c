// SPDX-License-Identifier: BSD-3-Clause
#include "control/revoked.h"
#include "control/update_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MOST 64 // changes that wait for their turn

void update_turn(struct update *update)
{
	// What was found and is no job was done: its alert has its answer.
	if (update->has_found) {
		update->has_found = false;
		update_journal_fini(&update->found);
		if (update->jobs == NULL)
			(void)unlink(update->journal_path);
	}
	update_run(update);
}

// ---- what is to be done -----------------------------------------------------------------------------

static gboolean begin(gpointer ctx)
{
	struct update *update = ctx;

	update->idle = 0;
	update_run(update);
	return G_SOURCE_REMOVE;
}

void update_run_soon(struct update *update)
{
	if (update->idle == 0)
		update->idle = g_idle_add(begin, update);
}

static struct job *job_new(enum update_kind kind, const char *digest)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->journal = (struct update_journal){
		.kind = kind,
		.step = kind == UPDATE_BUNDLE ? UPDATE_DOWNLOAD : UPDATE_COMPILE,
		.covered = json_array(),
		.uncovered = json_object(),
	};
	job->client = API_NOBODY;
	(void)snprintf(job->journal.digest, sizeof(job->journal.digest), "%s", digest);
	return job;
}

// Behind the others; what the last process was at comes first, but for what is on its way by now.
static void add(struct update *update, struct job *job)
{
	struct job **link = &update->jobs;

	if (update->has_found && update->found.kind == job->journal.kind &&
		strcmp(update->found.digest, job->journal.digest) == 0) {
		update_journal_fini(&job->journal);
		job->journal = update->found;
		memset(&update->found, 0, sizeof(update->found));
		update->has_found = false;
		if (*link != NULL && (*link)->journal.begun_s != 0)
			link = &(*link)->next;
	} else {
		while (*link != NULL)
			link = &(*link)->next;
	}
	job->next = *link;
	*link = job;
	update_run_soon(update);
}

static size_t count_jobs(const struct update *update)
{
	size_t count = 0;

	for (const struct job *job = update->jobs; job != NULL; job = job->next)
		count++;
	return count;
}

int update_take(struct update *update, const struct alert *alert, const char *digest, char *why,
	size_t why_bytes)
{
	bool is_revoke = alert->type == ALERT_REVOKE;
	struct job *job = job_new(is_revoke ? UPDATE_REVOKE : UPDATE_BUNDLE, digest);
	int err = job != NULL ? 0 : -ENOMEM;

	if (err == 0 && count_jobs(update) >= WAITING_MOST) {
		(void)snprintf(why, why_bytes, "too many changes of the rules wait");
		err = -EAGAIN;
	}
	if (err == 0 && is_revoke) {
		err = revoked_check(alert->body, why, why_bytes);
		job->revoke = json_incref((json_t *)(uintptr_t)alert->body);
	} else if (err == 0) {
		err = update_plan_make(alert->body, alert->virus_id,
			update->control->options.updates.most_bytes, &job->plan, why, why_bytes);
		(void)snprintf(job->journal.version, sizeof(job->journal.version), "%s",
			job->plan.version);
	}
	if (err != 0) {
		if (job != NULL)
			update_job_free(job);
		return err;
	}
	add(update, job);
	return -EINPROGRESS;
}

int update_roll_back(struct update *update, uint64_t client)
{
	const struct update_folder *folder = &update->folder;
	char path[PATH_MAX];
	struct job *job;

	if (update->jobs != NULL)
		return -EBUSY;
	update_folder_version(folder, folder->former, path);
	if (!folder->has_former || (path[0] != '\0' && access(path, F_OK) != 0) ||
		(path[0] == '\0' && update->control->options.rules.sources_count == 0))
		return -ENOENT;
	job = job_new(UPDATE_ROLLBACK, "");
	if (job == NULL)
		return -ENOMEM;
	job->client = client;
	(void)snprintf(job->journal.version, sizeof(job->journal.version), "%s", folder->former);
	add(update, job);
	return 0;
}

int update_unrevoke(struct update *update, const json_t *body, char *why, size_t why_bytes)
{
	return update->jobs != NULL ? -EBUSY
				    : revoked_remove(update->revoked_path, body, why, why_bytes);
}

json_t *update_status(const struct update *update)
{
	const struct job *job = update->jobs;
	json_t *status = update_folder_json(&update->folder);
	json_t *progress = json_null();

	if (job != NULL)
		progress = json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind",
			update_kind_name(job->journal.kind), "step",
			update_step_name(job->journal.step), "version", job->journal.version,
			"bytes",
			(json_int_t)(update->fetch != NULL ? update_fetch_bytes(update->fetch) : 0),
			"of", (json_int_t)job->plan.bytes);
	(void)json_object_set_new(status, "progress", progress);
	return status;
}

void update_when_covered(struct update *update, update_covered_fn covered, void *ctx)
{
	update->covered = covered;
	update->covered_ctx = ctx;
}

// ---- start and stop ---------------------------------------------------------------------------------

// A rollback goes on by itself; an alert comes again.
static int read_journal(struct update *update)
{
	int err = update_journal_read(update->journal_path, &update->found);
	struct job *job;

	if (err == -ENOENT)
		return 0;
	update->has_found = err == 0;
	if (err != 0 || update->found.kind != UPDATE_ROLLBACK)
		return err;
	job = job_new(UPDATE_ROLLBACK, "");
	if (job == NULL)
		return -ENOMEM;
	add(update, job);
	return 0;
}

int update_new(struct control *control, struct update **out, char *error, size_t error_bytes)
{
	struct update *update = calloc(1, sizeof(*update));
	const char *state = control->options.state;
	char path[PATH_MAX / 4];
	int err;

	if (update == NULL)
		return -ENOMEM;
	update->control = control;
	(void)snprintf(path, sizeof(path), "%s/updates", state);
	(void)snprintf(update->journal_path, PATH_MAX, "%s/updates.journal", state);
	(void)snprintf(update->revoked_path, PATH_MAX, "%s/revoked", state);
	err = update_folder_open(path, &update->folder);
	if (err == 0)
		err = read_journal(update);
	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s: %s", path,
			err == -EBADMSG ? "not what was written" : "cannot be read or made");
		update_free(update);
		return err;
	}
	update_use_version(update, update->folder.active);
	*out = update;
	return 0;
}

void update_free(struct update *update)
{
	if (update == NULL)
		return;
	if (update->idle != 0)
		(void)g_source_remove(update->idle);
	update_fetch_free(update->fetch);
	while (update->jobs != NULL) {
		struct job *job = update->jobs;

		update->jobs = job->next;
		update_job_free(job);
	}
	update_looking_clear(&update->looking);
	update_journal_fini(&update->found);
	free(update);
}
