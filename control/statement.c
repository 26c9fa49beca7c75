// SPDX-License-Identifier: BSD-3-Clause
#include "control/statement.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

sqlite3_stmt *statement_prepare_list(
	sqlite3 *db, const char *sql, const char *letters, va_list values)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return NULL;
	for (int i = 0; letters[i] != '\0'; i++) {
		if (letters[i] == 't')
			(void)sqlite3_bind_text(statement, i + 1, va_arg(values, const char *), -1,
				SQLITE_TRANSIENT);
		else
			(void)sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
	}
	return statement;
}

sqlite3_stmt *statement_prepare(sqlite3 *db, const char *sql, const char *letters, ...)
{
	sqlite3_stmt *statement;
	va_list values;

	va_start(values, letters);
	statement = statement_prepare_list(db, sql, letters, values);
	va_end(values);
	return statement;
}

int statement_run(sqlite3_stmt *statement)
{
	int code = statement != NULL ? sqlite3_step(statement) : SQLITE_ERROR;

	(void)sqlite3_finalize(statement);
	return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : -EIO;
}
