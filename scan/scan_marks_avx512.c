// SPDX-License-Identifier: BSD-3-Clause
// The same with AVX-512, without a branch on what is found: a byte that is zero in one of the least values is a
// mark.
#include "scan/scan_marks.h"

#include <immintrin.h>
#include <stdbool.h>

#define BLOCK 64
#define SPAN ((size_t)256) // whose first two bytes are looked at before all else
#define OR_OF_XOR 0xf6     // a | (b ^ c)
#define OR_OF_AND 0xf8     // a | (b & c)

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
	least->zip = _mm512_min_epu8(least->zip, differs(first, second, 5, 6));
	least->script = _mm512_min_epu8(least->script, differs(first, second, '~', '^'));
	for (size_t i = 0; i < sizeof(archives) / sizeof(archives[0]); i++)
		least->whole = _mm512_min_epu8(
			least->whole, differs_in_three(first, second, third, archives[i]));
}

static inline unsigned int mark_if(__m512i least, enum scan_mark mark)
{
	return _mm512_testn_epi8_mask(least, least) != 0 ? mark : 0;
}

// What a mark may be, by its first byte and its second one: of these two tables' entries for them a bit is in both.
static const uint8_t firsts[64] = {
	[3] = 1, [5] = 32, ['~' & 63] = 2, ['7' & 63] = 4, ['M' & 63] = 8, ['R' & 63] = 16};
static const uint8_t seconds[128] = {
	[4] = 1, [6] = 32, ['^'] = 2, ['z'] = 4, ['S'] = 8, ['a'] = 16};

// Whether a mark may begin in a span: in text it is so in few.
static inline bool may_begin(const uint8_t *data)
{
	const __m512i first = _mm512_loadu_si512(firsts);
	const __m512i second = _mm512_loadu_si512(seconds);
	const __m512i above = _mm512_loadu_si512(seconds + BLOCK);
	__m512i any = _mm512_setzero_si512();

#pragma GCC unroll 4
	for (size_t at = 0; at < SPAN; at += BLOCK) {
		const __m512i one = _mm512_permutexvar_epi8(_mm512_loadu_si512(data + at), first);
		const __m512i other =
			_mm512_permutex2var_epi8(second, _mm512_loadu_si512(data + at + 1), above);

		any = _mm512_ternarylogic_epi64(any, one, other, OR_OF_AND);
	}
	return _mm512_test_epi8_mask(any, any) != 0;
}

unsigned int scan_marks_avx512(const uint8_t *data, size_t n)
{
	const __m512i most = _mm512_set1_epi8(-1);
	struct least least = {most, most, most};
	size_t at = 0;

	while (at + BLOCK + 1 < n) {
		if (at % SPAN == 0 && at + SPAN + 1 < n && !may_begin(data + at)) {
			at += SPAN;
			continue;
		}
		take(&least, _mm512_loadu_si512(data + at), _mm512_loadu_si512(data + at + 1),
			_mm512_loadu_si512(data + at + 2));
		at += BLOCK;
	}
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
