// SPDX-License-Identifier: BSD-3-Clause
// Lists that are added. A short one is written, made into what is in force and handed over in one go. A long one, which
// takes a second or more of a thread, is written in pieces that others get between, and goes on with an image that was
// made with it beside the others.
#include "control/screens_work_inside.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_ENTRIES 1000
#define PIECE_GAP_US 1000 // who waits for the store tries four times meanwhile
#define TRIES 3           // at an image that nothing comes between

// A long list between its thread and the pool's.
struct screens_step {
	struct screens_work *work;
	struct screens_job *job;
	GArray *numbers;               // of its lists in the store
	struct screens_merged *merged; // with it; NULL: all is made in the step
	int err;
	bool is_done;
};

// ---- reading ------------------------------------------------------------------------------------

// A list without more, as that of a virus id: its entries need not name one then.
static char *with_id(char *text, const char *virus_id)
{
	json_t *id = json_string(virus_id);
	char *quoted = json_dumps(id, JSON_ENCODE_ANY);
	char *whole = NULL;

	if (quoted != NULL &&
		asprintf(&whole, "{\"virus_id\": %s, \"screen\": %s}", quoted, text) < 0)
		whole = NULL;
	free(quoted);
	json_decref(id);
	if (whole == NULL)
		return text;
	free(text);
	return whole;
}

// Its text is done with then.
static int read_list(struct screens_job *job, struct screen_list *out)
{
	int err;

	if (job->list.virus_id[0] != '\0' && job->text[strspn(job->text, " \t\r\n")] == '[')
		job->text = with_id(job->text, job->list.virus_id);
	err = screen_list_parse(job->text, strlen(job->text), out, job->why, sizeof(job->why));
	free(job->text);
	job->text = NULL;
	if (err == 0)
		job->entries = out->count;
	return err;
}

static int check_room(struct screen_store *store, struct screens_job *job)
{
	uint64_t on = screen_store_count(store);

	if (on + job->entries <= job->most)
		return 0;
	(void)snprintf(job->why, sizeof(job->why),
		"too many screening entries: %llu are on and %llu come, %llu are allowed",
		(unsigned long long)on, (unsigned long long)job->entries,
		(unsigned long long)job->most);
	return -ENOSPC;
}

static void say_why(struct screens_job *job)
{
	if (job->err == 0 || job->why[0] != '\0')
		return;
	(void)snprintf(job->why, sizeof(job->why), "%s",
		job->err == -EACCES ? "what ends it was issued later"
				    : "the list cannot be written");
}

// ---- by virus ids -------------------------------------------------------------------------------

typedef int (*add_fn)(void *ctx, const struct screen_store_list *list,
	const struct screen_entry *entries, size_t count);

// Entries by the virus ids that they name themselves.
static int each_id(struct screens_job *job, const struct screen_list *list, add_fn add, void *ctx)
{
	GHashTable *groups =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_array_unref);
	struct screen_store_list own = job->list;
	GHashTableIter iter;
	gpointer id;
	gpointer value;
	int err = 0;

	for (size_t i = 0; i < list->count; i++) {
		const char *name = list->entries[i].virus_id;
		GArray *group;

		name = name != NULL ? name : "";
		group = g_hash_table_lookup(groups, name);
		if (group == NULL) {
			group = g_array_new(FALSE, FALSE, sizeof(struct screen_entry));
			(void)g_hash_table_insert(groups, (gpointer)(uintptr_t)name, group);
		}
		(void)g_array_append_val(group, list->entries[i]);
	}
	g_hash_table_iter_init(&iter, groups);
	while (err == 0 && g_hash_table_iter_next(&iter, &id, &value)) {
		const GArray *group = value;

		(void)snprintf(own.virus_id, sizeof(own.virus_id), "%s", (const char *)id);
		err = add(ctx, &own, (const struct screen_entry *)(void *)group->data, group->len);
	}
	if (g_hash_table_size(groups) == 1)
		job->list = own;
	g_hash_table_destroy(groups);
	return err;
}

static int add_each(struct screens_job *job, const struct screen_list *list, add_fn add, void *ctx)
{
	return job->list.virus_id[0] != '\0' ? add(ctx, &job->list, list->entries, list->count)
					     : each_id(job, list, add, ctx);
}

