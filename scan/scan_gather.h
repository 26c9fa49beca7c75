// SPDX-License-Identifier: BSD-3-Clause
// Digests of objects that have ended, gathered by the scanner so that those of several objects, and of several
// messages, are computed at once: when there are as many as fit, when a message needs them, or when the caller
// says so (scanner_settle). What they tell is added to a message before anything else is. Private to scan*.c.
#pragma once

#include "scan/digest_lanes.h"
#include "scan/screening.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct match_hit;
struct scan;
struct scan_object;
struct scanner;

#define SCAN_GATHER DIGEST_LATES
// Of all of them: a bound on the time that computing them takes.
#define SCAN_GATHER_BYTES (UINT64_C(4) << 20)

struct scan_gathered {
	struct scan *scan;
	struct digest_late matched;
	struct screening_late screened; // also hits that come behind those of the digests
	uint64_t bytes;                 // that were to be hashed for it
	uint32_t part;
	uint32_t origin;
	bool is_copy;     // of the object, which is not what an allow list could name
	bool is_listed;   // as in struct scan_object
	bool is_unlisted; // the same
};

struct scan_gather {
	size_t count;
	uint64_t bytes;
	bool is_settling;
	struct match_hit *hits;                // of the one that is settled
	struct scan_gathered all[SCAN_GATHER]; // in the order in which they ended
	digest_late_values matched[SCAN_GATHER];
	digest_late_values screened[SCAN_GATHER];
};

// Takes what is left to compute of the digests of an object, or of a copy of it, which is never screened (NULL).
void scan_gather_add(struct scan *scan, const struct scan_object *object,
	const struct digest_late *matched, const struct screening_late *screened);
// Computes all there is, if something of this message is among it.
void scan_gather_settle(struct scan *scan);
// Gives up what is of this message.
void scan_gather_drop(struct scan *scan);
