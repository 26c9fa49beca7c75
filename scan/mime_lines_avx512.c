// SPDX-License-Identifier: BSD-3-Clause
// Line ends with AVX-512.
#include <immintrin.h>
#include <stdint.h>

static inline uint64_t ends_of_block(const uint8_t *data)
{
	const __m512i lf = _mm512_set1_epi8('\n');
	__m512i bytes = _mm512_loadu_si512(data);
	uint64_t cr = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));

	return _mm512_cmpeq_epi8_mask(bytes, lf) |
	       (cr & ~_mm512_cmpeq_epi8_mask(_mm512_loadu_si512(data + 1), lf));
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_avx512(const uint8_t *data, size_t n)
{
	return skip_lines(data, n);
}
