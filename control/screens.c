// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens.h"

#include "control/control.h"
#include "control/screens_hits.h"
#include "control/screens_inside.h"
#include "control/screens_notes.h"
#include "control/screens_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define HITS_EVERY_S 2
#define RETRY_S 5
// When an image is made of all that is on: the next layers are made faster then, and what is gone costs nothing.
#define MERGE_CHANGES 16384
#define MERGE_QUIET_S 60

int64_t screens_now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static int64_t steady_s(void)
{
	return control_steady_ns() / NS_PER_S;
}

void screens_tell(const struct screens *screening, const char *result, json_t *members)
{
	(void)json_object_set_new(members, "result", json_string(result));
	control_events_write(screening->control->events, "screening", members);
}

void screens_fault(struct screens *screening, const char *why)
{
	control_events_write(screening->control->events, "fault",
		json_pack("{s:s, s:s}", "what", "screening", "why", why));
}

struct screens_job *screens_job_new(enum screens_job_kind kind)
{
	struct screens_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->kind = kind;
	job->now_s = screens_now_s();
	return job;
}

struct screens_waiter *screens_waiter_new(const char *alert, uint64_t client)
{
	struct screens_waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter == NULL)
		return NULL;
	(void)snprintf(waiter->alert, sizeof(waiter->alert), "%s", alert);
	waiter->client = client;
	return waiter;
}

static void push_for(
	struct screens *screening, enum screens_job_kind kind, struct screens_waiter *waiter)
{
	struct screens_job *job = screening->is_ending ? NULL : screens_job_new(kind);

	if (job == NULL) {
		free(waiter);
		return;
	}
	job->ctx = waiter;
	if (kind == SCREENS_PUT) {
		screening->changes++;
		screening->tried_s = steady_s();
	}
	if (kind == SCREENS_HITS) {
		screening->is_counting = true;
		screening->counted_s = steady_s();
	}
	screens_work_push(screening->work, job);
}

static void push(struct screens *screening, enum screens_job_kind kind)
{
	push_for(screening, kind, NULL);
}

// ---- notes --------------------------------------------------------------------------------------

static void set_doubted(struct screens *screening, const char *virus_id, bool is_doubted)
{
	size_t at = screens_notes_find(screening->doubted, virus_id);

	if (is_doubted == (at != SIZE_MAX))
		return;
	if (is_doubted)
		(void)json_array_append_new(screening->doubted, json_string(virus_id));
	else
		(void)json_array_remove(screening->doubted, at);
	if (screens_notes_write(screening->store, "doubted", screening->doubted) != 0)
		screens_fault(screening, "what an update does not cover cannot be written down");
}

// ---- the end of lists ---------------------------------------------------------------------------

static const struct {
	const char *name;
	const char *why; // of mail that is let go then; NULL: it is not judged again
} ends[] = {
	[SCREENS_COVERED] = {SCREEN_STORE_COVERED,
		"clean by rules that know what it was screened for"},
	[SCREENS_CLEARED] = {"cleared", "the vendor took back what it was screened for"},
	[SCREENS_REMOVED] = {"removed", NULL},
	[SCREENS_EXPIRED] = {"expired", NULL},
};

static int note_again(struct screens *screening, enum screens_end how, const json_t *names)
{
	bool keep =
		how == SCREENS_COVERED && screening->control->options.screening.keep_cleared != 0;
	json_t *body;

	if (ends[how].why == NULL || screening->control->release == NULL)
		return 0;
	body = json_pack("{s:O, s:b, s:b, s:s}", "signatures", names, "screening", 1, "keep", keep,
		"why", ends[how].why);
	(void)json_array_append_new(screening->again, body);
	return screens_notes_write(screening->store, "again", screening->again);
}

static int64_t end_for(struct screens *screening, const struct screen_store_choice *choice,
	enum screens_end how, struct screens_waiter *waiter)
{
	json_t *names = json_array();
	json_t *ids = json_array();
	size_t before = json_array_size(screening->again);
	int64_t count = screen_store_begin(screening->store);
	int err;

