// SPDX-License-Identifier: BSD-3-Clause
// A part more at the end of a message, and nothing else in it is other than before.
#pragma once

#include "control/rebuild_note.h"

#include <glib.h>

// Behind the last part of a message that is a multipart/mixed; any other message becomes the first part of
// one. leaves: of the message before its parts were repaired. Returns 0, or -EBADMSG when it has no body.
int rebuild_add_part(const struct rebuild_leaves *leaves, const struct rebuild_note *note,
	GByteArray *message) SCAN_MUST_USE;
