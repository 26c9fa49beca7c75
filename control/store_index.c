// SPDX-License-Identifier: BSD-3-Clause
#include "control/store_index.h"

#include "control/store_query.h"
#include "control/urgent.h"

#include <glib.h>
#include <sqlite3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 160
#define STEPS 1000 // of a statement between two looks at what is urgent
#define SPOOL_STATES_COUNT (SPOOL_WITHDRAWN + 1)

static const char schema[] =
	"CREATE TABLE record(id TEXT PRIMARY KEY, state TEXT, arrival INTEGER, seen INTEGER,"
	" bytes INTEGER, sender TEXT, recipients TEXT, subject TEXT, verdict TEXT, reason TEXT,"
	" seals TEXT, signatures TEXT, judged TEXT, due INTEGER, covered TEXT, words TEXT)"
	" WITHOUT ROWID;"
	"CREATE INDEX by_state ON record(state, arrival, id, bytes);"
	"CREATE INDEX by_bytes ON record(state, bytes, id);"
	"CREATE INDEX by_sender ON record(state, lower(sender), id);"
	"CREATE INDEX by_subject ON record(state, lower(subject), id);"
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
	json_t *counts;    // NULL: to be counted anew
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
		store_query_prepare(index->db) != 0 ||
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
			"?11,?12,'',1,'',?13)",
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
	json_decref(index->counts);
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

static void count_anew(struct store_index *index)
{
	json_decref(index->counts);
	index->counts = NULL;
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

// All that a free text is looked for in, without regard to case.
static void bind_words(sqlite3_stmt *statement, int column, const char *id, const json_t *envelope,
	const json_t *reason)
{
	char *recipients = join(json_object_get(envelope, "rcpt_to"), "address");
	char *seals = join(json_object_get(reason, "seals"), NULL);
	char *signatures = join(json_object_get(reason, "signatures"), NULL);
	const char *sender = json_string_value(json_object_get(envelope, "mail_from"));
	const char *subject = json_string_value(json_object_get(reason, "subject"));
	char *all = g_strjoin("\n", id, sender != NULL ? sender : "",
		recipients != NULL ? recipients : "", subject != NULL ? subject : "",
		seals != NULL ? seals : "", signatures != NULL ? signatures : "", NULL);
	char *folded = g_utf8_casefold(all, -1);

	bind_text(statement, column, folded);
	g_free(folded);
	g_free(all);
	free(recipients);
	free(seals);
	free(signatures);
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
	bind_words(add, 13, id, envelope, reason);
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
	count_anew(index);
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

	count_anew(index);
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
	count_anew(index);
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

// ---- what goes over very many rows --------------------------------------------------------------

static int meanwhile(void *ctx)
{
	(void)ctx;
	urgent_turn();
	return 0;
}

static void begin_long(const struct store_index *index)
{
	sqlite3_progress_handler(index->db, STEPS, meanwhile, NULL);
}

static void end_long(const struct store_index *index)
{
	sqlite3_progress_handler(index->db, 0, NULL, NULL);
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

json_t *store_index_counts(struct store_index *index)
{
	if (index->counts == NULL)
		index->counts = store_query_counts(index->db);
	return json_copy(index->counts);
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
			list = store_query_lines((const char *)sqlite3_column_text(statement, 0));
	}
	(void)sqlite3_finalize(statement);
	return list != NULL ? list : json_array();
}

json_t *store_index_list(const struct store_index *index, const json_t *filter)
{
	json_t *list;

	begin_long(index);
	list = store_query_list(index->db, filter);
	end_long(index);
	return list;
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
	begin_long(index);
	(void)run(statement);
	end_long(index);
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
		n += spool_id_parse((const char *)sqlite3_column_text(due, 0), &out[n]) == 0;
	(void)sqlite3_reset(due);
	(void)sqlite3_clear_bindings(due);
	return n;
}
