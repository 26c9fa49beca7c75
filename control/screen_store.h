// SPDX-License-Identifier: BSD-3-Clause
// The screening lists that outlive the process: SQLite, durable before anybody is told.
//
// A list is what one alert or one command has brought: entries of one virus id with one expiry. All lists
// that are on count together. One that was covered, cleared, removed or has expired is off: its entries are
// deleted, what it was and how often it hit stays for a while.
//
// Two connections to one file are two of these: one for the main loop, one for the thread that writes much.
#pragma once

#include "scan/scan.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_STORE_ALERT_BYTES 65
#define SCREEN_STORE_TEXT_BYTES 256

struct screen_store;

// When the vendor issued something, and when it came here. All zeros: of an operator.
struct screen_store_issue {
	int64_t issued_s; // since 1970
	int64_t came_us; // by the clock since the machine's start; 0: not known any more, or before that
};

struct screen_store_list {
	char alert[SCREEN_STORE_ALERT_BYTES]; // digest of the alert's payload, "": made by hand
	char virus_id[SCREEN_STORE_TEXT_BYTES];
	char origin[SCREEN_STORE_TEXT_BYTES]; // "vendor acme", "operator root"
	char why[SCREEN_STORE_TEXT_BYTES];
	int64_t added_s;
	int64_t expires_s;
	struct screen_store_issue issue;
};

