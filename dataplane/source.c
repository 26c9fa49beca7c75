// SPDX-License-Identifier: BSD-3-Clause
// Buckets of one cache line, as in flow.c: an entry that finds its home bucket full goes into the next one with
// room, and every bucket it passed counts it, so that a search stops at the first one that nothing has passed.
#include "dataplane/source.h"

#include <assert.h>

#define BUCKET_ENTRIES 7u
#define BUCKET_LOAD 4u // entries a bucket when there are as many as there may be
#define COUNT_BITS 24u
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

struct bucket {
	uint64_t entries[BUCKET_ENTRIES]; // 40 bits of the hash, 24 of the count; 0: free
	uint64_t passed;                  // entries that would have liked to be here or further up
};

static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

struct source_table {
	uint32_t mask; // number of buckets, less one
	uint32_t sources;
	uint32_t used;
	uint32_t unused[13];
	struct bucket buckets[];
};

static_assert(sizeof(struct source_table) == 64, "the buckets behind it are aligned");

static uint32_t count_buckets(uint32_t sources)
{
	uint32_t buckets = 2;

	while ((uint64_t)buckets * BUCKET_LOAD < sources)
		buckets *= 2;
	return buckets;
}

size_t source_table_bytes(uint32_t sources)
{
	return sizeof(struct source_table) + count_buckets(sources) * sizeof(struct bucket);
}

struct source_table *source_table_init(void *memory, uint32_t sources)
{
	struct source_table *table = memory;

	table->mask = count_buckets(sources) - 1;
	table->sources = sources;
	table->used = 0;
	return table;
}

static uint64_t tag_of(uint64_t hash)
{
	return hash & ~COUNT_MASK;
}

// The entry, and in *bucket where it is; NULL: there is none.
static const uint64_t *find(const struct source_table *table, uint64_t hash, uint32_t *where)
{
	for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
		const struct bucket *bucket = &table->buckets[at];

		for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
			if (bucket->entries[i] != 0 && tag_of(bucket->entries[i]) == tag_of(hash)) {
				*where = at;
				return &bucket->entries[i];
			}
		}
		if (bucket->passed == 0)
			return NULL;
	}
}

static uint64_t *find_mutable(struct source_table *table, uint64_t hash, uint32_t *where)
{
	const uint64_t *entry = find(table, hash, where);

	return entry != NULL
		       ? &table->buckets[*where].entries[entry - table->buckets[*where].entries]
		       : NULL;
}

static uint64_t *free_entry(struct bucket *bucket)
{
	for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
		if (bucket->entries[i] == 0)
			return &bucket->entries[i];
	}
	return NULL;
}

static void add(struct source_table *table, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & table->mask;
	uint64_t *entry;

	while ((entry = free_entry(&table->buckets[at])) == NULL) {
		table->buckets[at].passed++;
		at = (at + 1) & table->mask;
	}
	*entry = tag_of(hash) | 1;
	table->used++;
}

bool source_take(struct source_table *table, uint64_t hash, uint32_t most)
{
	uint32_t where = 0;
	uint64_t *entry = find_mutable(table, hash, &where);

	if (entry == NULL) {
		if (most == 0 || table->used == table->sources)
			return false;
		add(table, hash);
		return true;
	}
	if ((*entry & COUNT_MASK) >= most || (*entry & COUNT_MASK) == SOURCE_MOST)
		return false;
	(*entry)++;
	return true;
}

void source_give(struct source_table *table, uint64_t hash)
{
	uint32_t where = 0;
	uint64_t *entry = find_mutable(table, hash, &where);

	assert(entry != NULL);
	if ((--*entry & COUNT_MASK) > 0)
		return;
	*entry = 0;
	table->used--;
	for (uint32_t at = (uint32_t)hash & table->mask; at != where; at = (at + 1) & table->mask)
		table->buckets[at].passed--;
}

uint32_t source_count(const struct source_table *table, uint64_t hash)
{
	uint32_t where = 0;
	const uint64_t *entry = find(table, hash, &where);

	return entry != NULL ? (uint32_t)(*entry & COUNT_MASK) : 0;
}

uint32_t source_table_used(const struct source_table *table)
{
	return table->used;
}
