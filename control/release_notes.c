// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_notes.h"

#include <stdio.h>
#include <string.h>

#define NOTE_BYTES 3072

static void write_note(const struct release_notes *notes, const char *address, char out[NOTE_BYTES])
{
	(void)snprintf(out, NOTE_BYTES, "%s to <%s>",
		notes->is_changed ? "delivered in part" : "delivered", address);
}

int release_notes_add(const struct release_notes *notes, enum spool_state state,
	const struct deliver_recipient *recipient)
{
	char note[NOTE_BYTES];

	write_note(notes, recipient->address, note);
	return store_change(notes->store, notes->id, state, "cordon-control", note);
}

static bool has_note(const json_t *history, const char *note)
{
	json_t *change;
	size_t i;

	json_array_foreach(history, i, change)
	{
		const char *why = json_string_value(json_object_get(change, "why"));

		if (why != NULL && strcmp(why, note) == 0)
			return true;
	}
	return false;
}

void release_notes_apply(const struct release_notes *notes, struct deliver_recipient *recipients,
	size_t recipients_count)
{
	json_t *mail = store_is_changed(notes->store, notes->id)
			       ? store_show(notes->store, notes->id)
			       : NULL;
	const json_t *history = json_object_get(mail, "history");
	char note[NOTE_BYTES];

	for (size_t i = 0; i < recipients_count && json_array_size(history) > 0; i++) {
		write_note(notes, recipients[i].address, note);
		if (!has_note(history, note))
			continue;
		recipients[i].outcome = DELIVER_DONE;
		(void)snprintf(
			recipients[i].reply, sizeof(recipients[i].reply), "250 delivered before");
	}
	json_decref(mail);
}
