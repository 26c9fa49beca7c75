// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_history.h"

#include "control/control_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define FAILURES_KEPT 10000

static int forget_failures(struct database *database)
{
	return database_run(
		database, database_prepare(database,
				  "DELETE FROM history WHERE number IN (SELECT number FROM history "
				  "WHERE via = "
				  "'login'"
				  " AND status >= 400 ORDER BY number DESC LIMIT -1 OFFSET ?)",
				  "i", (int64_t)FAILURES_KEPT));
}

int history_add(struct database *database, const struct history_entry *entry)
{
	char *details = entry->details != NULL ? json_dumps(entry->details, JSON_COMPACT) : NULL;
	int err = database_begin(database);

	if (err == 0)
		err = database_run(
			database, database_prepare(database,
					  "INSERT INTO history(time, who, via, peer, what, why, "
					  "status, details)"
					  " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
					  "itttttit", control_now_ns() / NS_PER_S, entry->who,
					  entry->via, entry->peer, entry->what, entry->why,
					  (int64_t)entry->status, details));
	if (err == 0 && entry->status >= 400 && strcmp(entry->via, "login") == 0)
		err = forget_failures(database);
	free(details);
	return database_flush(database) != 0 ? -EIO : err;
}

json_t *history_list(
	struct database *database, int64_t before, unsigned int most, const char *search)
{
	sqlite3_stmt *statement = database_prepare(database,
		"SELECT number, time, who, via, peer, what, why, status, details FROM history"
		" WHERE (?1 = 0 OR number < ?1) AND (?2 IS NULL OR instr(lower(who || ' ' || what "
		"||"
		" ' ' || why || ' ' || coalesce(details, '')), lower(?2)) > 0)"
		" ORDER BY number DESC LIMIT ?3",
		"iti", before, search, (int64_t)most);
	json_t *list = json_array();

	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		(void)json_array_append_new(list,
			json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:o?}", "number",
				(json_int_t)sqlite3_column_int64(statement, 0), "time",
				(json_int_t)sqlite3_column_int64(statement, 1), "who",
				database_text(statement, 2), "via", database_text(statement, 3),
				"peer", database_text(statement, 4), "what",
				database_text(statement, 5), "why", database_text(statement, 6),
				"status", (json_int_t)sqlite3_column_int64(statement, 7), "details",
				json_loads(database_text(statement, 8), 0, NULL)));
	(void)sqlite3_finalize(statement);
	return list;
}
