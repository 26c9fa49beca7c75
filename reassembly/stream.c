// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/stream.h"

#include "reassembly/stream_ranges.h"

#include <assert.h>
#include <string.h>

#define BULK_BYTES 256u
#define LINE_BYTES 64u

// A page's place in its stream. It stands apart from the bytes: what is asked for with each packet, of pages that
// nobody has looked at for long as a rule, is in a few cache lines. Pages of a stream are linked both ways: what is
// looked for is near the end as a rule, near the start otherwise.
struct stream_page {
	uint64_t index; // first offset / STREAM_PAGE_BYTES
	struct stream_page *older;
	struct stream_page *newer; // also links free blocks
	uint8_t *data;             // BLOCK_BYTES
};

// What takes a block of the pool in place of bytes: the ranges of a stream that has holes.
struct stream_ranges {
	struct stream_page *block;
	struct stream_page *more[RANGES_CHUNKS]; // blocks of present
	struct range_set present;
	struct range_set sent; // never has more: what finds no room there waits for its turn
};

// A line more than the bytes, so that pages do not all begin in the same place of a cache.
#define BLOCK_BYTES (STREAM_PAGE_BYTES + LINE_BYTES)

static_assert(BLOCK_BYTES % LINE_BYTES == 0, "blocks stay aligned");
static_assert(sizeof(struct stream_ranges) <= BLOCK_BYTES, "ranges fit a block");
static_assert(RANGES_CHUNK * sizeof(struct range) <= BLOCK_BYTES, "a chunk fits a block");
static_assert(sizeof(struct stream) <= 104, "idle connections are many");

// Blocks are used for the first time in their order, and again before that: memory that was never
// needed is never touched.
struct stream_pool {
	struct stream_page *free; // of those that were used
	struct stream_page *all;
	uint8_t *data;       // of all
	uint32_t free_pages; // fresh ones included
	uint32_t pages;
	uint32_t fresh; // the first block that was never used
	uint32_t unused[7];
};

static_assert(sizeof(struct stream_pool) == LINE_BYTES, "the blocks behind it are aligned");

static size_t headers_bytes(uint32_t pages)
{
	return ((size_t)pages * sizeof(struct stream_page) + LINE_BYTES - 1) / LINE_BYTES *
	       LINE_BYTES;
}

size_t stream_pool_bytes(uint32_t pages)
{
	return sizeof(struct stream_pool) + headers_bytes(pages) + (size_t)pages * BLOCK_BYTES;
}

struct stream_pool *stream_pool_init(void *memory, uint32_t pages)
{
	struct stream_pool *pool = memory;

	pool->free = NULL;
	pool->all = (struct stream_page *)(void *)(pool + 1);
	pool->data = (uint8_t *)pool->all + headers_bytes(pages);
	pool->free_pages = pages;
	pool->pages = pages;
	pool->fresh = 0;
	return pool;
}

uint32_t stream_pool_free_pages(const struct stream_pool *pool)
{
	return pool->free_pages;
}

static struct stream_page *block_take(struct stream_pool *pool)
{
	struct stream_page *block = pool->free;

	assert(pool->free_pages > 0);
	if (block != NULL) {
		pool->free = block->newer;
		// Others have used it long ago; the next segment asks where its bytes are.
		__builtin_prefetch(pool->free);
	} else {
		block = &pool->all[pool->fresh];
		block->data = pool->data + (size_t)pool->fresh++ * BLOCK_BYTES;
	}
	pool->free_pages--;
	return block;
}

static void block_give(struct stream_pool *pool, struct stream_page *block)
{
	block->newer = pool->free;
	pool->free = block;
	pool->free_pages++;
	assert(pool->free_pages <= pool->pages);
}

// ---- pages ------------------------------------------------------------------------------------

// The page at or, where it is missing, the last one before index; NULL when all are behind it.
static struct stream_page *page_floor(const struct stream *stream, uint64_t index)
{
	struct stream_page *page = stream->last;

	if (page == NULL || page->index <= index)
		return page;
	if (index < stream->first->index)
		return NULL;
	if (index - stream->first->index > page->index - index) {
		while (page->index > index)
			page = page->older;
		return page;
	}
	page = stream->first;
	while (page->newer->index <= index)
		page = page->newer;
	return page;
}

// The page that holds offset, which is known to be stored.
static struct stream_page *page_of(const struct stream *stream, uint64_t offset)
{
	struct stream_page *page = page_floor(stream, offset / STREAM_PAGE_BYTES);

	assert(page != NULL && page->index == offset / STREAM_PAGE_BYTES);
	return page;
}

// The page for offset, a new one where it is missing; the pool was asked before.
static struct stream_page *page_make(
	struct stream *stream, struct stream_pool *pool, uint64_t offset)
{
	uint64_t index = offset / STREAM_PAGE_BYTES;
	struct stream_page *older = page_floor(stream, index);
	struct stream_page *page;

