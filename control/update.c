// SPDX-License-Identifier: BSD-3-Clause
#include "control/update.h"

#include "control/control.h"
#include "control/revoked.h"
#include "control/update_check.h"
#include "control/update_fetch.h"
#include "control/update_folder.h"
#include "control/update_journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define COMPILES_MOST 5 // tries to put rules in force
#define WAITING_MOST 64 // changes that wait for their turn

// One change, that waits or is on its way.
struct job {
	struct job *next;
	struct update_journal journal;
	struct update_plan plan; // of an update
	json_t *revoke;          // the body of a revoke
	uint64_t client;         // of a rollback
	bool is_uncovered;       // the same: what was covered is screened for again
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
	unsigned int compiles; // of this job
	struct update_fetch *fetch;
	update_covered_fn covered;
	void *covered_ctx;
	guint idle; // that begins; 0: none
};

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static void run(struct update *update);

// ---- what compiles --------------------------------------------------------------------------------

static void use_version(struct update *update, const char *version)
{
	char path[PATH_MAX];

	update_folder_version(&update->folder, version, path);
	publish_set_folders(update->control->publish, path,
		access(update->revoked_path, F_OK) == 0 ? update->revoked_path : "");
}

// ---- the end of a job -----------------------------------------------------------------------------

static void job_free(struct job *job)
{
	update_journal_fini(&job->journal);
	update_plan_fini(&job->plan);
	json_decref(job->revoke);
	free(job);
}

static void tell(
	const struct update *update, const struct job *job, const char *result, const char *why)
{
	control_events_write(update->control->events, "update",
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:s}", "kind",
			update_kind_name(job->journal.kind), "step",
			update_step_name(job->journal.step), "result", result, "why", why,
			"version", job->journal.version, "covered", job->journal.covered,
			"uncovered", job->journal.uncovered, "ruleset",
			update->control->link.ruleset));
}

static void answer(const struct update *update, const struct job *job, int err, const char *why)
{
	json_t *said;

	if (job->journal.kind != UPDATE_ROLLBACK) {
		alerts_done(update->control->alerts, job->journal.digest, err, why, now_s());
		return;
	}
	said = err == 0 ? update_status(update) : api_refusal("%s", why);
	if (err == 0)
		(void)json_object_set_new(said, "ok", json_true());
	if (job->client != API_NOBODY)
		api_answer(update->control->api, job->client, said);
	else
		json_decref(said);
}

// Durable answers come first: a change that is done twice is done once.
static void finish(struct update *update, int err, const char *why)
{
	struct job *job = update->jobs;

	update_fetch_free(update->fetch);
	update->fetch = NULL;
	update->jobs = job->next;
	update->compiles = 0;
	use_version(update, update->folder.active);
	tell(update, job, err == 0 ? "done" : "refused", why);
	answer(update, job, err, why);
	(void)unlink(update->journal_path);
	if (update->jobs == NULL)
		update_folder_clean(&update->folder);
	job_free(job);
	run(update);
}

static void fail(struct update *update, int err, const char *what)
{
	char reason[128];
	char why[ALERT_WHY_BYTES];

	(void)snprintf(why, sizeof(why), "%s: %s", what, strerror_r(-err, reason, sizeof(reason)));
	finish(update, err, why);
}

// ---- steps ------------------------------------------------------------------------------------------

// Returns false when the disk does not take it: the change is refused as long as nothing of it is in force,
// and goes on without it then.
static bool enter(struct update *update, enum update_step step)
{
	struct job *job = update->jobs;
	int err;

	job->journal.step = step;
	err = update_journal_write(update->journal_path, &job->journal,
		update->control->options.test_faults.update_kill);
	if (err == 0)
		return true;
	control_events_write(update->control->events, "fault",
		json_pack("{s:s, s:s}", "what", "update", "why", "its journal cannot be written"));
	if (job->journal.swapped_s != 0)
		return true;
	fail(update, err, "its journal cannot be written");
	return false;
}

static void fetched(void *ctx, int err, const char *why)
{
	struct update *update = ctx;

	if (err != 0)
		finish(update, err, why);
	else if (enter(update, UPDATE_INSTALL))
		run(update);
}

