// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_track.h"

#include <errno.h>
#include <stdlib.h>

#define RINGS_AT_LEAST 1024
#define LARGE_TABLES 4

static void *add_rings(struct track_pool *pool, size_t count)
{
	struct track_ring *rings = calloc(count, sizeof(*rings));

	for (size_t i = 0; rings != NULL && i < count; i++) {
		rings[i].next_of_object = pool->rings;
		pool->rings = &rings[i];
	}
	return rings;
}

static const uint32_t rooms[TRACK_SIZES] = {TRACK_ROOM_MIDDLE, TRACK_ROOM_LARGE};

static size_t table_bytes(int size)
{
	return sizeof(struct track_table) + rooms[size] * sizeof(struct track_entry);
}

// Neither cleared nor touched before they are used: few of them ever are.
static void *add_tables(struct track_pool *pool, int size, size_t count)
{
	pool->unused[size] = count;
	return malloc(count * table_bytes(size));
}

struct track_table *track_pool_take(struct track_pool *pool, int size)
{
	struct track_table *table = pool->tables[size];

	if (table != NULL)
		pool->tables[size] = table->next;
	else if (pool->unused[size] > 0)
		table = (void *)((uint8_t *)pool->memory[1 + size] +
				 --pool->unused[size] * table_bytes(size));
	return table;
}

int track_pool_init(struct track_pool *pool, const struct ruleset *ruleset, uint32_t objects)
{
	size_t rings = ruleset->groups_count > 0 ? RINGS_AT_LEAST + (size_t)4 * objects : 1;

	pool->memory[0] = add_rings(pool, rings);
	pool->memory[1] = add_tables(pool, 0, 4 + objects / 16);
	pool->memory[2] = add_tables(pool, 1, LARGE_TABLES);
	return pool->memory[0] != NULL && pool->memory[1] != NULL && pool->memory[2] != NULL
		       ? 0
		       : -ENOMEM;
}

void track_pool_fini(struct track_pool *pool)
{
	for (size_t i = 0; i < sizeof(pool->memory) / sizeof(pool->memory[0]); i++)
		free(pool->memory[i]);
}
