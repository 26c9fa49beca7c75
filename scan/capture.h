// SPDX-License-Identifier: BSD-3-Clause
// The bytes of an object, kept while they pass for what can be done only when it is whole, or when
// its end is known. They lie in chunks of one size from a pool that is made at start: a capture takes
// one chunk when the last is full and allocates nothing.
//
// A capture that reaches its limit, or finds the pool empty, keeps what it has and takes no more.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_CHUNK_BYTES 65536u // what most users want
#define CAPTURE_OWN_CHUNKS 8

// Captures of one pool are used by one thread at a time. Chunks are not touched before they are needed.
struct capture_pool {
	uint8_t *memory;
	uint32_t *free_chunks; // the last of them is taken first
	size_t chunk_bytes;    // a power of two
	size_t margin_bytes;   // of room before each chunk and behind it
	uint32_t free_count;
	uint32_t chunks_count;
};

struct capture {
	struct capture_pool *pool; // NULL: nothing is kept
	uint64_t bytes;
	uint64_t max_bytes;
	uint32_t chunks_count;
	uint32_t dropped;                 // of these, from the first on, that were given back
	uint32_t index;                   // the chunk that lists the chunks, if there are many
	uint32_t own[CAPTURE_OWN_CHUNKS]; // the list as long as it is short
	bool is_full;                     // bytes were refused: the object is longer
};

// chunk_bytes: a power of two from 64. Returns 0, -EINVAL or -ENOMEM.
int capture_pool_init(struct capture_pool *pool, size_t chunk_bytes, uint32_t chunks_count)
	__attribute__((warn_unused_result));
// The same for users who look at the bytes of a chunk with what stands before them: so many bytes, at most a chunk's,
// before a chunk are those before it in the object, and so many behind it can be read and written, as can what lies
// in a chunk behind the bytes that are kept.
int capture_pool_init_margins(struct capture_pool *pool, size_t chunk_bytes, size_t margin_bytes,
	uint32_t chunks_count) __attribute__((warn_unused_result));
// No capture is in use. What was zeroed and never made is allowed.
void capture_pool_fini(struct capture_pool *pool);

// The chunks that are taken next are there, as many as have so many bytes. None was taken yet.
void capture_pool_warm(struct capture_pool *pool, size_t bytes);

// An empty capture of at most so many bytes. It costs nothing until something is appended. One capture
// holds at most chunk_bytes / 4 chunks: 1 GiB in chunks of 64 KiB.
void capture_begin(struct capture *capture, struct capture_pool *pool, uint64_t max_bytes);
// Returns how many of the bytes were kept, from the first on. If not all, the capture is full from then
// on, also when chunks come back to the pool: it has no holes.
size_t capture_append(struct capture *capture, const uint8_t *data, size_t n)
	__attribute__((warn_unused_result));
// Where the next bytes go, if the caller writes them there by itself: how many have room in one piece. 0: the capture
// is full from then on.
size_t capture_room(struct capture *capture, uint8_t **room);
// So many of them are there now, at most as many as there was room for.
void capture_keep(struct capture *capture, size_t n);
// The bytes from this offset that lie in one piece: how many, 0 at the end and behind it. They stay where
// they are until capture_free. All of a capture:
//
//	for (uint64_t at = 0; (n = capture_piece(capture, at, &data)) > 0; at += n)
size_t capture_piece(const struct capture *capture, uint64_t offset, const uint8_t **data);
// Copies up to n bytes from this offset. Returns how many there were.
size_t capture_read(const struct capture *capture, uint64_t offset, uint8_t *out, size_t n);
// Gives back what lies before this offset, or most of it: it cannot be read any more.
void capture_drop_before(struct capture *capture, uint64_t offset);
// The first offset that can be read.
uint64_t capture_begin_of(const struct capture *capture);
// Gives the chunks back; the capture is empty and keeps nothing until capture_begin. A zeroed one is
// allowed.
void capture_free(struct capture *capture);