	if (count == 0) {
		count = screen_store_off(
			screening->store, choice, ends[how].name, screens_now_s(), names, ids);
		err = count < 0 ? (int)count : 0;
		if (err == 0 && (how == SCREENS_CLEARED || how == SCREENS_REMOVED))
			err = screen_store_forget(screening->store, choice);
		if (count > 0 && err == 0)
			err = note_again(screening, how, names);
		err = screen_store_end(screening->store, err);
		count = err != 0 ? err : count;
	}
	if (count < 0) {
		while (json_array_size(screening->again) > before)
			(void)json_array_remove(screening->again, before);
		screens_fault(screening, "what is to end cannot be written down");
	}
	if (count > 0) {
		screens_tell(screening, "off",
			json_pack("{s:O, s:I, s:s}", "virus_ids", ids, "entries", (json_int_t)count,
				"why", ends[how].name));
		screening->expiry_s = screen_store_next_expiry(screening->store);
		if (waiter != NULL)
			waiter->removed = count;
		push_for(screening, SCREENS_PUT, waiter);
		push(screening, SCREENS_SWEEP);
	}
	json_decref(names);
	json_decref(ids);
	return count;
}

int64_t screens_end(
	struct screens *screening, const struct screen_store_choice *choice, enum screens_end how)
{
	return end_for(screening, choice, how, NULL);
}

int64_t screens_remove(
	struct screens *screening, const struct screen_store_choice *choice, uint64_t client)
{
	struct screens_waiter *waiter = screens_waiter_new("", client);
	int64_t count =
		waiter != NULL ? end_for(screening, choice, SCREENS_REMOVED, waiter) : -ENOMEM;

	if (count <= 0)
		free(waiter);
	return count;
}

// ---- after a job --------------------------------------------------------------------------------

static void note_told(struct screens *screening, const struct screens_job *job)
{
	bool said = screening->why[0] != '\0';

	screening->is_told = job->told == 0;
	screening->changed_s = steady_s();
	if (job->told == 0) {
		screening->layered = job->layered;
		(void)snprintf(screening->version, sizeof(screening->version), "%s", job->version);
		(void)snprintf(screening->control->link.screen,
			sizeof(screening->control->link.screen), "%s", job->version);
		screening->why[0] = '\0';
		return;
	}
	(void)snprintf(screening->why, sizeof(screening->why), "%s", job->why);
	// It is tried again, and told once.
	if (!said && job->told != -ECANCELED)
		screens_fault(screening, job->why);
}

static json_t *describe_added(const struct screens *screening, const struct screens_job *job)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:s}", "virus_id", job->list.virus_id,
		"origin", job->list.origin, "alert", job->list.alert, "entries",
		(json_int_t)job->entries, "expires", (json_int_t)job->list.expires_s, "in_force",
		screening->is_told, "version", screening->version);
}

// Rules have come into force while it was coming.
static void end_if_known(struct screens *screening, const struct screens_waiter *waiter,
	const struct screens_job *job)
{
	const struct screen_store_choice choice = {.virus_id = job->list.virus_id};

	if (!screening->is_ending && job->err == 0 && waiter->alert[0] != '\0' &&
		screens_is_known(screening, job->list.virus_id))
		(void)end_for(screening, &choice, SCREENS_COVERED, NULL);
}

static void list_added(struct screens *screening, struct screens_job *job)
{
	struct control *control = screening->control;
	struct screens_waiter *waiter = job->ctx;
	json_t *answer;

	screening->changes--;
	// The next process takes it once more.
	if (job->err == -ECANCELED) {
		free(waiter);
		return;
	}
	// It was there: a process before has added it, and was ended.
	if (job->err == -EEXIST)
		push(screening, SCREENS_PUT);
	else if (job->err == 0)
		note_told(screening, job);
	if (job->err == -EEXIST)
		job->err = 0;
	screening->expiry_s = screen_store_next_expiry(screening->store);
	screens_tell(
		screening, job->err == 0 ? "added" : "refused", describe_added(screening, job));
	if (waiter->alert[0] != '\0')
		alerts_done(control->alerts, waiter->alert, job->err, job->why, screens_now_s());
	if (waiter->client != API_NOBODY) {
		answer = job->err == 0 ? describe_added(screening, job)
				       : api_refusal("%s", job->why);
		if (job->err == 0)
			(void)json_object_set_new(answer, "ok", json_true());
		if (job->err == 0 && !screening->is_told)
			(void)json_object_set_new(answer, "why", json_string(screening->why));
		api_answer(control->api, waiter->client, answer);
	}
	if (job->err != 0 && job->is_long)
		push(screening, SCREENS_SWEEP);
	end_if_known(screening, waiter, job);
	free(waiter);
}

