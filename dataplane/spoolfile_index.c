// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spoolfile_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t bucket_of(const struct spoolfile *store, struct spool_id id)
{
	uint64_t hash = (id.run ^ id.number) * 0x9e3779b97f4a7c15u;

	return (size_t)(hash >> 32) & (store->buckets_count - 1);
}

struct store_entry *store_find(const struct spoolfile *store, struct spool_id id)
{
	struct store_entry *entry = store->buckets[bucket_of(store, id)];

	while (entry != NULL &&
		(entry->record.id.run != id.run || entry->record.id.number != id.number))
		entry = entry->next;
	return entry;
}

// Failing to grow costs speed, nothing else.
static void grow(struct spoolfile *store)
{
	size_t old = store->buckets_count;
	struct store_entry **buckets = store->buckets;
	struct store_entry **wider = calloc(old * 2, sizeof(struct store_entry *));

	if (wider == NULL)
		return;
	store->buckets = wider;
	store->buckets_count = old * 2;
	for (size_t i = 0; i < old; i++) {
		while (buckets[i] != NULL) {
			struct store_entry *entry = buckets[i];
			size_t at = bucket_of(store, entry->record.id);

			buckets[i] = entry->next;
			entry->next = wider[at];
			wider[at] = entry;
		}
	}
	free(buckets);
}

static struct store_entry *find_or_add(struct spoolfile *store, struct spool_id id)
{
	struct store_entry *entry = store_find(store, id);
	size_t bucket;

	if (entry != NULL)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	if (store->entries_count >= store->buckets_count)
		grow(store);
	bucket = bucket_of(store, id);
	entry->record.id = id;
	entry->next = store->buckets[bucket];
	store->buckets[bucket] = entry;
	store->entries_count++;
	return entry;
}

bool store_is_whole(const struct store_entry *entry)
{
	return entry->whole != 0 && entry->distinct == entry->whole &&
	       entry->extents[entry->count - 1].chunk == entry->whole - 1;
}

bool store_is_live(const struct store_entry *entry)
{
	return store_is_whole(entry) && !spool_state_is_gone(entry->record.state);
}

// The place behind the copies of this chunk that are there; *known when this very one is among them.
static uint32_t place_of(const struct store_entry *entry, const struct store_extent *extent,
	bool *known, bool *copied)
{
	uint32_t at = entry->count;

	*known = false;
	*copied = false;
	while (at > 0 && entry->extents[at - 1].chunk > extent->chunk)
		at--;
	for (uint32_t i = at; i > 0 && entry->extents[i - 1].chunk == extent->chunk; i--) {
		const struct store_extent *other = &entry->extents[i - 1];

		*copied = true;
		if (other->file == extent->file && other->offset == extent->offset)
			*known = true;
	}
	return at;
}

static int insert(struct store_entry *entry, uint32_t at, const struct store_extent *extent)
{
	if (entry->count == entry->room) {
		uint32_t room = entry->room == 0 ? 1 : entry->room * 2;
		struct store_extent *wider = realloc(entry->extents, room * sizeof(*wider));

		if (wider == NULL)
			return -ENOMEM;
		entry->extents = wider;
		entry->room = room;
	}
	memmove(entry->extents + at + 1, entry->extents + at,
		(entry->count - at) * sizeof(*entry->extents));
	entry->extents[at] = *extent;
	entry->count++;
	return 0;
}

int store_add_chunk(struct spoolfile *store, uint32_t file, uint64_t offset,
	const struct spool_chunk *chunk, const uint8_t *content)
{
	const struct store_extent extent = {file, chunk->index, offset, chunk->body_bytes,
		(uint32_t)spool_chunk_stored(spool_chunk_content(chunk))};
	struct store_entry *entry = find_or_add(store, chunk->id);
	struct spoolfile_record *record;
	bool copied;
	bool known;
	uint32_t at;

	if (entry == NULL)
		return -ENOMEM;
	at = place_of(entry, &extent, &known, &copied);
	if (known)
		return 0;
	if (insert(entry, at, &extent) != 0)
		return -ENOMEM;
	record = &entry->record;
	record->stored_bytes += extent.stored_bytes;
	if (copied)
		return 0;
	entry->distinct++;
	record->body_bytes += chunk->body_bytes;
	if (chunk->index == 0) {
		record->arrival_ns = spool_head_arrival(content);
		memcpy(record->segment, store->files[file].name, sizeof(record->segment));
	}
	if (chunk->flags & SPOOL_CHUNK_FINAL) {
		entry->whole = chunk->index + 1;
		record->chunks = entry->whole;
		if (!entry->changed)
			record->state =
				(enum spool_state)content[chunk->head_bytes + chunk->body_bytes];
	}
	return 0;
}

static int add_pin(
	struct spoolfile *store, uint32_t file, uint64_t offset, const struct spool_change *change)
{
	struct store_pin *wider;

