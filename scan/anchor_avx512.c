// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor_ops.h"

#include <immintrin.h>
#include <string.h>

#define BLOCK 64

// The sieve's bytes for eight places.
static inline uint64_t look_up(const uint8_t *sieve, const uint8_t *data)
{
	uint64_t result = 0;

#pragma GCC unroll 8
	for (unsigned int i = 0; i < 8; i++) {
		uint16_t pair;

		memcpy(&pair, data + i, sizeof(pair));
		result |= (uint64_t)sieve[pair] << (8 * i);
	}
	return result;
}

static inline size_t append(uint16_t *out, __mmask32 passed, __m512i places)
{
	_mm512_storeu_si512(out, _mm512_maskz_compress_epi16(passed, places));
	return (size_t)_mm_popcnt_u32(passed);
}

size_t anchor_sieve_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	const __m512i class_bits = _mm512_set1_epi64((int64_t)UINT64_C(0x8040201008040201));
	const __m512i half = _mm512_set1_epi16(BLOCK / 2);
	__m512i places = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
		17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	size_t count = 0;

	for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
		uint64_t rows[BLOCK / 8];
		__m512i bits = _mm512_loadu_si512(data + at + 2);
		__mmask64 passed;

#pragma GCC unroll 8
		for (unsigned int i = 0; i < BLOCK / 8; i++)
			rows[i] = look_up(sieve, data + at + 8 * (size_t)i);
		bits = _mm512_shuffle_epi8(class_bits, _mm512_and_si512(bits, _mm512_set1_epi8(7)));
		passed = _mm512_test_epi8_mask(_mm512_loadu_si512(rows), bits);
		count += append(out + count, (__mmask32)passed, places);
		places = _mm512_add_epi16(places, half);
		count += append(out + count, (__mmask32)(passed >> 32), places);
		places = _mm512_add_epi16(places, half);
	}
	return count;
}
