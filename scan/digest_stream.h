// SPDX-License-Identifier: BSD-3-Clause
// Running digests of many objects. Their bytes are gathered for a while and hashed side by side, which takes a
// processor less time than one after the other (digest_lanes.h): also those of objects that are in progress, of
// whatever message and connection.
//
// What waits of one stream, and of all streams of a thread, is bounded. When there is no room for more, those of
// which most waits are hashed as far as there are enough of them for the vectors, or else a few by themselves.
// Nothing is allocated after digest_streams_init.
#pragma once

#include "scan/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_STREAM_CHUNK 4096u
#define DIGEST_STREAM_CHUNKS 16u // that may wait of one stream
#define DIGEST_STREAM_BLOCK 64u
#define DIGEST_STREAM_WORDS 8u

struct digest_streams;

struct digest_stream {
	struct digest_streams *owner;
	struct digest_stream *next; // of those of which blocks wait, or of the free ones
	struct digest_stream *previous;
	uint64_t bytes;       // that it was given
	uint64_t hashed;      // of these, whole blocks
	unsigned int running; // bits 1 << algorithm
	uint16_t skip;        // bytes of the first chunk that are hashed
	uint8_t chunks_count; // 0: what waits is no whole block, and lies in rest
	uint16_t chunks[DIGEST_STREAM_CHUNKS];
	uint32_t sums[DIGEST_ALGORITHMS][DIGEST_STREAM_WORDS];
	uint8_t rest[DIGEST_STREAM_BLOCK];
};

// A thread's.
struct digest_streams {
	struct digest_stream *all;
	struct digest_stream *free;
	struct digest_stream *waiting; // of which blocks wait
	uint8_t *memory;
	uint16_t *free_chunks; // the last of them is taken first
	uint32_t chunks_free;
	uint32_t count;
	uint32_t begun; // those behind were never used
};

// For so many streams at once. Returns 0 or -ENOMEM.
int digest_streams_init(struct digest_streams *streams, uint32_t count)
	__attribute__((warn_unused_result));
// What was zeroed and never made is allowed.
void digest_streams_fini(struct digest_streams *streams);

// There are no more of them than was said.
struct digest_stream *digest_stream_begin(struct digest_streams *streams, unsigned int algorithms);
void digest_stream_feed(struct digest_stream *stream, const uint8_t *data, size_t n);
// Gives it up, or gives it back. NULL is allowed.
void digest_stream_free(struct digest_stream *stream);

// Nothing else is to be done: hashes some of what waits.
void digest_streams_rest(struct digest_streams *streams);

// ---- for digest_lanes ----------------------------------------------------------------------------

// The bytes from there on, which are not hashed yet, that lie in one piece: whole blocks but for the last piece.
size_t digest_stream_piece(const struct digest_stream *stream, uint64_t at, const uint8_t **data);
static inline uint64_t digest_stream_left(const struct digest_stream *stream)
{
	return stream->bytes - stream->hashed;
}
// The longest of which blocks wait, the longest first, but for those that are taken out. Returns how many.
size_t digest_streams_longest(
	const struct digest_streams *streams, struct digest_stream **out, size_t max);
// Blocks up to there have been hashed: all sums are those of them.
void digest_stream_advance(struct digest_stream *stream, uint64_t to);
