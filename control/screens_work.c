// SPDX-License-Identifier: BSD-3-Clause
#include "control/clock.h"
#include "control/ending.h"
#include "control/screens_image.h"
#include "control/screens_work_inside.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWAP_SECONDS 60
#define HITS_SECONDS 5
#define MERGE_NICE 10
#define LONG_BYTES (128u << 10)   // of a list that takes its time
#define LIST_OFF_S (30 * 86400ll) // that a list which is off is told of

// ---- handing over -------------------------------------------------------------------------------

// The dataplane's answer, or NULL with why in the job.
static json_t *ask(const struct screens_work *work, struct screens_job *job, const char *command,
	int fd, unsigned int seconds)
{
	char *answer = NULL;
	char reason[128];
	const char *refusal;
	json_t *root;

	job->told = local_ask_until(work->options->dataplane,
		&(struct local_question){command, fd, seconds}, ending_descriptor(), &answer);
	if (job->told != 0) {
		(void)snprintf(job->why, sizeof(job->why), "the dataplane cannot be asked: %s",
			strerror_r(-job->told, reason, sizeof(reason)));
		return NULL;
	}
	root = json_loads(answer, 0, NULL);
	free(answer);
	refusal = json_string_value(json_object_get(root, "error"));
	if (json_is_object(root) && refusal == NULL)
		return root;
	job->told = -EPROTO;
	(void)snprintf(job->why, sizeof(job->why), "the dataplane refused: %s",
		refusal != NULL ? refusal : "no reason given");
	json_decref(root);
	return NULL;
}

static void hand_over_as(struct screens_work *work, struct screens_job *job,
	const struct screens_made *made, const char *command, bool is_whole)
{
	bool has_list = strcmp(command, "screen none") != 0;
	int fd = has_list ? screens_image_seal(work->image, made, is_whole) : -1;
	const char *version;
	json_t *root;

	if (has_list && fd < 0) {
		job->told = fd;
		(void)snprintf(job->why, sizeof(job->why), "no memory to hand over the list");
		return;
	}
	root = ask(work, job, command, fd, SWAP_SECONDS);
	if (fd >= 0)
		(void)close(fd);
	version = json_string_value(json_object_get(root, "screen"));
	if (version != NULL)
		(void)snprintf(job->version, sizeof(job->version), "%s", version);
	json_decref(root);
}

// A dataplane that does not have the image below takes both.
static void hand_over(struct screens_work *work, struct screens_job *job,
	const struct screens_made *made, bool is_layer, bool is_new)
{
	if (made->whole.data == NULL && !is_layer) {
		hand_over_as(work, job, made, "screen none", false);
		return;
	}
	if (is_layer && !is_new) {
		hand_over_as(work, job, made, "screen-layer", false);
		if (job->told != -EPROTO)
			return;
		job->why[0] = '\0';
	}
	hand_over_as(work, job, made, "screen", true);
}

// A file that is ahead of the database is made anew at the next start; one that is behind, too.
void screens_work_put(
	struct screens_work *work, struct screens_job *job, struct screens_made *made, bool is_new)
{
	bool is_layer = made->layer.data != NULL;
	char reason[128];
	int err = screens_image_keep(work->image, made);

	job->layered = made->changes;
	if (err != 0) {
		job->told = err;
		(void)snprintf(job->why, sizeof(job->why), "%.100s" RULESET_SCREEN_SUFFIX ": %s",
			work->options->rules.image, strerror_r(-err, reason, sizeof(reason)));
		return;
	}
	hand_over(work, job, made, is_layer, is_new);
}

// ---- the other jobs -----------------------------------------------------------------------------

// Written down before it is made, and after it: what changes meanwhile is known then.
static int prepare(struct screens_work *work, struct screens_job *job)
{
	int err = screen_store_begin(work->store);

	if (err != 0)
		return err;
	if (job->merged != NULL)
		err = screens_image_adopt(work->image, job->merged);
	job->merged = NULL;
	if (err == 0 || err == -ESTALE)
		err = screens_image_watch(work->image);
	err = screen_store_end(work->store, err);
	if (err != 0)
		screens_image_disown(work->image);
	return err;
}

static int make_put(struct screens_work *work, struct screens_job *job, struct screens_made *made)
{
	int err = prepare(work, job);

	if (err == 0)
		err = screen_store_begin_reading(work->store);
	if (err == 0)
		err = screen_store_end(work->store,
			screens_image_make(work->image, made, job->why, sizeof(job->why)));
	if (err == 0)
		err = screen_store_begin(work->store);
	if (err == 0)
		err = screen_store_end(work->store, screens_image_note(work->image, made));
	if (err == -EIO && job->why[0] == '\0')
		(void)snprintf(job->why, sizeof(job->why), "the lists cannot be written");
	return err;
}