// ---- a short list -------------------------------------------------------------------------------

static int add_to_store(void *ctx, const struct screen_store_list *list,
	const struct screen_entry *entries, size_t count)
{
	return screen_store_add(ctx, list, entries, count);
}

// What cannot be built together is not taken.
static int make(struct screens_work *work, struct screens_job *job, struct screens_made *made)
{
	int err = screens_image_make(work->image, made, job->why, sizeof(job->why));

	return err == 0 ? screens_image_note(work->image, made) : err;
}

static int add_all(struct screens_work *work, struct screens_job *job,
	const struct screen_list *list, struct screens_made *made)
{
	int err = check_room(work->store, job);

	if (err == 0)
		err = add_each(job, list, add_to_store, work->store);
	return err == 0 ? make(work, job, made) : err;
}

void screens_work_add(struct screens_work *work, struct screens_job *job)
{
	struct screen_list list = {NULL, 0, NULL};
	struct screens_made made = {0};

	job->err = read_list(job, &list);
	if (job->err != 0)
		return;
	job->err = screen_store_begin(work->store);
	if (job->err == 0)
		job->err = screen_store_end(work->store, add_all(work, job, &list, &made));
	say_why(job);
	screen_list_free(&list);
	if (job->err == 0)
		screens_work_put(work, job, &made, false);
	screens_made_free(&made);
}

// ---- a long list's step -------------------------------------------------------------------------

static int go_on(struct screens_step *step, struct screens_made *made)
{
	struct screens_work *work = step->work;
	struct screens_job *job = step->job;
	const bool is_in_image = step->merged != NULL;
	int err = check_room(work->store, job);

	for (guint i = 0; err == 0 && i < step->numbers->len; i++)
		err = screen_store_go_on(
			work->store, g_array_index(step->numbers, int64_t, i), is_in_image);
	if (err == 0 && is_in_image) {
		err = screens_image_adopt(work->image, step->merged);
		step->merged = NULL;
	}
	return err == 0 ? make(work, job, made) : err;
}

void screens_work_run_step(struct screens_step *step)
{
	struct screens_work *work = step->work;
	const bool is_new = step->merged != NULL;
	struct screens_made made = {0};
	int err = screen_store_begin(work->store);

	if (err == 0)
		err = screen_store_end(work->store, go_on(step, &made));
	screens_merged_free(step->merged);
	step->merged = NULL;
	if (err != 0)
		screens_image_disown(work->image);
	else
		screens_work_put(work, step->job, &made, is_new);
	screens_made_free(&made);
	g_mutex_lock(&work->lock);
	step->err = err;
	step->is_done = true;
	g_cond_signal(&work->stepped);
	g_mutex_unlock(&work->lock);
}

// The step's task is the pool's until it has run.
static int take_step(struct screens_step *step)
{
	struct screens_work *work = step->work;
	struct screens_task task = {.work = work, .job = step->job, .step = step};

	step->is_done = false;
	(void)g_thread_pool_push(work->pool, &task, NULL);
	g_mutex_lock(&work->lock);
	while (!step->is_done)
		g_cond_wait(&work->stepped, &work->lock);
	g_mutex_unlock(&work->lock);
	return step->err;
}

void screens_work_abandon(struct screen_store *store)
{
	int err = screen_store_is_coming(store) ? screen_store_begin(store) : -ENOENT;

	if (err == 0)
		err = screen_store_end(store, screen_store_abandon(store));
	(void)err;
}

// ---- a long list --------------------------------------------------------------------------------

struct coming {
	struct screens_work *work;
	struct screen_store *store; // the thread's
	GArray *numbers;
};

// An entry's place in what has come.
struct place {
	int64_t id; // as the store has it
	size_t index;
};

// Those of one id stay in their order.
static int compare_places(const void *a, const void *b)
{
	const struct place *one = a;
	const struct place *other = b;

	if (one->id != other->id)
		return one->id < other->id ? -1 : 1;
	return (one->index > other->index) - (one->index < other->index);
}

