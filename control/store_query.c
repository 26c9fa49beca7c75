// SPDX-License-Identifier: BSD-3-Clause
#include "control/store_query.h"

#include "control/control_events.h"
#include "dataplane/dataplane.h"

#include <glib.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST_LIMIT 100
#define LIST_MOST 1000
#define SQL_BYTES 2048
#define REST_BYTES 256
#define PATTERN_BYTES 512
#define WORDS_MOST 8 // of a free text

// ---- a function of its own ----------------------------------------------------------------------

// holds(text, part): as instr, many times faster where there is nothing.
static void holds(sqlite3_context *context, int count, sqlite3_value **values)
{
	const void *text = sqlite3_value_text(values[0]);
	const void *part = sqlite3_value_text(values[1]);

	(void)count;
	sqlite3_result_int(
		context, text != NULL && part != NULL &&
				 memmem(text, (size_t)sqlite3_value_bytes(values[0]), part,
					 (size_t)sqlite3_value_bytes(values[1])) != NULL);
}

int store_query_prepare(sqlite3 *db)
{
	return sqlite3_create_function(db, "holds", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
		       holds, NULL, NULL) == SQLITE_OK
		       ? 0
		       : -ENOMEM;
}

// ---- conditions ---------------------------------------------------------------------------------

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
	enum { FILTER_EXACT, FILTER_GLOB, FILTER_LINE, FILTER_SECONDS, FILTER_NUMBER } kind;
} conditions[] = {
	{"state", "state=?", FILTER_EXACT},
	{"sender", "lower(sender) GLOB ?", FILTER_GLOB},
	{"recipient", "lower(recipients) GLOB ?", FILTER_LINE},
	{"subject", "lower(subject) GLOB ?", FILTER_GLOB},
	{"virus_id", "lower(seals) GLOB ?", FILTER_LINE},
	{"signature", "lower(signatures) GLOB ?", FILTER_LINE},
	{"min_bytes", "bytes>=?", FILTER_NUMBER},
	{"max_bytes", "bytes<=?", FILTER_NUMBER},
	{"since", "arrival>=?", FILTER_SECONDS},
	{"until", "arrival<?", FILTER_SECONDS},
	{"seen_until", "seen<?", FILTER_SECONDS},
};

#define CONDITIONS G_N_ELEMENTS(conditions)

static void bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	(void)sqlite3_bind_text(statement, column, text != NULL ? text : "", -1, SQLITE_TRANSIENT);
}

static void bind_condition(
	sqlite3_stmt *statement, int column, size_t condition, const json_t *value)
{
	const char *text = json_string_value(value);
	char glob[PATTERN_BYTES];
	char among[PATTERN_BYTES + 8];

	glob_of(text != NULL ? text : "", glob);
	switch (conditions[condition].kind) {
	case FILTER_EXACT:
		bind_text(statement, column, text);
		break;
	case FILTER_GLOB:
		bind_text(statement, column, glob);
		break;
	case FILTER_LINE:
		// One of several lines.
		(void)snprintf(among, sizeof(among), "*%s*", glob);
		bind_text(statement, column, among);
		break;
	case FILTER_SECONDS:
		(void)sqlite3_bind_int64(
			statement, column, json_integer_value(value) * 1000000000LL);
		break;
	case FILTER_NUMBER:
		(void)sqlite3_bind_int64(statement, column, json_integer_value(value));
		break;
	}
}

// What no index has has to be looked for in the rows, which is done fastest in their own order.
static bool needs_rows(const json_t *filter, char **words)
{
	bool needs = words[0] != NULL;

	for (size_t i = 0; i < CONDITIONS; i++)
		needs = needs ||
			((conditions[i].kind == FILTER_GLOB || conditions[i].kind == FILTER_LINE) &&
				json_object_get(filter, conditions[i].member) != NULL);
	return needs;
}

// Each of its words has to be there; freed by g_strfreev.
static char **words_of(const json_t *filter)
{
	const char *text = json_string_value(json_object_get(filter, "text"));
	char *folded = g_utf8_casefold(text != NULL ? text : "", -1);
	char **all = g_strsplit_set(folded, " \t\r\n", -1);
	size_t kept = 0;

	for (size_t i = 0; all[i] != NULL; i++) {
		if (all[i][0] != '\0' && kept < WORDS_MOST)
			all[kept++] = all[i];
		else
			g_free(all[i]);
	}
	all[kept] = NULL;
	g_free(folded);
	return all;
}

// ---- where a page begins ------------------------------------------------------------------------

static const struct {
	const char *name;
	const char *sql;
} orders[] = {{"arrival", "arrival"}, {"bytes", "bytes"}, {"sender", "lower(sender)"},
	{"subject", "lower(subject)"}};

static const char *order_of(const json_t *filter)
{
	const char *name = json_string_value(json_object_get(filter, "order"));

	for (size_t i = 0; name != NULL && i < G_N_ELEMENTS(orders); i++) {
		if (strcmp(orders[i].name, name) == 0)
			return orders[i].sql;
	}
	return orders[0].sql;
}

