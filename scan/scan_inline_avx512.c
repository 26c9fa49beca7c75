// SPDX-License-Identifier: BSD-3-Clause
// The same with AVX-512.
#include "scan/scan_inline.h"

#include <immintrin.h>

#define BLOCK 64

// Where "4," begins, as bits.
static inline uint64_t ends(__m512i first, __m512i second)
{
	return _mm512_cmpeq_epi8_mask(first, _mm512_set1_epi8('4')) &
	       _mm512_cmpeq_epi8_mask(second, _mm512_set1_epi8(','));
}

size_t scan_inline_end_avx512(const uint8_t *data, size_t n, size_t at)
{
	uint64_t found = 0;

	for (; at + BLOCK < n; at += BLOCK) {
		found = ends(_mm512_loadu_si512(data + at), _mm512_loadu_si512(data + at + 1));
		if (found != 0)
			return at + _tzcnt_u64(found);
	}
	if (at + 1 < n) {
		const __mmask64 rest = ~UINT64_C(0) >> (BLOCK - (n - at - 1));

		found = ends(_mm512_maskz_loadu_epi8(rest, data + at),
			_mm512_maskz_loadu_epi8(rest, data + at + 1));
	}
	return found != 0 ? at + _tzcnt_u64(found) : n;
}