static void run_put(struct screens_work *work, struct screens_job *job)
{
	bool is_new = job->merged != NULL;
	struct screens_made made = {0};

	job->err = make_put(work, job, &made);
	if (job->err == 0)
		screens_work_put(work, job, &made, is_new);
	screens_made_free(&made);
}

static void run_merge(const struct screens_work *work, struct screens_job *job)
{
	// Of the thread alone, which does nothing else: whoever waits for something comes first.
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), MERGE_NICE);
	job->err = screens_image_merge(work->options, work->path, &work->is_ending, &job->merged);
}

static int take_hit(
	struct screens_work *work, const struct screens_job *job, int64_t run, const json_t *hit)
{
	const char *text = json_string_value(json_object_get(hit, "id"));
	uint64_t count = (uint64_t)json_integer_value(json_object_get(hit, "hits"));
	uint64_t id = text != NULL ? g_ascii_strtoull(text, NULL, 16) : 0;
	int64_t more;

	if (id == 0)
		return 0;
	more = screen_store_hits(work->store, id, count, run, job->now_s);
	if (more > 0)
		(void)json_array_append_new(
			job->hits, json_pack("{s:s, s:I}", "id", text, "more", (json_int_t)more));
	return more < 0 ? (int)more : 0;
}

static void run_hits(struct screens_work *work, struct screens_job *job)
{
	json_t *root = ask(work, job, "screen-hits", -1, HITS_SECONDS);
	const json_t *hits = json_object_get(root, "hits");
	int64_t run = json_integer_value(json_object_get(root, "run"));
	json_t *hit;
	size_t i;

	job->hits = json_array();
	if (json_array_size(hits) > 0) {
		job->err = screen_store_begin(work->store);
		json_array_foreach(hits, i, hit)
		{
			if (job->err == 0)
				job->err = take_hit(work, job, run, hit);
		}
		job->err = screen_store_end(work->store, job->err);
	}
	if (job->err != 0)
		(void)json_array_clear(job->hits);
	json_decref(root);
}

struct copy {
	FILE *out;
	uint64_t count;
};

// One entry a line, so that nobody needs room for all.
static bool write_entry(void *ctx, const struct screen_entry *entry)
{
	struct copy *copy = ctx;
	char *text = screen_list_print(entry, 1, false);
	size_t n = text != NULL ? strlen(text) : 0;
	bool is_good = n > 2 && fputs(copy->count > 0 ? ",\n" : "[\n", copy->out) >= 0 &&
		       fwrite(text + 1, 1, n - 2, copy->out) == n - 2;

	copy->count++;
	free(text);
	return is_good;
}

static void run_copy(struct screens_work *work, struct screens_job *job)
{
	struct copy copy = {.out = fdopen(job->fd, "w")};

	if (copy.out == NULL) {
		(void)close(job->fd);
		job->err = -ENOMEM;
		return;
	}
	job->err = screen_store_select(work->store, &job->choice, write_entry, &copy);
	if (fputs(copy.count > 0 ? "\n]\n" : "[]\n", copy.out) < 0 || ferror(copy.out) != 0)
		job->err = -EIO;
	if (fclose(copy.out) != 0)
		job->err = -EIO;
	job->entries = copy.count;
}

static gboolean take_finished(gpointer data)
{
	struct screens_work *work = data;
	struct screens_task *task;

	while ((task = g_async_queue_try_pop(work->finished)) != NULL) {
		work->pending--;
		work->waiting_bytes -= task->bytes;
		work->done(work->ctx, task->job);
		json_decref(task->job->hits);
		json_decref(task->job->request);
		screens_merged_free(task->job->merged);
		free(task->job->text);
		free(task->job);
		free(task);
	}
	return G_SOURCE_REMOVE;
}

static void finish(struct screens_task *task)
{
	g_async_queue_push(task->work->finished, task);
	(void)g_idle_add(take_finished, task->work);
}

