// SPDX-License-Identifier: BSD-3-Clause
#include "control/store_index.h"

#include "control/control_events.h"

#include <glib.h>
#include <sqlite3.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT 100
#define LIST_MOST 1000
#define FILTER_BYTES 1024
#define PATTERN_BYTES 512
#define KEY_BYTES 160
#define SPOOL_STATES_COUNT (SPOOL_WITHDRAWN + 1)

static const char schema[] =
	"CREATE TABLE record(id TEXT PRIMARY KEY, state TEXT, arrival INTEGER, seen INTEGER,"
	" bytes INTEGER, sender TEXT, recipients TEXT, subject TEXT, verdict TEXT, reason TEXT,"
	" seals TEXT, signatures TEXT, judged TEXT, due INTEGER, covered TEXT) WITHOUT ROWID;"
	"CREATE INDEX by_state ON record(state, arrival, id);"
	"CREATE INDEX by_due ON record(state, arrival, id) WHERE due=1;"
	"CREATE INDEX by_arrival ON record(arrival, id);";

// Beside its row, so that a pass over all of them asks the table only for what has changed.
struct known {
	struct spool_id id;
	enum spool_state state;
	bool is_changed;
	uint64_t pass;
};

struct store_index {
	sqlite3 *db;
	sqlite3_stmt *add;
	sqlite3_stmt *state;
	sqlite3_stmt *judged;
	sqlite3_stmt *gone;
	sqlite3_stmt *covered;
	sqlite3_stmt *due;
	GHashTable *known; // by id
	GQueue *alerts;    // ids of what may be one and was not looked at, by arrival
	uint64_t pass;
	char keys[SPOOL_STATES_COUNT][KEY_BYTES]; // what due is reckoned by
};

static guint id_hash(gconstpointer key)
{
	const struct spool_id *id = key;

	return (guint)(id->run * 31 + id->number);
}

static gboolean id_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(struct spool_id)) == 0;
}

static bool prepare(struct store_index *index, const char *sql, sqlite3_stmt **out)
{
	return sqlite3_prepare_v2(index->db, sql, -1, out, NULL) == SQLITE_OK;
}

int store_index_open(struct store_index **out)
{
	struct store_index *index = calloc(1, sizeof(*index));

	if (index == NULL)
		return -ENOMEM;
	index->known = g_hash_table_new_full(id_hash, id_equal, NULL, g_free);
	index->alerts = g_queue_new();
	if (sqlite3_open(":memory:", &index->db) != SQLITE_OK ||
		sqlite3_exec(index->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
		!prepare(index, "UPDATE record SET state=?2, due=1 WHERE id=?1", &index->state) ||
		!prepare(
			index, "UPDATE record SET judged=?2, due=?3 WHERE id=?1", &index->judged) ||
		!prepare(index, "UPDATE record SET covered=?2 WHERE id=?1", &index->covered) ||
		!prepare(index, "DELETE FROM record WHERE id=?1", &index->gone) ||
		!prepare(index,
			"SELECT id FROM record WHERE state=?1 AND due=1 AND seen<=?2 "
			"ORDER BY arrival, id LIMIT ?3",
			&index->due) ||
		!prepare(index,
			"INSERT OR REPLACE INTO record VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,"
			"?11,?12,'',1,'')",
			&index->add)) {
		store_index_close(index);
		return -ENOMEM;
	}
	*out = index;
	return 0;
}

void store_index_close(struct store_index *index)
{
	if (index == NULL)
		return;
	(void)sqlite3_finalize(index->add);
	(void)sqlite3_finalize(index->state);
	(void)sqlite3_finalize(index->judged);
	(void)sqlite3_finalize(index->gone);
	(void)sqlite3_finalize(index->covered);
	(void)sqlite3_finalize(index->due);
	(void)sqlite3_close(index->db);
	g_queue_free_full(index->alerts, g_free);
	g_hash_table_destroy(index->known);
	free(index);
}

static void bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	(void)sqlite3_bind_text(statement, column, text != NULL ? text : "", -1, SQLITE_TRANSIENT);
}

