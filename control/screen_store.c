// SPDX-License-Identifier: BSD-3-Clause
#include "control/screen_store.h"

#include "control/screen_store_inside.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 60000
#define BUSY_US 250         // who writes much leaves a little time between (screen_store_coming.c)
#define SWEEP_ENTRIES 20000 // in one go

static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL;"
	"PRAGMA journal_size_limit = 16777216;" // a large list leaves no large journal
	"CREATE TABLE IF NOT EXISTS list(number INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT,"
	" virus_id TEXT, origin TEXT, why TEXT, added INTEGER, expires INTEGER, entries INTEGER,"
	" hits INTEGER DEFAULT 0, off INTEGER, off_why TEXT);"
	"CREATE UNIQUE INDEX IF NOT EXISTS list_alert ON list(alert, virus_id) WHERE alert <> '';"
	"CREATE TABLE IF NOT EXISTS entry(number INTEGER PRIMARY KEY, list INTEGER, id INTEGER,"
	" name TEXT, kind INTEGER, action INTEGER, algorithm INTEGER, digest BLOB, bytes INTEGER,"
	" file_type TEXT, offset INTEGER, from_end INTEGER, length INTEGER, section INTEGER,"
	" rolling INTEGER, hits INTEGER DEFAULT 0, hit INTEGER);"
	"CREATE INDEX IF NOT EXISTS entry_list ON entry(list);"
	"CREATE INDEX IF NOT EXISTS entry_id ON entry(id);"
	"CREATE INDEX IF NOT EXISTS entry_hits ON entry(hits DESC, number);"
	"CREATE TABLE IF NOT EXISTS seen(id INTEGER PRIMARY KEY, count INTEGER, run INTEGER);"
	"CREATE TABLE IF NOT EXISTS note(name TEXT PRIMARY KEY, value TEXT);"
	// Ids of entries that have come, gone or changed since the image was made (note "image").
	"CREATE TABLE IF NOT EXISTS changed(number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER);"
	// When the vendor issued what, and it came (screen_store_issue): lists, and what ends some.
	"CREATE TABLE IF NOT EXISTS issue(list INTEGER PRIMARY KEY, issued INTEGER, came INTEGER);"
	"CREATE TABLE IF NOT EXISTS lifted(what TEXT, value TEXT, issued INTEGER, came INTEGER,"
	" UNIQUE(what, value));";

// ---- statements ---------------------------------------------------------------------------------

