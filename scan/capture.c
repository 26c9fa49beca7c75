// SPDX-License-Identifier: BSD-3-Clause
#include "scan/capture.h"

#include "scan/warm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_CHUNK_BYTES 64

static size_t stride(const struct capture_pool *pool)
{
	return pool->chunk_bytes + 2 * pool->margin_bytes;
}

int capture_pool_init_margins(
	struct capture_pool *pool, size_t chunk_bytes, size_t margin_bytes, uint32_t chunks_count)
{
	*pool = (struct capture_pool){.chunk_bytes = chunk_bytes, .margin_bytes = margin_bytes};
	if (chunk_bytes < LEAST_CHUNK_BYTES || (chunk_bytes & (chunk_bytes - 1)) != 0 ||
		margin_bytes > chunk_bytes)
		return -EINVAL;
	pool->memory = calloc(chunks_count > 0 ? chunks_count : 1, stride(pool));
	pool->free_chunks = calloc(chunks_count > 0 ? chunks_count : 1, sizeof(*pool->free_chunks));
	if (pool->memory == NULL || pool->free_chunks == NULL) {
		capture_pool_fini(pool);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < chunks_count; i++)
		pool->free_chunks[i] = chunks_count - 1 - i;
	pool->free_count = chunks_count;
	pool->chunks_count = chunks_count;
	return 0;
}

int capture_pool_init(struct capture_pool *pool, size_t chunk_bytes, uint32_t chunks_count)
{
	return capture_pool_init_margins(pool, chunk_bytes, 0, chunks_count);
}

void capture_pool_fini(struct capture_pool *pool)
{
	free(pool->memory);
	free(pool->free_chunks);
	*pool = (struct capture_pool){0};
}

void capture_pool_warm(struct capture_pool *pool, size_t bytes)
{
	const size_t all = (size_t)pool->chunks_count * stride(pool);

	warm_memory(pool->memory, bytes < all ? bytes : all);
}

void capture_begin(struct capture *capture, struct capture_pool *pool, uint64_t max_bytes)
{
	capture->pool = pool;
	capture->bytes = 0;
	capture->max_bytes = max_bytes;
	capture->chunks_count = 0;
	capture->dropped = 0;
	capture->is_full = false;
}

static uint8_t *chunk_at(const struct capture_pool *pool, uint32_t chunk)
{
	return pool->memory + chunk * stride(pool) + pool->margin_bytes;
}

static uint32_t read_index(const struct capture *capture, uint32_t i)
{
	uint32_t chunk;

	if (capture->chunks_count <= CAPTURE_OWN_CHUNKS)
		return capture->own[i];
	memcpy(&chunk, chunk_at(capture->pool, capture->index) + i * sizeof(chunk), sizeof(chunk));
	return chunk;
}

// The list of chunks outgrows the capture itself: it moves to a chunk of its own.
static void move_index(struct capture *capture)
{
	struct capture_pool *pool = capture->pool;

	capture->index = pool->free_chunks[--pool->free_count];
	memcpy(chunk_at(pool, capture->index), capture->own, sizeof(capture->own));
}

static bool add_chunk(struct capture *capture)
{
	struct capture_pool *pool = capture->pool;
	uint32_t count = capture->chunks_count;
	const uint32_t last = count > 0 ? read_index(capture, count - 1) : 0;
	uint32_t chunk;

	if (count == pool->chunk_bytes / sizeof(chunk) ||
		pool->free_count < (count == CAPTURE_OWN_CHUNKS ? 2u : 1u))
		return false;
	if (count == CAPTURE_OWN_CHUNKS)
		move_index(capture);
	chunk = pool->free_chunks[--pool->free_count];
	if (count < CAPTURE_OWN_CHUNKS)
		capture->own[count] = chunk;
	else
		memcpy(chunk_at(pool, capture->index) + count * sizeof(chunk), &chunk,
			sizeof(chunk));
	if (count > 0 && pool->margin_bytes > 0)
		memcpy(chunk_at(pool, chunk) - pool->margin_bytes,
			chunk_at(pool, last) + pool->chunk_bytes - pool->margin_bytes,
			pool->margin_bytes);
	capture->chunks_count++;
	return true;
}

size_t capture_room(struct capture *capture, uint8_t **room)
{
	const struct capture_pool *pool = capture->pool;
	const uint64_t left = capture->max_bytes - capture->bytes;
	size_t used;
	size_t n;

	if (pool == NULL || capture->is_full)
		return 0;
	used = capture->bytes & (pool->chunk_bytes - 1);
	n = pool->chunk_bytes - used;
	n = n < left ? n : (size_t)left;
	if (n == 0 || (capture->bytes == capture->chunks_count * (uint64_t)pool->chunk_bytes &&
			      !add_chunk(capture))) {
		capture->is_full = true;
		return 0;
	}
	*room = chunk_at(pool, read_index(capture, capture->chunks_count - 1)) + used;
	return n;
}

void capture_keep(struct capture *capture, size_t n)
{
	capture->bytes += n;
}

size_t capture_append(struct capture *capture, const uint8_t *data, size_t n)
{
	uint8_t *to = NULL;
	size_t kept = 0;
	size_t room;

	while (kept < n && (room = capture_room(capture, &to)) > 0) {
		room = room < n - kept ? room : n - kept;
		memcpy(to, data + kept, room);
		capture_keep(capture, room);
		kept += room;
	}
	return kept;
}

size_t capture_piece(const struct capture *capture, uint64_t offset, const uint8_t **data)
{
	size_t within;
	uint32_t i;

	if (capture->pool == NULL || offset >= capture->bytes)
		return 0;
	within = offset & (capture->pool->chunk_bytes - 1);
	i = (uint32_t)(offset / capture->pool->chunk_bytes);
	if (i < capture->dropped)
		return 0;
	*data = chunk_at(capture->pool, read_index(capture, i)) + within;
	if (i + 1 < capture->chunks_count)
		return capture->pool->chunk_bytes - within;
	return (size_t)(capture->bytes - offset);
}

size_t capture_read(const struct capture *capture, uint64_t offset, uint8_t *out, size_t n)
{
	const uint8_t *data = NULL;
	size_t done = 0;

	while (done < n) {
		size_t piece = capture_piece(capture, offset + done, &data);

		if (piece == 0)
			break;
		piece = piece < n - done ? piece : n - done;
		memcpy(out + done, data, piece);
		done += piece;
	}
	return done;
}

void capture_drop_before(struct capture *capture, uint64_t offset)
{
	struct capture_pool *pool = capture->pool;
	uint64_t chunks;

	if (pool == NULL)
		return;
	chunks = (offset < capture->bytes ? offset : capture->bytes) / pool->chunk_bytes;
	for (; capture->dropped < chunks; capture->dropped++)
		pool->free_chunks[pool->free_count++] = read_index(capture, capture->dropped);
}

uint64_t capture_begin_of(const struct capture *capture)
{
	return capture->pool != NULL ? capture->dropped * (uint64_t)capture->pool->chunk_bytes : 0;
}

void capture_free(struct capture *capture)
{
	struct capture_pool *pool = capture->pool;

	if (pool == NULL)
		return;
	for (uint32_t i = capture->chunks_count; i-- > capture->dropped;)
		pool->free_chunks[pool->free_count++] = read_index(capture, i);
	if (capture->chunks_count > CAPTURE_OWN_CHUNKS)
		pool->free_chunks[pool->free_count++] = capture->index;
	capture_begin(capture, NULL, 0);
}
