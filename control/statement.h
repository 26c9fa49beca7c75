// SPDX-License-Identifier: BSD-3-Clause
// SQLite's statements with their values.
#pragma once

#include <sqlite3.h>

#include <stdarg.h>

// One statement with its values, in the order of the letters: t text (copied; NULL: none), i int64_t. NULL: it could not
// be prepared, which statement_run takes.
sqlite3_stmt *statement_prepare(sqlite3 *db, const char *sql, const char *letters, ...);
sqlite3_stmt *statement_prepare_list(
	sqlite3 *db, const char *sql, const char *letters, va_list values);
// Runs it to its end and frees it. Returns 0 or -EIO.
int statement_run(sqlite3_stmt *statement);