	for (size_t i = 0; i < store->pins_count; i++) {
		if (store->pins[i].file == file && store->pins[i].offset == offset)
			return 0;
	}
	wider = realloc(store->pins, (store->pins_count + 1) * sizeof(*wider));
	if (wider == NULL)
		return -ENOMEM;
	store->pins = wider;
	store->pins[store->pins_count++] = (struct store_pin){file, offset, change->id};
	return 0;
}

int store_add_change(
	struct spoolfile *store, uint32_t file, uint64_t offset, const struct spool_change *change)
{
	struct store_entry *entry = find_or_add(store, change->id);

	if (entry == NULL)
		return -ENOMEM;
	if (!store->files[file].is_log && add_pin(store, file, offset, change) != 0)
		return -ENOMEM;
	if (entry->changed) {
		bool was_gone = spool_state_is_gone(entry->record.state);
		bool is_gone = spool_state_is_gone(change->state);

		if (was_gone && !is_gone)
			return 0;
		if (was_gone == is_gone && change->time_ns < entry->change_ns)
			return 0;
	}
	entry->changed = true;
	entry->record.is_changed = true;
	entry->change_ns = change->time_ns;
	entry->record.state = change->state;
	return 0;
}

// ---- forgetting ---------------------------------------------------------------------------------

static void forget_extents(struct store_entry *entry, uint32_t file)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < entry->count; i++) {
		if (entry->extents[i].file != file)
			entry->extents[kept++] = entry->extents[i];
	}
	if (kept == entry->count)
		return;
	entry->count = kept;
	entry->distinct = 0;
	entry->record.body_bytes = 0;
	entry->record.stored_bytes = 0;
	for (uint32_t i = 0; i < kept; i++) {
		entry->record.stored_bytes += entry->extents[i].stored_bytes;
		if (i > 0 && entry->extents[i].chunk == entry->extents[i - 1].chunk)
			continue;
		entry->distinct++;
		entry->record.body_bytes += entry->extents[i].body_bytes;
	}
}

void store_forget_file(struct spoolfile *store, uint32_t file)
{
	size_t kept = 0;

	for (size_t i = 0; i < store->buckets_count; i++) {
		for (struct store_entry *entry = store->buckets[i]; entry != NULL;
			entry = entry->next)
			forget_extents(entry, file);
	}
	for (size_t i = 0; i < store->pins_count; i++) {
		if (store->pins[i].file != file)
			store->pins[kept++] = store->pins[i];
	}
	store->pins_count = kept;
	memset(&store->files[file], 0, sizeof(store->files[file]));
}

void store_free_entries(struct spoolfile *store)
{
	for (size_t i = 0; i < store->buckets_count; i++) {
		while (store->buckets[i] != NULL) {
			struct store_entry *entry = store->buckets[i];

			store->buckets[i] = entry->next;
			free(entry->extents);
			free(entry);
		}
	}
	store->entries_count = 0;
}

// Entries of records that are no more on disk, and that nothing says anything about.
static void drop_empty(struct spoolfile *store, struct store_entry **link)
{
	while (*link != NULL) {
		struct store_entry *entry = *link;

		if (entry->count > 0 || entry->changed) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		free(entry->extents);
		free(entry);
		store->entries_count--;
	}
}

// ---- the list -----------------------------------------------------------------------------------

static int by_arrival(const void *a, const void *b)
{
	const struct spoolfile_record *one = a;
	const struct spoolfile_record *two = b;

	if (one->arrival_ns != two->arrival_ns)
		return one->arrival_ns < two->arrival_ns ? -1 : 1;
	if (one->id.run != two->id.run)
		return one->id.run < two->id.run ? -1 : 1;
	return one->id.number < two->id.number ? -1 : one->id.number > two->id.number;
}

static void count_entry(struct spoolfile *store, const struct store_entry *entry)
{
	struct spoolfile_stats *stats = &store->stats;

	stats->duplicates += entry->count - entry->distinct;
	if (store_is_live(entry))
		store->list[store->list_count++] = entry->record;
	else if (store_is_whole(entry))
		stats->gone++;
	else if (entry->count > 0)
		stats->incomplete++;
}

int store_make_list(struct spoolfile *store)
{
	struct spoolfile_record *list;
	struct store_entry *entry;

	for (size_t i = 0; i < store->buckets_count; i++)
		drop_empty(store, &store->buckets[i]);
	list = realloc(store->list, (store->entries_count + 1) * sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	store->list = list;
	store->list_count = 0;
	store->stats.gone = 0;
	store->stats.incomplete = 0;
	store->stats.duplicates = 0;
	for (size_t i = 0; i < store->buckets_count; i++) {
		for (entry = store->buckets[i]; entry != NULL; entry = entry->next)
			count_entry(store, entry);
	}
	qsort(store->list, store->list_count, sizeof(*list), by_arrival);
	store->stats.records = store->list_count;
	return 0;
}