int screen_store_execute(struct screen_store *store, const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

const char *screen_store_column(sqlite3_stmt *statement, int i)
{
	const char *text = (const char *)sqlite3_column_text(statement, i);

	return text != NULL ? text : "";
}

int screen_store_begin(struct screen_store *store)
{
	return screen_store_execute(store, "BEGIN IMMEDIATE");
}

int screen_store_begin_reading(struct screen_store *store)
{
	return screen_store_execute(store, "BEGIN");
}

int screen_store_end(struct screen_store *store, int err)
{
	if (err == 0)
		err = screen_store_execute(store, "COMMIT");
	if (err != 0)
		(void)screen_store_execute(store, "ROLLBACK");
	return err;
}

int64_t screen_store_number(struct screen_store *store, const char *sql, int64_t otherwise)
{
	sqlite3_stmt *statement = statement_prepare(store->db, sql, "");
	int64_t value = otherwise;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW &&
		sqlite3_column_type(statement, 0) != SQLITE_NULL)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

// ---- open and close -----------------------------------------------------------------------------

static int wait_a_little(void *ctx, int times)
{
	(void)ctx;
	(void)usleep(BUSY_US);
	return times < BUSY_MS * 1000 / BUSY_US;
}

static void was_taken_back(void *ctx)
{
	struct screen_store *store = ctx;

	store->rollbacks++;
}

uint64_t screen_store_rollbacks(const struct screen_store *store)
{
	return store->rollbacks;
}

int screen_store_open(const char *path, struct screen_store **out, char *error, size_t error_bytes)
{
	struct screen_store *store = calloc(1, sizeof(*store));
	int code;

	if (store == NULL)
		return -ENOMEM;
	code = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (code == SQLITE_OK) {
		(void)sqlite3_busy_handler(store->db, wait_a_little, NULL);
		(void)sqlite3_rollback_hook(store->db, was_taken_back, store);
		code = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
	}
	if (code != SQLITE_OK) {
		(void)snprintf(error, error_bytes, "%s: %s", path, sqlite3_errmsg(store->db));
		screen_store_close(store);
		return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EBADMSG : -EIO;
	}
	*out = store;
	return 0;
}

void screen_store_close(struct screen_store *store)
{
	if (store == NULL)
		return;
	(void)sqlite3_close(store->db);
	free(store);
}

// ---- entries in columns -------------------------------------------------------------------------

#define ENTRY_COLUMNS                                                                              \
	"entry.name, entry.kind, entry.action, entry.algorithm, entry.digest, entry.bytes,"        \
	" entry.file_type, entry.offset, entry.from_end, entry.length, entry.section,"             \
	" entry.rolling, list.virus_id"
#define ENTRY_COUNT 13
// From the lists to their entries, which are many more; or in the order of hits.
#define ON " FROM list CROSS JOIN entry ON entry.list = list.number WHERE list.off IS NULL"
#define ON_BY_HITS " FROM entry JOIN list ON list.number = entry.list WHERE list.off IS NULL"

// Of ENTRY_COLUMNS; texts live as long as the row.
static void read_entry(sqlite3_stmt *row, struct screen_entry *out)
{
	int bytes = sqlite3_column_bytes(row, 4);

	*out = (struct screen_entry){
		.name = screen_store_column(row, 0),
		.kind = (enum screen_kind)sqlite3_column_int(row, 1),
		.action = (enum screen_action)sqlite3_column_int(row, 2),
		.algorithm = (unsigned int)sqlite3_column_int(row, 3),
		.bytes = (uint64_t)sqlite3_column_int64(row, 5),
		.file_type = screen_store_column(row, 6),
		.offset = (uint64_t)sqlite3_column_int64(row, 7),
		.from_end = sqlite3_column_int(row, 8) != 0,
		.length = (uint64_t)sqlite3_column_int64(row, 9),
		.section = (uint32_t)sqlite3_column_int64(row, 10),
		.rolling = (uint64_t)sqlite3_column_int64(row, 11),
		.virus_id = screen_store_column(row, 12),
	};
	if (bytes > 0 && bytes <= (int)sizeof(out->digest))
		memcpy(out->digest, sqlite3_column_blob(row, 4), (size_t)bytes);
}

// ---- choosing -----------------------------------------------------------------------------------

// Lists of operators have no issue.
#define NOT_NEWER(issued, came)                                                                    \
	" NOT EXISTS (SELECT 1 FROM issue WHERE issue.list = list.number AND"                      \
	" (issue.issued, issue.came) > (" issued ", " came "))"
// A statement whose conditions stand behind a WHERE; those that are not asked for hold of all.
#define CHOSEN                                                                                     \
	" AND (?1 IS NULL OR list.virus_id = ?1) AND (?2 IS NULL OR hex(entry.digest) = "          \
	"upper(?2))"                                                                               \
	" AND (?3 = 0 OR list.number = ?3) AND (?4 = 0 OR entry.id = ?4)"                          \
	" AND (?5 = 0 OR list.expires <= ?5) AND (?6 IS NULL OR entry.name = ?6)"                  \
	" AND (?7 = 0 OR" NOT_NEWER("?7", "?8") ")"

static sqlite3_stmt *prepare_chosen(
	struct screen_store *store, const char *sql, const struct screen_store_choice *choice)
{
	return statement_prepare(store->db, sql, "ttiiitii", choice->virus_id, choice->digest,
		choice->list, (int64_t)choice->id, choice->expires_s, choice->name,
		choice->since.issued_s, screen_store_came(&choice->since));
}

static bool is_of_lists(const struct screen_store_choice *choice)
{
	return choice->digest == NULL && choice->id == 0 && choice->name == NULL;
}

static int collect(struct screen_store *store, const char *sql,
	const struct screen_store_choice *choice, json_t *out)
{
	sqlite3_stmt *statement = prepare_chosen(store, sql, choice);
	int code = SQLITE_ERROR;

	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW)
		(void)json_array_append_new(out, json_string(screen_store_column(statement, 0)));
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -EIO;
}

