// SPDX-License-Identifier: BSD-3-Clause
// The part of the search for patterns that exists in several variants, one for each kind of processor.
// Private to scan/ and its tests.
#pragma once

#include "scan/anchor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// So many more places may be written than pass.
#define ANCHOR_SIEVE_SLACK 160u

// What all the bytes are, of blocks of 64.
enum anchor_content anchor_content_portable(const uint8_t *data, size_t n);
enum anchor_content anchor_content_avx512(const uint8_t *data, size_t n);

// The vector forms do so many places at once.
#define ANCHOR_BLOCK 64u
#define ANCHOR_TEXT_BLOCK 96u

// Of the bits of 16 rows of text that are set, those whose places pass: the first needs the fourth.
static inline uint64_t anchor_text_passed(uint64_t bits)
{
	const uint64_t first = UINT64_C(0x1111111111111111);

	return bits & (bits >> 3 | ~first) & ~(first << 3);
}

// How many bytes the blocks of 64 are, of which n are there, that hold base64 alone, up to the first that does not.
size_t anchor_codes_portable(const uint8_t *data, size_t n);
size_t anchor_codes_avx512(const uint8_t *data, size_t n);

// Which of n places pass the sieve, n < 65536: their numbers in ascending order. Returns how many. Five
// bytes behind the last place are read, and 16 by the vector forms.
typedef size_t (*anchor_sieve_fn)(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);

size_t anchor_sieve_portable(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
size_t anchor_sieve_text_portable(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
size_t anchor_sieve_codes_portable(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
// Of n only as many as are a multiple of a block.
size_t anchor_sieve_avx2(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
size_t anchor_sieve_text_avx2(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
size_t anchor_sieve_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
size_t anchor_sieve_text_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);
size_t anchor_sieve_codes_avx512(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out);

// Variant number i that this processor can run, the slowest first; NULL past the last. They take any n.
anchor_sieve_fn anchor_sieve_variant(enum anchor_content content, size_t i);
// The same of anchor_content_of.
typedef enum anchor_content (*anchor_content_fn)(const uint8_t *data, size_t n);
anchor_content_fn anchor_content_variant(size_t i);

// ---- the filter --------------------------------------------------------------------------------

// Places that have passed it, and the buckets of their windows.
struct anchor_met {
	uint32_t *ats;
	uint32_t *buckets;
};

// So many more of each may be written than pass.
#define ANCHOR_FILTER_SLACK 16u

// Which of n places, told from data[at], pass the filter of a table that has entries. Returns how many.
typedef size_t (*anchor_filter_fn)(const struct anchor_table *table, const uint8_t *data, size_t at,
	const uint16_t *places, size_t n, const struct anchor_met *out);
size_t anchor_filter_portable(const struct anchor_table *table, const uint8_t *data, size_t at,
	const uint16_t *places, size_t n, const struct anchor_met *out);
size_t anchor_filter_avx512(const struct anchor_table *table, const uint8_t *data, size_t at,
	const uint16_t *places, size_t n, const struct anchor_met *out);
// The portable one is 0; NULL: none, or not for this processor.
anchor_filter_fn anchor_filter_variant(size_t i);

// ---- pieces ------------------------------------------------------------------------------------

// A place where the window of an entry may begin.
struct anchor_meeting {
	uint32_t at;
	uint32_t entry;
};

// Moves those of n whose piece stands there to the front, in their order. Returns how many they are.
size_t anchor_fit(const struct anchor_entry *entries, const uint8_t *data,
	struct anchor_meeting *meetings, size_t n);
