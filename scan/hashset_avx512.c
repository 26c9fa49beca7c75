// SPDX-License-Identifier: BSD-3-Clause
#include "scan/hashset.h"

#include <immintrin.h>

uint32_t hashset_compare_avx512(const uint32_t *tags, uint32_t tag)
{
	return _mm512_cmpeq_epi32_mask(_mm512_loadu_si512(tags), _mm512_set1_epi32((int)tag));
}
