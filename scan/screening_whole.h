// SPDX-License-Identifier: BSD-3-Clause
// Digests of all bytes of an object, or of a message's body. Private to screening*.c.
#pragma once

#include "scan/screening.h"

// The sets that such bytes are looked up in.
struct screening_sets {
	enum screen_set_kind kinds[2];
	size_t count;
};

extern const struct screening_sets screening_body_sets;

const struct screen_set *screening_set_of(
	const struct screenings *screenings, enum screen_set_kind kind, unsigned int algorithm);
struct screening_sets screening_sets_of(const struct screening *screening);

void screening_whole_begin(
	struct screening_whole *whole, struct digest_streams *streams, unsigned int running);
void screening_whole_drop(struct screening_whole *whole);
void screening_whole_feed(struct screening_whole *whole, const uint8_t *data, size_t n);
// from: where it begins in the copy. wait: digests that are computed later.
void screening_whole_end(struct screening *screening, const struct screening_whole *whole,
	const struct screening_sets *sets, uint64_t from, uint64_t types, unsigned int wait);
// Which digests that did not run may be on the list.
unsigned int screening_missing(const struct screening *screening,
	const struct screening_whole *whole, const struct screening_sets *sets, uint64_t types);
// As it is and, where the last line break is in doubt, without one or with one more. Returns how many.
size_t screening_forms_of(
	const struct screening_whole *whole, bool is_doubtful, struct digest_form *forms);
// Which can still be on the list when it is over, if it is as long as this by now.
unsigned int screening_late_of(const struct screening *screening,
	const struct screening_whole *whole, const struct screening_sets *sets, uint64_t types);
void screening_whole_begin_late(struct screening *screening, struct screening_whole *whole,
	const struct screening_sets *sets, uint64_t from, uint64_t types);

// Which digests can be computed later with those of others: where the bytes are not many.
unsigned int screening_can_wait(
	const struct screening *screening, const struct screening_sets *sets, uint64_t types);
// They are, and those of the stream, which may be NULL. Both, and the object's copy, go with later.
void screening_wait(struct screening *screening, unsigned int wait, struct digest_stream *stream,
	uint64_t types, struct screening_late *later);
// Hits of what was left, which is computed.
void screening_look_up_late(struct screening *screening, const struct screening_sets *sets,
	const struct digest_late *late, const digest_late_values *values, uint64_t types);
// Of ranges, sections and windows the object's size and type count, which were not known.
void screening_settle_hits(struct screening *screening, uint64_t types);