// Prepares "SELECT what FROM record WHERE ... rest" with the filter's conditions; is_page: with that of
// where to go on too.
static sqlite3_stmt *ask(
	sqlite3 *db, const char *what, const json_t *filter, bool is_page, const char *rest)
{
	const json_t *after = is_page ? json_object_get(filter, "after") : NULL;
	const char *order = order_of(filter);
	bool falls = json_is_true(json_object_get(filter, "descending"));
	char **words = words_of(filter);
	bool scan = needs_rows(filter, words);
	sqlite3_stmt *statement = NULL;
	char sql[SQL_BYTES];
	size_t n;
	int column = 0;

	n = (size_t)snprintf(sql, sizeof(sql), "SELECT %s FROM record WHERE 1", what);
	for (size_t i = 0; i < CONDITIONS; i++) {
		if (json_object_get(filter, conditions[i].member) != NULL)
			n += (size_t)snprintf(sql + n, sizeof(sql) - n, " AND %s%s",
				scan && conditions[i].kind == FILTER_EXACT ? "+" : "",
				conditions[i].sql);
	}
	for (size_t i = 0; words[i] != NULL; i++)
		n += (size_t)snprintf(sql + n, sizeof(sql) - n, " AND holds(words,?)");
	if (after != NULL)
		n += (size_t)snprintf(sql + n, sizeof(sql) - n,
			" AND (%s,id)%s(SELECT %s,id FROM record WHERE id=?)", order,
			falls ? "<" : ">", order);
	(void)snprintf(sql + n, sizeof(sql) - n, " %s", rest);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
		for (size_t i = 0; i < CONDITIONS; i++) {
			const json_t *value = json_object_get(filter, conditions[i].member);

			if (value != NULL)
				bind_condition(statement, ++column, i, value);
		}
		for (size_t i = 0; words[i] != NULL; i++)
			bind_text(statement, ++column, words[i]);
		if (after != NULL)
			bind_text(statement, ++column, json_string_value(after));
	}
	g_strfreev(words);
	return statement;
}

// ---- answers ------------------------------------------------------------------------------------

json_t *store_query_lines(const char *text)
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
		"rcpt_to", store_query_lines(text_at(statement, 5)), "subject",
		text_at(statement, 6), "verdict", text_at(statement, 7), "reason",
		text_at(statement, 8), "seals", store_query_lines(text_at(statement, 9)),
		"signatures", store_query_lines(text_at(statement, 10)));
}

static json_int_t count_all(sqlite3 *db, const json_t *filter)
{
	sqlite3_stmt *statement = ask(db, "count(*)", filter, false, "");
	json_int_t total = 0;

	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		total = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return total;
}

json_t *store_query_list(sqlite3 *db, const json_t *filter)
{
	json_int_t limit = json_integer_value(json_object_get(filter, "limit"));
	json_int_t offset = json_integer_value(json_object_get(filter, "offset"));
	const char *way = json_is_true(json_object_get(filter, "descending")) ? " DESC" : "";
	const char *order = order_of(filter);
	char **words = words_of(filter);
	bool scan = needs_rows(filter, words);
	json_t *records = json_array();
	json_int_t total = count_all(db, filter);
	sqlite3_stmt *statement;
	char rest[REST_BYTES];
	bool more = false;

	g_strfreev(words);
	limit = limit > 0 ? limit : LIST_LIMIT;
	limit = limit < LIST_MOST ? limit : LIST_MOST;
	(void)snprintf(rest, sizeof(rest),
		"ORDER BY %s%s%s, id%s LIMIT %lld OFFSET %lld) ORDER BY +%s%s, id%s",
		scan ? "+" : "", order, way, way, (long long)limit + 1,
		(long long)(offset > 0 ? offset : 0), order, way, way);
	// What is passed over or sorted is ids alone.
	statement = ask(db,
		"id, state, arrival, bytes, sender, recipients, subject, verdict, reason, seals, "
		"signatures FROM record WHERE id IN (SELECT id",
		filter, true, rest);
	while (total > 0 && statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
		more = json_array_size(records) == (size_t)limit;
		if (!more)
			(void)json_array_append_new(records, row_of(statement));
	}
	(void)sqlite3_finalize(statement);
	return json_pack("{s:o, s:I, s:b}", "records", records, "total", total, "more", (int)more);
}

json_t *store_query_counts(sqlite3 *db)
{
	json_t *counts = json_object();
	sqlite3_stmt *statement = NULL;
	sqlite3_int64 bytes = 0;
	char time[32];

	if (sqlite3_prepare_v2(db,
		    "SELECT state, count(*), sum(bytes), min(arrival) FROM record GROUP BY state",
		    -1, &statement, NULL) != SQLITE_OK)
		return counts;
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *state = text_at(statement, 0);

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
