// SPDX-License-Identifier: BSD-3-Clause
// Mail that was kept back, for people: what is in the spool's directory, indexed in memory (SQLite) so
// that lists are filtered, sorted and paged, and changed with a trace of who did what.
//
// A record counts as settled some seconds after it was first seen: until then its writer may still
// withdraw it (spoolfile.h), and nothing is done with it.
#pragma once

#include "dataplane/dataplane.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_options {
	const char *directory;
	const char *key_file;
	uint32_t settle_seconds;
};

// Returns 0, or -errno with a text in error.
int store_open(const struct store_options *options, struct store **out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
void store_close(struct store *store);
// Takes in what the dataplane has written since, and what is gone. thorough: once at start. now_ns here and below is
// steady (clock.h). Returns 0 or -errno.
int store_refresh(struct store *store, bool thorough, int64_t now_ns)
	__attribute__((warn_unused_result));
// The same in a tenth of the time, and not of all: what was written last, as a rule (spoolfile_glance).
int store_glance(struct store *store, int64_t now_ns) __attribute__((warn_unused_result));

// Writes the key file again when somebody has removed it. Returns what spool_keys_restore does.
int store_keep_key(const struct store *store) __attribute__((warn_unused_result));
// Gives back the disk of mail that is gone, now and then; call it often.
void store_reap(struct store *store, int64_t now_ns);

// What there is of it: {"held", "quarantined", "released", "bytes", "oldest", "segments", "torn", "bad"}.
json_t *store_counts(const struct store *store);

// Those that all conditions of filter hold of: {"state": "held", "sender", "recipient", "subject" (each
// with * and ?), "virus_id", "signature", "text" (each of its words is in one of these or the id, in any case),
// "min_bytes", "max_bytes", "since", "until" (seconds since 1970), "order" ("arrival", "bytes", "sender",
// "subject"), "descending": true, "limit", "offset" (rows that are passed over), "after" (an id: go on behind
// it)}. Returns {"records": [...], "total": n, "more": bool}.
json_t *store_list(const struct store *store, const json_t *filter);
// One, with envelope, reason, parts and the history of its states; NULL: there is none.
json_t *store_show(struct store *store, struct spool_id id);

bool store_has(struct store *store, struct spool_id id);
// False: there is none, or not any more.
bool store_get_state(const struct store *store, struct spool_id id, enum spool_state *out);
// Whether there is anything in its history.
bool store_is_changed(const struct store *store, struct spool_id id);
// Which open seals covered it when it was judged last, and how that is noted.
json_t *store_covered(const struct store *store, struct spool_id id);
void store_set_covered(struct store *store, struct spool_id id, const json_t *seals);

// The whole message of a record in memory.
struct store_message {
	struct spool_id id;
	enum spool_state state;
	json_t *envelope; // as of store_show
	uint8_t *data;
	size_t bytes;
};

// Returns 0, -ENOENT, -EFBIG past max_bytes, or what spoolfile_read says.
int store_read(struct store *store, struct spool_id id, size_t max_bytes, struct store_message *out)
	__attribute__((warn_unused_result));
// The same of its beginning alone, max_bytes at most. Returns 0, -ENOENT, or what spoolfile_read says.
int store_read_head(struct store *store, struct spool_id id, size_t max_bytes,
	struct store_message *out) __attribute__((warn_unused_result));
void store_message_fini(struct store_message *message);

// A change can be written down, also on a disk that is full. What cannot be taken back is not begun without.
bool store_can_change(struct store *store);
// 0, or why not.
int store_change_error(struct store *store);
// Why a file could not be opened when they were looked through last; 0: all could. Mail in it stays listed.
int store_read_error(const struct store *store);
// Returns 0 when it is durable.
int store_change(struct store *store, struct spool_id id, enum spool_state state, const char *who,
	const char *why) __attribute__((warn_unused_result));

// The settled ones in a state that were not judged by this key yet, oldest first, at most room of them.
// Returns how many.
size_t store_settled(const struct store *store, enum spool_state state, const char *key,
	int64_t now_ns, struct spool_id *out, size_t room);
// Notes that one was: it is not given again for this key.
void store_set_judged(struct store *store, struct spool_id id, const char *key);

// What the dataplane has kept as a possible alert: each once, by arrival, settled or not. False: no more.
bool store_next_alert(struct store *store, struct spool_id *out);
bool store_is_unread_alert(const struct store *store, struct spool_id id);
