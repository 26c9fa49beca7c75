// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_notes.h"

#include "control/control_events.h"

#include <stdio.h>
#include <string.h>

#define NOTE_BYTES 3072
#define STOPPED "covered by a seal again"

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

// ---- since when ---------------------------------------------------------------------------------

static const char *begin_of(const struct release_notes *notes)
{
	return notes->is_changed ? "put off in part" : "put off";
}

int release_notes_begin(const struct release_notes *notes, enum spool_state state)
{
	return store_change(notes->store, notes->id, state, "cordon-control", begin_of(notes));
}

void release_notes_stop(const struct release_notes *notes, enum spool_state state)
{
	int err = store_change(notes->store, notes->id, state, "cordon-control", STOPPED);

	(void)err;
}

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

int64_t release_notes_begun(const struct release_notes *notes)
{
	json_t *mail = store_is_changed(notes->store, notes->id)
			       ? store_show(notes->store, notes->id)
			       : NULL;
	const char *state = "";
	int64_t begun_s = 0;
	json_t *change;
	size_t i;

	json_array_foreach(json_object_get(mail, "history"), i, change)
	{
		const char *why = text_of(change, "why");

		// Released, or held anew: another way out.
		if (strcmp(state, text_of(change, "state")) != 0 || strcmp(why, STOPPED) == 0)
			begun_s = 0;
		if (strcmp(why, begin_of(notes)) == 0 && begun_s == 0)
			begun_s = control_time_seconds(text_of(change, "time"));
		state = text_of(change, "state");
	}
	json_decref(mail);
	return begun_s;
}
