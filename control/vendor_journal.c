// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_journal.h"

#include "control/control_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000

// When something goes out, in milliseconds.
static int64_t now_ms(void)
{
	return control_now_ns() / NS_PER_MS;
}

// ---- order --------------------------------------------------------------------------------------

static int read_highest(
	struct database *database, enum key_role role, uint64_t *epoch, uint64_t *sequence)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT epoch, sequence FROM highest WHERE role = ?", "t", key_role_name(role));
	int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;

	*epoch = 0;
	*sequence = 0;
	if (code == SQLITE_ROW) {
		*epoch = (uint64_t)sqlite3_column_int64(statement, 0);
		*sequence = (uint64_t)sqlite3_column_int64(statement, 1);
	}
	(void)sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : -EIO;
}

static int write_highest(
	struct database *database, enum key_role role, uint64_t epoch, uint64_t sequence)
{
	return database_run(database,
		database_prepare(database,
			"INSERT INTO highest VALUES(?, ?, ?) ON CONFLICT(role) DO UPDATE SET"
			" epoch = excluded.epoch, sequence = excluded.sequence",
			"tii", key_role_name(role), (int64_t)epoch, (int64_t)sequence));
}

int journal_next(struct database *database, enum key_role role, uint64_t epoch_least,
	uint64_t *epoch, uint64_t *sequence)
{
	uint64_t last_epoch;
	uint64_t last = 0;
	int err = database_begin(database);

	if (err == 0)
		err = read_highest(database, role, &last_epoch, &last);
	if (err == 0) {
		*epoch = last_epoch > epoch_least ? last_epoch : epoch_least;
		// Gateways that are far behind may only go so far ahead at once: a new epoch begins at 1.
		*sequence = *epoch > last_epoch ? 1 : last + 1;
		err = write_highest(database, role, *epoch, *sequence);
	}
	return database_flush(database) != 0 ? -EIO : err;
}

static bool is_above(const struct alert *alert, uint64_t epoch, uint64_t sequence)
{
	return alert->epoch > epoch || (alert->epoch == epoch && alert->sequence > sequence);
}

bool journal_is_overtaken(struct database *database, const struct alert *alert)
{
	return database_number(
		       database_prepare(database,
			       "SELECT count(*) FROM alert WHERE role = ?1 AND state <> 'draft' AND"
			       " (epoch > ?2 OR (epoch = ?2 AND sequence >= ?3))",
			       "tii", key_role_name(alert->role), (int64_t)alert->epoch,
			       (int64_t)alert->sequence),
		       1) != 0;
}

// Whether the number was given out here and nothing has gone out under it or above.
static int check_order(struct database *database, const struct alert *alert)
{
	uint64_t epoch;
	uint64_t sequence;
	int err = read_highest(database, alert->role, &epoch, &sequence);

	if (err != 0)
		return err;
	if (journal_is_overtaken(database, alert))
		return -EACCES;
	if (is_above(alert, epoch, sequence))
		return write_highest(database, alert->role, alert->epoch, alert->sequence);
	return 0;
}

// ---- alerts -------------------------------------------------------------------------------------

static void describe_target(const struct alert *alert, char *out, size_t room)
{
	static const char *const kinds[] = {
		[TARGET_ALL] = "*", [TARGET_GROUP] = "group:", [TARGET_GATEWAY] = "gateway:"};

	(void)snprintf(out, room, "%s%s", kinds[alert->target], alert->target_name);
}

int journal_add(struct database *database, const struct alert *alert, const char *digest,
	const char *envelope, const char *state, int64_t *number)
{
	char target[ALERT_NAME_BYTES + 16];
	int err = database_begin(database);

	describe_target(alert, target, sizeof(target));
	if (err == 0 &&
		database_number(database_prepare(database,
					"SELECT count(*) FROM alert WHERE digest = ?", "t", digest),
			0) != 0)
		return -EEXIST;
	if (err == 0)
		err = check_order(database, alert);
	if (err == 0)
		err = database_run(database,
			database_prepare(database,
				"INSERT INTO alert(digest, role, type, epoch, sequence, virus_id, "
				"target,"
				" issued, expires, state, envelope, sent) VALUES(?, ?, ?, ?, ?, ?, "
				"?, ?, ?,"
				" ?10, ?, CASE WHEN ?10 = 'open' THEN ? END)",
				"tttiittiitti", digest, key_role_name(alert->role),
				alert_type_name(alert->type), (int64_t)alert->epoch,
				(int64_t)alert->sequence, alert->virus_id, target, alert->issued_s,
				alert->expires_s, state, envelope, now_ms()));
	if (err == 0)
		*number = database_number(
			database_prepare(database, "SELECT last_insert_rowid()", ""), 0);
	return err;
}

int journal_sign(
	struct database *database, const char *digest, const char *envelope, const char *state)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(
			database, database_prepare(database,
					  "UPDATE alert SET envelope = ?1, state = ?2, sent = CASE "
					  "WHEN ?2 = 'open'"
					  " THEN ?4 END WHERE digest = ?3 AND state = 'draft'",
					  "ttti", envelope, state, digest, now_ms()));
	return err == 0 && database_changes(database) == 0 ? -ENOENT : err;
}

