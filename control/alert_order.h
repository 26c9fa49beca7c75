// SPDX-License-Identifier: BSD-3-Clause
// What the gateway remembers of alerts, durably: the highest epoch and sequence of each vendor and role,
// each alert that was taken with the receipt that answers it, the latest time at which one of them had been issued, as far
// as the clock was there, too. An alert that was taken and not finished when the process ended is found again.
//
// What is asked is answered from memory and by reading; what is written goes through a journal (journal.h) and
// counts at once for what is asked, durably from its done on. All of it on one thread, the main loop's.
//
// SQLite in write-ahead mode with a sync for each commit. The log is a file whose blocks are there and are
// written again, so that it has no metadata to sync, and it is taken into the database when nothing else goes on.
#pragma once

#include "control/alert.h"
#include "control/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alert_order;

// Opens or makes the file; quick: where alert_mark.h has marks in memory, or NULL; the journal must outlive it, and have nothing of it left when it is closed. Returns 0,
// -EBADMSG when it is something else or damaged, or -EIO; a text in error.
int alert_order_open(const char *path, const char *quick, struct journal *journal,
	struct alert_order **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void alert_order_close(struct alert_order *order);

// Whether this payload was taken before. Returns 0 and its receipt, freed by the caller, NULL when it has
// none yet, and whether that is a refusal; -ENOENT when it is new; -EIO.
int alert_order_find(struct alert_order *order, const char *digest, char **receipt,
	bool *is_refusal) __attribute__((warn_unused_result));

struct order_highest {
	bool is_there;
	uint64_t epoch;
	uint64_t sequence;
};

// What is the highest now.
void alert_order_highest(struct alert_order *order, const char *vendor, enum key_role role,
	struct order_highest *out);

// To another one, where that is higher.
void order_highest_raise(struct order_highest *highest, const struct order_highest *other);

struct order_limits {
	uint64_t epoch_least; // of the role (keys_epoch)
	uint64_t most_ahead;  // of the highest sequence
	// What was the highest when the alert came, for one that others of its epoch may have overtaken. NULL: what is
	// now.
	const struct order_highest *highest;
};

// Whether it is newer than all that the vendor sent under this role, and not too far ahead: an epoch may
// grow by one, a sequence by most_ahead; the first of a vendor and role begins at any sequence, and at an epoch
// that is not further ahead of epoch_least than most_ahead. Returns 0, -EACCES
// with *why (a text that stays), or -EIO.
// One that was marked before a crash, and is not in the order, passes.
int alert_order_check(struct alert_order *order, const struct alert *alert, const char *digest,
	const struct order_limits *limits, const char **why) __attribute__((warn_unused_result));
// Before an alert acts that is to be taken after that: its sequence is the highest, also when the process is killed.
// Returns 0; else it has to be taken first.
int alert_order_mark(struct alert_order *order, const struct alert *alert, const char *digest)
	__attribute__((warn_unused_result));

// An alert that is taken, and its end (alert_order_finish), if that is known by now.
struct order_entry {
	const struct alert *alert;
	const char *digest;
	const char *envelope; // as it came: what is done again after a crash
	int64_t now_s;
	const char *receipt; // that a repeat is answered with; NULL: its end is to come
	// NULL likewise; without a receipt: it was done, and is not to be done again.
	const char *result;
	const char *why;
	// On the journal's thread, before it: what must be durable first. NULL: nothing.
	int (*before)(void *ctx);
	// On the main loop: 0 when it is durable; else nothing was taken.
	void (*done)(void *ctx, int err);
	void *ctx;
};

// Takes it. Returns 0: done follows; or -ENOMEM.
int alert_order_take(struct alert_order *order, const struct order_entry *entry)
	__attribute__((warn_unused_result));
// It was done, and its receipt is to come; of entry the digest and the result count. Returns 0: done follows; or -ENOMEM.
int alert_order_note_done(struct alert_order *order, const struct order_entry *entry)
	__attribute__((warn_unused_result));
// Its end; of entry what is behind now_s counts, and the digest. Returns 0: done follows; or -ENOMEM.
int alert_order_finish(struct alert_order *order, const struct order_entry *entry)
	__attribute__((warn_unused_result));

// Now and then: keeps house, when no alert came since the last time or the log is full.
void alert_order_turn(struct alert_order *order);

// Those that were taken and have no receipt, oldest first. envelope: as it was taken; is_done: by its result. Returns 0
// or -EIO.
typedef void (*alert_order_fn)(void *ctx, const char *digest, const char *envelope, bool is_done);
int alert_order_pending(struct alert_order *order, alert_order_fn each, void *ctx)
	__attribute__((warn_unused_result));
// The latest ones, newest first, as a list for people: {"digest", "vendor", "role", "type", "epoch",
// "sequence", "virus_id", "result", "why", "time"}. The caller's; NULL: no memory.
json_t *alert_order_list(struct alert_order *order, unsigned int most);

// The clock, which does not go back: the later of now_s and that time.
int64_t alert_order_now(const struct alert_order *order, int64_t now_s);
// When the last one was taken; 0: never.
int64_t alert_order_heard(const struct alert_order *order);
// The next number of a receipt, which no receipt had before; 0: that could not be made sure.
uint64_t alert_order_count(struct alert_order *order);
