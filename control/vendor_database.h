// SPDX-License-Identifier: BSD-3-Clause
// The vendor's one SQLite file, in write-ahead mode: the registry and the journal lie in it. The daemon
// writes it, commands on the same machine may read and write it at the same time. Changes are gathered in
// a transaction; what must not be lost is flushed before anything follows from it.
#pragma once

#include "control/statement.h"

#include <sqlite3.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATABASE_LOCKED "another program has locked the database"
#define DATABASE_FULL "the disk with the database is full"
#define DATABASE_FAILS "the disk with the database is over a limit, or fails"

struct database;

// Opens or makes it with the tables of the registry and the journal. Returns 0, -EBADMSG when it is
// something else or damaged, or -EIO; a text in error.
int database_open(const char *path, struct database **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// For a loop that must go on: another program's lock is waited for a tenth of a second at most, and not at all within a second
// of that. Otherwise, as for commands, for seconds.
void database_serve(struct database *database);
// Whether a lock was not waited out since this was asked last.
bool database_was_locked(struct database *database);
// Flushes what can be flushed.
void database_close(struct database *database);

// Why a change was not kept since this was asked last, for people; NULL: all were.
const char *database_trouble(struct database *database);
// Whether a change would be kept now: tries it, and makes durable what was changed before. Returns NULL, or why not.
const char *database_probe(struct database *database);

// One statement with its values, in the order of the letters: t text (NULL: none), i int64_t.
sqlite3_stmt *database_prepare(
	struct database *database, const char *sql, const char *letters, ...);
// Runs it once; frees it. Returns 0 or -EIO.
int database_run(struct database *database, sqlite3_stmt *statement)
	__attribute__((warn_unused_result));
// The first number of its first row, or otherwise; frees it.
int64_t database_number(sqlite3_stmt *statement, int64_t otherwise);
// "" where there is none.
const char *database_text(sqlite3_stmt *statement, int column);

// Begins a transaction unless one is open. Returns 0 or -EIO.
int database_begin(struct database *database) __attribute__((warn_unused_result));
// Makes durable what was changed since. Returns 0, or -EIO: all of that is undone.
int database_flush(struct database *database) __attribute__((warn_unused_result));
// Takes back what was changed since; counts as lost.
void database_undo(struct database *database);
// How often changes were undone; who counted on them compares.
uint64_t database_lost(const struct database *database);
// Rows that the last statement has changed.
int database_changes(const struct database *database);
