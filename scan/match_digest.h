// SPDX-License-Identifier: BSD-3-Clause
// Digests of an object, looked up in the hash lists. Most entries of lists name a size: their digests
// are computed when the object has ended and only if some entry has its size, from the copy that is
// kept of it (match_late.h). Those that were asked for, or that entries of any size need, run while bytes pass,
// side by side with those of other objects (digest_stream.h).
#pragma once

#include "scan/capture.h"
#include "scan/digest.h"
#include "scan/digest_stream.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A longer object's digests run from here on: the end of no object costs more than this.
#define MATCH_DIGEST_LATE_BYTES (8u << 20)

struct match_digester {
	const struct ruleset *ruleset;
	struct digest_streams streams;
	unsigned int asked;                    // DIGEST_*, of what they are told of
	unsigned int any;                      // that there are entries of any size of
	unsigned int late;                     // that all entries of name a size
	unsigned int listed;                   // that there are entries of
	uint64_t *sizes[DIGEST_ALGORITHMS];    // a bit for each size that entries have, hashed
	uint64_t max_bytes[DIGEST_ALGORITHMS]; // the largest of these
};

struct match_digesting {
	struct digest_stream *running; // NULL: none does
	struct digest late;            // runs when the copy has come to its end
	bool is_late;
	unsigned int may_be_late; // the others that may be looked up
	uint64_t bytes;
};

// wanted: DIGEST_*, of every object of which they are told; objects: how many there may be at once, besides those of which only digests
// are left. Returns 0 or -ENOMEM.
int match_digester_init(struct match_digester *digester, const struct ruleset *ruleset,
	unsigned int wanted, uint32_t objects);
void match_digester_fini(struct match_digester *digester);

// What digests of an object are for.
enum match_digest_use {
	MATCH_DIGEST_NONE,
	MATCH_DIGEST_LOOKED_UP,
	MATCH_DIGEST_TOLD, // and looked up
};

void match_digest_begin(
	struct match_digester *digester, struct match_digesting *state, enum match_digest_use use);
// Of the n bytes the first `kept` are in the copy.
void match_digest_feed(const struct match_digester *digester, struct match_digesting *state,
	const struct capture *copy, const uint8_t *data, size_t n, size_t kept);
// Writes the digest, padded with zeros, if it runs because the object is long. False: it does not, or no entry can
// be of the object.
bool match_digest_end(const struct match_digester *digester, struct match_digesting *state,
	enum digest_algorithm algorithm, uint8_t *out);
// The same as if the object went on with these few bytes, which it does not; before match_digest_end.
bool match_digest_end_more(const struct match_digester *digester,
	const struct match_digesting *state, enum digest_algorithm algorithm, const char *more,
	uint8_t *out);
// Whether any of this algorithm can be left of the object.
static inline bool match_digest_may_be_left(
	const struct match_digesting *state, enum digest_algorithm algorithm)
{
	return ((state->may_be_late | (state->running != NULL ? state->running->running : 0)) >>
			       algorithm &
		       1) != 0;
}
// Whether the digest of the object, with so many bytes more, is to be computed from the stream or from its copy.
bool match_digest_is_left(const struct match_digester *digester,
	const struct match_digesting *state, enum digest_algorithm algorithm, size_t more);
void match_digest_drop(struct match_digesting *state);
