// SPDX-License-Identifier: BSD-3-Clause
// Lines with AVX-512.
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

static inline uint64_t breaks_of_block(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);

	return _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(' ')) | _mm512_movepi8_mask(bytes);
}

static inline uint64_t odd_in_block(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const __m512i folded = _mm512_or_si512(bytes, _mm512_set1_epi8(' '));
	const uint64_t ends = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')) |
			      _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));

	return (_mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(' ')) & ~ends) |
	       _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('-')) |
	       _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('=')) |
	       _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('b')) |
	       _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8('c'));
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_avx512(const uint8_t *data, size_t n)
{
	return skip_lines(data, n);
}