// Opens or makes it. Returns 0, -EBADMSG or -EIO with a text in error, or -ENOMEM.
int screen_store_open(const char *path, struct screen_store **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void screen_store_close(struct screen_store *store);

// Changes belong between these two, and are all there or none is.
int screen_store_begin(struct screen_store *store) __attribute__((warn_unused_result));
// Likewise where nothing is to change and all is to be seen as it is now.
int screen_store_begin_reading(struct screen_store *store) __attribute__((warn_unused_result));
// Returns err if it is not 0: nothing has changed then.
int screen_store_end(struct screen_store *store, int err) __attribute__((warn_unused_result));

// Adds a list with its entries, whose own virus ids do not count. Returns 0, -EEXIST: that alert's list of this
// virus id was added before, -EACCES: all of it was lifted (screen_store_lift), or -EIO.
int screen_store_add(struct screen_store *store, const struct screen_store_list *list,
	const struct screen_entry *entries, size_t count) __attribute__((warn_unused_result));

// A list that comes piece by piece, in transactions that others may come between. Nothing of it is on, or is told of,
// before it goes on; what is left of it when the process ends counts for nothing.
//
// Begins one. Returns as screen_store_add.
int screen_store_come(struct screen_store *store, const struct screen_store_list *list,
	int64_t *number) __attribute__((warn_unused_result));
// More of its entries. Returns 0 or -EIO.
int screen_store_come_more(struct screen_store *store, int64_t number, const char *virus_id,
	const struct screen_entry *entries, size_t count) __attribute__((warn_unused_result));
// All has come. is_in_image: the image that is set in the same transaction has it. Returns as screen_store_add.
int screen_store_go_on(struct screen_store *store, int64_t number, bool is_in_image)
	__attribute__((warn_unused_result));
// All that is coming is not to go on. Returns 0 or -EIO.
int screen_store_abandon(struct screen_store *store) __attribute__((warn_unused_result));
bool screen_store_is_coming(struct screen_store *store);
// Another run of the machine may have begun: what came by a clock that had gone further (screen_store_issue) came before all
// that comes from now on. Returns 0 or -EIO.
int screen_store_leave_past(struct screen_store *store, int64_t now_us)
	__attribute__((warn_unused_result));
// Until the end: what is committed is durable when something of another store is committed.
int screen_store_hurry(struct screen_store *store) __attribute__((warn_unused_result));

// What is switched off, or shown: what all of these hold of that are set.
struct screen_store_choice {
	const char *virus_id; // NULL: any
	const char *digest;   // lower-case hexadecimal, NULL: any
	const char *name;     // NULL: any
	int64_t list;         // 0: any
	uint64_t id;          // of an entry (screen_id), 0: any
	int64_t expires_s;    // then or before, 0: any
	// Not of lists that were issued later, or that came later and were issued in the same second; zeros: any.
	struct screen_store_issue since;
};

// Switches off. names gets those of the entries, each once, by which mail in quarantine is known; ids the virus
// ids. Both are lists of the caller's. Returns how many entries, or -EIO: then nothing has changed.
int64_t screen_store_off(struct screen_store *store, const struct screen_store_choice *choice,
	const char *why, int64_t now_s, json_t *names, json_t *ids)
	__attribute__((warn_unused_result));
// Writes down, durably for lists that are yet to come, that what was issued before does not go on: by choice's virus id,
// digest or name, of which one is set, and since. Returns 0 or -EIO.
int screen_store_lift(struct screen_store *store, const struct screen_store_choice *choice)
	__attribute__((warn_unused_result));
// Why lists are off that may come back.
#define SCREEN_STORE_COVERED "covered"
// Deletes what is off: some of the entries, but not of lists that may come back and have not expired, and lists
// that went off before. Returns whether there may be more.
bool screen_store_sweep(struct screen_store *store, int64_t before_s, int64_t now_s);
// Virus ids of lists that were covered and have not expired.
json_t *screen_store_covered(struct screen_store *store, int64_t now_s);
// Switches those of this virus id on again. Returns how many entries, or -EIO: then nothing has changed.
int64_t screen_store_on(struct screen_store *store, const char *virus_id, int64_t now_s)
	__attribute__((warn_unused_result));
// What was covered does not come back. Returns 0 or -EIO.
int screen_store_forget(struct screen_store *store, const struct screen_store_choice *choice)
	__attribute__((warn_unused_result));

// Returns false to end.
typedef bool (*screen_store_fn)(void *ctx, const struct screen_entry *entry);
// Each that is on; its texts live as long as the call. Returns 0 or -EIO.
int screen_store_each(struct screen_store *store, screen_store_fn fn, void *ctx)
	__attribute__((warn_unused_result));
// And those that are coming.
int screen_store_each_with_coming(struct screen_store *store, screen_store_fn fn, void *ctx)
	__attribute__((warn_unused_result));

// ---- what has changed since an image was made -----------------------------------------------------

// So many are told one by one; with more the image is not known any more.
#define SCREEN_STORE_MOST_CHANGES 131072

// The image that changes are told from: its version, and the last change that it has. Those before are forgotten.
// Returns 0 or -EIO.
int screen_store_set_image(struct screen_store *store, const char *version, int64_t change)
	__attribute__((warn_unused_result));
// Its version and, behind a blank, that change's number; "" where it is not known. Never the same again when another
// one was set meanwhile, though it may have the same version. Freed by the caller.
char *screen_store_image(struct screen_store *store);
// The number of the last change, also of one that is forgotten; 0: there was none.
int64_t screen_store_last_change(struct screen_store *store);
uint64_t screen_store_changes(struct screen_store *store); // how many, or somewhat more
// Ids (screen_id) of entries that have come, gone or changed after this change, each once; freed by the caller. Returns 0,
// -ENOMEM or -EIO.
int screen_store_changed(struct screen_store *store, int64_t after, uint64_t **ids, size_t *count)
	__attribute__((warn_unused_result));
struct screen_store_row {
	struct screen_entry entry; // its texts live as long as the call
	uint64_t id;
	int64_t list; // numbers, by which rows are in order
	int64_t number;
};
// Each of those that is on. Returns 0 or -EIO.
int screen_store_each_changed(struct screen_store *store, int64_t after,
	void (*fn)(void *ctx, const struct screen_store_row *row), void *ctx)
	__attribute__((warn_unused_result));
// How often what this store has done was taken back: what was read of it meanwhile may never have been.
uint64_t screen_store_rollbacks(const struct screen_store *store);

// ---- hits and texts -------------------------------------------------------------------------------

// What was counted of an entry in a run of the dataplane. Entries that say the same count together. Returns by how
// much it has grown since the last time, or -EIO.
int64_t screen_store_hits(struct screen_store *store, uint64_t id, uint64_t count, int64_t run,
	int64_t now_s) __attribute__((warn_unused_result));
// Adds hits that were counted elsewhere.
int screen_store_add_hits(struct screen_store *store, uint64_t id, uint64_t hits, int64_t now_s)
	__attribute__((warn_unused_result));

// When the first of those that are on expires: seconds since 1970, INT64_MAX: none does.
int64_t screen_store_next_expiry(struct screen_store *store);
uint64_t screen_store_count(struct screen_store *store); // entries that are on
json_t *screen_store_ids(struct screen_store *store);    // virus ids of what is on
// Lists, the newest first; also those that are off, with all.
json_t *screen_store_lists(struct screen_store *store, bool all);
// Entries that are on, those that hit most first, at most limit behind that many.
json_t *screen_store_entries(struct screen_store *store, const struct screen_store_choice *choice,
	uint64_t behind, unsigned int limit);
// All of them, for export. Returns 0 or -EIO.
int screen_store_select(struct screen_store *store, const struct screen_store_choice *choice,
	screen_store_fn fn, void *ctx) __attribute__((warn_unused_result));

// A text that outlives the process; "" at first. Freed by the caller.
char *screen_store_note(struct screen_store *store, const char *name);
int screen_store_set_note(struct screen_store *store, const char *name, const char *text)
	__attribute__((warn_unused_result));