int journal_set_state(struct database *database, int64_t number, const char *state)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database,
			database_prepare(database, "UPDATE alert SET state = ? WHERE number = ?",
				"ti", state, number));
	if (err == 0 && strcmp(state, "superseded") == 0)
		err = database_run(database,
			database_prepare(database,
				"UPDATE delivery SET state = ? WHERE alert = ? AND state = 'open'",
				"ti", state, number));
	return err;
}

int journal_expire(struct database *database, int64_t now_s)
{
	if (database_number(database_prepare(database,
				    "SELECT count(*) FROM alert WHERE state IN ('open', 'draft')"
				    " AND expires <= ?",
				    "i", now_s),
		    0) == 0 ||
		database_begin(database) != 0 ||
		database_run(database, database_prepare(database,
					       "UPDATE alert SET state = 'expired' WHERE state IN "
					       "('open', 'draft') AND"
					       " expires <= ?",
					       "i", now_s)) != 0)
		return 0;
	return database_changes(database);
}

int journal_forget(struct database *database, const char *type)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database, database_prepare(database,
						     "DELETE FROM alert WHERE type = ? AND state "
						     "IN ('superseded', 'expired')",
						     "t", type));
	return err;
}

// ---- deliveries and receipts --------------------------------------------------------------------

int journal_address(struct database *database, int64_t number, const char *gateway)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database, database_prepare(database,
						     "INSERT OR IGNORE INTO delivery(alert, "
						     "gateway, state) VALUES(?, ?, "
						     "'open')",
						     "it", number, gateway));
	return err;
}

int journal_receipt(struct database *database, const struct journal_answer *answer)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database,
			database_prepare(database,
				"INSERT OR IGNORE INTO receipt(alert, gateway, result, why, "
				"channel, time,"
				" counter, envelope, digest) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
				"tttttiitt", answer->digest, answer->gateway, answer->result,
				answer->why, answer->channel, answer->time_s,
				(int64_t)answer->counter, answer->envelope, answer->receipt));
	return err == 0 && database_changes(database) == 0 ? -EALREADY : err;
}

int journal_deliver(struct database *database, int64_t number, const char *state,
	const struct journal_answer *answer)
{
	int err = database_begin(database);

	if (err == 0)
		err = database_run(database, database_prepare(database,
						     "INSERT INTO delivery(alert, gateway, state, "
						     "why, channel, time, counter, "
						     "took)"
						     " VALUES(?1, ?, ?, ?, ?, ?, ?, ? - (SELECT "
						     "sent FROM alert WHERE number = "
						     "?1))"
						     " ON CONFLICT(alert, gateway) DO UPDATE SET "
						     "state = excluded.state, why ="
						     " excluded.why, channel = excluded.channel, "
						     "time = excluded.time, counter ="
						     " excluded.counter, took = excluded.took "
						     "WHERE state <> 'delivered'",
						     "ittttiii", number, answer->gateway, state,
						     answer->why, answer->channel, answer->time_s,
						     (int64_t)answer->counter, now_ms()));
	return err;
}

// ---- at the start -------------------------------------------------------------------------------

int journal_each(struct database *database, journal_alert_fn each, void *ctx)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT number, state, envelope FROM alert WHERE state = 'open' ORDER BY number",
		"");
	int code = SQLITE_ERROR;

	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW)
		each(ctx, sqlite3_column_int64(statement, 0), database_text(statement, 1),
			database_text(statement, 2));
	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : -EIO;
}

// ---- for people and programs --------------------------------------------------------------------

static const char select_alert[] = "SELECT number, digest, role, type, epoch, sequence, virus_id,"
				   " target, issued, expires, state, envelope FROM alert";

static json_t *count_deliveries(struct database *database, int64_t number)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT state, count(*) FROM delivery WHERE alert = ? GROUP BY state", "i", number);
	json_t *counts = json_object();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_object_set_new(counts, database_text(statement, 0),
			json_integer(sqlite3_column_int64(statement, 1)));
	(void)sqlite3_finalize(statement);
	return counts;
}

static json_t *alert_json(struct database *database, sqlite3_stmt *statement)
{
	int64_t number = sqlite3_column_int64(statement, 0);

	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:s, s:o}", "number",
		(json_int_t)number, "digest", database_text(statement, 1), "role",
		database_text(statement, 2), "type", database_text(statement, 3), "epoch",
		(json_int_t)sqlite3_column_int64(statement, 4), "sequence",
		(json_int_t)sqlite3_column_int64(statement, 5), "virus_id",
		database_text(statement, 6), "target", database_text(statement, 7), "issued",
		(json_int_t)sqlite3_column_int64(statement, 8), "expires",
		(json_int_t)sqlite3_column_int64(statement, 9), "state",
		database_text(statement, 10), "deliveries", count_deliveries(database, number));
}

