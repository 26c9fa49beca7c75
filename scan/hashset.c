// SPDX-License-Identifier: BSD-3-Clause
#include "scan/hashset.h"

#include "scan/processor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hashset_bucket {
	uint32_t tags[HASHSET_SLOTS];
	uint32_t entries[HASHSET_SLOTS]; // first entry of the digest, EMPTY in a free slot
};

// At the start of a block; the buckets follow, then the entries.
struct block_header {
	uint32_t buckets_count; // a power of two
	uint32_t entries_count;
	uint64_t max_bytes;
	uint32_t any;
	uint32_t unused[11];
};

#define EMPTY UINT32_MAX
#define MEAN_FILL 5 // digests in a bucket of 16: overflows stay rare

static_assert(sizeof(struct hashset_bucket) == 128, "two cache lines");
static_assert(sizeof(struct hashset_entry) == 48, "image format");
static_assert(sizeof(struct block_header) == 64, "image format");

static uint32_t buckets_for(size_t entries_count)
{
	uint32_t buckets = 1;

	while ((size_t)buckets * MEAN_FILL < entries_count)
		buckets *= 2;
	return buckets;
}

static uint32_t read32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint32_t digest_bucket(const uint8_t *digest)
{
	return read32(digest);
}

static uint32_t digest_tag(const uint8_t *digest)
{
	return read32(digest + 4);
}

uint32_t hashset_compare_portable(const uint32_t *tags, uint32_t tag)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < HASHSET_SLOTS; i++)
		mask |= (uint32_t)(tags[i] == tag) << i;
	return mask;
}

static hashset_compare_fn choose_compare(void)
{
	if (processor_has_avx512())
		return hashset_compare_avx512;
	if (processor_has_avx2())
		return hashset_compare_avx2;
	return hashset_compare_portable;
}

size_t hashset_block_bytes(size_t entries_count)
{
	return sizeof(struct block_header) +
	       buckets_for(entries_count) * sizeof(struct hashset_bucket) +
	       entries_count * sizeof(struct hashset_entry);
}

static int compare_entries(const void *a, const void *b)
{
	const struct hashset_entry *x = a;
	const struct hashset_entry *y = b;
	int order = memcmp(x->digest, y->digest, sizeof(x->digest));

	if (order != 0)
		return order;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? -1 : 1;
	return (x->value > y->value) - (x->value < y->value);
}

