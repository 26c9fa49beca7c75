// SPDX-License-Identifier: BSD-3-Clause
// Between the files of screen_store.
#pragma once

#include "control/screen_store.h"
#include "control/statement.h"

#include <stdint.h>

// Why a list is off that is coming.
#define SCREEN_STORE_COMING "coming"

struct screen_store {
	sqlite3 *db;
	uint64_t rollbacks;
};

// Returns 0 or -EIO.
int screen_store_execute(struct screen_store *store, const char *sql);
// A text of the row, "" where there is none.
const char *screen_store_column(sqlite3_stmt *statement, int i);
// The first column of the first row, or what is said otherwise.
int64_t screen_store_number(struct screen_store *store, const char *sql, int64_t otherwise);

// One more than are told one by one.
#define SCREEN_STORE_CHANGES " LIMIT 131073"
// Runs a statement that adds ids, no more than that, to what has changed. Where the image is not known any more,
// nothing is kept.
int screen_store_note_changed(struct screen_store *store, sqlite3_stmt *insert);

// Of what lifts: where it is not known when it came, after all that was issued in that second.
int64_t screen_store_came(const struct screen_store_issue *since);