char *journal_root(struct database *database, uint64_t version)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT envelope FROM alert WHERE type = 'root' AND state <> 'draft' AND sequence ="
		" ? ORDER BY number DESC LIMIT 1",
		"i", (int64_t)version);
	char *envelope = NULL;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		envelope = strdup(database_text(statement, 0));
	(void)sqlite3_finalize(statement);
	return envelope;
}

json_t *journal_get(struct database *database, const char *digest, bool with_envelope)
{
	char sql[512];
	sqlite3_stmt *statement;
	json_t *alert = NULL;

	if (strlen(digest) < 8 || strspn(digest, "0123456789abcdef") != strlen(digest))
		return NULL;
	(void)snprintf(sql, sizeof(sql), "%s WHERE digest >= ?1 AND digest < ?1 || 'g' LIMIT 2",
		select_alert);
	statement = database_prepare(database, sql, "t", digest);
	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		if (alert != NULL) { // several
			json_decref(alert);
			alert = NULL;
			break;
		}
		alert = alert_json(database, statement);
		if (with_envelope)
			(void)json_object_set_new(
				alert, "envelope", json_string(database_text(statement, 11)));
	}
	(void)sqlite3_finalize(statement);
	return alert;
}

json_t *journal_list(
	struct database *database, int64_t before, unsigned int most, const char *state)
{
	char sql[512];
	sqlite3_stmt *statement;
	json_t *list = json_array();

	(void)snprintf(sql, sizeof(sql),
		"%s WHERE (?1 = 0 OR number < ?1) AND (?2 IS NULL OR state = ?2)"
		" ORDER BY number DESC LIMIT ?3",
		select_alert);
	statement = database_prepare(database, sql, "iti", before, state, (int64_t)most);
	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(list, alert_json(database, statement));
	(void)sqlite3_finalize(statement);
	return list;
}

json_t *journal_deliveries(struct database *database, int64_t number, const char *after,
	unsigned int most, const char *state)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT gateway, state, why, channel, time FROM delivery WHERE alert = ?1 AND "
		"gateway"
		" > ?2 AND (?3 IS NULL OR state = ?3) ORDER BY gateway LIMIT ?4",
		"itti", number, after, state, (int64_t)most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:I}", "gateway",
				database_text(statement, 0), "state", database_text(statement, 1),
				"why", database_text(statement, 2), "channel",
				database_text(statement, 3), "time",
				(json_int_t)sqlite3_column_int64(statement, 4)));
	(void)sqlite3_finalize(statement);
	return list;
}

// After how many seconds this share of all had the alert; null: not yet.
static json_t *reached(struct database *database, int64_t number, int64_t total, int64_t percent)
{
	int64_t needed = (total * percent + 99) / 100;
	int64_t ms = -1;

	if (needed > 0)
		ms = database_number(
			database_prepare(database,
				"SELECT coalesce(took, 1000 * (time - (SELECT issued FROM alert"
				" WHERE number = ?1))) AS ms FROM delivery WHERE alert = ?1 AND"
				" state = 'delivered' ORDER BY ms LIMIT 1 OFFSET ?2",
				"ii", number, needed - 1),
			-1);
	return ms >= 0 ? json_real((double)ms / 1000) : json_null();
}

json_t *journal_progress(struct database *database, int64_t number)
{
	json_t *counts = count_deliveries(database, number);
	json_int_t delivered = json_integer_value(json_object_get(counts, "delivered"));
	json_int_t refused = json_integer_value(json_object_get(counts, "refused"));
	json_int_t open = json_integer_value(json_object_get(counts, "open"));
	int64_t total = delivered + refused + open;

	json_decref(counts);
	return json_pack("{s:I, s:I, s:I, s:I, s:{s:o, s:o, s:o}}", "gateways", (json_int_t)total,
		"delivered", delivered, "refused", refused, "open", open, "seconds", "50",
		reached(database, number, total, 50), "90", reached(database, number, total, 90),
		"100", reached(database, number, total, 100));
}

json_t *journal_receipts(struct database *database, int64_t after, unsigned int most,
	const char *gateway, const char *digest)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT number, alert, gateway, result, why, channel, time, counter, envelope FROM"
		" receipt WHERE number > ?1 AND (?2 IS NULL OR gateway = ?2) AND"
		" (?3 IS NULL OR alert = ?3) ORDER BY number LIMIT ?4",
		"itti", after, gateway, digest, (int64_t)most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(list,
			json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "number",
				(json_int_t)sqlite3_column_int64(statement, 0), "alert",
				database_text(statement, 1), "gateway", database_text(statement, 2),
				"result", database_text(statement, 3), "why",
				database_text(statement, 4), "channel", database_text(statement, 5),
				"time", (json_int_t)sqlite3_column_int64(statement, 6), "counter",
				(json_int_t)sqlite3_column_int64(statement, 7), "envelope",
				database_text(statement, 8)));
	(void)sqlite3_finalize(statement);
	return list;
}