static void copied(struct screens *screening, struct screens_job *job)
{
	struct screens_waiter *waiter = job->ctx;
	json_t *answer = job->err == 0 ? json_pack("{s:b, s:I}", "ok", 1, "entries",
						 (json_int_t)job->entries)
				       : api_refusal("the lists cannot be read or copied");

	api_answer(screening->control->api, waiter->client, answer);
	free(waiter);
}

// What was removed is not looked for any more, or why it is.
static void answer_removed(const struct screens *screening, struct screens_waiter *waiter)
{
	if (waiter == NULL)
		return;
	api_answer(screening->control->api, waiter->client,
		json_pack("{s:b, s:I, s:b, s:s}", "ok", 1, "removed", (json_int_t)waiter->removed,
			"in_force", screening->is_told, "why", screening->why));
	free(waiter);
}

// What changed meanwhile is a layer on it.
static void merged(struct screens *screening, struct screens_job *job)
{
	struct screens_job *put;

	screening->is_merging = false;
	screening->has_failed = job->err != 0;
	if (job->err != 0) {
		screening->changed_s = steady_s();
		if (job->err != -EALREADY && job->err != -ECANCELED)
			screens_fault(screening, "the lists cannot be made into one image");
		return;
	}
	put = screening->is_ending ? NULL : screens_job_new(SCREENS_PUT);
	if (put == NULL)
		return;
	put->merged = job->merged;
	job->merged = NULL;
	screening->changes++;
	screens_work_push(screening->work, put);
}

static void job_done(void *ctx, struct screens_job *job)
{
	struct screens *screening = ctx;

	switch (job->kind) {
	case SCREENS_ADD:
		list_added(screening, job);
		break;
	case SCREENS_PUT:
		screening->changes--;
		if (job->err != 0)
			job->told = job->err;
		note_told(screening, job);
		answer_removed(screening, job->ctx);
		break;
	case SCREENS_MERGE:
		merged(screening, job);
		break;
	case SCREENS_HITS:
		screening->is_counting = false;
		screens_hits_tell(screening->control, screening->store, job->hits);
		break;
	case SCREENS_SWEEP:
		break;
	case SCREENS_COPY:
		copied(screening, job);
		break;
	}
}

// ---- rules that come -----------------------------------------------------------------------------

void screens_covered(void *ctx, const char *virus_id, bool is_covered)
{
	struct screens *screening = ctx;
	const struct screen_store_choice choice = {.virus_id = virus_id};

	set_doubted(screening, virus_id, !is_covered);
	if (is_covered)
		(void)screens_end(screening, &choice, SCREENS_COVERED);
}

// Whoever is known to the rules, where there are some, stays covered.
static void uncover(struct screens *screening, const struct ruleset *ruleset)
{
	json_t *ids = json_array();
	int64_t count = screens_rules_uncover(screening->store, ruleset, control_due_s(), ids);

	if (count < 0)
		screens_fault(screening, "what is to come back cannot be written down");
	if (count > 0) {
		screens_tell(screening, "on",
			json_pack("{s:O, s:I, s:s}", "virus_ids", ids, "entries", (json_int_t)count,
				"why", "not covered any more"));
		screening->expiry_s = screen_store_next_expiry(screening->store);
		push(screening, SCREENS_PUT);
	}
	json_decref(ids);
}

void screens_uncover(struct screens *screening)
{
	uncover(screening, NULL);
}

static void end_known(struct screens *screening, const struct ruleset *ruleset)
{
	json_t *ids = screen_store_ids(screening->store);
	json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
	{
		const char *text = json_string_value(id);
		const struct screen_store_choice choice = {.virus_id = text};

		if (screens_notes_find(screening->doubted, text) == SIZE_MAX &&
			ruleset_has_virus_id(ruleset, text))
			(void)screens_end(screening, &choice, SCREENS_COVERED);
	}
	json_decref(ids);
}

static void compare_lists(void *ctx, const struct ruleset *ruleset)
{
	struct screens *screening = ctx;

	end_known(screening, ruleset);
	uncover(screening, ruleset);
}

