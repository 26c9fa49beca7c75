// SPDX-License-Identifier: BSD-3-Clause
// What is written down of a mail that is delivered to some of its recipients and not to others yet: so that
// nobody gets it twice, also when the process ends before all have it. A note is a line in the record's
// history, its state stays.
#pragma once

#include "control/deliver.h"
#include "control/store.h"

#include <stdbool.h>
#include <stddef.h>

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
