// SPDX-License-Identifier: BSD-3-Clause
// The order of alerts from inside: alert_order.c, which remembers and reads, and alert_order_write.c, whose
// jobs the journal's thread does.
#pragma once

#include "control/alert_mark.h"
#include "control/alert_order.h"

#include <glib.h>
#include <sqlite3.h>

#include <stdatomic.h>

// The thread's alone once the order is open.
struct order_writer {
	sqlite3 *db;
	unsigned int taken; // since old ones were let go of
	int log_pages;      // that are not in the database yet
	bool is_quiet;      // nothing was written since the last turn
};

struct highest {
	struct highest *next;
	enum key_role role;
	uint64_t epoch;
	uint64_t sequence;
	unsigned int unwritten; // alerts of it
	bool is_there;          // there was one before
	char vendor[ALERT_NAME_BYTES];
};

struct alert_order {
	struct journal *journal;
	struct order_writer writer;
	sqlite3 *reader;
	struct alert_marks *marks;
	struct highest *highest;
	GHashTable *unwritten; // digests
	GHashTable *written;   // likewise: all that are in the database, and some that were
	bool knows_written;
	int64_t latest_s;
	int64_t heard_s;
	int64_t receipts; // the last number that was given
	atomic_int_fast64_t
		receipts_reserved; // the last one that will not be given again after a crash; the
				   // thread writes it
	int64_t receipts_wanted;   // for which this was asked
	bool turns;                // a turn is in the journal
};

// What counts at once of an entry that is about to be written, and what becomes of that when it was, or was not.
void order_note(struct alert_order *order, const struct order_entry *entry);
void order_noted(struct alert_order *order, const struct alert *alert, const char *digest, int err);

// ---- alert_order_write.c ------------------------------------------------------------------------

// Makes the tables and the log.
int order_writer_open(struct order_writer *writer, const char *path)
	__attribute__((warn_unused_result));
void order_reserve_receipts(struct alert_order *order);
