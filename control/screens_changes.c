// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens_changes.h"

#include <glib.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct screens_changes {
	struct screen_store *store;
	GArray *rows;        // of the entries that are on, in the store's order
	GArray *ids;         // of all that changed, in order, each once
	GArray *entries;     // of the rows
	GStringChunk *texts; // theirs
	bool is_sorted;      // rows
	char *mark;          // of the image that it is since; NULL: nothing is kept
	int64_t last;        // change that it has
	uint64_t rollbacks;
};

static struct screen_store_row *rows_of(const struct screens_changes *changes)
{
	return (struct screen_store_row *)(void *)changes->rows->data;
}

static void forget(struct screens_changes *changes)
{
	free(changes->mark);
	changes->mark = NULL;
	changes->last = 0;
	(void)g_array_set_size(changes->rows, 0);
	(void)g_array_set_size(changes->ids, 0);
	g_string_chunk_clear(changes->texts);
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t one = *(const uint64_t *)a;
	const uint64_t other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static int compare_rows(const void *a, const void *b)
{
	const struct screen_store_row *one = a;
	const struct screen_store_row *other = b;
	int by_list = (one->list > other->list) - (one->list < other->list);

	return by_list != 0 ? by_list
			    : (one->number > other->number) - (one->number < other->number);
}

static bool has_id(const uint64_t *ids, size_t count, uint64_t id)
{
	return count > 0 && bsearch(&id, ids, count, sizeof(*ids), compare_ids) != NULL;
}

// What they say now is read again, if they are on.
static void drop_rows(const struct screens_changes *changes, const uint64_t *ids, size_t count)
{
	struct screen_store_row *rows = rows_of(changes);
	guint kept = 0;

	for (guint i = 0; count > 0 && i < changes->rows->len; i++) {
		if (!has_id(ids, count, rows[i].id))
			rows[kept++] = rows[i];
	}
	if (count > 0)
		(void)g_array_set_size(changes->rows, kept);
}

static void add_ids(const struct screens_changes *changes, const uint64_t *ids, size_t count)
{
	const guint before = changes->ids->len;

	for (size_t i = 0; i < count; i++) {
		if (!has_id((const uint64_t *)(void *)changes->ids->data, before, ids[i]))
			(void)g_array_append_val(changes->ids, ids[i]);
	}
	if (changes->ids->len > before)
		g_array_sort(changes->ids, compare_ids);
}

static void add_row(void *ctx, const struct screen_store_row *row)
{
	struct screens_changes *changes = ctx;
	struct screen_store_row own = *row;
	const guint count = changes->rows->len;

	own.entry.virus_id = g_string_chunk_insert_const(changes->texts, row->entry.virus_id);
	own.entry.name = g_string_chunk_insert_const(changes->texts, row->entry.name);
	own.entry.file_type = g_string_chunk_insert_const(changes->texts, row->entry.file_type);
	if (count > 0 && compare_rows(&rows_of(changes)[count - 1], &own) > 0)
		changes->is_sorted = false;
	(void)g_array_append_val(changes->rows, own);
}

// What has changed after the last change that it has.
static int read_more(struct screens_changes *changes)
{
	uint64_t *ids = NULL;
	size_t count = 0;
	int err = screen_store_changed(changes->store, changes->last, &ids, &count);

	if (err == 0) {
		qsort(ids, count, sizeof(*ids), compare_ids);
		drop_rows(changes, ids, count);
		add_ids(changes, ids, count);
		changes->is_sorted = true;
		err = screen_store_each_changed(changes->store, changes->last, add_row, changes);
	}
	free(ids);
	if (err == 0 && !changes->is_sorted)
		g_array_sort(changes->rows, compare_rows);
	return err;
}

// Whether what it has is still some of what has changed.
static bool is_known(const struct screens_changes *changes, const char *mark, int64_t last)
{
	return changes->mark != NULL && strcmp(changes->mark, mark) == 0 && changes->last <= last &&
	       changes->rollbacks == screen_store_rollbacks(changes->store);
}

int screens_changes_read(struct screens_changes *changes, struct screen_change *out)
{
	const int64_t last = screen_store_last_change(changes->store);
	char *mark = screen_store_image(changes->store);
	int err;

	if (mark == NULL)
		return -EIO;
	if (!is_known(changes, mark, last))
		forget(changes);
	err = read_more(changes);
	if (err != 0) {
		free(mark);
		forget(changes);
		return err;
	}
	free(changes->mark);
	changes->mark = mark;
	changes->last = last;
	changes->rollbacks = screen_store_rollbacks(changes->store);
	(void)g_array_set_size(changes->entries, changes->rows->len);
	for (guint i = 0; i < changes->rows->len; i++)
		g_array_index(changes->entries, struct screen_entry, i) = rows_of(changes)[i].entry;
	*out = (struct screen_change){(const uint64_t *)(void *)changes->ids->data,
		changes->ids->len, (const struct screen_entry *)(void *)changes->entries->data,
		changes->entries->len};
	return 0;
}

int screens_changes_new(struct screen_store *store, struct screens_changes **out)
{
	struct screens_changes *changes = calloc(1, sizeof(*changes));

	if (changes == NULL)
		return -ENOMEM;
	changes->store = store;
	changes->rows = g_array_new(FALSE, FALSE, sizeof(struct screen_store_row));
	changes->ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	changes->entries = g_array_new(FALSE, FALSE, sizeof(struct screen_entry));
	changes->texts = g_string_chunk_new(65536);
	*out = changes;
	return 0;
}

void screens_changes_free(struct screens_changes *changes)
{
	if (changes == NULL)
		return;
	(void)g_array_free(changes->rows, TRUE);
	(void)g_array_free(changes->ids, TRUE);
	(void)g_array_free(changes->entries, TRUE);
	g_string_chunk_free(changes->texts);
	free(changes->mark);
	free(changes);
}
