// SPDX-License-Identifier: BSD-3-Clause
// The same with AVX-512: most of what begins no tag of HTML is left out, too.
#include "scan/normalise_detect.h"

#include <immintrin.h>

static inline __mmask64 equal(__m512i bytes, char byte)
{
	return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

// Of the "<" of found those behind which two bytes stand that no tag begins with: the end of an element, a prefix
// of one letter as in XML, a name of one letter that HTML has not.
static inline __mmask64 tell_others(const uint8_t *at, __mmask64 found)
{
	const __m512i first = _mm512_loadu_si512(at + 1);
	const __m512i second = _mm512_loadu_si512(at + 2);
	const __m512i letter = _mm512_or_si512(first, _mm512_set1_epi8(' '));
	const __mmask64 is_short = equal(second, ' ') | equal(second, '>') | equal(second, '/');
	const __mmask64 is_known = equal(letter, 'a') | equal(letter, 'b') | equal(letter, 'i') |
				   equal(letter, 'p') | equal(letter, 'u') | equal(first, '!');

	return found & (equal(first, '/') | (equal(second, ':') & ~equal(first, '!')) |
			       (is_short & ~is_known));
}

const uint8_t *normalise_opening_avx512(const uint8_t *at, const uint8_t *end)
{
	for (; end - at >= NORMALISE_OPENING_BYTES; at += 64) {
		__mmask64 found = equal(_mm512_loadu_si512(at), '<');

		if (found == 0)
			continue;
		found &= ~tell_others(at, found);
		if (found != 0)
			return at + __builtin_ctzll(found);
	}
	return at;
}