static int64_t count_chosen(struct screen_store *store, const struct screen_store_choice *choice)
{
	sqlite3_stmt *statement = prepare_chosen(store, "SELECT count(*)" ON CHOSEN, choice);
	int64_t count = -EIO;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		count = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return count;
}

// ---- switching off ------------------------------------------------------------------------------

static int run_chosen(
	struct screen_store *store, const char *sql, const struct screen_store_choice *choice)
{
	return statement_run(prepare_chosen(store, sql, choice));
}

// Whole lists: their entries are deleted later.
static int lists_off(struct screen_store *store, const struct screen_store_choice *choice,
	const char *why, int64_t now_s)
{
	return statement_run(statement_prepare(store->db,
		"UPDATE list SET off = ?, off_why = ?, hits = hits + coalesce((SELECT sum(hits)"
		" FROM entry WHERE entry.list = list.number), 0) WHERE off IS NULL"
		" AND (?3 IS NULL OR virus_id = ?3) AND (?4 = 0 OR number = ?4)"
		" AND (?5 = 0 OR expires <= ?5) AND (?6 = 0 OR" NOT_NEWER("?6", "?7") ")",
		"ittiiii", now_s, why, choice->virus_id, choice->list, choice->expires_s,
		choice->since.issued_s, screen_store_came(&choice->since)));
}

// Single entries; a list without any is off.
static int entries_off(struct screen_store *store, const struct screen_store_choice *choice,
	const char *why, int64_t now_s)
{
	int err = run_chosen(store,
		"DELETE FROM entry WHERE number IN (SELECT entry.number" ON CHOSEN ")", choice);

	if (err == 0)
		err = screen_store_execute(store,
			"UPDATE list SET entries = (SELECT count(*) FROM entry WHERE entry.list ="
			" list.number) WHERE off IS NULL");
	if (err == 0)
		err = statement_run(statement_prepare(store->db,
			"UPDATE list SET off = ?, off_why = ? WHERE off IS NULL AND entries = 0",
			"it", now_s, why));
	return err;
}

int64_t screen_store_off(struct screen_store *store, const struct screen_store_choice *choice,
	const char *why, int64_t now_s, json_t *names, json_t *ids)
{
	int64_t count = count_chosen(store, choice);
	int err = count < 0 ? (int)count : 0;

	if (count == 0)
		return 0;
	if (err == 0)
		err = collect(store, "SELECT DISTINCT list.virus_id" ON CHOSEN, choice, ids);
	if (err == 0)
		err = collect(store,
			"SELECT DISTINCT CASE entry.name WHEN '' THEN list.virus_id ELSE entry.name"
			" END" ON CHOSEN,
			choice, names);
	if (err == 0)
		err = screen_store_note_changed(
			store, prepare_chosen(store,
				       "INSERT INTO changed(id) SELECT entry.id" ON CHOSEN
					       SCREEN_STORE_CHANGES,
				       choice));
	if (err == 0)
		err = is_of_lists(choice) ? lists_off(store, choice, why, now_s)
					  : entries_off(store, choice, why, now_s);
	return err == 0 ? count : err;
}

bool screen_store_sweep(struct screen_store *store, int64_t before_s, int64_t now_s)
{
	int err = statement_run(statement_prepare(store->db,
		"DELETE FROM entry WHERE number IN (SELECT entry.number FROM entry JOIN list ON"
		" list.number = entry.list WHERE list.off IS NOT NULL AND list.off_why <>"
		" '" SCREEN_STORE_COMING "' AND NOT (list.off_why = '" SCREEN_STORE_COVERED
		"' AND list.expires > ?) LIMIT ?)",
		"ii", now_s, (int64_t)SWEEP_ENTRIES));
	bool more = err == 0 && sqlite3_changes(store->db) == SWEEP_ENTRIES;

	if (err == 0 && !more)
		(void)statement_run(statement_prepare(store->db,
			"DELETE FROM list WHERE off < ? AND off_why <> '" SCREEN_STORE_COMING
			"' AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.list = list.number)",
			"i", before_s));
	if (err == 0 && !more)
		(void)screen_store_execute(
			store, "DELETE FROM issue WHERE list NOT IN (SELECT number FROM list)");
	return more;
}

// ---- coming back --------------------------------------------------------------------------------

#define MAY_COME_BACK                                                                              \
	" off_why = '" SCREEN_STORE_COVERED "' AND off IS NOT NULL AND expires > ?1 AND EXISTS"    \
	" (SELECT 1 FROM entry WHERE entry.list = list.number)"

