// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_order.h"

#include "control/alert_body.h"
#include "control/alert_order_inside.h"
#include "control/statement.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 2000
#define NUMBERS_LEFT (UINT64_C(1) << 32) // behind a first one: more than any vendor needs
#define RECEIPTS_RESERVED 1024
#define RECEIPTS_AHEAD (RECEIPTS_RESERVED / 2)
#define WRITTEN_MOST 40000 // digests that are remembered: the database keeps fewer

static const char *column(sqlite3_stmt *statement, int i)
{
	const char *text = (const char *)sqlite3_column_text(statement, i);

	return text != NULL ? text : "";
}

// ---- facts --------------------------------------------------------------------------------------

static int64_t get_fact(const struct alert_order *order, const char *name)
{
	sqlite3_stmt *statement = statement_prepare(
		order->reader, "SELECT value FROM fact WHERE name = ?", "t", name);
	int64_t value = 0;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

static void reserve(struct alert_order *order)
{
	order->receipts_wanted += RECEIPTS_RESERVED;
	order_reserve_receipts(order);
}

// A block of numbers for each sync, asked for long before the last ones are gone.
uint64_t alert_order_count(struct alert_order *order)
{
	if (order->receipts + RECEIPTS_AHEAD >= order->receipts_wanted)
		reserve(order);
	if (order->receipts == atomic_load(&order->receipts_reserved))
		journal_drain(order->journal);
	if (order->receipts == atomic_load(&order->receipts_reserved)) {
		// The disk was full: once more when the next one is wanted.
		order->receipts_wanted = order->receipts;
		return 0;
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

// ---- what is there ------------------------------------------------------------------------------

// So that of a new alert the database is not asked, which its own thread may be busy with.
static void read_written(struct alert_order *order)
{
	sqlite3_stmt *statement = statement_prepare(order->reader, "SELECT digest FROM alert", "");
	int code = SQLITE_ERROR;

	g_hash_table_remove_all(order->written);
	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW)
		(void)g_hash_table_add(order->written, g_strdup(column(statement, 0)));
	(void)sqlite3_finalize(statement);
	order->knows_written = code == SQLITE_DONE;
}

// ---- opening ------------------------------------------------------------------------------------

static int open_files(struct alert_order *order, const char *path, const char *quick)
{
	char marks[PATH_MAX];
	int err = order_writer_open(&order->writer, path);

	if (err != 0)
		return err;
	(void)snprintf(marks, sizeof(marks), "%s-marks", path);
	if (alert_marks_open(marks, quick, &order->marks) != 0)
		return -EIO;
	if (sqlite3_open_v2(path, &order->reader, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		return -EIO;
	(void)sqlite3_busy_timeout(order->reader, BUSY_MS);
	return 0;
}

int alert_order_open(const char *path, const char *quick, struct journal *journal,
	struct alert_order **out, char *error, size_t error_bytes)
{
	struct alert_order *order = calloc(1, sizeof(*order));
	int err;

	if (order == NULL)
		return -ENOMEM;
	order->journal = journal;
	order->unwritten = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	order->written = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	err = open_files(order, path, quick);
	if (err != 0) {
		sqlite3 *db = order->reader != NULL ? order->reader : order->writer.db;

		(void)snprintf(error, error_bytes, "%s: %s", path, sqlite3_errmsg(db));
		alert_order_close(order);
		return err;
	}
	read_written(order);
	order->latest_s = get_fact(order, "latest");
	order->heard_s = get_fact(order, "heard");
	order->receipts = get_fact(order, "receipts");
	order->receipts_wanted = order->receipts;
	atomic_init(&order->receipts_reserved, order->receipts);
	reserve(order);
	*out = order;
	return 0;
}

void alert_order_close(struct alert_order *order)
{
	if (order == NULL)
		return;
	while (order->highest != NULL) {
		struct highest *highest = order->highest;

		order->highest = highest->next;
		free(highest);
	}
	// The last one to close takes the log in, which only the one that writes can.
	(void)sqlite3_close(order->reader);
	(void)sqlite3_close(order->writer.db);
	alert_marks_close(order->marks);
	g_hash_table_destroy(order->unwritten);
	g_hash_table_destroy(order->written);
	free(order);
}

// ---- asking -------------------------------------------------------------------------------------

int alert_order_find(
	struct alert_order *order, const char *digest, char **receipt, bool *is_refusal)
{
	sqlite3_stmt *statement;
	int code;
	int err;

	*receipt = NULL;
	if (g_hash_table_contains(order->unwritten, digest))
		return 0;
	if (order->knows_written && !g_hash_table_contains(order->written, digest))
		return -ENOENT;
	statement = statement_prepare(
		order->reader, "SELECT receipt, result FROM alert WHERE digest = ?", "t", digest);
	code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;
	err = code == SQLITE_DONE ? -ENOENT : -EIO;
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

// What has acted is not written yet, or never was.
static void raise_to_mark(const struct alert_order *order, struct highest *entry)
{
	uint64_t epoch;
	uint64_t sequence;

	if (!alert_marks_highest(order->marks, entry->vendor, entry->role, &epoch, &sequence))
		return;
	entry->is_there = true;
	if (epoch > entry->epoch || (epoch == entry->epoch && sequence > entry->sequence)) {
		entry->epoch = epoch;
		entry->sequence = sequence;
	}
}

static int read_highest(const struct alert_order *order, struct highest *entry)
{
	sqlite3_stmt *statement = statement_prepare(order->reader,
		"SELECT epoch, sequence FROM highest WHERE vendor = ? AND role = ?", "tt",
		entry->vendor, key_role_name(entry->role));
	int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;

	// What cannot be read is as it was.
	if (code == SQLITE_ROW || code == SQLITE_DONE) {
		entry->epoch = 0;
		entry->sequence = 0;
		entry->is_there = code == SQLITE_ROW;
	}
	if (code == SQLITE_ROW) {
		entry->epoch = (uint64_t)sqlite3_column_int64(statement, 0);
		entry->sequence = (uint64_t)sqlite3_column_int64(statement, 1);
	}
	(void)sqlite3_finalize(statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return -EIO;
	raise_to_mark(order, entry);
	return 0;
}

static int compare(const struct alert *alert, const struct order_limits *limits,
	const struct order_highest *highest, const char **why)
{
	uint64_t epoch = highest->epoch;
	uint64_t sequence = highest->sequence;

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

// A gateway may join late, so a vendor's first number is whatever it is by then; but one that nothing can come after
// would be the last that is ever taken.
static int check_first(
	const struct alert *alert, const struct order_limits *limits, const char **why)
{
	if (alert->epoch > limits->epoch_least + limits->most_ahead) {
		*why = "too far ahead in epoch";
		return -EACCES;
	}
	if (alert->sequence > ALERT_NUMBER_MOST - NUMBERS_LEFT) {
		*why = "too far ahead in sequence";
		return -EACCES;
	}
	return 0;
}

// Of its vendor and role; read once. NULL: that cannot be done.
static struct highest *find_highest(
	struct alert_order *order, const char *vendor, enum key_role role)
{
	struct highest *found = order->highest;

	while (found != NULL && (found->role != role || strcmp(found->vendor, vendor) != 0))
		found = found->next;
	if (found != NULL)
		return found;
	found = calloc(1, sizeof(*found));
	if (found == NULL)
		return NULL;
	found->role = role;
	(void)snprintf(found->vendor, sizeof(found->vendor), "%s", vendor);
	if (read_highest(order, found) != 0) {
		free(found);
		return NULL;
	}
	found->next = order->highest;
	order->highest = found;
	return found;
}

void alert_order_highest(struct alert_order *order, const char *vendor, enum key_role role,
	struct order_highest *out)
{
	const struct highest *found = find_highest(order, vendor, role);

	*out = (struct order_highest){0};
	if (found != NULL)
		*out = (struct order_highest){found->is_there, found->epoch, found->sequence};
}

void order_highest_raise(struct order_highest *highest, const struct order_highest *other)
{
	bool is_higher = other->epoch > highest->epoch ||
			 (other->epoch == highest->epoch && other->sequence > highest->sequence);

	if (other->is_there && (!highest->is_there || is_higher))
		*highest = *other;
}

int alert_order_mark(struct alert_order *order, const struct alert *alert, const char *digest)
{
	return alert_marks_put(order->marks, alert, digest);
}

int alert_order_check(struct alert_order *order, const struct alert *alert, const char *digest,
	const struct order_limits *limits, const char **why)
{
	const struct highest *highest = find_highest(order, alert->vendor, alert->role);
	struct order_highest now;

	if (alert->epoch < limits->epoch_least) {
		*why = "an old epoch";
		return -EACCES;
	}
	if (highest == NULL)
		return -EIO;
	if (alert_marks_has(order->marks, alert, digest))
		return 0;
	now = (struct order_highest){highest->is_there, highest->epoch, highest->sequence};
	if (limits->highest != NULL && alert->epoch >= now.epoch)
		now = *limits->highest;
	if (!now.is_there)
		return check_first(alert, limits, why);
	return compare(alert, limits, &now, why);
}

// ---- lists --------------------------------------------------------------------------------------

int alert_order_pending(struct alert_order *order, alert_order_fn each, void *ctx)
{
	sqlite3_stmt *statement = statement_prepare(order->reader,
		"SELECT digest, envelope, result IS NOT NULL FROM alert WHERE receipt IS NULL"
		" ORDER BY number",
		"");
	json_t *found = json_array();
	json_t *entry;
	size_t i;
	int code = SQLITE_ERROR;

	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW)
		(void)json_array_append_new(
			found, json_pack("[ssb]", column(statement, 0), column(statement, 1),
				       sqlite3_column_int(statement, 2)));
	(void)sqlite3_finalize(statement);
	// They are ended while they are told, which changes the table.
	json_array_foreach(found, i, entry)
	{
		each(ctx, json_string_value(json_array_get(entry, 0)),
			json_string_value(json_array_get(entry, 1)),
			json_is_true(json_array_get(entry, 2)));
	}
	json_decref(found);
	return code == SQLITE_DONE ? 0 : -EIO;
}

json_t *alert_order_list(struct alert_order *order, unsigned int most)
{
	sqlite3_stmt *statement = statement_prepare(order->reader,
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

// ---- what the journal's jobs follow from and lead to --------------------------------------------

void order_note(struct alert_order *order, const struct order_entry *entry)
{
	const struct alert *alert = entry->alert;
	struct highest *highest = find_highest(order, alert->vendor, alert->role);

	(void)g_hash_table_add(order->unwritten, g_strdup(entry->digest));
	order->heard_s = entry->now_s;
	// A clock that is ahead for a moment is not remembered: its vendor's counts besides.
	order->latest_s = alert_order_now(
		order, entry->now_s < alert->issued_s ? entry->now_s : alert->issued_s);
	if (highest == NULL)
		return;
	highest->unwritten++;
	highest->is_there = true;
	// One that was marked before a crash may be older.
	if (alert->epoch > highest->epoch ||
		(alert->epoch == highest->epoch && alert->sequence > highest->sequence)) {
		highest->epoch = alert->epoch;
		highest->sequence = alert->sequence;
	}
}

void order_noted(struct alert_order *order, const struct alert *alert, const char *digest, int err)
{
	struct highest *highest = find_highest(order, alert->vendor, alert->role);

	(void)g_hash_table_remove(order->unwritten, digest);
	if (err == 0)
		(void)g_hash_table_add(order->written, g_strdup(digest));
	if (g_hash_table_size(order->written) > WRITTEN_MOST)
		read_written(order);
	if (err == 0)
		alert_marks_done(order->marks, alert, digest);
	if (highest == NULL)
		return;
	highest->unwritten--;
	// As if it had never come: what came behind it, if any, was newer.
	if (err != 0 && highest->unwritten == 0 && read_highest(order, highest) != 0)
		highest->is_there = true;
}