static int run(sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	return result == SQLITE_DONE ? 0 : -ENOMEM;
}

// ---- what is in it ------------------------------------------------------------------------------

void store_index_pass(struct store_index *index)
{
	index->pass++;
	(void)sqlite3_exec(index->db, "BEGIN", NULL, NULL, NULL);
}

bool store_index_know(struct store_index *index, const struct spoolfile_record *record)
{
	struct known *known = g_hash_table_lookup(index->known, &record->id);

	if (known == NULL)
		return false;
	known->pass = index->pass;
	known->is_changed = known->is_changed || record->is_changed;
	if (known->state != record->state)
		store_index_set_state(index, record->id, record->state);
	return true;
}

// The members' texts, one a line.
static char *join(const json_t *list, const char *member)
{
	size_t room = 1;
	char *text = NULL;
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		room += json_string_length(
				member != NULL ? json_object_get(entry, member) : entry) +
			1;
	}
	text = calloc(1, room);
	json_array_foreach(list, i, entry)
	{
		if (text == NULL)
			break;
		(void)snprintf(text + strlen(text), room - strlen(text), "%s%s", i > 0 ? "\n" : "",
			json_string_value(member != NULL ? json_object_get(entry, member) : entry));
	}
	return text;
}

static void bind_joined(sqlite3_stmt *statement, int column, const json_t *list, const char *member)
{
	char *text = join(list, member);

	bind_text(statement, column, text);
	free(text);
}

// The dataplane's reason, with the mode of a seal behind it.
static bool is_alert(const json_t *reason)
{
	const char *text = json_string_value(json_object_get(reason, "reason"));
	size_t bytes = strlen("alert");

	return text != NULL && strncmp(text, "alert", bytes) == 0 &&
	       (text[bytes] == '\0' || text[bytes] == ':');
}

int store_index_add(struct store_index *index, const struct spoolfile_record *record,
	const json_t *envelope, const json_t *reason, int64_t now_ns)
{
	sqlite3_stmt *add = index->add;
	struct known *known;
	char id[SPOOL_ID_TEXT_BYTES];

	bind_text(add, 1, spool_id_text(record->id, id));
	bind_text(add, 2, spool_state_name(record->state));
	(void)sqlite3_bind_int64(add, 3, record->arrival_ns);
	(void)sqlite3_bind_int64(add, 4, now_ns);
	(void)sqlite3_bind_int64(add, 5, (sqlite3_int64)record->body_bytes);
	bind_text(add, 6, json_string_value(json_object_get(envelope, "mail_from")));
	bind_joined(add, 7, json_object_get(envelope, "rcpt_to"), "address");
	bind_text(add, 8, json_string_value(json_object_get(reason, "subject")));
	bind_text(add, 9, json_string_value(json_object_get(reason, "verdict")));
	bind_text(add, 10, json_string_value(json_object_get(reason, "reason")));
	bind_joined(add, 11, json_object_get(reason, "seals"), NULL);
	bind_joined(add, 12, json_object_get(reason, "signatures"), NULL);
	if (run(add) != 0)
		return -ENOMEM;
	known = g_new(struct known, 1);
	*known = (struct known){record->id, record->state, record->is_changed, index->pass};
	(void)g_hash_table_replace(index->known, &known->id, known);
	if (record->state == SPOOL_HELD && is_alert(reason))
		g_queue_push_tail(index->alerts, g_memdup2(&record->id, sizeof(record->id)));
	return 0;
}

bool store_index_next_alert(struct store_index *index, struct spool_id *out)
{
	struct spool_id *id = g_queue_pop_head(index->alerts);

	if (id == NULL)
		return false;
	*out = *id;
	g_free(id);
	return true;
}

static gint id_differs(gconstpointer a, gconstpointer b)
{
	return !id_equal(a, b);
}

