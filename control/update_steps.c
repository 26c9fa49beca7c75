// SPDX-License-Identifier: BSD-3-Clause
#include "control/revoked.h"
#include "control/update_check.h"
#include "control/update_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define COMPILES_MOST 5 // tries to put rules in force

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

// ---- what compiles --------------------------------------------------------------------------------

void update_use_version(struct update *update, const char *version)
{
	char path[PATH_MAX];

	update_folder_version(&update->folder, version, path);
	publish_set_folders(update->control->publish, path,
		access(update->revoked_path, F_OK) == 0 ? update->revoked_path : "");
}

// ---- the end of a job -----------------------------------------------------------------------------

void update_job_free(struct job *job)
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
		alerts_drain(update->control->alerts);
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
	update_use_version(update, update->folder.active);
	tell(update, job, err == 0 ? "done" : "refused", why);
	answer(update, job, err, why);
	(void)unlink(update->journal_path);
	if (update->jobs == NULL)
		update_folder_clean(&update->folder);
	update_job_free(job);
	update_run(update);
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
		update_run(update);
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
			update_run(update);
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
		update_run(update);
}

void update_looking_clear(struct update_looking *looking)
{
	json_decref(looking->covers);
	json_decref(looking->covered);
	json_decref(looking->uncovered);
	*looking = (struct update_looking){0};
}

// All of it is the thread's until `published`.
static void prepare_look(struct update *update)
{
	const struct job *job = update->jobs;
	struct update_looking *looking = &update->looking;

	update_looking_clear(looking);
	looking->is_bundle = job->journal.kind == UPDATE_BUNDLE;
	looking->covers = json_deep_copy(job->plan.covers);
	looking->covered = json_array();
	looking->uncovered = json_object();
	update_folder_version(&update->folder, job->journal.version, looking->path);
}

static void look(void *ctx, const struct ruleset *ruleset)
{
	struct update *update = ctx;
	struct update_looking *looking = &update->looking;

	looking->has_looked = true;
	if (looking->is_bundle)
		update_check(ruleset, looking->path, looking->covers, looking->covered,
			looking->uncovered);
}

static void take_look(struct update *update)
{
	struct update_journal *journal = &update->jobs->journal;

	if (update->looking.has_looked) {
		json_decref(journal->covered);
		json_decref(journal->uncovered);
		journal->covered = json_incref(update->looking.covered);
		journal->uncovered = json_incref(update->looking.uncovered);
	}
	update_looking_clear(&update->looking);
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
	if (err > 0)
		control_seals_tell(control);
	if (err < 0)
		// They end all the same, at the end of their time or by the operator.
		control_events_write(control->events, "fault",
			json_pack("{s:s, s:s}", "what", "update", "why",
				"the seals that it covers cannot be written"));
	if (enter(update, job->journal.kind == UPDATE_ROLLBACK ? UPDATE_DONE : UPDATE_RELEASE))
		update_run(update);
}

static void published(void *ctx, const struct publish_result *result)
{
	struct update *update = ctx;
	struct control *control = update->control;
	// What the dataplane that runs does not go by covers no seal.
	const bool is_swapped = result->applied && !result->is_ahead;

	// The next process does this step again: it is not known whether the dataplane goes by them.
	if (result->is_cut_off)
		return;
	update->is_compiling = false;
	take_look(update);
	if (!is_swapped)
		update_use_version(update, update->folder.active);
	control_events_write(control->events, "rules",
		json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "result",
			result->applied ? "applied" : "refused", "why", result->why, "ruleset",
			result->version, "signatures", (int)result->signatures, "skipped",
			(int)result->skipped, "malformed", (int)result->malformed));
	if (result->in_force)
		(void)snprintf(control->link.ruleset, sizeof(control->link.ruleset), "%s",
			result->version);
	if (is_swapped)
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

// For how long something has been waited for in this step that began at that time of day. In this process the steady clock
// counts: whatever the time of day does, mail is not kept for it.
static int64_t waited_s(struct job *job, int64_t since_s)
{
	const int64_t up_s = control_steady_ns() / NS_PER_S;

	if (job->waiting_s == 0 || job->waiting_step != job->journal.step)
		job->waiting_s = up_s - CLAMP(control_due_s() - since_s, (int64_t)0, up_s - 1);
	job->waiting_step = job->journal.step;
	return up_s - job->waiting_s;
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
	       waited_s(job, job->journal.begun_s) > control->options.updates.release_seconds;
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
	update_use_version(update,
		job->journal.kind == UPDATE_REVOKE ? update->folder.active : job->journal.version);
	prepare_look(update);
	err = publish_start_looked_at(update->control->publish, look, published, update);
	if (err == 0) {
		update->compiles++;
		update->is_compiling = true;
		return;
	}
	update_use_version(update, update->folder.active);
	if (err != -EBUSY) // else in the next turn
		fail(update, err, "it cannot be compiled");
}

// Judged and let go, or as far as it can be in the time for it.
static bool is_released(const struct update *update)
{
	struct control *control = update->control;
	struct job *job = update->jobs;
	const int64_t seconds = waited_s(job, job->journal.swapped_s);
	const bool is_late = seconds > control->options.updates.release_seconds;

	if (control->release == NULL)
		return true;
	if (is_undo(job))
		return true; // what was let go is gone
	// What was screened for until now is not looked for any more.
	if (!screens_is_settled(control->screening) && !is_late)
		return false;
	if (job->journal.kind == UPDATE_REVOKE)
		return release_reconsider(control->release, job->revoke);
	return is_late || json_array_size(job->journal.covered) == 0 ||
	       release_has_judged(control->release, job->journal.swapped_s, seconds);
}

static void seals_told(void *ctx)
{
	update_run_soon(ctx);
}

// What the receipt says of the dataplane is known then.
static void end_seals(struct update *update)
{
	struct control *control = update->control;
	struct job *job = update->jobs;
	json_t *ended = NULL;
	int err = job->is_open ? 0 : seals_end_closing(control->seals, &ended);

	if (err < 0) {
		// In the next turn: they stay closed as long as the disk does not take it.
		return;
	}
	job->is_open = true;
	if (err > 0) {
		control_seals_changed(control, "unseal",
			json_pack("{s:O, s:s, s:s}", "virus_ids", ended, "why", "covered",
				"version", job->journal.version));
		control_seals_when_told(control, seals_told, update);
	}
	json_decref(ended);
	if (!dataplane_link_is_telling(&control->link) && enter(update, UPDATE_DONE))
		update_run(update);
}

static void hold_to_clock(struct update_journal *journal)
{
	if (journal->begun_s != 0)
		journal->begun_s = clock_begun_s(journal->begun_s, now_s());
	if (journal->swapped_s != 0)
		journal->swapped_s = clock_begun_s(journal->swapped_s, now_s());
}

void update_run(struct update *update)
{
	struct job *job = update->jobs;

	if (job == NULL)
		return;
	hold_to_clock(&job->journal);
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
			update_run(update);
		break;
	case UPDATE_END:
		end_seals(update);
		break;
	case UPDATE_DONE:
		finish(update, 0, "");
		break;
	}
}