	if (older != NULL && older->index == index)
		return older;
	page = block_take(pool);
	page->index = index;
	page->older = older;
	page->newer = older != NULL ? older->newer : stream->first;
	if (page->newer != NULL)
		page->newer->older = page;
	else
		stream->last = page;
	if (older != NULL)
		older->newer = page;
	else
		stream->first = page;
	stream->pages++;
	return page;
}

// How many pages [from, to) would have to be given.
static uint64_t pages_missing(const struct stream *stream, uint64_t from, uint64_t to)
{
	uint64_t first = from / STREAM_PAGE_BYTES;
	uint64_t last = (to - 1) / STREAM_PAGE_BYTES;
	uint64_t missing = last - first + 1;
	const struct stream_page *page = page_floor(stream, last);

	for (; page != NULL && page->index >= first; page = page->older)
		missing--;
	return missing;
}

static size_t page_room(uint64_t offset, uint64_t to)
{
	size_t room = STREAM_PAGE_BYTES - offset % STREAM_PAGE_BYTES;

	return to - offset < room ? (size_t)(to - offset) : room;
}

static void pages_trim(struct stream *stream, struct stream_pool *pool, uint64_t limit)
{
	struct stream_page *page = stream->first;
	// No page begins below what was trimmed: within one there is none to give, and nothing to look at.
	bool crosses = limit / STREAM_PAGE_BYTES > stream->trimmed / STREAM_PAGE_BYTES;

	if (limit <= stream->trimmed)
		return;
	stream->trimmed = limit;
	if (!crosses && limit < stream->end)
		return;
	while (page != NULL && (limit == stream->end || page->index < limit / STREAM_PAGE_BYTES)) {
		stream->first = page->newer;
		block_give(pool, page);
		stream->pages--;
		page = stream->first;
	}
	if (page == NULL) {
		stream->last = NULL;
		return;
	}
	page->older = NULL;
}

// ---- what has arrived, what has gone ------------------------------------------------------------

static const struct range_set *set_present(const struct stream *stream)
{
	return stream->ranges != NULL ? &stream->ranges->present : NULL;
}

static const struct range_set *set_sent(const struct stream *stream)
{
	return stream->ranges != NULL ? &stream->ranges->sent : NULL;
}

static void ranges_take(struct stream *stream, struct stream_pool *pool)
{
	struct stream_page *block = block_take(pool);

	stream->ranges = (struct stream_ranges *)(void *)block->data;
	stream->ranges->block = block;
	ranges_init(&stream->ranges->present);
	ranges_init(&stream->ranges->sent);
}

static void present_grow(struct stream_ranges *ranges, struct stream_pool *pool)
{
	struct stream_page *block = block_take(pool);

	ranges->more[ranges->present.chunks] = block;
	ranges_grow(&ranges->present, block->data);
}

static void ranges_give(struct stream *stream, struct stream_pool *pool)
{
	while (stream->ranges->present.chunks > 0)
		block_give(pool, stream->ranges->more[--stream->ranges->present.chunks]);
	block_give(pool, stream->ranges->block);
	stream->ranges = NULL;
}

static void ranges_give_unused(struct stream *stream, struct stream_pool *pool)
{
	struct stream_ranges *ranges = stream->ranges;

	if (ranges == NULL)
		return;
	while (ranges_shrink(&ranges->present))
		block_give(pool, ranges->more[ranges->present.chunks]);
	if (ranges->present.count == 0 && ranges->sent.count == 0)
		ranges_give(stream, pool);
}

// ---- bytes --------------------------------------------------------------------------------------

// As much as this comes next, behind it, or into the block that was given back last.
static void ask_for_room(
	const struct stream_page *page, uint64_t from, uint64_t to, const struct stream_pool *pool)
{
	const size_t used = (to - 1) % STREAM_PAGE_BYTES + 1;
	const size_t bytes = (size_t)(to - from);
	const size_t end = used + bytes < STREAM_PAGE_BYTES ? used + bytes : STREAM_PAGE_BYTES;

	for (size_t at = used & ~(size_t)(LINE_BYTES - 1); at < end; at += LINE_BYTES)
		__builtin_prefetch(page->data + at, 1);
	for (size_t at = 0; pool->free != NULL && at < used + bytes - end; at += LINE_BYTES)
		__builtin_prefetch(pool->free->data + at, 1);
}

