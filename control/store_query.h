// SPDX-License-Identifier: BSD-3-Clause
// What is asked of the table of store_index: lists that are filtered, sorted and paged, and counts.
#pragma once

#include <jansson.h>
#include <sqlite3.h>

// Before any other. Returns 0 or -ENOMEM.
int store_query_prepare(sqlite3 *db) __attribute__((warn_unused_result));
// As store_list.
json_t *store_query_list(sqlite3 *db, const json_t *filter);
// By state, with their bytes and the oldest that is held.
json_t *store_query_counts(sqlite3 *db);
// The lines of a text as a list; NULL: none.
json_t *store_query_lines(const char *text);
