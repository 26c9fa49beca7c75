// SPDX-License-Identifier: BSD-3-Clause
// Digests of several objects at once. Each step of a digest waits for the one before it: a processor does
// those of others meanwhile, one message in each lane of its vectors where there are enough of them.
#pragma once

#include "scan/capture.h"
#include "scan/digest.h"
#include "scan/digest_stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_LANES 16 // streams of one call
#define DIGEST_LATES 64 // so many are computed by one call
#define DIGEST_FORMS 3
#define DIGEST_BEHIND_BYTES 4

// What may stand behind the bytes.
struct digest_form {
	uint8_t behind[DIGEST_BEHIND_BYTES];
	uint8_t behind_bytes;
};

// Bytes of which the digests of some forms are wanted: what they have in common is hashed once.
struct digest_job {
	const struct capture *copy;   // nothing of these bytes was dropped
	struct digest_stream *stream; // NULL: they are of the copy
	uint64_t bytes; // from the first on; of a stream those that are not hashed yet are left
	const struct digest_form *forms;
	unsigned int wanted; // bits of DIGEST_FORMS; 0: whole blocks of a stream, for its sums
	uint8_t (*digests)[DIGEST_MAX_BYTES]; // of each form, padded with zeros
};

void digest_lanes(enum digest_algorithm algorithm, const struct digest_job *jobs, size_t count);

// From how many objects on vectors are worth it, and how many take about the time of one without.
size_t digest_lanes_worth(unsigned int algorithms);
size_t digest_lanes_few(unsigned int algorithms);
// What sums are of nothing.
const uint32_t *digest_lanes_start(enum digest_algorithm algorithm);
// Hashes blocks of at most DIGEST_LANES streams, of each at least one, up to there. What waits of them stays as it is.
void digest_lanes_advance(struct digest_stream *const *streams, const uint64_t *to, size_t count);

// What is left of an object of which only digests are not known yet.
struct digest_late {
	struct capture copy;          // all of it
	struct digest_stream *stream; // of the algorithms that run in it; NULL: none does
	uint64_t bytes;               // what the forms have in common
	struct digest_form forms[DIGEST_FORMS];
	uint8_t wanted[DIGEST_ALGORITHMS]; // bits of forms; nothing: it is none
};

typedef uint8_t digest_late_values[DIGEST_ALGORITHMS][DIGEST_FORMS][DIGEST_MAX_BYTES];

static inline bool digest_late_is_any(const struct digest_late *late)
{
	return (late->wanted[0] | late->wanted[1] | late->wanted[2]) != 0;
}

// Whether some digest is computed from the copy.
bool digest_late_needs_copy(const struct digest_late *late);
// Bytes that are to be hashed.
uint64_t digest_late_left(const struct digest_late *late);
// Gives back what it holds.
void digest_late_drop(struct digest_late *late);
// Of at most DIGEST_LATES of them. Those that are not wanted are left as they are.
void digest_late_compute(
	const struct digest_late *const *lates, size_t count, digest_late_values *values);
