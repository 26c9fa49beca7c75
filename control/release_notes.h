// SPDX-License-Identifier: BSD-3-Clause
// What is written down of a mail on its way out, as lines in the record's history, while its state stays: who
// of several recipients has it already, so that nobody gets it twice, and since when it is tried, so that its
// lifetime is the same whatever process counts it.
#pragma once

#include "control/deliver.h"
#include "control/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct release_notes {
	struct store *store;
	struct spool_id id;
	bool is_changed; // what goes out is not all of the mail: those who have this may get the rest still
};

// recipient is DONE. Returns 0 when that is durable.
int release_notes_add(const struct release_notes *notes, enum spool_state state,
	const struct deliver_recipient *recipient) __attribute__((warn_unused_result));
// Those who have it become DONE.
void release_notes_apply(const struct release_notes *notes, struct deliver_recipient *recipients,
	size_t recipients_count);

// It was put off for the first time. Returns 0 when that is durable.
int release_notes_begin(const struct release_notes *notes, enum spool_state state)
	__attribute__((warn_unused_result));
// A seal covers it again: how long it is tried begins anew when that ends. What cannot be written down counts
// the time in between, too.
void release_notes_stop(const struct release_notes *notes, enum spool_state state);
// When it was put off first (seconds since 1970), since it may go out the way it may now; 0: never.
int64_t release_notes_begun(const struct release_notes *notes);