// By ids: the store's index of ids is written where each piece belongs then, and not all over in each of them. Of
// malloc, or NULL.
static struct place *place_by_id(
	const char *virus_id, const struct screen_entry *entries, size_t count)
{
	struct place *places = calloc(count + 1, sizeof(*places));

	for (size_t i = 0; places != NULL && i < count; i++) {
		struct screen_entry own = entries[i];

		own.virus_id = virus_id;
		places[i] = (struct place){(int64_t)screen_id(&own), i};
	}
	if (places != NULL)
		qsort(places, count, sizeof(*places), compare_places);
	return places;
}

struct pieces {
	const struct screen_store_list *list;
	int64_t number;
	const struct screen_entry *entries;
	const struct place *places;
};

static int write_piece(struct screen_store *store, const struct pieces *of, size_t at, size_t count)
{
	struct screen_entry *piece = calloc(count, sizeof(*piece));
	int err = piece != NULL ? screen_store_begin(store) : -ENOMEM;

	for (size_t i = 0; piece != NULL && i < count; i++)
		piece[i] = of->entries[of->places[at + i].index];
	if (err == 0)
		err = screen_store_end(store, screen_store_come_more(store, of->number,
						      of->list->virus_id, piece, count));
	free(piece);
	return err;
}

static int write_pieces(struct coming *coming, const struct pieces *of, size_t count)
{
	int err = 0;

	for (size_t at = 0; err == 0 && at < count; at += PIECE_ENTRIES) {
		if (atomic_load(&coming->work->is_ending))
			return -ECANCELED;
		err = write_piece(coming->store, of, at, MIN(count - at, PIECE_ENTRIES));
		(void)g_usleep(PIECE_GAP_US);
	}
	return err;
}

static int come(void *ctx, const struct screen_store_list *list, const struct screen_entry *entries,
	size_t count)
{
	struct coming *coming = ctx;
	struct place *places = place_by_id(list->virus_id, entries, count);
	struct pieces of = {.list = list, .entries = entries, .places = places};
	int err = places != NULL ? screen_store_begin(coming->store) : -ENOMEM;

	if (err == 0)
		err = screen_store_end(
			coming->store, screen_store_come(coming->store, list, &of.number));
	if (err == 0) {
		(void)g_array_append_val(coming->numbers, of.number);
		err = write_pieces(coming, &of, count);
	}
	free(places);
	return err;
}

static int write_all(struct coming *coming, struct screens_job *job)
{
	struct screen_list list = {NULL, 0, NULL};
	int err = read_list(job, &list);

	if (err != 0)
		return err;
	err = check_room(coming->store, job);
	if (err == 0)
		err = add_each(job, &list, come, coming);
	screen_list_free(&list);
	return err;
}

// Where others make images of all, too, it is made on the pool's thread at last.
static int put_on(const struct coming *coming, struct screens_job *job)
{
	struct screens_work *work = coming->work;
	const struct screens_coming_setup setup = {work->options, coming->store, &work->is_ending};
	struct screens_step step = {.work = work, .job = job, .numbers = coming->numbers};
	int err = -ESTALE;

	if (job->entries <= work->layer_entries)
		return take_step(&step);
	for (unsigned int i = 0; i < TRIES && err == -ESTALE; i++) {
		err = screens_image_merge_coming(&setup, &step.merged, job->why, sizeof(job->why));
		if (err == 0)
			err = take_step(&step);
	}
	return err == -ESTALE ? take_step(&step) : err;
}

// What is coming of others is of none that still comes: of a process that was killed, or of a list that a full disk did
// not let be taken back. It must not get into an image with this one.
static int clear_way(struct screen_store *store)
{
	screens_work_abandon(store);
	return screen_store_is_coming(store) ? -EIO : 0;
}

void screens_work_add_long(struct screens_work *work, struct screens_job *job)
{
	struct coming coming = {
		.work = work, .numbers = g_array_new(FALSE, FALSE, sizeof(int64_t))};

	job->err = screen_store_open(work->path, &coming.store, job->why, sizeof(job->why));
	if (job->err == 0)
		job->err = screen_store_hurry(coming.store);
	if (job->err == 0)
		job->err = clear_way(coming.store);
	if (job->err == 0)
		job->err = write_all(&coming, job);
	if (job->err == 0)
		job->err = put_on(&coming, job);
	// Or before the next one comes.
	if (job->err != 0 && coming.store != NULL)
		screens_work_abandon(coming.store);
	say_why(job);
	screen_store_close(coming.store);
	(void)g_array_free(coming.numbers, TRUE);
}