static void download(struct update *update)
{
	struct job *job = update->jobs;
	int same = update_folder_is_active(&update->folder, &job->plan);
	int err;

	if (same < 0) {
		finish(update, same, "version: is active with other files");
	} else if (same > 0) {
		if (enter(update, UPDATE_COMPILE))
			run(update);
	} else {
		err = update_folder_begin(&update->folder, &job->plan);
		if (err == -ESTALE)
			finish(update, err, "delta_from: another version is active");
		else if (err != 0)
			fail(update, err, "its folder cannot be made");
		else if (update_fetch_new(&update->control->options, &update->folder, &job->plan,
				 job->journal.begun_s, &update->fetch) != 0)
			fail(update, -ENOMEM, "it cannot be fetched");
		else
			update_fetch_start(update->fetch, fetched, update);
	}
}

static void install(struct update *update)
{
	int err = update_folder_install(&update->folder, &update->jobs->plan);

	if (err != 0)
		fail(update, err, "it cannot be installed");
	else if (enter(update, UPDATE_COMPILE))
		run(update);
}

static void look(void *ctx, const struct ruleset *ruleset)
{
	struct update *update = ctx;
	struct job *job = update->jobs;
	char path[PATH_MAX];

	(void)json_array_clear(job->journal.covered);
	(void)json_object_clear(job->journal.uncovered);
	if (job->journal.kind != UPDATE_BUNDLE)
		return;
	update_folder_version(&update->folder, job->journal.version, path);
	// Without memory nothing is covered.
	if (update_check(ruleset, path, job->plan.covers, job->journal.covered,
		    job->journal.uncovered) != 0)
		(void)json_array_clear(job->journal.covered);
}

// The rules are in force: from here on it goes forward only.
static void swapped(struct update *update)
{
	struct control *control = update->control;
	struct job *job = update->jobs;
	int err = 0;

	job->journal.swapped_s = now_s();
	if (job->journal.kind != UPDATE_REVOKE)
		err = update_folder_activate(&update->folder, job->journal.version,
			job->journal.kind == UPDATE_ROLLBACK);
	if (err != 0) {
		fail(update, err, "which version is active cannot be written down");
		return;
	}
	tell(update, job, "in force", "");
	update_journal_tell(&job->journal, update->covered, update->covered_ctx);
	if (job->journal.kind == UPDATE_ROLLBACK)
		screens_look_at_rules(control->screening);
	err = seals_begin_closing(control->seals, job->journal.covered);
	// It diverts as before; if it cannot be told of the new generation now, it is in a second.
	if (err > 0 && dataplane_link_seal(&control->link, &control->options, control->seals) != 0)
		control->link.seals_generation = 0;
	if (err < 0)
		// They end all the same, at the end of their time or by the operator.
		control_events_write(control->events, "fault",
			json_pack("{s:s, s:s}", "what", "update", "why",
				"the seals that it covers cannot be written"));
	if (enter(update, job->journal.kind == UPDATE_ROLLBACK ? UPDATE_DONE : UPDATE_RELEASE))
		run(update);
}

static void published(void *ctx, const struct publish_result *result)
{
	struct update *update = ctx;
	struct control *control = update->control;

	update->is_compiling = false;
	if (!result->applied)
		use_version(update, update->folder.active);
	control_events_write(control->events, "rules",
		json_pack("{s:s, s:s, s:s, s:i, s:i}", "result",
			result->applied ? "applied" : "refused", "why", result->why, "ruleset",
			result->version, "signatures", (int)result->signatures, "skipped",
			(int)result->skipped));
	if (result->in_force)
		(void)snprintf(control->link.ruleset, sizeof(control->link.ruleset), "%s",
			result->version);
	if (result->applied)
		swapped(update);
	else if (update->compiles >= COMPILES_MOST)
		finish(update, -EBADMSG, result->why);
	// else it is tried again in the next turn
}

// What was revoked counts again.
static bool is_undo(const struct job *job)
{
	return job->journal.kind == UPDATE_REVOKE &&
	       json_is_true(json_object_get(job->revoke, "undo"));
}

// Rules that know less come when what they do not know is screened for again.
static bool is_screened(struct update *update)
{
	struct control *control = update->control;
	struct job *job = update->jobs;

	if (job->journal.kind != UPDATE_ROLLBACK)
		return true;
	if (!job->is_uncovered)
		screens_uncover(control->screening);
	job->is_uncovered = true;
	return screens_is_settled(control->screening) ||
	       now_s() > job->journal.begun_s + control->options.updates.release_seconds;
}

