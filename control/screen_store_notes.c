// SPDX-License-Identifier: BSD-3-Clause
// What is kept beside the lists: hits of entries, what has changed since an image was made, texts.
#include "control/screen_store_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- hits ---------------------------------------------------------------------------------------

int screen_store_add_hits(struct screen_store *store, uint64_t id, uint64_t hits, int64_t now_s)
{
	return statement_run(statement_prepare(store->db,
		"UPDATE entry SET hits = hits + ?, hit = ? WHERE id = ?", "iii", (int64_t)hits,
		now_s, (int64_t)id));
}

// What was seen of a former run, or of an entry that was away meanwhile, is no base.
static int64_t seen_before(struct screen_store *store, uint64_t id, uint64_t count, int64_t run)
{
	sqlite3_stmt *statement = statement_prepare(
		store->db, "SELECT count, run FROM seen WHERE id = ?", "i", (int64_t)id);
	int64_t before = 0;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		before = sqlite3_column_int64(statement, 0);
		if (sqlite3_column_int64(statement, 1) != run || before > (int64_t)count)
			before = 0;
	}
	(void)sqlite3_finalize(statement);
	return before;
}

int64_t screen_store_hits(
	struct screen_store *store, uint64_t id, uint64_t count, int64_t run, int64_t now_s)
{
	int64_t before = seen_before(store, id, count, run);
	int64_t more = (int64_t)count - before;
	int err;

	if (more == 0)
		return 0;
	err = statement_run(statement_prepare(store->db,
		"INSERT INTO seen VALUES(?, ?, ?) ON CONFLICT(id) DO UPDATE SET count ="
		" excluded.count, run = excluded.run",
		"iii", (int64_t)id, (int64_t)count, run));
	if (err == 0)
		err = screen_store_add_hits(store, id, (uint64_t)more, now_s);
	return err == 0 ? more : err;
}

// ---- notes --------------------------------------------------------------------------------------

char *screen_store_note(struct screen_store *store, const char *name)
{
	sqlite3_stmt *statement =
		statement_prepare(store->db, "SELECT value FROM note WHERE name = ?", "t", name);
	char *text = NULL;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		text = strdup(screen_store_column(statement, 0));
	(void)sqlite3_finalize(statement);
	return text != NULL ? text : strdup("");
}

int screen_store_set_note(struct screen_store *store, const char *name, const char *text)
{
	return statement_run(statement_prepare(store->db,
		"INSERT INTO note VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value ="
		" excluded.value",
		"tt", name, text));
}

// ---- what has changed ---------------------------------------------------------------------------

// Numbers are given once, so this is not less than there are.
uint64_t screen_store_changes(struct screen_store *store)
{
	return (uint64_t)screen_store_number(
		store, "SELECT max(number) - min(number) + 1 FROM changed", 0);
}

int64_t screen_store_last_change(struct screen_store *store)
{
	return screen_store_number(
		store, "SELECT seq FROM sqlite_sequence WHERE name = 'changed'", 0);
}

int screen_store_set_image(struct screen_store *store, const char *version, int64_t change)
{
	char mark[64] = "";
	int err = statement_run(
		statement_prepare(store->db, "DELETE FROM changed WHERE number <= ?", "i", change));

	if (version[0] != '\0')
		(void)snprintf(mark, sizeof(mark), "%s %lld", version, (long long)change);
	return err == 0 ? screen_store_set_note(store, "image", mark) : err;
}

char *screen_store_image(struct screen_store *store)
{
	return screen_store_note(store, "image");
}

int screen_store_note_changed(struct screen_store *store, sqlite3_stmt *insert)
{
	char *version = screen_store_image(store);
	bool is_known = version != NULL && version[0] != '\0';
	int err = 0;

	free(version);
	if (!is_known) {
		(void)sqlite3_finalize(insert);
		return insert != NULL ? 0 : -EIO;
	}
	err = statement_run(insert);
	if (err == 0 && screen_store_changes(store) > SCREEN_STORE_MOST_CHANGES)
		err = screen_store_set_image(store, "", INT64_MAX);
	return err;
}

int screen_store_changed(struct screen_store *store, int64_t after, uint64_t **ids, size_t *count)
{
	sqlite3_stmt *statement = statement_prepare(
		store->db, "SELECT DISTINCT id FROM changed WHERE number > ?", "i", after);
	int code = SQLITE_ERROR;
	size_t room = (size_t)screen_store_changes(store) + 1;
	uint64_t *all = calloc(room, sizeof(*all));
	size_t n = 0;

	while (statement != NULL && all != NULL && n < room &&
		(code = sqlite3_step(statement)) == SQLITE_ROW)
		all[n++] = (uint64_t)sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	if (code != SQLITE_DONE) {
		free(all);
		return all == NULL ? -ENOMEM : -EIO;
	}
	*ids = all;
	*count = n;
	return 0;
}
