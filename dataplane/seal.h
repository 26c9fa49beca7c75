// SPDX-License-Identifier: BSD-3-Clause
// Seals as the engine sees them: which mail must not reach a server now, and what becomes of it. A pure
// table; who opens and ends seals is the control process's business.
//
// A seal's scope is the conjunction of its predicates; the open seals together decide by their union,
// and of those that cover a mail the strictest mode counts. Before the body only sender, recipients and
// the declared size are known: a scope that needs more covers the mail perhaps, and then the mail is taken
// in like one that is covered. What the body shows not to be covered after all is held none the less,
// as SEAL_OPEN and with the reason "seal-scope": no seal covers it, so the control process lets it go at
// once by the one way that held mail takes, after a rescan. A second way out of the engine would need
// the envelope to be said to the server anew.
#pragma once

#include "dataplane/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_TEXT_BYTES 129 // of a virus id (128 by contract) or of a pattern, with its end

// By strictness. HOLD_ATTACHMENTS and STRIP are taken over and held in the engine like HOLD; what is
// delivered of them at once is the control process's work, by the mode in the record.
enum seal_mode { SEAL_OPEN, SEAL_STRIP, SEAL_HOLD_ATTACHMENTS, SEAL_HOLD, SEAL_TEMPFAIL };

#define SEAL_INBOUND (1u << DIRECTION_INBOUND)
#define SEAL_OUTBOUND (1u << DIRECTION_OUTBOUND)

// Patterns know * and ?, and do not know case; an empty one is no predicate. Those of addresses mean each way
// of writing one: quoted, with comments, with a dot behind the domain.
struct seal {
	char virus_id[SEAL_TEXT_BYTES];
	enum seal_mode mode;
	unsigned int directions;
	// Known before the body.
	char sender[SEAL_TEXT_BYTES];
	char recipient[SEAL_TEXT_BYTES]; // of one that was accepted
	uint64_t min_bytes;
	uint64_t max_bytes; // 0: no limit
	// Known from the body. Type and name are of the same part.
	char file_type[SEAL_TEXT_BYTES];
	char name[SEAL_TEXT_BYTES];
	char subject[SEAL_TEXT_BYTES];
	char body
		[SEAL_TEXT_BYTES]; // of what syntax the control process knows: here it covers perhaps
};

// A snapshot, never changed once it was published.
struct engine_seals {
	uint64_t generation;
	uint32_t count;
	struct seal seals[];
};

// What is known of a mail.
struct seal_mail {
	enum direction direction;
	const char *mail_from;
	const char *const *rcpt_to;
	size_t rcpt_to_count;
	bool rcpt_pending;              // more may be accepted still
	uint64_t bytes;                 // 0: not known
	const struct scan_result *scan; // NULL: before the body, or it could not be scanned
	// Whether a seal's body pattern is in the text: 1, 0, or -1 when it cannot be told. NULL: nobody can.
	int (*body)(void *ctx, const char *pattern);
	void *body_ctx;
};

struct seal_decision {
	enum seal_mode mode; // SEAL_OPEN: none of the seals covers it
	bool certain;        // else more has to be known
	const char *virus_id;
};

// seals may be NULL: none is open.
void seal_decide(const struct engine_seals *seals, const struct seal_mail *mail,
	struct seal_decision *decision);
// "hold", ...; "" for SEAL_OPEN.
const char *seal_mode_name(enum seal_mode mode);
// False when there is no mode of that name.
bool seal_mode_parse(const char *name, enum seal_mode *mode);
// Of the whole text.
bool seal_pattern_matches(const char *pattern, const char *text);
