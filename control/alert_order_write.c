// SPDX-License-Identifier: BSD-3-Clause
// What the order of alerts writes: jobs of its journal.
#include "control/alert_order_inside.h"
#include "control/statement.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEPT_ALERTS 10000 // taken ones that a repeat is still recognised by
#define BUSY_MS 2000
#define LOG_BYTES (4 << 20) // made at once, a hundred alerts
#define LOG_PAGES (LOG_BYTES / 4096)

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

static int execute(const struct order_writer *writer, const char *sql)
{
	return sqlite3_exec(writer->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

// ---- the log ------------------------------------------------------------------------------------

static int was_written(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct order_writer *writer = ctx;

	(void)db;
	(void)name;
	writer->log_pages = pages;
	writer->is_quiet = false;
	return SQLITE_OK;
}

static void take_in_log(struct order_writer *writer)
{
	int left = 0;

	// What is read elsewhere stays in the log until the next time.
	if (sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &left) ==
		SQLITE_OK)
		writer->log_pages = 0;
}

// Without its blocks it is a slower log, and nothing worse.
static void make_log(struct order_writer *writer, const char *path)
{
	static const char fill[] = "CREATE TABLE IF NOT EXISTS room(bytes BLOB);"
				   "INSERT INTO room VALUES(zeroblob(%d));"
				   "DROP TABLE room;";
	char sql[sizeof(fill) + 16];
	char log[PATH_MAX];
	struct stat info;
	int stays = 1;

	(void)sqlite3_file_control(writer->db, "main", SQLITE_FCNTL_PERSIST_WAL, &stays);
	(void)sqlite3_wal_hook(writer->db, was_written, writer);
	(void)snprintf(log, sizeof(log), "%s-wal", path);
	(void)snprintf(sql, sizeof(sql), fill, LOG_BYTES);
	if (stat(log, &info) != 0 || info.st_size < LOG_BYTES)
		(void)execute(writer, sql);
	take_in_log(writer);
}

int order_writer_open(struct order_writer *writer, const char *path)
{
	int code = sqlite3_open_v2(
		path, &writer->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

	if (code == SQLITE_OK) {
		(void)sqlite3_busy_timeout(writer->db, BUSY_MS);
		code = sqlite3_exec(writer->db, schema, NULL, NULL, NULL);
	}
	if (code != SQLITE_OK)
		return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EBADMSG : -EIO;
	make_log(writer, path);
	return 0;
}

// ---- what is written ----------------------------------------------------------------------------

struct order_job {
	struct journal_job job;
	struct alert_order *order;
	struct alert alert; // without its payload
	char *envelope;
	char *receipt; // NULL: its end is to come
	char *why;
	const char *result;
	int64_t now_s;
	int64_t latest_s;
	int (*before)(void *ctx);
	void (*done)(void *ctx, int err);
	void *ctx;
	char digest[];
};

static int set_fact(const struct order_writer *writer, const char *name, int64_t value)
{
	return statement_run(statement_prepare(writer->db,
		"INSERT INTO fact VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = "
		"excluded.value",
		"ti", name, value));
}

static int let_go_of_old(struct order_writer *writer)
{
	if (++writer->taken % 64 != 0)
		return 0;
	return statement_run(statement_prepare(writer->db,
		"DELETE FROM alert WHERE receipt IS NOT NULL AND number <= "
		"(SELECT max(number) FROM alert) - ?",
		"i", (int64_t)KEPT_ALERTS));
}

static int insert(const struct order_writer *writer, const struct order_job *job)
{
	const struct alert *alert = &job->alert;
	const char *role = key_role_name(alert->role);
	int err = statement_run(statement_prepare(writer->db,
		"INSERT INTO highest VALUES(?, ?, ?, ?) ON CONFLICT(vendor, role) DO UPDATE SET"
		" epoch = excluded.epoch, sequence = excluded.sequence WHERE excluded.epoch > epoch"
		" OR (excluded.epoch = epoch AND excluded.sequence > sequence)",
		"ttii", alert->vendor, role, (int64_t)alert->epoch, (int64_t)alert->sequence));

	if (err != 0)
		return err;
	return statement_run(statement_prepare(writer->db,
		"INSERT INTO alert(digest, vendor, role, type, epoch, sequence, virus_id, envelope,"
		" result, why, receipt, time) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"ttttiittttti", job->digest, alert->vendor, role, alert_type_name(alert->type),
		(int64_t)alert->epoch, (int64_t)alert->sequence, alert->virus_id, job->envelope,
		job->result, job->why, job->receipt, job->now_s));
}

// What has acted, and is in no transaction, may come again also after others that are in one: when the machine goes
// down, its mark says so.
static void keep_mark(const struct order_job *job)
{
	if (job->before != NULL)
		alert_marks_sync(job->order->marks);
}

// All of it or nothing.
static int write_entry(struct journal_job *base)
{
	struct order_job *job = (struct order_job *)base;
	struct order_writer *writer = &job->order->writer;
	int err = job->before != NULL ? job->before(job->ctx) : 0;

	if (err == 0)
		err = execute(writer, "BEGIN IMMEDIATE");
	if (err != 0) {
		keep_mark(job);
		return err;
	}
	err = insert(writer, job);
	if (err == 0)
		err = set_fact(writer, "heard", job->now_s);
	if (err == 0)
		err = set_fact(writer, "latest", job->latest_s);
	if (err == 0)
		err = let_go_of_old(writer);
	if (err == 0)
		err = execute(writer, "COMMIT");
	if (err != 0) {
		(void)execute(writer, "ROLLBACK");
		keep_mark(job);
	}
	return err;
}

static int write_end(struct journal_job *base)
{
	const struct order_job *job = (const struct order_job *)base;

	// What it said is in the receipt's digest; a large update need not be kept.
	return statement_run(statement_prepare(job->order->writer.db,
		"UPDATE alert SET result = ?, why = ?, receipt = ?, time = ?, envelope = NULL"
		" WHERE digest = ?",
		"tttit", job->result, job->why, job->receipt, job->now_s, job->digest));
}

static int write_done(struct journal_job *base)
{
	const struct order_job *job = (const struct order_job *)base;

	return statement_run(statement_prepare(job->order->writer.db,
		"UPDATE alert SET result = ? WHERE digest = ?", "tt", job->result, job->digest));
}

static void free_job(struct order_job *job)
{
	free(job->envelope);
	free(job->receipt);
	free(job->why);
	free(job);
}

static void entry_written(struct journal_job *base, int err)
{
	struct order_job *job = (struct order_job *)base;

	order_noted(job->order, &job->alert, job->digest, err);
	job->done(job->ctx, err);
	free_job(job);
}

static void end_written(struct journal_job *base, int err)
{
	struct order_job *job = (struct order_job *)base;

	job->done(job->ctx, err);
	free_job(job);
}

static char *copy(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static struct order_job *make_job(struct alert_order *order, const struct order_entry *entry)
{
	size_t bytes = strlen(entry->digest) + 1;
	struct order_job *job = calloc(1, sizeof(*job) + bytes);

	if (job == NULL)
		return NULL;
	memcpy(job->digest, entry->digest, bytes);
	job->order = order;
	job->receipt = copy(entry->receipt);
	job->why = copy(entry->why);
	job->result = entry->result;
	job->now_s = entry->now_s;
	job->done = entry->done;
	job->ctx = entry->ctx;
	if ((job->receipt == NULL) == (entry->receipt == NULL) &&
		(job->why == NULL) == (entry->why == NULL))
		return job;
	free_job(job);
	return NULL;
}

int alert_order_take(struct alert_order *order, const struct order_entry *entry)
{
	struct order_job *job = make_job(order, entry);

	if (job == NULL)
		return -ENOMEM;
	// Of what has an end nothing is done again.
	if (entry->receipt == NULL) {
		job->envelope = strdup(entry->envelope);
		if (job->envelope == NULL) {
			free_job(job);
			return -ENOMEM;
		}
	}
	job->alert = *entry->alert;
	job->alert.payload = NULL;
	job->alert.body = NULL;
	job->alert.list = NULL;
	job->before = entry->before;
	job->job.write = write_entry;
	job->job.done = entry_written;
	order_note(order, entry);
	job->latest_s = order->latest_s;
	journal_push(order->journal, &job->job);
	return 0;
}

static int push_end(struct alert_order *order, const struct order_entry *entry,
	int (*write)(struct journal_job *job))
{
	struct order_job *job = make_job(order, entry);

	if (job == NULL)
		return -ENOMEM;
	job->job.write = write;
	job->job.done = end_written;
	journal_push(order->journal, &job->job);
	return 0;
}

int alert_order_note_done(struct alert_order *order, const struct order_entry *entry)
{
	return push_end(order, entry, write_done);
}

int alert_order_finish(struct alert_order *order, const struct order_entry *entry)
{
	return push_end(order, entry, write_end);
}

// ---- numbers of receipts, and the house ---------------------------------------------------------

struct number_job {
	struct journal_job job;
	struct alert_order *order;
	int64_t number;
};

static int write_number(struct journal_job *base)
{
	const struct number_job *job = (const struct number_job *)base;
	int err = set_fact(&job->order->writer, "receipts", job->number);

	if (err == 0)
		atomic_store(&job->order->receipts_reserved, job->number);
	return err;
}

static void number_written(struct journal_job *base, int err)
{
	(void)err; // alert_order_count looks
	free(base);
}

void order_reserve_receipts(struct alert_order *order)
{
	struct number_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return;
	job->job.write = write_number;
	job->job.done = number_written;
	job->order = order;
	job->number = order->receipts_wanted;
	journal_push(order->journal, &job->job);
}

static int do_turn(struct journal_job *base)
{
	const struct number_job *job = (const struct number_job *)base;
	struct order_writer *writer = &job->order->writer;

	if (writer->log_pages > 0 && (writer->is_quiet || writer->log_pages >= LOG_PAGES / 2))
		take_in_log(writer);
	writer->is_quiet = true;
	return 0;
}

static void turned(struct journal_job *base, int err)
{
	struct number_job *job = (struct number_job *)base;

	(void)err;
	job->order->turns = false;
	free(job);
}

void alert_order_turn(struct alert_order *order)
{
	struct number_job *job = order->turns ? NULL : calloc(1, sizeof(*job));

	if (job == NULL)
		return;
	job->job.write = do_turn;
	job->job.done = turned;
	job->order = order;
	order->turns = true;
	journal_push(order->journal, &job->job);
}
