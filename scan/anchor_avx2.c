// SPDX-License-Identifier: BSD-3-Clause
// The sieve with AVX2: bytes of it are looked up one by one, what they say of 64 places is seen at once.
#include "scan/anchor_ops.h"

#include <immintrin.h>
#include <string.h>

#define VECTOR 32u
// So many places of a block are written whether they pass or not.
#define WRITTEN 4u

static inline __m256i load(const uint8_t *data)
{
	return _mm256_loadu_si256((const void *)data);
}

// Of every second place: see anchor_text_slot.
static inline __m256i slots_of(const uint8_t *data)
{
	const __m256i bit = _mm256_set1_epi16(8);
	const __m256i before = _mm256_and_si256(load(data), bit);
	const __m256i behind = _mm256_and_si256(load(data + 3), bit);
	const __m256i pairs = _mm256_and_si256(load(data + 1), _mm256_set1_epi16(0x7f7f));

	return _mm256_or_si256(pairs,
		_mm256_or_si256(_mm256_slli_epi16(before, 12), _mm256_slli_epi16(behind, 4)));
}

#define SLOTS_AT_ONCE VECTOR

static inline void store_slots(uint16_t *slots, const uint8_t *data)
{
	_mm256_storeu_si256((void *)slots, slots_of(data));
}

#include "scan/anchor_rows.inc"

// The bytes that choose the bits of the places from there on.
static inline __m256i choosers(const uint8_t *data, bool is_text)
{
	const __m256i even = _mm256_set1_epi16(0xff);

	if (!is_text)
		return load(data + 2);
	return _mm256_blendv_epi8(load(data + 2), load(data), even);
}

static inline uint32_t passed_of(const uint8_t *rows, const uint8_t *data, bool is_text)
{
	const __m256i class_bits = _mm256_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
	const __m256i classes =
		_mm256_and_si256(choosers(data, is_text), _mm256_set1_epi8(ANCHOR_CLASSES - 1));
	const __m256i bits = _mm256_and_si256(load(rows), _mm256_shuffle_epi8(class_bits, classes));

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bits, _mm256_setzero_si256()));
}

// Few places pass: writing some more costs less than a guess that fails.
static inline size_t append(uint16_t *out, size_t count, uint64_t passed, size_t at)
{
	const size_t end = count + (size_t)_mm_popcnt_u64(passed);

#pragma GCC unroll 4
	for (size_t i = 0; i < WRITTEN; i++) {
		out[count + i] = (uint16_t)(at + _tzcnt_u64(passed));
		passed = _blsr_u64(passed);
	}
	for (count += WRITTEN; passed != 0; count++) {
		out[count] = (uint16_t)(at + _tzcnt_u64(passed));
		passed = _blsr_u64(passed);
	}
	return end;
}

static inline __attribute__((always_inline)) size_t sieve_blocks(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out, const bool is_text)
{
	size_t count = 0;

	n &= ~(size_t)(BLOCK - 1);
	for (size_t from = 0; from < n; from += AT_ONCE) {
		const size_t to = n - from < AT_ONCE ? n : from + AT_ONCE;
		uint8_t rows[AT_ONCE];

		look_up(sieve, data + from, to - from, rows, is_text);
		for (size_t at = from; at < to; at += BLOCK) {
			const uint8_t *row = rows + (at - from);
			const uint64_t low = passed_of(row, data + at, is_text);
			const uint64_t high = passed_of(row + VECTOR, data + at + VECTOR, is_text);

			count = append(out, count, low | high << VECTOR, at);
		}
	}
	return count;
}

size_t anchor_sieve_avx2(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_blocks(sieve, data, n, out, false);
}

size_t anchor_sieve_text_avx2(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_blocks(sieve, data, n, out, true);
}
