// SPDX-License-Identifier: BSD-3-Clause
// The words that regular expressions begin with, with AVX2: the halves of each byte choose the words that may
// have it at its place, and what is left of those of four places may be one.
#include "scan/match_regex_start.h"

#include <immintrin.h>

#define VECTOR 32u

struct tables {
	__m256i low[REGEX_START_LOOKS];
	__m256i high[REGEX_START_LOOKS];
};

static inline __m256i load_table(const uint8_t *table)
{
	return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));
}

// A bit for each of 32 places where a word may begin.
static inline uint32_t marks_of(const struct tables *tables, const uint8_t *data)
{
	const __m256i halves = _mm256_set1_epi8(0xf);
	__m256i words = _mm256_set1_epi8(-1);

	for (unsigned int i = 0; i < REGEX_START_LOOKS; i++) {
		const __m256i bytes = _mm256_loadu_si256((const void *)(data + i));
		const __m256i low = _mm256_and_si256(bytes, halves);
		const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), halves);

		words = _mm256_and_si256(
			words, _mm256_and_si256(_mm256_shuffle_epi8(tables->low[i], low),
				       _mm256_shuffle_epi8(tables->high[i], high)));
	}
	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(words, _mm256_setzero_si256()));
}

// The first two bytes of a single word.
struct pair {
	__m256i values[2];
	__m256i masks[2];
};

static inline __m256i byte_of(uint64_t bytes, unsigned int i)
{
	return _mm256_set1_epi8((char)(bytes >> 8 * i));
}

static inline uint32_t pairs_of(const struct pair *pair, const uint8_t *data)
{
	__m256i same = _mm256_set1_epi8(-1);

	for (unsigned int i = 0; i < 2; i++) {
		const __m256i bytes = _mm256_loadu_si256((const void *)(data + i));

		same = _mm256_and_si256(
			same, _mm256_cmpeq_epi8(
				      _mm256_and_si256(bytes, pair->masks[i]), pair->values[i]));
	}
	return (uint32_t)_mm256_movemask_epi8(same);
}

static size_t skip_pairs(
	const struct regex_word *word, const uint8_t *data, size_t n, uint64_t *marks)
{
	const struct pair pair = {{byte_of(word->value, 0), byte_of(word->value, 1)},
		{byte_of(word->mask, 0), byte_of(word->mask, 1)}};

	for (size_t at = 0; at < n; at += REGEX_START_BLOCK) {
		*marks = pairs_of(&pair, data + at) | (uint64_t)pairs_of(&pair, data + at + VECTOR)
							      << VECTOR;
		if (*marks != 0)
			return at;
	}
	return n;
}

size_t regex_start_skip_avx2(
	const struct regex_start *start, const uint8_t *data, size_t n, uint64_t *marks)
{
	struct tables tables;

	if (start->count == 1)
		return skip_pairs(&start->words[0], data, n, marks);
	for (unsigned int i = 0; i < REGEX_START_LOOKS; i++) {
		tables.low[i] = load_table(start->low[i]);
		tables.high[i] = load_table(start->high[i]);
	}
	for (size_t at = 0; at < n; at += REGEX_START_BLOCK) {
		*marks = marks_of(&tables, data + at) |
			 (uint64_t)marks_of(&tables, data + at + VECTOR) << VECTOR;
		if (*marks != 0)
			return at;
	}
	return n;
}
