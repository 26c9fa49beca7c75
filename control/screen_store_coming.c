// SPDX-License-Identifier: BSD-3-Clause
// Lists that come: entries are written, of a long list in pieces, and the list goes on when all are there.
//
// What a list and what ends it say of each other is decided by when the vendor issued them, not by which is done
// first: a short list may pass a long one, and a long one takes its time. Where both were issued in the same second it is
// the one that came later, and what lifts where that is not known.
#include "control/screen_store_inside.h"
#include "scan/scan.h"

#include <errno.h>
#include <string.h>

#define LIFTED_MOST "65536" // that are remembered

int64_t screen_store_came(const struct screen_store_issue *since)
{
	return since->came_us != 0 ? since->came_us : INT64_MAX;
}

// ---- coming -------------------------------------------------------------------------------------

static void bind_entry(sqlite3_stmt *add, int64_t list, const struct screen_entry *entry)
{
	const char *name = entry->name != NULL ? entry->name : "";
	const char *type = entry->file_type != NULL ? entry->file_type : "";

	(void)sqlite3_bind_int64(add, 1, list);
	(void)sqlite3_bind_int64(add, 2, (int64_t)screen_id(entry));
	(void)sqlite3_bind_text(add, 3, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(add, 4, (int)entry->kind);
	(void)sqlite3_bind_int(add, 5, (int)entry->action);
	(void)sqlite3_bind_int(add, 6, (int)entry->algorithm);
	(void)sqlite3_bind_blob(
		add, 7, entry->digest, (int)digest_length(entry->algorithm), SQLITE_STATIC);
	(void)sqlite3_bind_int64(add, 8, (int64_t)entry->bytes);
	(void)sqlite3_bind_text(add, 9, type, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(add, 10, (int64_t)entry->offset);
	(void)sqlite3_bind_int(add, 11, entry->from_end);
	(void)sqlite3_bind_int64(add, 12, (int64_t)entry->length);
	(void)sqlite3_bind_int64(add, 13, (int64_t)entry->section);
	(void)sqlite3_bind_int64(add, 14, (int64_t)entry->rolling);
}

int screen_store_come(
	struct screen_store *store, const struct screen_store_list *list, int64_t *number)
{
	sqlite3_stmt *statement = statement_prepare(store->db,
		"INSERT INTO list(alert, virus_id, origin, why, added, expires, entries, off, "
		"off_why)"
		" VALUES(?, ?, ?, ?, ?, ?, 0, 0, '" SCREEN_STORE_COMING "')",
		"ttttii", list->alert, list->virus_id, list->origin, list->why, list->added_s,
		list->expires_s);
	int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;

	(void)sqlite3_finalize(statement);
	if (code != SQLITE_DONE)
		return code == SQLITE_CONSTRAINT ? -EEXIST : -EIO;
	*number = sqlite3_last_insert_rowid(store->db);
	if (list->issue.issued_s == 0)
		return 0;
	return statement_run(
		statement_prepare(store->db, "INSERT OR REPLACE INTO issue VALUES(?, ?, ?)", "iii",
			*number, list->issue.issued_s, list->issue.came_us));
}

int screen_store_come_more(struct screen_store *store, int64_t number, const char *virus_id,
	const struct screen_entry *entries, size_t count)
{
	sqlite3_stmt *add = statement_prepare(store->db,
		"INSERT INTO entry(list, id, name, kind, action, algorithm, digest, bytes,"
		" file_type, offset, from_end, length, section, rolling)"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"");
	int err = add != NULL ? 0 : -EIO;

	for (size_t i = 0; err == 0 && i < count; i++) {
		struct screen_entry own = entries[i];

		own.virus_id = virus_id;
		bind_entry(add, number, &own);
		if (sqlite3_step(add) != SQLITE_DONE)
			err = -EIO;
		(void)sqlite3_reset(add);
	}
	(void)sqlite3_finalize(add);
	return err;
}

// ---- what was lifted ----------------------------------------------------------------------------

int screen_store_lift(struct screen_store *store, const struct screen_store_choice *choice)
{
	const char *what = choice->virus_id != NULL ? "virus_id"
			   : choice->digest != NULL ? "digest"
						    : "name";
	const char *value = choice->virus_id != NULL ? choice->virus_id
			    : choice->digest != NULL ? choice->digest
						     : choice->name;
	int err = statement_run(statement_prepare(store->db,
		"INSERT INTO lifted VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET issued ="
		" excluded.issued, came = excluded.came WHERE (excluded.issued, excluded.came) >"
		" (issued, came)",
		"ttii", what, value, choice->since.issued_s, screen_store_came(&choice->since)));

	return err == 0 ? screen_store_execute(store,
				  "DELETE FROM lifted WHERE rowid <= (SELECT max(rowid) FROM"
				  " lifted) - " LIFTED_MOST)
			: err;
}

// Rows of what was lifted after this list was issued.
#define LIFTED(what)                                                                               \
	" lifted JOIN issue ON issue.list = ?1 AND lifted.what = '" what                           \
	"' AND (lifted.issued, lifted.came) >= (issue.issued, issue.came)"
#define LIFTED_IDS LIFTED("virus_id")
#define LIFTED_DIGESTS LIFTED("digest")
#define LIFTED_NAMES LIFTED("name")
// Entries of it that are meant.
#define LIFTED_ENTRIES                                                                             \
	" entry.list = ?1 AND (lower(hex(entry.digest)) IN (SELECT lower(value) "                  \
	"FROM" LIFTED_DIGESTS                                                                      \
	") OR (entry.name <> '' AND entry.name IN (SELECT value FROM" LIFTED_NAMES ")))"

static int64_t ask(struct screen_store *store, const char *sql, int64_t number)
{
	sqlite3_stmt *statement = statement_prepare(store->db, sql, "i", number);
	int64_t value = -EIO;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

static int run(struct screen_store *store, const char *sql, int64_t number)
{
	return statement_run(statement_prepare(store->db, sql, "i", number));
}

// Its entries that were lifted are taken out, and are gone from an image that has them.
static int take_out_lifted(struct screen_store *store, int64_t number)
{
	int64_t count = ask(store,
		"SELECT EXISTS(SELECT 1 FROM" LIFTED_DIGESTS " UNION SELECT 1 FROM" LIFTED_NAMES
		")",
		number);
	int err;

	if (count <= 0)
		return (int)count;
	err = screen_store_note_changed(
		store, statement_prepare(store->db,
			       "INSERT INTO changed(id) SELECT id FROM entry WHERE" LIFTED_ENTRIES
				       SCREEN_STORE_CHANGES,
			       "i", number));
	return err == 0 ? run(store, "DELETE FROM entry WHERE" LIFTED_ENTRIES, number) : err;
}

int screen_store_go_on(struct screen_store *store, int64_t number, bool is_in_image)
{
	int64_t lifted = ask(store,
		"SELECT EXISTS(SELECT 1 FROM" LIFTED_IDS " JOIN list ON list.number = ?1 AND"
		" list.virus_id = lifted.value)",
		number);
	int64_t is_empty;
	int err = lifted > 0 ? -EACCES : (int)lifted;

	if (err == 0)
		err = take_out_lifted(store, number);
	if (err != 0)
		return err;
	is_empty = ask(store,
		"SELECT EXISTS(SELECT 1 FROM issue WHERE list = ?1) AND NOT EXISTS(SELECT 1 FROM"
		" entry WHERE list = ?1)",
		number);
	if (is_empty != 0)
		return is_empty > 0 ? -EACCES : (int)is_empty;
	err = run(store,
		"UPDATE list SET off = NULL, off_why = NULL, entries = (SELECT count(*) FROM entry"
		" WHERE entry.list = list.number) WHERE number = ?",
		number);
	if (err != 0 || is_in_image)
		return err;
	return screen_store_note_changed(
		store, statement_prepare(store->db,
			       "INSERT INTO changed(id) SELECT id FROM entry WHERE list ="
			       " ?" SCREEN_STORE_CHANGES,
			       "i", number));
}

// ---- together -----------------------------------------------------------------------------------

int screen_store_add(struct screen_store *store, const struct screen_store_list *list,
	const struct screen_entry *entries, size_t count)
{
	int64_t number = 0;
	int err = screen_store_come(store, list, &number);

	if (err == 0)
		err = screen_store_come_more(store, number, list->virus_id, entries, count);
	return err == 0 ? screen_store_go_on(store, number, false) : err;
}

int screen_store_abandon(struct screen_store *store)
{
	// What is taken once more is no repeat.
	return screen_store_execute(store,
		"UPDATE list SET alert = '', off_why = 'abandoned' WHERE off_why ="
		" '" SCREEN_STORE_COMING "'");
}

bool screen_store_is_coming(struct screen_store *store)
{
	return screen_store_number(store,
		       "SELECT EXISTS(SELECT 1 FROM list WHERE off_why = '" SCREEN_STORE_COMING
		       "')",
		       0) != 0;
}

int screen_store_leave_past(struct screen_store *store, int64_t now_us)
{
	int err = run(store, "UPDATE issue SET came = 0 WHERE came > ?", now_us);

	return err == 0 ? run(store, "UPDATE lifted SET came = 0 WHERE came > ?", now_us) : err;
}

int screen_store_hurry(struct screen_store *store)
{
	return screen_store_execute(store, "PRAGMA synchronous = NORMAL");
}
