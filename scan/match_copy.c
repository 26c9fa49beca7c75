// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_AT_LEAST (2 * MATCH_COPY_BYTES / MATCH_COPY_BLOCK)
#define BLOCKS_OF_OBJECT 4

// The blocks touch only the memory of their links until they are used.
int match_copy_pool_init(struct match_copy_pool *pool, uint32_t objects)
{
	size_t count = BLOCKS_AT_LEAST + (size_t)objects * BLOCKS_OF_OBJECT;
	struct match_copy_block *blocks = calloc(count, sizeof(*blocks));

	pool->memory = blocks;
	pool->joined = malloc(MATCH_COPY_BYTES);
	if (blocks == NULL || pool->joined == NULL)
		return -ENOMEM;
	for (size_t i = count; i-- > 0;) {
		blocks[i].next = pool->free_blocks;
		pool->free_blocks = &blocks[i];
	}
	return 0;
}

void match_copy_pool_fini(struct match_copy_pool *pool)
{
	free(pool->memory);
	free(pool->joined);
}

void match_copy_begin(struct match_copy *copy, struct match_copy_pool *pool)
{
	*copy = (struct match_copy){.pool = pool};
}

static bool add_block(struct match_copy *copy)
{
	struct match_copy_block *block = copy->pool->free_blocks;

	if (block == NULL || copy->bytes == MATCH_COPY_BYTES)
		return false;
	copy->pool->free_blocks = block->next;
	block->next = NULL;
	if (copy->last == NULL)
		copy->first = block;
	else
		copy->last->next = block;
	copy->last = block;
	return true;
}

void match_copy_feed(struct match_copy *copy, const uint8_t *data, size_t n)
{
	if (copy->pool == NULL || copy->truncated)
		return;
	while (n > 0) {
		size_t used = copy->bytes % MATCH_COPY_BLOCK;
		size_t room = MATCH_COPY_BLOCK - used;

		if (used == 0 && !add_block(copy)) {
			copy->truncated = true;
			return;
		}
		room = room < n ? room : n;
		memcpy(copy->last->data + used, data, room);
		copy->bytes += room;
		data += room;
		n -= room;
	}
}

const uint8_t *match_copy_join(const struct match_copy *copy)
{
	size_t at = 0;

	if (copy->bytes == 0)
		return (const uint8_t *)"";
	if (copy->first == copy->last)
		return copy->first->data;
	for (const struct match_copy_block *block = copy->first; block != NULL;
		block = block->next) {
		size_t n =
			copy->bytes - at < MATCH_COPY_BLOCK ? copy->bytes - at : MATCH_COPY_BLOCK;

		memcpy(copy->pool->joined + at, block->data, n);
		at += n;
	}
	return copy->pool->joined;
}

void match_copy_release(struct match_copy *copy)
{
	while (copy->first != NULL) {
		struct match_copy_block *block = copy->first;

		copy->first = block->next;
		block->next = copy->pool->free_blocks;
		copy->pool->free_blocks = block;
	}
	copy->last = NULL;
	copy->bytes = 0;
}
