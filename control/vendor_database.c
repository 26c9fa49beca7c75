// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_database.h"

#include <glib.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MS 5000 // of commands
#define SERVE_BUSY_US 100000
#define SERVE_PAUSE_US 1000000
#define SERVE_LOOK_US 2000

struct database {
	sqlite3 *db;
	bool is_begun;
	bool was_locked;
	const char *trouble; // NULL: none since it was asked for
	uint64_t lost;
	gint64 wait_us;      // since when the lock is waited for
	gint64 impatient_us; // until when it is not
};

static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL;"
	"CREATE TABLE IF NOT EXISTS gateway(id TEXT PRIMARY KEY, name TEXT, key TEXT, keyid TEXT "
	"UNIQUE,"
	" groups TEXT, channels TEXT, enrolled INTEGER, last_seen INTEGER, counter INTEGER, state "
	"TEXT);"
	"CREATE TABLE IF NOT EXISTS token(hash TEXT PRIMARY KEY, gateway TEXT, groups TEXT,"
	" created INTEGER, expires INTEGER, used INTEGER, used_by TEXT);"
	"CREATE TABLE IF NOT EXISTS apikey(hash TEXT PRIMARY KEY, name TEXT UNIQUE, writes INTEGER,"
	" created INTEGER);"
	"CREATE TABLE IF NOT EXISTS highest(role TEXT PRIMARY KEY, epoch INTEGER, sequence "
	"INTEGER);"
	"CREATE TABLE IF NOT EXISTS alert(number INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT "
	"UNIQUE,"
	" role TEXT, type TEXT, epoch INTEGER, sequence INTEGER, virus_id TEXT, target TEXT,"
	" issued INTEGER, expires INTEGER, state TEXT, envelope TEXT);"
	"CREATE TABLE IF NOT EXISTS delivery(alert INTEGER, gateway TEXT, state TEXT, why TEXT,"
	" channel TEXT, time INTEGER, counter INTEGER, PRIMARY KEY(alert, gateway)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS delivery_open ON delivery(gateway) WHERE state = 'open';"
	"CREATE TABLE IF NOT EXISTS receipt(number INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT,"
	" gateway TEXT, result TEXT, why TEXT, channel TEXT, time INTEGER, counter INTEGER,"
	" envelope TEXT, digest TEXT UNIQUE);"
	"CREATE TABLE IF NOT EXISTS history(number INTEGER PRIMARY KEY AUTOINCREMENT, time "
	"INTEGER,"
	" who TEXT, via TEXT, peer TEXT, what TEXT, why TEXT, status INTEGER, details TEXT);";

// What tables have got since they were first made: when an alert went out, and how long until it was answered,
// in milliseconds. In a database that has a column already the statement fails and changes nothing.
static const char *const columns[] = {"ALTER TABLE alert ADD COLUMN sent INTEGER",
	"ALTER TABLE delivery ADD COLUMN took INTEGER"};

int database_open(const char *path, struct database **out, char *error, size_t error_bytes)
{
	struct database *database = calloc(1, sizeof(*database));
	int code;

	if (database == NULL)
		return -ENOMEM;
	code = sqlite3_open_v2(
		path, &database->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (code == SQLITE_OK) {
		(void)sqlite3_busy_timeout(database->db, BUSY_MS);
		code = sqlite3_exec(database->db, schema, NULL, NULL, NULL);
		for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
			(void)sqlite3_exec(database->db, columns[i], NULL, NULL, NULL);
	}
	if (code != SQLITE_OK) {
		(void)snprintf(error, error_bytes, "%s: %s", path, sqlite3_errmsg(database->db));
		database_close(database);
		return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EBADMSG : -EIO;
	}
	*out = database;
	return 0;
}

// Is asked when another holds the lock: whether to try again.
static int wait_for_lock(void *ctx, int tries)
{
	struct database *database = ctx;
	gint64 now_us = g_get_monotonic_time();

	if (tries == 0)
		database->wait_us = now_us;
	if (now_us >= database->impatient_us && now_us - database->wait_us < SERVE_BUSY_US) {
		g_usleep(SERVE_LOOK_US);
		return 1;
	}
	if (now_us >= database->impatient_us)
		database->impatient_us = now_us + SERVE_PAUSE_US;
	database->was_locked = true;
	return 0;
}

void database_serve(struct database *database)
{
	(void)sqlite3_busy_handler(database->db, wait_for_lock, database);
}

bool database_was_locked(struct database *database)
{
	bool was_locked = database->was_locked;

	database->was_locked = false;
	return was_locked;
}

void database_close(struct database *database)
{
	if (database == NULL)
		return;
	if (database_flush(database) != 0)
		(void)fputs(
			"cordon-vendor: the database could not keep the last changes\n", stderr);
	(void)sqlite3_close(database->db);
	free(database);
}

sqlite3_stmt *database_prepare(struct database *database, const char *sql, const char *letters, ...)
{
	sqlite3_stmt *statement;
	va_list values;

	va_start(values, letters);
	statement = statement_prepare_list(database->db, sql, letters, values);
	va_end(values);
	return statement;
}

int64_t database_number(sqlite3_stmt *statement, int64_t otherwise)
{
	int64_t number = otherwise;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return number;
}

const char *database_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text != NULL ? text : "";
}

// What the last call on it failed with.
static const char *tell_trouble(sqlite3 *db)
{
	switch (sqlite3_errcode(db)) { // without the extended half
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return DATABASE_LOCKED;
	case SQLITE_FULL:
		return DATABASE_FULL;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return "the database may not be written: its disk is read-only, or its folder "
		       "another's";
	case SQLITE_IOERR:
		return DATABASE_FAILS;
	default:
		return "the database does not take it";
	}
}

static int execute(struct database *database, const char *sql)
{
	if (sqlite3_exec(database->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	database->trouble = tell_trouble(database->db);
	return -EIO;
}

int database_run(struct database *database, sqlite3_stmt *statement)
{
	int err = statement_run(statement);

	if (err != 0)
		database->trouble = tell_trouble(database->db);
	return err;
}

const char *database_trouble(struct database *database)
{
	const char *trouble = database->trouble;

	database->trouble = NULL;
	return trouble;
}

int database_begin(struct database *database)
{
	if (database->is_begun)
		return 0;
	if (execute(database, "BEGIN IMMEDIATE") != 0)
		return -EIO;
	database->is_begun = true;
	return 0;
}

int database_flush(struct database *database)
{
	int err;

	if (!database->is_begun)
		return 0;
	err = execute(database, "COMMIT");
	if (err != 0)
		database_undo(database);
	database->is_begun = false;
	return err;
}

void database_undo(struct database *database)
{
	if (!database->is_begun)
		return;
	(void)sqlite3_exec(database->db, "ROLLBACK", NULL, NULL, NULL);
	database->is_begun = false;
	database->lost++;
}

const char *database_probe(struct database *database)
{
	int err;

	database->trouble = NULL;
	err = database_begin(database);
	if (err == 0)
		err = execute(database, "CREATE TABLE IF NOT EXISTS probe(number INTEGER PRIMARY "
					"KEY, value INTEGER);"
					"INSERT OR REPLACE INTO probe VALUES(1, random())");
	if (err == 0)
		err = database_flush(database);
	else
		database_undo(database);
	return err == 0 ? NULL : database_trouble(database);
}

uint64_t database_lost(const struct database *database)
{
	return database->lost;
}

int database_changes(const struct database *database)
{
	return sqlite3_changes(database->db);
}