static bool is_same_digest(const struct hashset_entry *a, const struct hashset_entry *b)
{
	return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

// There are fewer digests than slots, so this ends.
static void insert(struct hashset_bucket *buckets, uint32_t mask,
	const struct hashset_entry *entries, uint32_t entry)
{
	uint32_t at = digest_bucket(entries[entry].digest) & mask;
	uint32_t slot = 0;

	while (buckets[at].entries[slot] != EMPTY) {
		if (++slot == HASHSET_SLOTS) {
			slot = 0;
			at = (at + 1) & mask;
		}
	}
	buckets[at].entries[slot] = entry;
	buckets[at].tags[slot] = digest_tag(entries[entry].digest);
}

void hashset_build(struct hashset_entry *entries, size_t entries_count, void *block)
{
	struct block_header *header = block;
	struct hashset_bucket *buckets = (void *)(header + 1);
	uint32_t buckets_count = buckets_for(entries_count);

	if (entries_count > 0)
		qsort(entries, entries_count, sizeof(*entries), compare_entries);
	header->buckets_count = buckets_count;
	header->entries_count = (uint32_t)entries_count;
	for (uint32_t i = 0; i < buckets_count; i++)
		memset(buckets[i].entries, 0xff, sizeof(buckets[i].entries));
	for (uint32_t i = 0; i < entries_count; i++) {
		if (entries[i].bytes == 0)
			header->any = 1;
		if (entries[i].bytes > header->max_bytes)
			header->max_bytes = entries[i].bytes;
		if (i == 0 || !is_same_digest(&entries[i], &entries[i - 1]))
			insert(buckets, buckets_count - 1, entries, i);
	}
	if (entries_count > 0)
		memcpy(buckets + buckets_count, entries, entries_count * sizeof(*entries));
}

static bool slots_are_valid(const struct hashset *set)
{
	bool has_free = false;

	for (uint32_t i = 0; i <= set->buckets_mask; i++) {
		for (uint32_t slot = 0; slot < HASHSET_SLOTS; slot++) {
			uint32_t entry = set->buckets[i].entries[slot];

			// Only the last slot's being free ends a search.
			has_free = has_free || (entry == EMPTY && slot == HASHSET_SLOTS - 1);
			if (entry != EMPTY && entry >= set->entries_count)
				return false;
		}
	}
	return has_free;
}

int hashset_open(const void *block, size_t bytes, uint32_t values_count, struct hashset *out)
{
	const struct block_header *header = block;
	struct hashset set = {.compare = choose_compare()};
	uint64_t buckets_count;

	if (bytes < sizeof(*header))
		return -EBADMSG;
	buckets_count = header->buckets_count;
	if (buckets_count == 0 || (buckets_count & (buckets_count - 1)) != 0 ||
		sizeof(*header) + buckets_count * sizeof(struct hashset_bucket) +
				header->entries_count * (uint64_t)sizeof(struct hashset_entry) !=
			bytes)
		return -EBADMSG;
	set.buckets = (const void *)(header + 1);
	set.entries = (const void *)(set.buckets + buckets_count);
	set.buckets_mask = header->buckets_count - 1;
	set.entries_count = header->entries_count;
	set.max_bytes = header->max_bytes;
	set.any = header->any != 0;
	if (!slots_are_valid(&set))
		return -EBADMSG;
	for (uint32_t i = 0; i < set.entries_count; i++) {
		if (set.entries[i].value == HASHSET_ALLOWED)
			set.allows = true;
		else if (set.entries[i].value >= values_count)
			return -EBADMSG;
	}
	*out = set;
	return 0;
}

static size_t collect(
	const struct hashset *set, uint32_t entry, uint64_t bytes, uint32_t *values, size_t max)
{
	const struct hashset_entry *first = &set->entries[entry];
	size_t count = 0;

	for (uint32_t i = entry; i < set->entries_count && count < max; i++) {
		if (!is_same_digest(first, &set->entries[i]))
			break;
		if (set->entries[i].bytes == 0 || set->entries[i].bytes == bytes)
			values[count++] = set->entries[i].value;
	}
	return count;
}

// The first entry of the digest, EMPTY: there is none. A bucket with a free slot ends the search; hashset_open has seen
// that there is one.
static inline uint32_t find_first(const struct hashset *set, const uint8_t *digest)
{
	uint32_t tag = digest_tag(digest);
	uint32_t at;

	for (at = digest_bucket(digest) & set->buckets_mask;; at = (at + 1) & set->buckets_mask) {
		const struct hashset_bucket *bucket = &set->buckets[at];
		uint32_t mask = set->compare(bucket->tags, tag);

		for (; mask != 0; mask &= mask - 1) {
			uint32_t entry = bucket->entries[__builtin_ctz(mask)];

			if (entry != EMPTY && memcmp(set->entries[entry].digest, digest,
						      HASHSET_DIGEST_BYTES) == 0)
				return entry;
		}
		if (bucket->entries[HASHSET_SLOTS - 1] == EMPTY)
			return EMPTY;
	}
}

size_t hashset_find(const struct hashset *set, const uint8_t *digest, uint64_t bytes,
	uint32_t *values, size_t max)
{
	uint32_t entry = set->entries_count > 0 ? find_first(set, digest) : EMPTY;

	return entry != EMPTY ? collect(set, entry, bytes, values, max) : 0;
}

size_t hashset_count(const struct hashset *set, const uint8_t *digest)
{
	uint32_t first = set->entries_count > 0 ? find_first(set, digest) : EMPTY;
	uint32_t i = first;

	if (first == EMPTY)
		return 0;
	while (i < set->entries_count && is_same_digest(&set->entries[first], &set->entries[i]))
		i++;
	return i - first;
}

void hashset_expect(const struct hashset *set, const uint8_t *digest)
{
	const struct hashset_bucket *bucket;

	if (set->entries_count == 0)
		return;
	bucket = &set->buckets[digest_bucket(digest) & set->buckets_mask];
	__builtin_prefetch(bucket->tags);
	__builtin_prefetch(bucket->entries);
}
