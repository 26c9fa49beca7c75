// SPDX-License-Identifier: BSD-3-Clause
// Envelopes that come in pieces, as datagrams are shorter: the pieces of one have a name in common, which is
// good among those of its sender, and are numbered from 1. They come in any order, and more than once.
//
// Bounded: so many bytes of all senders together, so many unfinished ones of each and of all. Where there is no
// room the sender's own oldest one goes, or the oldest of all; what is not complete after a minute goes too.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SEGMENTS_NAME_BYTES 128 // of a sender
#define SEGMENTS_ID_BYTES 64    // of an envelope
#define SEGMENTS_MOST 4096      // pieces of one
#define SEGMENTS_SENDER 4       // unfinished ones of a sender
#define SEGMENTS_ALL 64         // and of all
#define SEGMENTS_BYTES (16u << 20)
#define SEGMENTS_SECONDS 60

struct segments;

struct segment {
	const char *sender;
	const void *id;
	size_t id_bytes;
	uint32_t number; // from 1
	uint32_t count;
	const void *data;
	size_t bytes;
};

int segments_new(struct segments **out) __attribute__((warn_unused_result));
void segments_free(struct segments *segments);
// Returns 1 when this one was the last that was missing: *out is the envelope, the caller's to free; 0 when
// others are still missing, or it was there already; -EINVAL for what cannot be a piece (numbers, lengths, or
// it says something else than those before: these are forgotten), -EMSGSIZE past max_bytes, -ENOMEM.
int segments_add(struct segments *segments, const struct segment *segment, size_t max_bytes,
	int64_t now_s, void **out, size_t *bytes) __attribute__((warn_unused_result));
// Unfinished ones.
size_t segments_count(const struct segments *segments);
