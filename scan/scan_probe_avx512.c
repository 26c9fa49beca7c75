// SPDX-License-Identifier: BSD-3-Clause
// The same with AVX-512.
#include "scan/scan_probe.h"

#include <immintrin.h>

static inline __mmask64 equal(__m512i bytes, char byte)
{
	return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

size_t scan_probe_avx512(const uint8_t *data, size_t n)
{
	size_t at;

	for (at = 0; at + SCAN_PROBE_BLOCK < n; at += SCAN_PROBE_BLOCK) {
		const __m512i first = _mm512_loadu_si512(data + at);
		const __m512i second = _mm512_loadu_si512(data + at + 1);

		if (((equal(first, '7') & equal(second, 'z')) |
			    (equal(first, 'M') & equal(second, 'S')) |
			    (equal(first, 'R') & equal(second, 'a'))) != 0)
			break;
	}
	return at;
}