json_t *screen_store_covered(struct screen_store *store, int64_t now_s)
{
	sqlite3_stmt *statement = statement_prepare(store->db,
		"SELECT DISTINCT virus_id FROM list WHERE virus_id <> '' AND" MAY_COME_BACK, "i",
		now_s);
	json_t *ids = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(ids, json_string(screen_store_column(statement, 0)));
	(void)sqlite3_finalize(statement);
	return ids;
}

// Hits that were counted of the list as one that is off are its entries' again.
int64_t screen_store_on(struct screen_store *store, const char *virus_id, int64_t now_s)
{
	int64_t before = (int64_t)screen_store_count(store);
	int err = screen_store_note_changed(store,
		statement_prepare(store->db,
			"INSERT INTO changed(id) SELECT id FROM entry WHERE list IN (SELECT number"
			" FROM list WHERE virus_id = ?2 AND" MAY_COME_BACK ")" SCREEN_STORE_CHANGES,
			"it", now_s, virus_id));

	if (err != 0)
		return err;
	err = statement_run(statement_prepare(store->db,
		"UPDATE list SET off = NULL, off_why = NULL, entries = (SELECT count(*) FROM entry"
		" WHERE entry.list = list.number), hits = max(0, hits - (SELECT"
		" coalesce(sum(hits), 0) FROM entry WHERE entry.list = list.number))"
		" WHERE virus_id = ?2 AND" MAY_COME_BACK,
		"it", now_s, virus_id));
	return err == 0 ? (int64_t)screen_store_count(store) - before : err;
}

int screen_store_forget(struct screen_store *store, const struct screen_store_choice *choice)
{
	return run_chosen(store,
		"DELETE FROM entry WHERE number IN (SELECT entry.number FROM list CROSS JOIN entry"
		" ON entry.list = list.number WHERE list.off_why = '" SCREEN_STORE_COVERED
		"'" CHOSEN ")",
		choice);
}

// ---- reading ------------------------------------------------------------------------------------

static int each_row(sqlite3_stmt *statement, screen_store_fn fn, void *ctx)
{
	struct screen_entry entry;
	int code = SQLITE_ERROR;

	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		read_entry(statement, &entry);
		if (!fn(ctx, &entry)) {
			code = SQLITE_DONE;
			break;
		}
	}
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -EIO;
}

int screen_store_each(struct screen_store *store, screen_store_fn fn, void *ctx)
{
	return each_row(
		statement_prepare(store->db,
			"SELECT " ENTRY_COLUMNS ON " ORDER BY list.number, entry.number", ""),
		fn, ctx);
}

int screen_store_each_with_coming(struct screen_store *store, screen_store_fn fn, void *ctx)
{
	return each_row(statement_prepare(store->db,
				"SELECT " ENTRY_COLUMNS ON " OR list.off_why ="
				" '" SCREEN_STORE_COMING "' ORDER BY list.number, entry.number",
				""),
		fn, ctx);
}

int screen_store_each_changed(struct screen_store *store, int64_t after,
	void (*fn)(void *ctx, const struct screen_store_row *row), void *ctx)
{
	sqlite3_stmt *statement = statement_prepare(store->db,
		"SELECT " ENTRY_COLUMNS ", entry.id, list.number, entry.number FROM (SELECT"
		" DISTINCT id FROM changed WHERE number > ?) AS of CROSS JOIN entry ON entry.id ="
		" of.id CROSS JOIN list ON list.number = entry.list WHERE list.off IS NULL"
		" ORDER BY list.number, entry.number",
		"i", after);
	struct screen_store_row row;
	int code = SQLITE_ERROR;

	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		read_entry(statement, &row.entry);
		row.id = (uint64_t)sqlite3_column_int64(statement, ENTRY_COUNT);
		row.list = sqlite3_column_int64(statement, ENTRY_COUNT + 1);
		row.number = sqlite3_column_int64(statement, ENTRY_COUNT + 2);
		fn(ctx, &row);
	}
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -EIO;
}

int screen_store_select(struct screen_store *store, const struct screen_store_choice *choice,
	screen_store_fn fn, void *ctx)
{
	return each_row(
		prepare_chosen(store,
			"SELECT " ENTRY_COLUMNS ON CHOSEN " ORDER BY list.number, entry.number",
			choice),
		fn, ctx);
}

