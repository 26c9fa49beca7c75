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

// The same of text; the bytes of the sieve were told before: those of even places, and of odd ones.
static inline uint64_t look_up_slots(
	const uint8_t *sieve, const uint16_t *even, const uint16_t *odd)
{
	uint64_t result = 0;

#pragma GCC unroll 4
	for (unsigned int i = 0; i < 4; i++) {
		result |= (uint64_t)sieve[even[i]] << (16 * i);
		result |= (uint64_t)sieve[odd[i]] << (16 * i + 8);
	}
	return result;
}

// Of every other place: see anchor_slot.
static inline __m512i slots_of(const uint8_t *data)
{
	const __m512i pairs = _mm512_loadu_si512(data);
	const __m512i third = _mm512_loadu_si512(data + 2);
	const __m512i first = _mm512_and_si512(pairs, _mm512_set1_epi16(0x7f));
	const __m512i second =
		_mm512_and_si512(_mm512_srli_epi16(pairs, 1), _mm512_set1_epi16(0x3f80));
	const __m512i class = _mm512_and_si512(third, _mm512_set1_epi16(0x18));

	return _mm512_or_si512(_mm512_or_si512(first, second), _mm512_slli_epi16(class, 11));
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

size_t anchor_sieve_text_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	const __m512i class_bits = _mm512_set1_epi64((int64_t)UINT64_C(0x8040201008040201));
	const __m512i half = _mm512_set1_epi16(BLOCK / 2);
	__m512i places = _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
		17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	size_t count = 0;

	for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
		uint16_t even[BLOCK / 2];
		uint16_t odd[BLOCK / 2];
		uint64_t rows[BLOCK / 8];
		__m512i bits = _mm512_loadu_si512(data + at + 2);
		__mmask64 passed;

		_mm512_storeu_si512(even, slots_of(data + at));
		_mm512_storeu_si512(odd, slots_of(data + at + 1));
#pragma GCC unroll 8
		for (size_t i = 0; i < BLOCK / 8; i++)
			rows[i] = look_up_slots(sieve, even + 4 * i, odd + 4 * i);
		bits = _mm512_shuffle_epi8(class_bits, _mm512_and_si512(bits, _mm512_set1_epi8(7)));
		passed = _mm512_test_epi8_mask(_mm512_loadu_si512(rows), bits);
		count += append(out + count, (__mmask32)passed, places);
		places = _mm512_add_epi16(places, half);
		count += append(out + count, (__mmask32)(passed >> 32), places);
		places = _mm512_add_epi16(places, half);
	}
	return count;
}

// ---- the content -------------------------------------------------------------------------------

enum anchor_content anchor_content_avx512(const uint8_t *data, size_t n)
{
	// Each in its place: what is equal to the entry of its number is white space.
	const __m512i spaces = _mm512_broadcast_i32x4(
		_mm_set_epi8(-1, -1, 13, -1, -1, 10, 9, -1, -1, -1, -1, -1, -1, -1, -1, -1));
	__mmask64 capitals = 0;

	for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
		const __m512i bytes = _mm512_loadu_si512(data + at);
		const __m512i letters = _mm512_sub_epi8(bytes, _mm512_set1_epi8('A'));
		const __mmask64 low = _mm512_cmplt_epi8_mask(bytes, _mm512_set1_epi8(0x20));

		if (_mm512_mask_cmpneq_epi8_mask(low, bytes, _mm512_shuffle_epi8(spaces, bytes)))
			return ANCHOR_BYTES;
		capitals |= _mm512_cmplt_epu8_mask(letters, _mm512_set1_epi8(26));
	}
	return capitals != 0 ? ANCHOR_TEXT : ANCHOR_LOWER;
}