static void bytes_store(struct stream *stream, struct stream_pool *pool, uint64_t from, uint64_t to,
	const uint8_t *data)
{
	const uint64_t began = from;
	struct stream_page *page = NULL;

	while (from < to) {
		size_t n = page_room(from, to);

		page = page_make(stream, pool, from);
		memcpy(page->data + from % STREAM_PAGE_BYTES, data, n);
		from += n;
		data += n;
		if (from > stream->end)
			stream->end = from;
	}
	if (page != NULL && to - began >= BULK_BYTES && to - began <= STREAM_PAGE_BYTES)
		ask_for_room(page, began, to, pool);
}

// Makes data equal to what is stored; returns how many bytes differed.
static uint32_t bytes_rewrite(
	const struct stream *stream, uint64_t from, uint64_t to, uint8_t *data)
{
	uint32_t differ = 0;

	while (from < to) {
		size_t n = page_room(from, to);
		const uint8_t *kept = page_of(stream, from)->data + from % STREAM_PAGE_BYTES;

		if (memcmp(kept, data, n) != 0) {
			for (size_t i = 0; i < n; i++)
				differ += kept[i] != data[i];
			memcpy(data, kept, n);
		}
		from += n;
		data += n;
	}
	return differ;
}

void stream_init(struct stream *stream, uint32_t max_bytes)
{
	memset(stream, 0, sizeof(*stream));
	stream->max_bytes = max_bytes;
}

void stream_fini(struct stream *stream, struct stream_pool *pool)
{
	struct stream_page *page = stream->first;

	while (page != NULL) {
		struct stream_page *newer = page->newer;

		block_give(pool, page);
		page = newer;
	}
	if (stream->ranges != NULL)
		ranges_give(stream, pool);
	stream_init(stream, stream->max_bytes);
}

// Is there room for [from, to)? Takes a block for the ranges when one will be needed.
static bool put_reserve(struct stream *stream, struct stream_pool *pool, uint64_t from, uint64_t to)
{
	bool take = from > stream->next && stream->ranges == NULL;
	bool grow = !take && !ranges_fit(set_present(stream), stream->next, from, to);
	uint64_t missing;

	if (to > stream->end && to - stream->trimmed > stream->max_bytes)
		return false;
	if (grow && stream->ranges->present.chunks == RANGES_CHUNKS)
		return false;
	missing = pages_missing(stream, from, to) + take + grow;
	if (missing > pool->free_pages)
		return false;
	if (take)
		ranges_take(stream, pool);
	if (grow)
		present_grow(stream->ranges, pool);
	return true;
}

// As nearly all bytes come: behind all others, with none missing. False: it is not so, or there may be no room.
static bool put_next(struct stream *stream, struct stream_pool *pool, uint64_t offset,
	const uint8_t *data, uint32_t n)
{
	const uint64_t to = offset + n;
	const uint64_t pages = to / STREAM_PAGE_BYTES - offset / STREAM_PAGE_BYTES + 1;

	if (offset != stream->next || offset != stream->end || stream->ranges != NULL ||
		to - stream->trimmed > stream->max_bytes || pages > pool->free_pages)
		return false;
	bytes_store(stream, pool, offset, to, data);
	stream->next = to;
	return true;
}

enum stream_put stream_put(struct stream *stream, struct stream_pool *pool, uint64_t offset,
	uint8_t *data, uint32_t n, uint32_t *rewritten)
{
	uint64_t to = offset + n;
	uint64_t at;
	uint64_t until;

	*rewritten = 0;
	if (to < offset)
		return STREAM_FULL;
	if (n == 0)
		return STREAM_OLD;
	if (put_next(stream, pool, offset, data, n))
		return STREAM_NEW;
	if (offset < stream->trimmed) {
		if (to <= stream->trimmed)
			return STREAM_FORGOTTEN;
		data += stream->trimmed - offset;
		offset = stream->trimmed;
	}
	if (ranges_has(set_present(stream), stream->next, offset, &until) && until >= to) {
		*rewritten = bytes_rewrite(stream, offset, to, data);
		return STREAM_OLD;
	}
	if (!put_reserve(stream, pool, offset, to))
		return STREAM_FULL;

	for (at = offset; at < to; at = until) {
		bool old = ranges_has(set_present(stream), stream->next, at, &until);

		if (until > to)
			until = to;
		if (old)
			*rewritten += bytes_rewrite(stream, at, until, data + (at - offset));
		else
			bytes_store(stream, pool, at, until, data + (at - offset));
	}
	ranges_add(stream->ranges != NULL ? &stream->ranges->present : NULL, &stream->next, offset,
		to);
	ranges_give_unused(stream, pool);
	return STREAM_NEW;
}

size_t stream_peek(struct stream *stream, uint8_t **data)
{
	*data = NULL;
	if (stream->read >= stream->next)
		return 0;
	*data = page_of(stream, stream->read)->data + stream->read % STREAM_PAGE_BYTES;
	return page_room(stream->read, stream->next);
}

void stream_consume(struct stream *stream, size_t n)
{
	assert(n <= stream->next - stream->read);
	stream->read += n;
}