bool store_index_is_unread_alert(const struct store_index *index, struct spool_id id)
{
	return g_queue_find_custom(index->alerts, &id, id_differs) != NULL;
}

static void drop_row(struct store_index *index, struct spool_id id)
{
	char text[SPOOL_ID_TEXT_BYTES];

	bind_text(index->gone, 1, spool_id_text(id, text));
	(void)run(index->gone);
}

static gboolean is_gone(gpointer id, gpointer value, gpointer ctx)
{
	const struct known *known = value;
	struct store_index *index = ctx;

	(void)id;
	if (known->pass == index->pass)
		return FALSE;
	drop_row(index, known->id);
	return TRUE;
}

void store_index_pass_end(struct store_index *index)
{
	(void)g_hash_table_foreach_remove(index->known, is_gone, index);
	(void)sqlite3_exec(index->db, "COMMIT", NULL, NULL, NULL);
}

void store_index_set_state(struct store_index *index, struct spool_id id, enum spool_state state)
{
	struct known *known = g_hash_table_lookup(index->known, &id);
	char text[SPOOL_ID_TEXT_BYTES];

	if (spool_state_is_gone(state)) {
		drop_row(index, id);
		(void)g_hash_table_remove(index->known, &id);
		return;
	}
	if (known != NULL)
		known->is_changed = true;
	if (known == NULL || known->state == state)
		return;
	known->state = state;
	bind_text(index->state, 1, spool_id_text(id, text));
	bind_text(index->state, 2, spool_state_name(state));
	(void)run(index->state);
}

bool store_index_is_changed(const struct store_index *index, struct spool_id id)
{
	const struct known *known = g_hash_table_lookup(index->known, &id);

	return known != NULL && known->is_changed;
}

void store_index_set_covered(struct store_index *index, struct spool_id id, const json_t *seals)
{
	char text[SPOOL_ID_TEXT_BYTES];

	bind_text(index->covered, 1, spool_id_text(id, text));
	bind_joined(index->covered, 2, seals, NULL);
	(void)run(index->covered);
}

// ---- questions ----------------------------------------------------------------------------------

bool store_index_get_state(
	const struct store_index *index, struct spool_id id, enum spool_state *out)
{
	const struct known *known = g_hash_table_lookup(index->known, &id);

	if (known == NULL)
		return false;
	*out = known->state;
	return true;
}

json_t *store_index_counts(const struct store_index *index)
{
	json_t *counts = json_object();
	sqlite3_stmt *statement = NULL;
	sqlite3_int64 bytes = 0;
	char time[32];

	if (sqlite3_prepare_v2(index->db,
		    "SELECT state, count(*), sum(bytes), min(arrival) FROM record GROUP BY state",
		    -1, &statement, NULL) != SQLITE_OK)
		return counts;
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *state = (const char *)sqlite3_column_text(statement, 0);

		bytes += sqlite3_column_int64(statement, 2);
		(void)json_object_set_new(
			counts, state, json_integer(sqlite3_column_int64(statement, 1)));
		if (strcmp(state, spool_state_name(SPOOL_HELD)) == 0)
			(void)json_object_set_new(counts, "oldest_held",
				json_string(control_time_text(
					sqlite3_column_int64(statement, 3), time)));
	}
	(void)sqlite3_finalize(statement);
	(void)json_object_set_new(counts, "bytes", json_integer(bytes));
	return counts;
}

// * and ? as GLOB knows them, nothing else; in lower case.
static void glob_of(const char *pattern, char out[PATTERN_BYTES])
{
	size_t n = 0;

	for (; *pattern != '\0' && n < PATTERN_BYTES - 4; pattern++) {
		if (*pattern == '[') {
			memcpy(out + n, "[[]", 3);
			n += 3;
		} else {
			out[n++] = (char)tolower((unsigned char)*pattern);
		}
	}
	out[n] = '\0';
}