// Without rules there is nothing to compare them with.
void screens_look_at_rules(struct screens *screening)
{
	(void)publish_show(screening->control->publish, compare_lists, screening);
}

// ---- a step -------------------------------------------------------------------------------------

static void look_at_dataplane(struct screens *screening)
{
	const struct dataplane_link *link = &screening->control->link;

	if (screening->changes > 0 || !link->is_up)
		return;
	if (screening->is_told && strcmp(link->screen, screening->version) == 0)
		return;
	if (steady_s() >= screening->tried_s + RETRY_S || screening->is_told)
		push(screening, SCREENS_PUT);
}

static void look_at_layer(struct screens *screening)
{
	bool is_early;

	if (screening->layered == 0 || screening->is_merging || screening->changes > 0)
		return;
	is_early = steady_s() < screening->changed_s + MERGE_QUIET_S;
	if (is_early && (screening->layered < MERGE_CHANGES || screening->has_failed))
		return;
	screening->is_merging = true;
	push(screening, SCREENS_MERGE);
}

static void judge_again(struct screens *screening)
{
	struct release *release = screening->control->release;
	json_t *first = json_array_get(screening->again, 0);

	if (first == NULL || screening->changes > 0)
		return;
	if (release != NULL && !release_reconsider(release, first))
		return;
	(void)json_array_remove(screening->again, 0);
	if (screens_notes_write(screening->store, "again", screening->again) != 0)
		screens_fault(screening, "what was judged again cannot be written down");
}

void screens_turn(struct screens *screening)
{
	const struct screen_store_choice expired = {.expires_s = control_due_s()};

	if (!screening->has_looked) {
		screening->has_looked = true;
		screens_look_at_rules(screening);
	}
	if (screening->expiry_s <= expired.expires_s)
		(void)screens_end(screening, &expired, SCREENS_EXPIRED);
	look_at_dataplane(screening);
	look_at_layer(screening);
	if (!screening->is_counting && screening->control->link.is_up &&
		screening->version[0] != '\0' && steady_s() >= screening->counted_s + HITS_EVERY_S)
		push(screening, SCREENS_HITS);
	judge_again(screening);
}

bool screens_is_settled(const struct screens *screening)
{
	return screening->changes == 0;
}

json_t *screens_status(const struct screens *screening)
{
	return json_pack("{s:I, s:b, s:s, s:s, s:I, s:I}", "entries",
		(json_int_t)screen_store_count(screening->store), "in_force", screening->is_told,
		"version", screening->version, "why", screening->why, "waiting",
		(json_int_t)screening->changes, "judged_again",
		(json_int_t)json_array_size(screening->again));
}

struct screen_store *screens_store(const struct screens *screening)
{
	return screening->store;
}

// ---- begin and end ------------------------------------------------------------------------------

int screens_new(struct control *control, struct screens **out, char *error, size_t error_bytes)
{
	struct screens *screening = calloc(1, sizeof(*screening));
	char path[CONTROL_TEXT_BYTES + 16];
	const struct screens_work_setup setup = {
		.options = &control->options, .path = path, .done = job_done, .ctx = screening};
	int err;

	if (screening == NULL)
		return -ENOMEM;
	screening->control = control;
	(void)snprintf(path, sizeof(path), "%s/screen.db", control->options.state);
	err = screen_store_open(path, &screening->store, error, error_bytes);
	if (err == 0)
		err = screens_work_new(&setup, &screening->work, error, error_bytes);
	if (err != 0) {
		screens_free(screening);
		return err;
	}
	screening->again = screens_notes_read(screening->store, "again");
	screening->doubted = screens_notes_read(screening->store, "doubted");
	screening->expiry_s = screen_store_next_expiry(screening->store);
	// What lies beside the image may be older than what is on.
	screening->is_told = screen_store_count(screening->store) == 0 &&
			     !screens_image_has_file(&control->options);
	if (!screening->is_told)
		push(screening, SCREENS_PUT);
	*out = screening;
	return 0;
}

void screens_free(struct screens *screening)
{
	if (screening == NULL)
		return;
	screening->is_ending = true;
	screens_work_free(screening->work);
	screen_store_close(screening->store);
	json_decref(screening->again);
	json_decref(screening->doubted);
	free(screening);
}
