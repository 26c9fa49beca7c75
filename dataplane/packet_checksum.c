// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet_checksum.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

static uint64_t sum_words(const uint8_t *data, size_t n)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; n >= sizeof(word); data += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	if (n >= sizeof(half)) {
		memcpy(&half, data, sizeof(half));
		sum += half;
		data += sizeof(half);
		n -= sizeof(half);
	}
	if (n > 0) {
		half = 0;
		memcpy(&half, data, 1);
		sum += half;
	}
	return sum;
}

#ifdef __x86_64__

// Multiply-and-add takes signed words, so each is moved down by 0x8000 and the sum moved back up in
// the end. 32-bit lanes are enough for the 2^13 vectors of 128 KiB.
#define BIAS 0x8000

static uint64_t sum_sse2(const uint8_t *data, size_t vectors)
{
	const __m128i bias = _mm_set1_epi16((int16_t)-BIAS);
	const __m128i ones = _mm_set1_epi16(1);
	__m128i a = _mm_setzero_si128();
	__m128i b = _mm_setzero_si128();
	int32_t lanes[4];
	int64_t sum = (int64_t)vectors * 8 * BIAS;

	for (; vectors >= 2; vectors -= 2, data += 32) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)data);
		__m128i w = _mm_loadu_si128((const __m128i *)(const void *)(data + 16));

		a = _mm_add_epi32(a, _mm_madd_epi16(_mm_xor_si128(v, bias), ones));
		b = _mm_add_epi32(b, _mm_madd_epi16(_mm_xor_si128(w, bias), ones));
	}
	if (vectors > 0) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)data);

		a = _mm_add_epi32(a, _mm_madd_epi16(_mm_xor_si128(v, bias), ones));
	}
	_mm_storeu_si128((__m128i *)(void *)lanes, a);
	sum += (int64_t)lanes[0] + lanes[1] + lanes[2] + lanes[3];
	_mm_storeu_si128((__m128i *)(void *)lanes, b);
	sum += (int64_t)lanes[0] + lanes[1] + lanes[2] + lanes[3];
	return (uint64_t)sum;
}

__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *data, size_t vectors)
{
	const __m256i bias = _mm256_set1_epi16((int16_t)-BIAS);
	const __m256i ones = _mm256_set1_epi16(1);
	__m256i a = _mm256_setzero_si256();
	__m256i b = _mm256_setzero_si256();
	__m128i narrow;
	int32_t lanes[4];
	int64_t sum = (int64_t)vectors * 16 * BIAS;

	for (; vectors >= 2; vectors -= 2, data += 64) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)data);
		__m256i w = _mm256_loadu_si256((const __m256i *)(const void *)(data + 32));

		a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_xor_si256(v, bias), ones));
		b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_xor_si256(w, bias), ones));
	}
	if (vectors > 0) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)data);

		a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_xor_si256(v, bias), ones));
	}
	// Lanes of at most 2^12 vectors of 17 bits each: their sums fit 32 bits.
	a = _mm256_add_epi32(a, b);
	narrow = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
	_mm_storeu_si128((__m128i *)(void *)lanes, narrow);
	sum += (int64_t)lanes[0] + lanes[1] + lanes[2] + lanes[3];
	return (uint64_t)sum;
}

uint64_t packet_sum(const uint8_t *data, size_t n)
{
	uint64_t sum = 0;
	size_t vectors;

	if (n >= 128 && __builtin_cpu_supports("avx2")) {
		vectors = n / 32;
		sum = sum_avx2(data, vectors);
		data += vectors * 32;
		n -= vectors * 32;
	} else if (n >= 64) {
		vectors = n / 16;
		sum = sum_sse2(data, vectors);
		data += vectors * 16;
		n -= vectors * 16;
	}
	return sum + sum_words(data, n);
}

#else

uint64_t packet_sum(const uint8_t *data, size_t n)
{
	return sum_words(data, n);
}

#endif
