// SPDX-License-Identifier: BSD-3-Clause
// A message without some of its parts: in the place of each stands a note that says what was there and
// why it is not any more. All other bytes stay what they were and where they were; nothing is written
// anew but the header fields of the part that tell of its content, and the content.
//
// Where a signature says how its part is repaired, the part can stay: it is written in its former transfer
// encoding, with its lines, and only what the recipe is about is other than it was.
//
// What is to go is decided by a scan's list of parts: GMime's tree and the scanner's are brought together
// by the digests of the decoded parts, in their order. What only one of them sees counts as an
// attachment. Whoever delivers the result scans it again first: that scan has the last word.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What goes.
enum rebuild_what {
	REBUILD_ATTACHMENTS, // all but the text: by content, not by what the header says alone
	REBUILD_INFECTED, // the parts in which a signature hits; all attachments if it cannot be told
	REBUILD_DISINFECT, // what recipes of the signatures say; the result must list all that hit
};

#define REBUILD_RECIPES_MOST 16 // of one part

// What is repaired in a part.
struct rebuild_repair {
	char *why; // for the note
	size_t count;
	struct recipe recipes[REBUILD_RECIPES_MOST];
};

// One entry for each leaf of the message, good for these bytes only.
struct rebuild_plan {
	size_t leaves_count;
	size_t cuts_count;
	size_t repairs_count;
	char **why;                      // NULL: it stays; else the reason, for the note
	struct rebuild_repair **repairs; // NULL: it is not repaired
	char *refusal;                   // why it cannot be disinfected; NULL: it can
};

// The result must list parts with DIGEST_SHA256. why: of attachments; hits are named by themselves.
// Returns 0, -ENOMEM, or -EBADMSG when the message cannot be taken apart.
int rebuild_plan_new(const uint8_t *data, size_t bytes, const struct scan_result *result,
	enum rebuild_what what, const char *why, struct rebuild_plan **out) SCAN_MUST_USE;
void rebuild_plan_free(struct rebuild_plan *plan);
struct rebuild_plan *rebuild_plan_copy(const struct rebuild_plan *plan) SCAN_MUST_USE;

// Writes the new message, which the caller frees with free(). The same plan gives the same bytes.
// gateway: its name in the notes. A message in which something is repaired gets a part more, which tells
// of that; it is made a multipart/mixed when it is none. Returns 0, -ENOMEM, -EBADMSG: the plan is not of
// this message, or of a repair what rebuild_code_repair says.
int rebuild_strip(const uint8_t *data, size_t bytes, const struct rebuild_plan *plan,
	const char *gateway, uint8_t **out, size_t *out_bytes) SCAN_MUST_USE;

// Whether the message carries anything but text: pictures shown inline, calendars, TNEF and what is encrypted are
// more than text; so is text with a file in it (uuencoded, in a data: URL of HTML). What signs the message is no
// attachment, and an attached message is what is in it. True when it cannot be told.
bool rebuild_has_attachments(const uint8_t *data, size_t bytes, const struct scan_result *result);
