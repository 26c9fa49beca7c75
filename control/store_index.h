// SPDX-License-Identifier: BSD-3-Clause
// The index of the kept mail: a table in memory (SQLite), for lists that are filtered and paged.
#pragma once

#include "dataplane/dataplane.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_index;

int store_index_open(struct store_index **out) __attribute__((warn_unused_result));
void store_index_close(struct store_index *index);

// A pass over all records: each is either known (then only its state is noted) or added; what was in
// neither is forgotten by the end.
void store_index_pass(struct store_index *index);
bool store_index_know(struct store_index *index, const struct spoolfile_record *record);
// reason and envelope: of store_json_*; borrowed.
int store_index_add(struct store_index *index, const struct spoolfile_record *record,
	const json_t *envelope, const json_t *reason, int64_t now_ns)
	__attribute__((warn_unused_result));
void store_index_pass_end(struct store_index *index);

void store_index_set_state(struct store_index *index, struct spool_id id, enum spool_state state);
// False: it is not there, or gone.
bool store_index_get_state(
	const struct store_index *index, struct spool_id id, enum spool_state *out);
// Whether its state was ever written down anew, were it the same.
bool store_index_is_changed(const struct store_index *index, struct spool_id id);
// Which open seals cover it, as it was judged last.
void store_index_set_covered(struct store_index *index, struct spool_id id, const json_t *seals);
json_t *store_index_covered(const struct store_index *index, struct spool_id id);
json_t *store_index_counts(struct store_index *index);
// As store_list.
json_t *store_index_list(const struct store_index *index, const json_t *filter);
// Notes what a record was judged by.
void store_index_set_judged(struct store_index *index, struct spool_id id, const char *key);
// Oldest first: those that were seen before, and not judged by this key yet.
size_t store_index_settled(struct store_index *index, enum spool_state state, const char *key,
	int64_t seen_before_ns, struct spool_id *out, size_t room);
// Held mail with the dataplane's reason "alert" that was added: each once, by arrival. False: there is no more.
bool store_index_next_alert(struct store_index *index, struct spool_id *out);
bool store_index_is_unread_alert(const struct store_index *index, struct spool_id id);