static void run(gpointer data, gpointer ctx)
{
	struct screens_task *task = data;
	struct screens_work *work = task->work;
	struct screens_job *job = task->job;
	const bool is_merge = job->kind == SCREENS_MERGE;

	(void)ctx;
	if (task->step != NULL) {
		screens_work_run_step(task->step);
		return;
	}
	switch (job->kind) {
	case SCREENS_ADD:
		screens_work_add(work, job);
		break;
	case SCREENS_PUT:
		run_put(work, job);
		break;
	case SCREENS_MERGE:
		run_merge(work, job);
		break;
	case SCREENS_HITS:
		run_hits(work, job);
		break;
	case SCREENS_SWEEP:
		while (screen_store_sweep(
			work->store, control_due_s() - LIST_OFF_S, control_due_s()))
			;
		break;
	case SCREENS_COPY:
		run_copy(work, job);
		break;
	}
	finish(task);
	if (!is_merge)
		screens_image_settle(work->image);
}

static void run_long(gpointer data, gpointer ctx)
{
	struct screens_task *task = data;

	(void)ctx;
	screens_work_add_long(task->work, task->job);
	finish(task);
}

// ---- begin and end ------------------------------------------------------------------------------

static GThreadPool *pool_for(const struct screens_work *work, const struct screens_job *job)
{
	if (job->kind == SCREENS_MERGE)
		return work->merging;
	return job->is_long ? work->coming : work->pool;
}

static bool is_long(const char *text)
{
	return strnlen(text, LONG_BYTES) == LONG_BYTES;
}

void screens_work_push(struct screens_work *work, struct screens_job *job)
{
	struct screens_task *task = calloc(1, sizeof(*task));

	if (task == NULL) {
		job->err = -ENOMEM;
		work->done(work->ctx, job);
		screens_merged_free(job->merged);
		free(job->text);
		free(job);
		return;
	}
	*task = (struct screens_task){.work = work, .job = job};
	job->is_long = job->kind == SCREENS_ADD && is_long(job->text);
	if (job->is_long)
		task->bytes = strlen(job->text);
	work->waiting_bytes += task->bytes;
	work->pending++;
	(void)g_thread_pool_push(pool_for(work, job), task, NULL);
}

bool screens_work_has_room(const struct screens_work *work, const char *text)
{
	return !is_long(text) || work->waiting_bytes < work->most_waiting_bytes;
}

size_t screens_work_count(const struct screens_work *work)
{
	return work->pending;
}

void screens_work_free(struct screens_work *work)
{
	if (work == NULL)
		return;
	atomic_store(&work->is_ending, true);
	if (work->merging != NULL)
		g_thread_pool_free(work->merging, FALSE, TRUE);
	// Before the thread that it waits for.
	if (work->coming != NULL)
		g_thread_pool_free(work->coming, FALSE, TRUE);
	if (work->pool != NULL)
		g_thread_pool_free(work->pool, FALSE, TRUE);
	while (g_idle_remove_by_data(work))
		;
	(void)take_finished(work);
	g_async_queue_unref(work->finished);
	screens_image_free(work->image);
	screen_store_close(work->store);
	g_mutex_clear(&work->lock);
	g_cond_clear(&work->stepped);
	free(work);
}

// What a process that was ended has left is swept with what goes off next. A full disk keeps nothing from beginning: it
// counts for nothing as it is.
static void leave_past(struct screen_store *store)
{
	int err = screen_store_leave_past(store, g_get_monotonic_time());

	(void)err;
	screens_work_abandon(store);
}

int screens_work_new(const struct screens_work_setup *setup, struct screens_work **out, char *error,
	size_t error_bytes)
{
	struct screens_work *work = calloc(1, sizeof(*work));
	int err;

	if (work == NULL)
		return -ENOMEM;
	work->options = setup->options;
	(void)snprintf(work->path, sizeof(work->path), "%s", setup->path);
	work->done = setup->done;
	work->ctx = setup->ctx;
	work->layer_entries =
		setup->layer_entries != 0 ? setup->layer_entries : SCREENS_LAYER_ENTRIES;
	work->most_waiting_bytes =
		setup->waiting_bytes != 0 ? setup->waiting_bytes : SCREENS_WAITING_BYTES;
	g_mutex_init(&work->lock);
	g_cond_init(&work->stepped);
	work->finished = g_async_queue_new();
	err = screen_store_open(setup->path, &work->store, error, error_bytes);
	if (err == 0)
		err = screens_image_new(work->options, work->store, &work->image);
	if (err == 0) {
		leave_past(work->store);
		work->pool = g_thread_pool_new(run, NULL, 1, TRUE, NULL);
		work->merging = g_thread_pool_new(run, NULL, 1, TRUE, NULL);
		work->coming = g_thread_pool_new(run_long, NULL, 1, TRUE, NULL);
		err = work->pool != NULL && work->merging != NULL && work->coming != NULL ? 0
											  : -ENOMEM;
	}
	if (err != 0) {
		screens_work_free(work);
		return err;
	}
	*out = work;
	return 0;
}