// One condition: the filter's member, what it asks of the table, and how its value is bound.
static const struct {
	const char *member;
	const char *sql;
	enum { FILTER_EXACT, FILTER_GLOB, FILTER_LINE, FILTER_SECONDS } kind;
} conditions[] = {
	{"state", "state=?", FILTER_EXACT},
	{"sender", "lower(sender) GLOB ?", FILTER_GLOB},
	{"recipient", "lower(recipients) GLOB ?", FILTER_LINE},
	{"subject", "lower(subject) GLOB ?", FILTER_GLOB},
	{"virus_id", "lower(seals) GLOB ?", FILTER_LINE},
	{"signature", "lower(signatures) GLOB ?", FILTER_LINE},
	{"since", "arrival>=?", FILTER_SECONDS},
	{"until", "arrival<?", FILTER_SECONDS},
	{"seen_until", "seen<?", FILTER_SECONDS},
	{"after", "(arrival,id)>(SELECT arrival,id FROM record WHERE id=?)", FILTER_EXACT},
};

#define CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

static void bind_condition(
	sqlite3_stmt *statement, int column, size_t condition, const json_t *value)
{
	char glob[PATTERN_BYTES];
	char among[PATTERN_BYTES + 8];

	switch (conditions[condition].kind) {
	case FILTER_EXACT:
		bind_text(statement, column, json_string_value(value));
		break;
	case FILTER_GLOB:
		glob_of(json_string_value(value) != NULL ? json_string_value(value) : "", glob);
		bind_text(statement, column, glob);
		break;
	case FILTER_LINE:
		// One of several lines.
		glob_of(json_string_value(value) != NULL ? json_string_value(value) : "", glob);
		(void)snprintf(among, sizeof(among), "*%s*", glob);
		bind_text(statement, column, among);
		break;
	case FILTER_SECONDS:
		(void)sqlite3_bind_int64(
			statement, column, json_integer_value(value) * 1000000000LL);
		break;
	}
}

// Prepares "SELECT what FROM record WHERE ... rest" with the filter's conditions; is_page: with that of
// where to go on too.
static sqlite3_stmt *ask(const struct store_index *index, const char *what, const json_t *filter,
	bool is_page, const char *rest)
{
	char sql[FILTER_BYTES];
	sqlite3_stmt *statement = NULL;
	int column = 0;

	(void)snprintf(sql, sizeof(sql), "SELECT %s FROM record WHERE 1", what);
	for (size_t i = 0; i < CONDITIONS; i++) {
		bool is_after = strcmp(conditions[i].member, "after") == 0;

		if (json_object_get(filter, conditions[i].member) == NULL || (is_after && !is_page))
			continue;
		(void)snprintf(
			sql + strlen(sql), sizeof(sql) - strlen(sql), " AND %s", conditions[i].sql);
	}
	(void)snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), " %s", rest);
	if (sqlite3_prepare_v2(index->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	for (size_t i = 0; i < CONDITIONS; i++) {
		const json_t *value = json_object_get(filter, conditions[i].member);
		bool is_after = strcmp(conditions[i].member, "after") == 0;

		if (value != NULL && (!is_after || is_page))
			bind_condition(statement, ++column, i, value);
	}
	return statement;
}

static json_t *lines_of(const char *text)
{
	json_t *list = json_array();

	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\n");

		(void)json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == '\n');
	}
	return list;
}

static const char *text_at(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text != NULL ? text : "";
}

static json_t *row_of(sqlite3_stmt *statement)
{
	char time[32];

	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:s, s:s, s:s, s:o, s:o}", "id",
		text_at(statement, 0), "state", text_at(statement, 1), "arrival",
		control_time_text(sqlite3_column_int64(statement, 2), time), "bytes",
		(json_int_t)sqlite3_column_int64(statement, 3), "mail_from", text_at(statement, 4),
		"rcpt_to", lines_of(text_at(statement, 5)), "subject", text_at(statement, 6),
		"verdict", text_at(statement, 7), "reason", text_at(statement, 8), "seals",
		lines_of(text_at(statement, 9)), "signatures", lines_of(text_at(statement, 10)));
}

