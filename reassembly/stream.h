// SPDX-License-Identifier: BSD-3-Clause
// One direction of a TCP connection: bytes by 64-bit offset, in order for the parser, first copy wins.
//
// The stream keeps every byte from its arrival until the receiver has acknowledged it (and a little
// longer), so that a retransmission can be compared and rewritten, and so that bytes which had to
// wait can be sent later without keeping the packets that brought them. Three edges move upwards:
//
//   trimmed <= released (acknowledged) <= read (parsed) <= next (in order)
//
// Beside them a set of ranges says which bytes were forwarded: normally all below the parser's edge,
// and out-of-order ones that were allowed to go on at once.
//
// Memory: pages of a pool that the caller made at start-up; no page is held by a stream that is idle
// and trimmed. Source of the overlap rule: Ptacek and Newsham 1998; first copy wins for all systems,
// because the copy that differs is rewritten before it can reach anybody.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PAGE_BYTES 2048

// Pages shared by all streams of one worker. memory: stream_pool_bytes(pages), 64-aligned, the
// caller's. No locks: one thread. A stream with holes takes one more page to remember them, with many up to nine.
struct stream_pool;
size_t stream_pool_bytes(uint32_t pages);
struct stream_pool *stream_pool_init(void *memory, uint32_t pages);
uint32_t stream_pool_free_pages(const struct stream_pool *pool);

struct stream_page;
struct stream_ranges; // out-of-order bookkeeping, taken from the pool only while there is any

struct stream {
	struct stream_page *first; // pages in order of offset, holes allowed
	struct stream_page *last;
	struct stream_ranges *ranges;
	uint64_t trimmed;   // below: forgotten
	uint64_t released;  // below: acknowledged by the receiver
	uint64_t read;      // below: the parser has had it
	uint64_t next;      // below: arrived without a hole
	uint64_t sent;      // below: forwarded without a hole
	uint64_t end;       // one past the highest byte that arrived
	uint32_t pages;     // held
	uint32_t max_bytes; // most bytes to keep (end - trimmed); more is refused
};

enum stream_put {
	STREAM_NEW,       // some of it is new
	STREAM_OLD,       // nothing new: all of it was there before (and matched, or was made to)
	STREAM_FORGOTTEN, // lies wholly below `trimmed`: nothing to compare it with
	STREAM_FULL, // no room (memory, max_bytes or too many holes): nothing was changed, drop it
};

void stream_init(struct stream *stream, uint32_t max_bytes);
void stream_fini(struct stream *stream, struct stream_pool *pool);

// Adds n bytes at offset. Where bytes of this range have arrived before and differ, data itself is
// overwritten with the first copy and *rewritten counts them (0 if none). Bytes below `trimmed` are
// left alone.
enum stream_put stream_put(struct stream *stream, struct stream_pool *pool, uint64_t offset,
	uint8_t *data, uint32_t n, uint32_t *rewritten);

// The next bytes for the parser: a contiguous slice that starts at stream->read, or 0 bytes. The
// slice is writable: what the parser masks is changed in place and so is what goes on.
size_t stream_peek(struct stream *stream, uint8_t **data);
void stream_consume(struct stream *stream, size_t n);

// Overwrites stored bytes [from, to) with byte, as far as they are still kept and not forwarded.
// Returns how many these were.
uint64_t stream_fill(struct stream *stream, uint64_t from, uint64_t to, uint8_t byte);
// Copies stored bytes to out; returns how many are there without a hole, at most n.
size_t stream_copy(const struct stream *stream, uint64_t offset, uint8_t *out, size_t n);

// What has arrived behind a hole: the first ranges of it, [0] from and [1] to. Returns how many.
uint32_t stream_islands(const struct stream *stream, uint64_t (*islands)[2], uint32_t room);

// Marks [from, to), which has arrived, as forwarded: to be asked before it is. False only for bytes
// above `sent` with a hole below them, when there is no room to remember one hole more: nothing was
// marked, and they must not be forwarded now (a byte that went on unmarked could change afterwards).
bool stream_mark_sent(struct stream *stream, struct stream_pool *pool, uint64_t from, uint64_t to);
// The first range below limit that has arrived and was not forwarded. False when there is none.
bool stream_unsent(const struct stream *stream, uint64_t limit, uint64_t *from, uint64_t *to);
// Has anything at or behind offset been marked, out of order ranges included?
bool stream_has_sent_behind(const struct stream *stream, uint64_t offset);
// The last offset below end that was not marked; `sent` where there is none.
uint64_t stream_last_unsent(const struct stream *stream, uint64_t end);

// The receiver has acknowledged up to offset (never beyond next is assumed: it is clamped). Pages are
// kept for STREAM_KEEP_BYTES more, for honest retransmissions that cross the acknowledgement. That is little: what
// comes of older bytes is answered without them (STREAM_FORGOTTEN), and pages that many connections keep push what is in
// use out of the processor's caches.
#define STREAM_KEEP_BYTES 4096
void stream_release(struct stream *stream, struct stream_pool *pool, uint64_t offset);
// Forgets everything that is acknowledged and parsed: for idle connections, and under memory pressure.
void stream_trim(struct stream *stream, struct stream_pool *pool);