static void compile(struct update *update)
{
	struct job *job = update->jobs;
	char why[ALERT_WHY_BYTES] = "";
	int err = 0;

	if (update->is_compiling || !is_screened(update))
		return;
	if (is_undo(job))
		err = revoked_remove(update->revoked_path, job->revoke, why, sizeof(why));
	else if (job->journal.kind == UPDATE_REVOKE)
		err = revoked_add(update->revoked_path, job->revoke, why, sizeof(why));
	if (err != 0) {
		fail(update, err, "it cannot be written down");
		return;
	}
	use_version(update,
		job->journal.kind == UPDATE_REVOKE ? update->folder.active : job->journal.version);
	err = publish_start_looked_at(update->control->publish, look, published, update);
	if (err == 0) {
		update->compiles++;
		update->is_compiling = true;
		return;
	}
	use_version(update, update->folder.active);
	if (err != -EBUSY) // else in the next turn
		fail(update, err, "it cannot be compiled");
}

// Judged and let go, or as far as it can be in the time for it.
static bool is_released(const struct update *update)
{
	struct control *control = update->control;
	const struct job *job = update->jobs;

	if (control->release == NULL)
		return true;
	if (is_undo(job))
		return true; // what was let go is gone
	// What was screened for until now is not looked for any more.
	if (!screens_is_settled(control->screening) &&
		now_s() <= job->journal.swapped_s + control->options.updates.release_seconds)
		return false;
	if (job->journal.kind == UPDATE_REVOKE)
		return release_reconsider(control->release, job->revoke);
	if (now_s() > job->journal.swapped_s + control->options.updates.release_seconds)
		return true;
	return json_array_size(job->journal.covered) == 0 ||
	       release_has_judged(control->release, job->journal.swapped_s);
}

static void end_seals(struct update *update)
{
	struct control *control = update->control;
	json_t *ended = NULL;
	int err = seals_end_closing(control->seals, &ended);

	if (err < 0) {
		// In the next turn: they stay closed as long as the disk does not take it.
		return;
	}
	if (err > 0)
		(void)control_seals_changed(control, "unseal",
			json_pack("{s:O, s:s, s:s}", "virus_ids", ended, "why", "covered",
				"version", update->jobs->journal.version));
	json_decref(ended);
	if (enter(update, UPDATE_DONE))
		run(update);
}

// Does what the first job's step asks for, or waits for its end.
static void run(struct update *update)
{
	struct job *job = update->jobs;

	if (job == NULL)
		return;
	if (job->journal.begun_s == 0) {
		job->journal.begun_s = now_s();
		if (!enter(update, job->journal.step))
			return;
	}
	switch (job->journal.step) {
	case UPDATE_DOWNLOAD:
		if (update->fetch == NULL)
			download(update);
		break;
	case UPDATE_INSTALL:
		install(update);
		break;
	case UPDATE_COMPILE:
		compile(update);
		break;
	case UPDATE_RELEASE:
		if (is_released(update) && enter(update, UPDATE_END))
			run(update);
		break;
	case UPDATE_END:
		end_seals(update);
		break;
	case UPDATE_DONE:
		finish(update, 0, "");
		break;
	}
}

void update_turn(struct update *update)
{
	// What was found and is no job was done: its alert has its answer.
	if (update->has_found) {
		update->has_found = false;
		update_journal_fini(&update->found);
		if (update->jobs == NULL)
			(void)unlink(update->journal_path);
	}
	run(update);
}

// ---- what is to be done -----------------------------------------------------------------------------

static gboolean begin(gpointer ctx)
{
	struct update *update = ctx;

	update->idle = 0;
	run(update);
	return G_SOURCE_REMOVE;
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

// Behind the others; what the last process was at comes first.
static void add(struct update *update, struct job *job)
{
	struct job **link = &update->jobs;

	if (update->has_found && update->found.kind == job->journal.kind &&
		strcmp(update->found.digest, job->journal.digest) == 0) {
		update_journal_fini(&job->journal);
		job->journal = update->found;
		memset(&update->found, 0, sizeof(update->found));
		update->has_found = false;
	} else {
		while (*link != NULL)
			link = &(*link)->next;
	}
	job->next = *link;
	*link = job;
	if (update->idle == 0)
		update->idle = g_idle_add(begin, update);
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
			job_free(job);
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
	use_version(update, update->folder.active);
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
		job_free(job);
	}
	update_journal_fini(&update->found);
	free(update);
}
