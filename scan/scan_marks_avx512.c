// SPDX-License-Identifier: BSD-3-Clause
// The same with AVX-512, without a branch on what is found: a byte that is zero in one of the least values is a
// mark.
#include "scan/scan_marks.h"

#include <immintrin.h>

#define BLOCK 64
#define OR_OF_XOR 0xf6 // a | (b ^ c)

struct least {
	__m512i zip;
	__m512i script;
	__m512i whole;
};

static inline __m512i differs(__m512i first, __m512i second, char one, char other)
{
	const __m512i unlike = _mm512_xor_si512(first, _mm512_set1_epi8(one));

	return _mm512_ternarylogic_epi64(unlike, second, _mm512_set1_epi8(other), OR_OF_XOR);
}

static inline __m512i differs_in_three(
	__m512i first, __m512i second, __m512i third, const uint8_t *bytes)
{
	const __m512i unlike = differs(first, second, (char)bytes[0], (char)bytes[1]);

	return _mm512_ternarylogic_epi64(
		unlike, third, _mm512_set1_epi8((char)bytes[2]), OR_OF_XOR);
}

static inline void take(struct least *least, __m512i first, __m512i second, __m512i third)
{
	static const uint8_t archives[][SCAN_MARK_WHOLE_BYTES] = {
		{'7', 'z', 0xbc}, {'M', 'S', 'C'}, {'R', 'a', 'r'}};

	least->zip = _mm512_min_epu8(least->zip, differs(first, second, 3, 4));
	least->script = _mm512_min_epu8(least->script, differs(first, second, '~', '^'));
	for (size_t i = 0; i < sizeof(archives) / sizeof(archives[0]); i++)
		least->whole = _mm512_min_epu8(
			least->whole, differs_in_three(first, second, third, archives[i]));
}

static inline unsigned int mark_if(__m512i least, enum scan_mark mark)
{
	return _mm512_testn_epi8_mask(least, least) != 0 ? mark : 0;
}

unsigned int scan_marks_avx512(const uint8_t *data, size_t n)
{
	const __m512i most = _mm512_set1_epi8(-1);
	struct least least = {most, most, most};
	size_t at = 0;

	for (; at + BLOCK + 1 < n; at += BLOCK)
		take(&least, _mm512_loadu_si512(data + at), _mm512_loadu_si512(data + at + 1),
			_mm512_loadu_si512(data + at + 2));
	if (at + 1 < n) {
		const __mmask64 rest = ~UINT64_C(0) >> (BLOCK - (n - at - 1));

		// What is not there is 0, and begins nothing.
		take(&least, _mm512_maskz_loadu_epi8(rest, data + at),
			_mm512_maskz_loadu_epi8(rest, data + at + 1),
			_mm512_maskz_loadu_epi8(rest >> 1, data + at + 2));
	}
	return mark_if(least.zip, SCAN_MARK_ZIP) | mark_if(least.script, SCAN_MARK_SCRIPT) |
	       mark_if(least.whole, SCAN_MARK_WHOLE);
}