uint64_t stream_fill(struct stream *stream, uint64_t from, uint64_t to, uint8_t byte)
{
	uint64_t filled = 0;

	if (to > stream->end)
		to = stream->end;
	if (from < stream->trimmed)
		from = stream->trimmed;
	while (from < to) {
		uint64_t present_until;
		uint64_t sent_until;
		bool present = ranges_has(set_present(stream), stream->next, from, &present_until);
		bool sent = ranges_has(set_sent(stream), stream->sent, from, &sent_until);
		uint64_t until = present_until < sent_until ? present_until : sent_until;

		if (until > to)
			until = to;
		while (present && !sent && from < until) {
			size_t n = page_room(from, until);

			memset(page_of(stream, from)->data + from % STREAM_PAGE_BYTES, byte, n);
			from += n;
			filled += n;
		}
		from = until;
	}
	return filled;
}

size_t stream_copy(const struct stream *stream, uint64_t offset, uint8_t *out, size_t n)
{
	uint64_t until;
	size_t copied = 0;

	if (offset < stream->trimmed ||
		!ranges_has(set_present(stream), stream->next, offset, &until))
		return 0;
	if (until - offset < n)
		n = (size_t)(until - offset);
	while (copied < n) {
		size_t part = page_room(offset + copied, offset + n);

		memcpy(out + copied,
			page_of(stream, offset + copied)->data +
				(offset + copied) % STREAM_PAGE_BYTES,
			part);
		copied += part;
	}
	return copied;
}

uint32_t stream_islands(const struct stream *stream, uint64_t (*islands)[2], uint32_t room)
{
	const struct range_set *set = set_present(stream);
	uint32_t n = 0;

	for (; set != NULL && n < set->count && n < room; n++) {
		islands[n][0] = ranges_get(set, n).from;
		islands[n][1] = ranges_get(set, n).to;
	}
	return n;
}

bool stream_mark_sent(struct stream *stream, struct stream_pool *pool, uint64_t from, uint64_t to)
{
	bool take = from > stream->sent && stream->ranges == NULL;

	if (from < stream->sent)
		from = stream->sent;
	if (from >= to)
		return true;
	if (take && pool->free_pages == 0)
		return false;
	if (!take && !ranges_fit(set_sent(stream), stream->sent, from, to))
		return false;
	if (take)
		ranges_take(stream, pool);
	ranges_add(stream->ranges != NULL ? &stream->ranges->sent : NULL, &stream->sent, from, to);
	ranges_give_unused(stream, pool);
	return true;
}

bool stream_has_sent_behind(const struct stream *stream, uint64_t offset)
{
	const struct range_set *set = set_sent(stream);

	return stream->sent > offset ||
	       (set != NULL && set->count > 0 && ranges_get(set, set->count - 1).to > offset);
}

uint64_t stream_last_unsent(const struct stream *stream, uint64_t end)
{
	const struct range_set *set = set_sent(stream);

	// Ranges do not touch: before each there is a byte that is in none.
	for (uint32_t n = set != NULL ? set->count : 0; n > 0; n--) {
		if (ranges_get(set, n - 1).from < end && end <= ranges_get(set, n - 1).to)
			end = ranges_get(set, n - 1).from;
	}
	return end > stream->sent ? end - 1 : stream->sent;
}

bool stream_unsent(const struct stream *stream, uint64_t limit, uint64_t *from, uint64_t *to)
{
	uint64_t at = stream->sent;

	if (limit > stream->end)
		limit = stream->end;
	while (at < limit) {
		uint64_t present_until;
		uint64_t sent_until;
		bool present = ranges_has(set_present(stream), stream->next, at, &present_until);
		bool sent = ranges_has(set_sent(stream), stream->sent, at, &sent_until);
		uint64_t until = present_until < sent_until ? present_until : sent_until;

		if (present && !sent) {
			*from = at;
			*to = until < limit ? until : limit;
			return true;
		}
		at = until;
	}
	return false;
}

void stream_release(struct stream *stream, struct stream_pool *pool, uint64_t offset)
{
	uint64_t limit;

	if (offset > stream->next)
		offset = stream->next;
	if (offset > stream->released)
		stream->released = offset;
	if (stream->released <= STREAM_KEEP_BYTES)
		return;
	limit = stream->released - STREAM_KEEP_BYTES;
	if (limit > stream->read)
		limit = stream->read;
	if (limit > stream->sent)
		limit = stream->sent;
	pages_trim(stream, pool, limit);
}

void stream_trim(struct stream *stream, struct stream_pool *pool)
{
	uint64_t limit = stream->released;

	if (limit > stream->read)
		limit = stream->read;
	if (limit > stream->sent)
		limit = stream->sent;
	pages_trim(stream, pool, limit);
}
