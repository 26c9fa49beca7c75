// SPDX-License-Identifier: BSD-3-Clause
// Lines with AVX2.
#include "scan/mime_lines_rules.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

struct marks {
	uint64_t ends;
	uint64_t breaks;
	uint64_t odd;
	uint64_t equals;
};

static inline uint64_t equal(const uint8_t *data, char byte)
{
	const __m256i wanted = _mm256_set1_epi8(byte);
	__m256i low = _mm256_loadu_si256((const __m256i *)data);
	__m256i high = _mm256_loadu_si256((const __m256i *)(data + 32));

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) |
	       (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) << 32;
}

static inline uint64_t ends_of_block(const uint8_t *data)
{
	return equal(data, '\n') | (equal(data, '\r') & ~equal(data + 1, '\n'));
}

static inline uint64_t at_most(const uint8_t *data, char byte)
{
	const __m256i most = _mm256_set1_epi8(byte);
	__m256i low = _mm256_loadu_si256((const __m256i *)data);
	__m256i high = _mm256_loadu_si256((const __m256i *)(data + 32));

	low = _mm256_cmpeq_epi8(_mm256_min_epu8(low, most), low);
	high = _mm256_cmpeq_epi8(_mm256_min_epu8(high, most), high);
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
							     << 32;
}

static inline uint64_t breaks_of_block(const uint8_t *data)
{
	return at_most(data, ' ') | ~at_most(data, 0x7f);
}

static inline uint64_t odd_in_block(const uint8_t *data)
{
	const uint64_t ends = equal(data, '\n') | equal(data, '\r');

	return (at_most(data, ' ' - 1) & ~ends) | equal(data, '-') | equal(data, '=') |
	       equal(data, 'b') | equal(data, 'c') | equal(data, 'C');
}

static inline struct marks marks_of_block(const uint8_t *data)
{
	return (struct marks){
		ends_of_block(data), breaks_of_block(data), odd_in_block(data), equal(data, '=')};
}

// Blocks are looked at one by one.
static inline bool walk_groups(struct walk *walk)
{
	(void)walk;
	return false;
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_avx2(const uint8_t *data, size_t n, bool stops_at_dashes)
{
	return skip_lines(data, n, stops_at_dashes);
}
