// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_order.h"

#include "control/statement.h"

#include <sqlite3.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEPT_ALERTS 10000 // taken ones that a repeat is still recognised by
#define BUSY_MS 2000
#define RECEIPTS_RESERVED 64
#define LOG_BYTES (4 << 20) // made at once, a hundred alerts
#define LOG_PAGES (LOG_BYTES / 4096)

struct alert_order {
	sqlite3 *db;
	int64_t latest_s;
	int64_t heard_s;
	int64_t receipts;          // the last number that was given
	int64_t receipts_reserved; // the last one that will not be given again after a crash
	unsigned int taken;        // since old ones were let go of
	int log_pages;             // that are not in the database yet
	bool is_quiet;             // nothing was written since the last turn
};

static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL;"
	"CREATE TABLE IF NOT EXISTS highest(vendor TEXT, role TEXT, epoch INTEGER, sequence "
	"INTEGER,"
	" PRIMARY KEY(vendor, role));"
	"CREATE TABLE IF NOT EXISTS alert(number INTEGER PRIMARY KEY, digest TEXT UNIQUE, vendor "
	"TEXT,"
	" role TEXT, type TEXT, epoch INTEGER, sequence INTEGER, virus_id TEXT, envelope TEXT,"
	" result TEXT, why TEXT, receipt TEXT, time INTEGER);"
	"CREATE TABLE IF NOT EXISTS fact(name TEXT PRIMARY KEY, value INTEGER);";

// ---- statements ---------------------------------------------------------------------------------

