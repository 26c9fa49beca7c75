// SPDX-License-Identifier: BSD-3-Clause
// Fields with AVX-512.
#include <immintrin.h>
#include <stdint.h>

struct marks {
	uint64_t ends;
	uint64_t odd;
};

static inline uint64_t equal(__m512i bytes, char byte)
{
	return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

static inline __m512i lower(__m512i bytes)
{
	return _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
}

static inline struct marks marks_of_block(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const __m512i behind = _mm512_loadu_si512(data + 1);
	const __m512i further = _mm512_loadu_si512(data + 2);
	const uint64_t cr = equal(bytes, '\r') & ~equal(behind, '\n');
	const uint64_t hint =
		equal(bytes, '-') & equal(lower(behind), 't') & equal(lower(further), 'r');

	return (struct marks){equal(bytes, '\n'), cr | hint};
}

static inline uint64_t not_of_name(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const __m512i place = _mm512_sub_epi8(bytes, _mm512_set1_epi8('!'));

	return _mm512_cmpgt_epu8_mask(place, _mm512_set1_epi8('~' - '!')) | equal(bytes, ':') |
	       equal(bytes, '(');
}

#include "scan/mime_fields.inc"

size_t mime_fields_skip_avx512(const uint8_t *data, size_t n, size_t most, uint32_t *lines)
{
	return skip_fields(data, n, most, lines);
}