json_t *store_index_covered(const struct store_index *index, struct spool_id id)
{
	sqlite3_stmt *statement = NULL;
	char text[SPOOL_ID_TEXT_BYTES];
	json_t *list = NULL;

	if (sqlite3_prepare_v2(index->db, "SELECT covered FROM record WHERE id=?1", -1, &statement,
		    NULL) == SQLITE_OK) {
		bind_text(statement, 1, spool_id_text(id, text));
		if (sqlite3_step(statement) == SQLITE_ROW)
			list = lines_of(text_at(statement, 0));
	}
	(void)sqlite3_finalize(statement);
	return list != NULL ? list : json_array();
}

json_t *store_index_list(const struct store_index *index, const json_t *filter)
{
	json_int_t limit = json_integer_value(json_object_get(filter, "limit"));
	json_t *records = json_array();
	json_int_t total = 0;
	char rest[64];
	sqlite3_stmt *statement = ask(index, "count(*)", filter, false, "");
	bool more = false;

	limit = limit > 0 ? limit : LIST_LIMIT;
	limit = limit < LIST_MOST ? limit : LIST_MOST;
	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		total = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	(void)snprintf(rest, sizeof(rest), "ORDER BY arrival, id LIMIT %lld", (long long)limit + 1);
	statement = ask(index,
		"id, state, arrival, bytes, sender, recipients, subject, verdict, reason, seals, "
		"signatures",
		filter, true, rest);
	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		more = json_array_size(records) == (size_t)limit;
		if (!more)
			(void)json_array_append_new(records, row_of(statement));
	}
	(void)sqlite3_finalize(statement);
	return json_pack("{s:o, s:I, s:b}", "records", records, "total", total, "more", (int)more);
}

static bool is_current(const struct store_index *index, const char *key)
{
	bool found = false;

	for (size_t i = 0; i < SPOOL_STATES_COUNT && key[0] != '\0'; i++)
		found = found || strcmp(index->keys[i], key) == 0;
	return found;
}

void store_index_set_judged(struct store_index *index, struct spool_id id, const char *key)
{
	char text[SPOOL_ID_TEXT_BYTES];

	bind_text(index->judged, 1, spool_id_text(id, text));
	bind_text(index->judged, 2, key);
	(void)sqlite3_bind_int(index->judged, 3, !is_current(index, key));
	(void)run(index->judged);
}

// Another key than last time: what was judged by it is reckoned anew, once.
static void renew_due(struct store_index *index, enum spool_state state, const char *key)
{
	sqlite3_stmt *statement = NULL;

	if (strcmp(index->keys[state], key) == 0 ||
		sqlite3_prepare_v2(index->db, "UPDATE record SET due=(judged<>?2) WHERE state=?1",
			-1, &statement, NULL) != SQLITE_OK)
		return;
	(void)snprintf(index->keys[state], KEY_BYTES, "%s", key);
	bind_text(statement, 1, spool_state_name(state));
	bind_text(statement, 2, key);
	(void)run(statement);
	(void)sqlite3_finalize(statement);
}

size_t store_index_settled(struct store_index *index, enum spool_state state, const char *key,
	int64_t seen_before_ns, struct spool_id *out, size_t room)
{
	sqlite3_stmt *due = index->due;
	size_t n = 0;

	renew_due(index, state, key);
	bind_text(due, 1, spool_state_name(state));
	(void)sqlite3_bind_int64(due, 2, seen_before_ns);
	(void)sqlite3_bind_int64(due, 3, (sqlite3_int64)room);
	while (n < room && sqlite3_step(due) == SQLITE_ROW)
		n += spool_id_parse(text_at(due, 0), &out[n]) == 0;
	(void)sqlite3_reset(due);
	(void)sqlite3_clear_bindings(due);
	return n;
}
