// SPDX-License-Identifier: BSD-3-Clause
#include "scan/hashset.h"

#include <immintrin.h>

uint32_t hashset_compare_avx2(const uint32_t *tags, uint32_t tag)
{
	const __m256i wanted = _mm256_set1_epi32((int)tag);
	__m256i low = _mm256_loadu_si256((const __m256i_u *)tags);
	__m256i high = _mm256_loadu_si256((const __m256i_u *)(tags + 8));

	low = _mm256_cmpeq_epi32(low, wanted);
	high = _mm256_cmpeq_epi32(high, wanted);
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(low)) |
	       (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(high)) << 8;
}