static json_t *read_list(sqlite3_stmt *row)
{
	json_t *list = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "list",
		(json_int_t)sqlite3_column_int64(row, 0), "virus_id", screen_store_column(row, 1),
		"origin", screen_store_column(row, 2), "alert", screen_store_column(row, 3), "why",
		screen_store_column(row, 4), "added", (json_int_t)sqlite3_column_int64(row, 5),
		"expires", (json_int_t)sqlite3_column_int64(row, 6), "entries",
		(json_int_t)sqlite3_column_int64(row, 7), "hits",
		(json_int_t)sqlite3_column_int64(row, 8), "on",
		sqlite3_column_type(row, 9) == SQLITE_NULL);

	if (sqlite3_column_type(row, 9) != SQLITE_NULL) {
		(void)json_object_set_new(
			list, "off", json_integer((json_int_t)sqlite3_column_int64(row, 9)));
		(void)json_object_set_new(
			list, "off_why", json_string(screen_store_column(row, 10)));
	}
	return list;
}

json_t *screen_store_lists(struct screen_store *store, bool all)
{
	sqlite3_stmt *statement = statement_prepare(store->db,
		"SELECT number, virus_id, origin, alert, why, added, expires, entries, hits +"
		" CASE WHEN off IS NULL THEN coalesce((SELECT sum(hits) FROM entry WHERE"
		" entry.list = list.number), 0) ELSE 0 END, off, off_why FROM list"
		" WHERE off IS NULL OR (? AND off > 0) ORDER BY number DESC LIMIT 1000",
		"i", (int64_t)all);
	json_t *lists = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(lists, read_list(statement));
	(void)sqlite3_finalize(statement);
	return lists;
}

static json_t *describe_row(sqlite3_stmt *row)
{
	static const char *const names[] = {"hits", "last_hit", "list", "added", "expires"};
	struct screen_entry entry;
	char *text;
	json_t *list;
	json_t *object;

	read_entry(row, &entry);
	text = screen_list_print(&entry, 1, true);
	list = text != NULL ? json_loads(text, 0, NULL) : NULL;
	object = json_incref(json_array_get(list, 0));
	free(text);
	json_decref(list);
	for (int i = 0; i < 5; i++)
		(void)json_object_set_new(object, names[i],
			json_integer((json_int_t)sqlite3_column_int64(row, ENTRY_COUNT + i)));
	(void)json_object_set_new(
		object, "origin", json_string(screen_store_column(row, ENTRY_COUNT + 5)));
	(void)json_object_set_new(
		object, "alert", json_string(screen_store_column(row, ENTRY_COUNT + 6)));
	return object;
}

json_t *screen_store_entries(struct screen_store *store, const struct screen_store_choice *choice,
	uint64_t behind, unsigned int limit)
{
	char sql[2048];
	sqlite3_stmt *statement;
	json_t *entries = json_array();

	(void)snprintf(sql, sizeof(sql),
		"SELECT " ENTRY_COLUMNS ", entry.hits, entry.hit, list.number, list.added,"
		" list.expires, list.origin, list.alert" ON_BY_HITS CHOSEN
		" ORDER BY entry.hits DESC, entry.number LIMIT %u OFFSET %llu",
		limit, (unsigned long long)behind);
	statement = prepare_chosen(store, sql, choice);
	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(entries, describe_row(statement));
	(void)sqlite3_finalize(statement);
	return entries;
}

int64_t screen_store_next_expiry(struct screen_store *store)
{
	return screen_store_number(
		store, "SELECT min(expires) FROM list WHERE off IS NULL", INT64_MAX);
}

uint64_t screen_store_count(struct screen_store *store)
{
	return (uint64_t)screen_store_number(
		store, "SELECT sum(entries) FROM list WHERE off IS NULL", 0);
}

json_t *screen_store_ids(struct screen_store *store)
{
	sqlite3_stmt *statement = statement_prepare(store->db,
		"SELECT DISTINCT virus_id FROM list WHERE off IS NULL AND virus_id <> ''", "");
	json_t *ids = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(ids, json_string(screen_store_column(statement, 0)));
	(void)sqlite3_finalize(statement);
	return ids;
}
