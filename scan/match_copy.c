// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_copy.h"

#include <errno.h>
#include <stdlib.h>

// Objects that are in progress together rarely are large.
#define CHUNKS_AT_LEAST (2 * MATCH_COPY_LIMIT / MATCH_COPY_CHUNK)
#define CHUNKS_OF_OBJECT 4

int match_copy_pool_init(struct match_copy_pool *pool, uint32_t objects)
{
	pool->joined = malloc(MATCH_COPY_BYTES);
	if (pool->joined == NULL)
		return -ENOMEM;
	return capture_pool_init_margins(&pool->chunks, MATCH_COPY_CHUNK, MATCH_COPY_MARGIN,
		CHUNKS_AT_LEAST + objects * CHUNKS_OF_OBJECT);
}

void match_copy_pool_fini(struct match_copy_pool *pool)
{
	capture_pool_fini(&pool->chunks);
	free(pool->joined);
}

void match_copy_begin(struct match_copy *copy, struct match_copy_pool *pool)
{
	copy->pool = pool;
	copy->bytes = 0;
	copy->truncated = false;
	capture_begin(
		&copy->capture, pool != NULL ? &pool->chunks : NULL, (uint64_t)MATCH_COPY_LIMIT);
}

void match_copy_keep(struct match_copy *copy, size_t n)
{
	capture_keep(&copy->capture, n);
	if (copy->capture.bytes > MATCH_COPY_BYTES)
		copy->truncated = true;
	copy->bytes = copy->capture.bytes < MATCH_COPY_BYTES ? (size_t)copy->capture.bytes
							     : MATCH_COPY_BYTES;
}

void match_copy_miss(struct match_copy *copy)
{
	copy->truncated = true;
}

const uint8_t *match_copy_join(const struct match_copy *copy)
{
	const uint8_t *data = (const uint8_t *)"";

	if (capture_piece(&copy->capture, 0, &data) >= copy->bytes)
		return data;
	(void)capture_read(&copy->capture, 0, copy->pool->joined, copy->bytes);
	return copy->pool->joined;
}

void match_copy_release(struct match_copy *copy)
{
	capture_free(&copy->capture);
}
