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

// The tables touch only the memory of their links until they are used.
static void *add_tables(struct track_pool *pool, int size, size_t room, size_t count)
{
	size_t bytes = sizeof(struct track_table) + room * sizeof(struct track_entry);
	uint8_t *memory = calloc(count, bytes);

	for (size_t i = 0; memory != NULL && i < count; i++) {
		struct track_table *table = (void *)(memory + i * bytes);

		table->next = pool->tables[size];
		pool->tables[size] = table;
	}
	return memory;
}

int track_pool_init(struct track_pool *pool, const struct ruleset *ruleset, uint32_t objects)
{
	size_t rings = ruleset->groups_count > 0 ? RINGS_AT_LEAST + (size_t)4 * objects : 1;

	pool->memory[0] = add_rings(pool, rings);
	pool->memory[1] = add_tables(pool, 0, TRACK_ROOM_MIDDLE, 4 + objects / 16);
	pool->memory[2] = add_tables(pool, 1, TRACK_ROOM_LARGE, LARGE_TABLES);
	return pool->memory[0] != NULL && pool->memory[1] != NULL && pool->memory[2] != NULL
		       ? 0
		       : -ENOMEM;
}

void track_pool_fini(struct track_pool *pool)
{
	for (size_t i = 0; i < sizeof(pool->memory) / sizeof(pool->memory[0]); i++)
		free(pool->memory[i]);
}
