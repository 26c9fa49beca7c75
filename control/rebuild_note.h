// SPDX-License-Identifier: BSD-3-Clause
// The note that stands in the place of a part that was removed, or tells of those that were repaired.
#pragma once

#include "control/rebuild_leaf.h"

struct rebuild_note {
	const char *eol;
	char *header; // fields that tell of the content
	char *text;
};

// why: what the note says of the reason. eol: how the message's lines end.
void rebuild_note_init(struct rebuild_note *note, const struct rebuild_leaves *leaves,
	const struct rebuild_leaf *leaf, const char *why, const char *gateway, const char *eol);
// One note of several parts that were repaired, for a part of its own. why: of each leaf, NULL: it was not.
void rebuild_note_init_repaired(struct rebuild_note *note, const struct rebuild_leaves *leaves,
	char *const *why, const char *gateway, const char *eol);
void rebuild_note_fini(struct rebuild_note *note);