static int execute(struct alert_order *order, const char *sql)
{
	return sqlite3_exec(order->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

// Ends a transaction: all of it or nothing.
static int end(struct alert_order *order, int err)
{
	if (err == 0)
		err = execute(order, "COMMIT");
	if (err != 0)
		(void)execute(order, "ROLLBACK");
	return err;
}

static const char *column(sqlite3_stmt *statement, int i)
{
	const char *text = (const char *)sqlite3_column_text(statement, i);

	return text != NULL ? text : "";
}

// ---- facts --------------------------------------------------------------------------------------

static int64_t get_fact(struct alert_order *order, const char *name)
{
	sqlite3_stmt *statement =
		statement_prepare(order->db, "SELECT value FROM fact WHERE name = ?", "t", name);
	int64_t value = 0;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

static int set_fact(struct alert_order *order, const char *name, int64_t value)
{
	return statement_run(statement_prepare(order->db,
		"INSERT INTO fact VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = "
		"excluded.value",
		"ti", name, value));
}

// A block of numbers for each sync.
uint64_t alert_order_count(struct alert_order *order)
{
	int64_t reserved = order->receipts_reserved;

	if (order->receipts == reserved) {
		if (set_fact(order, "receipts", reserved + RECEIPTS_RESERVED) != 0)
			return 0;
		order->receipts_reserved = reserved + RECEIPTS_RESERVED;
	}
	return (uint64_t)++order->receipts;
}

int64_t alert_order_heard(const struct alert_order *order)
{
	return order->heard_s;
}

int64_t alert_order_now(const struct alert_order *order, int64_t now_s)
{
	return now_s > order->latest_s ? now_s : order->latest_s;
}

// ---- opening ------------------------------------------------------------------------------------

static int was_written(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct alert_order *order = ctx;

	(void)db;
	(void)name;
	order->log_pages = pages;
	order->is_quiet = false;
	return SQLITE_OK;
}

static void take_in_log(struct alert_order *order)
{
	int left = 0;

	// What is read elsewhere stays in the log until the next time.
	if (sqlite3_wal_checkpoint_v2(order->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &left) ==
		SQLITE_OK)
		order->log_pages = 0;
}

void alert_order_turn(struct alert_order *order)
{
	if (order->log_pages > 0 && (order->is_quiet || order->log_pages >= LOG_PAGES / 2))
		take_in_log(order);
	order->is_quiet = true;
}

// Without its blocks it is a slower log, and nothing worse.
static void make_log(struct alert_order *order, const char *path)
{
	static const char fill[] = "CREATE TABLE IF NOT EXISTS room(bytes BLOB);"
				   "INSERT INTO room VALUES(zeroblob(%d));"
				   "DROP TABLE room;";
	char sql[sizeof(fill) + 16];
	char log[PATH_MAX];
	struct stat info;
	int stays = 1;

	(void)sqlite3_file_control(order->db, "main", SQLITE_FCNTL_PERSIST_WAL, &stays);
	(void)sqlite3_wal_hook(order->db, was_written, order);
	(void)snprintf(log, sizeof(log), "%s-wal", path);
	(void)snprintf(sql, sizeof(sql), fill, LOG_BYTES);
	if (stat(log, &info) != 0 || info.st_size < LOG_BYTES)
		(void)execute(order, sql);
	take_in_log(order);
}

int alert_order_open(const char *path, struct alert_order **out, char *error, size_t error_bytes)
{
	struct alert_order *order = calloc(1, sizeof(*order));
	int code;

	if (order == NULL)
		return -ENOMEM;
	code = sqlite3_open_v2(path, &order->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (code == SQLITE_OK) {
		(void)sqlite3_busy_timeout(order->db, BUSY_MS);
		code = sqlite3_exec(order->db, schema, NULL, NULL, NULL);
	}
	if (code != SQLITE_OK) {
		(void)snprintf(error, error_bytes, "%s: %s", path, sqlite3_errmsg(order->db));
		alert_order_close(order);
		return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EBADMSG : -EIO;
	}
	make_log(order, path);
	order->latest_s = get_fact(order, "latest");
	order->heard_s = get_fact(order, "heard");
	order->receipts = get_fact(order, "receipts");
	order->receipts_reserved = order->receipts;
	*out = order;
	return 0;
}

void alert_order_close(struct alert_order *order)
{
	if (order == NULL)
		return;
	(void)sqlite3_close(order->db);
	free(order);
}

// ---- asking -------------------------------------------------------------------------------------

int alert_order_find(
	struct alert_order *order, const char *digest, char **receipt, bool *is_refusal)
{
	sqlite3_stmt *statement = statement_prepare(
		order->db, "SELECT receipt, result FROM alert WHERE digest = ?", "t", digest);
	int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
	int err = code == SQLITE_DONE ? -ENOENT : -EIO;

	*receipt = NULL;
	if (code == SQLITE_ROW) {
		err = 0;
		*is_refusal = strcmp(column(statement, 1), "refused") == 0;
		if (sqlite3_column_type(statement, 0) != SQLITE_NULL) {
			*receipt = strdup(column(statement, 0));
			err = *receipt != NULL ? 0 : -ENOMEM;
		}
	}
	(void)sqlite3_finalize(statement);
	return err;
}

static int compare(const struct alert *alert, const struct order_limits *limits, uint64_t epoch,
	uint64_t sequence, const char **why)
{
	if (alert->epoch < epoch || (alert->epoch == epoch && alert->sequence <= sequence)) {
		*why = "an old sequence";
		return -EACCES;
	}
	if (alert->epoch > epoch && alert->epoch > limits->epoch_least &&
		alert->epoch != epoch + 1) {
		*why = "too far ahead in epoch";
		return -EACCES;
	}
	if (alert->sequence > (alert->epoch == epoch ? sequence : 0) + limits->most_ahead) {
		*why = "too far ahead in sequence";
		return -EACCES;
	}
	return 0;
}

int alert_order_check(struct alert_order *order, const struct alert *alert,
	const struct order_limits *limits, const char **why)
{
	sqlite3_stmt *statement = statement_prepare(order->db,
		"SELECT epoch, sequence FROM highest WHERE vendor = ? AND role = ?", "tt",
		alert->vendor, key_role_name(alert->role));
	int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
	int err = -EIO;

	if (alert->epoch < limits->epoch_least) {
		*why = "an old epoch";
		err = -EACCES;
	} else if (code == SQLITE_DONE) {
		// One that nothing can come after would be the last that is ever taken.
		err = alert->epoch <= limits->epoch_least + limits->most_ahead ? 0 : -EACCES;
		*why = "too far ahead in epoch";
	} else if (code == SQLITE_ROW) {
		err = compare(alert, limits, (uint64_t)sqlite3_column_int64(statement, 0),
			(uint64_t)sqlite3_column_int64(statement, 1), why);
	}
	(void)sqlite3_finalize(statement);
	return err;
}

// ---- taking -------------------------------------------------------------------------------------

static int note_time(struct alert_order *order, int64_t now_s)
{
	int err = set_fact(order, "heard", now_s);

	if (err == 0 && now_s > order->latest_s)
		err = set_fact(order, "latest", now_s);
	return err;
}

static int let_go_of_old(struct alert_order *order)
{
	if (++order->taken % 64 != 0)
		return 0;
	return statement_run(statement_prepare(order->db,
		"DELETE FROM alert WHERE receipt IS NOT NULL AND number <= "
		"(SELECT max(number) FROM alert) - ?",
		"i", (int64_t)KEPT_ALERTS));
}

int alert_order_take(struct alert_order *order, const struct alert *alert, const char *digest,
	const char *envelope, int64_t now_s)
{
	const char *role = key_role_name(alert->role);
	int err = execute(order, "BEGIN IMMEDIATE");

	if (err != 0)
		return err;
	err = statement_run(statement_prepare(order->db,
		"INSERT INTO highest VALUES(?, ?, ?, ?) ON CONFLICT(vendor, role) DO UPDATE SET"
		" epoch = excluded.epoch, sequence = excluded.sequence",
		"ttii", alert->vendor, role, (int64_t)alert->epoch, (int64_t)alert->sequence));
	if (err == 0)
		err = statement_run(statement_prepare(order->db,
			"INSERT INTO alert(digest, vendor, role, type, epoch, sequence, virus_id,"
			" envelope, time) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"ttttiitti", digest, alert->vendor, role, alert_type_name(alert->type),
			(int64_t)alert->epoch, (int64_t)alert->sequence, alert->virus_id, envelope,
			now_s));
	if (err == 0)
		err = note_time(order, now_s);
	if (err == 0)
		err = let_go_of_old(order);
	err = end(order, err);
	if (err == 0) {
		order->heard_s = now_s;
		order->latest_s = alert_order_now(order, now_s);
	}
	return err;
}

int alert_order_finish(struct alert_order *order, const char *digest, const char *result,
	const char *why, const char *receipt, int64_t now_s)
{
	// What it said is in the receipt's digest; a large update need not be kept.
	return statement_run(statement_prepare(order->db,
		"UPDATE alert SET result = ?, why = ?, receipt = ?, time = ?, envelope = NULL"
		" WHERE digest = ?",
		"tttit", result, why, receipt, now_s, digest));
}

// ---- lists --------------------------------------------------------------------------------------

int alert_order_pending(struct alert_order *order, alert_order_fn each, void *ctx)
{
	sqlite3_stmt *statement = statement_prepare(order->db,
		"SELECT digest, envelope FROM alert WHERE receipt IS NULL ORDER BY number", "");
	json_t *found = json_array();
	json_t *entry;
	size_t i;
	int code = SQLITE_ERROR;

	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW)
		(void)json_array_append_new(
			found, json_pack("[ss]", column(statement, 0), column(statement, 1)));
	(void)sqlite3_finalize(statement);
	// They are ended while they are told, which changes the table.
	json_array_foreach(found, i, entry)
	{
		each(ctx, json_string_value(json_array_get(entry, 0)),
			json_string_value(json_array_get(entry, 1)));
	}
	json_decref(found);
	return code == SQLITE_DONE ? 0 : -EIO;
}

json_t *alert_order_list(struct alert_order *order, unsigned int most)
{
	sqlite3_stmt *statement = statement_prepare(order->db,
		"SELECT digest, vendor, role, type, epoch, sequence, virus_id, result, why, time"
		" FROM alert ORDER BY number DESC LIMIT ?",
		"i", (int64_t)most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:I}", "digest",
				column(statement, 0), "vendor", column(statement, 1), "role",
				column(statement, 2), "type", column(statement, 3), "epoch",
				(json_int_t)sqlite3_column_int64(statement, 4), "sequence",
				(json_int_t)sqlite3_column_int64(statement, 5), "virus_id",
				column(statement, 6), "result", column(statement, 7), "why",
				column(statement, 8), "time",
				(json_int_t)sqlite3_column_int64(statement, 9)));
	(void)sqlite3_finalize(statement);
	return list;
}
