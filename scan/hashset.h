// SPDX-License-Identifier: BSD-3-Clause
// A set of whole-object digests of one algorithm, as a flat block of memory that can be mapped.
//
// The block is a table of buckets of 16 tags (one cache line, compared with one or two vector
// instructions), the numbers of the entries these stand for, and the entries. A digest leads to its
// bucket and its tag; entries of the same digest stand side by side. A full bucket overflows into
// the next.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASHSET_DIGEST_BYTES 32    // room for the longest; shorter ones are padded with zeros
#define HASHSET_SLOTS 16           // of a bucket
#define HASHSET_ALLOWED UINT32_MAX // value of an entry of an allow list

struct hashset_entry {
	uint8_t digest[HASHSET_DIGEST_BYTES];
	uint64_t bytes; // size of the object, 0: any
	uint32_t value; // number of the signature, or HASHSET_ALLOWED
	uint32_t unused;
};

typedef uint32_t (*hashset_compare_fn)(const uint32_t *tags, uint32_t tag);

// A checked view of a block, which must outlive it. All zero: an empty set.
struct hashset {
	const struct hashset_bucket *buckets;
	const struct hashset_entry *entries;
	uint32_t buckets_mask;
	uint32_t entries_count;
	uint64_t max_bytes; // largest size of a sized entry
	bool any;           // has entries of any size
	bool allows;        // has entries of an allow list
	hashset_compare_fn compare;
};

// Bytes of the block for so many entries.
size_t hashset_block_bytes(size_t entries_count);
// Fills in the block, which is zeroed and 64-byte aligned. Sorts the entries.
void hashset_build(struct hashset_entry *entries, size_t entries_count, void *block);
// Checks a block of which nothing is trusted; values must be below values_count. Returns 0 or
// -EBADMSG.
int hashset_open(const void *block, size_t bytes, uint32_t values_count, struct hashset *out);

// Writes the values of at most max entries that fit the digest (padded with zeros) of an object of so
// many bytes; returns how many.
size_t hashset_find(const struct hashset *set, const uint8_t *digest, uint64_t bytes,
	uint32_t *values, size_t max);

// How many entries have the digest, of objects of any size.
size_t hashset_count(const struct hashset *set, const uint8_t *digest);

// The same digest is looked for soon: what is read of the set first is brought near meanwhile.
void hashset_expect(const struct hashset *set, const uint8_t *digest);

// Bit i of the result: tags[i] == tag, of 16 tags. The vector forms may only be called where the
// processor has them; hashset_open chooses.
uint32_t hashset_compare_portable(const uint32_t *tags, uint32_t tag);
uint32_t hashset_compare_avx2(const uint32_t *tags, uint32_t tag);
uint32_t hashset_compare_avx512(const uint32_t *tags, uint32_t tag);
