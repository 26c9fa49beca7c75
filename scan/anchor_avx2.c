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

static inline __m256i load_both(const uint8_t *low, const uint8_t *high)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)low)),
		_mm_loadu_si128((const void *)high), 1);
}

#define TWELVE ((size_t)12) // places of text whose bytes lie in 16, with what is behind them
#define TEXT_PART (4 * TWELVE)

#define NONE (-1)
#define PAIRS 2, 3, 5, 6, 8, 9, 11, 12
#define BEHIND NONE, 4, NONE, 7, NONE, 10, NONE, 13
#define NONE_OF_EIGHT NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE

static inline __m256i pick(__m256i even, __m256i odd, __m128i from_even, __m128i from_odd)
{
	return _mm256_or_si256(_mm256_shuffle_epi8(even, _mm256_broadcastsi128_si256(from_even)),
		_mm256_shuffle_epi8(odd, _mm256_broadcastsi128_si256(from_odd)));
}

// Of every third place: see anchor_text_slot.
static inline __m256i slots_of(const uint8_t *data)
{
	const __m256i even = load_both(data, data + 2 * TWELVE);
	const __m256i odd = load_both(data + TWELVE, data + 3 * TWELVE);
	const __m256i pairs = pick(even, odd, _mm_setr_epi8(PAIRS, NONE_OF_EIGHT),
		_mm_setr_epi8(NONE_OF_EIGHT, PAIRS));
	const __m256i behind = pick(even, odd, _mm_setr_epi8(BEHIND, NONE_OF_EIGHT),
		_mm_setr_epi8(NONE_OF_EIGHT, BEHIND));
	const __m256i low = _mm256_and_si256(pairs, _mm256_set1_epi8(0x1f));
	const __m256i high = _mm256_and_si256(_mm256_srli_epi16(pairs, 1), _mm256_set1_epi8(0x20));
	const __m256i codes =
		_mm256_maddubs_epi16(_mm256_or_si256(low, high), _mm256_set1_epi16(1 | 64 << 8));
	const __m256i bit = _mm256_and_si256(behind, _mm256_set1_epi16(0x800));

	return _mm256_or_si256(codes, _mm256_slli_epi16(bit, 1));
}

#define SLOTS_AT_ONCE TEXT_PART

static inline void store_slots(uint16_t *slots, const uint8_t *data)
{
	_mm256_storeu_si256((void *)slots, slots_of(data));
}

#include "scan/anchor_rows.inc"

// The bytes that choose the bits of the places from there on.
static inline __m256i choosers(const uint8_t *data, bool is_text)
{
	const __m128i three = _mm_setr_epi8(0, 1, 5, 1, 3, 4, 8, 4, 6, 7, 11, 7, 9, 10, 14, 10);

	return is_text ? _mm256_shuffle_epi8(
				 load_both(data, data + TWELVE), _mm256_broadcastsi128_si256(three))
		       : load(data + 2);
}

static inline uint32_t passed_of(const uint8_t *rows, const uint8_t *data, bool is_text)
{
	const __m256i class_bits = _mm256_set1_epi64x((int64_t)UINT64_C(0x8040201008040201));
	const __m256i classes =
		_mm256_and_si256(choosers(data, is_text), _mm256_set1_epi8(ANCHOR_CLASSES - 1));
	const __m256i bits = _mm256_and_si256(load(rows), _mm256_shuffle_epi8(class_bits, classes));

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bits, _mm256_setzero_si256()));
}

// Bytes of rows stand for places: all, or three of four in text.
static inline uint16_t place_of(uint64_t passed, size_t at, bool is_text)
{
	const size_t byte = (size_t)_tzcnt_u64(passed);

	return (uint16_t)(at + byte - (is_text ? byte / ANCHOR_TEXT_ROW : 0));
}

// Few places pass: writing some more costs less than a guess that fails.
static inline size_t append(uint16_t *out, size_t count, uint64_t passed, size_t at, bool is_text)
{
	const size_t end = count + (size_t)_mm_popcnt_u64(passed);

#pragma GCC unroll 4
	for (size_t i = 0; i < WRITTEN; i++) {
		out[count + i] = place_of(passed, at, is_text);
		passed = _blsr_u64(passed);
	}
	for (count += WRITTEN; passed != 0; count++) {
		out[count] = place_of(passed, at, is_text);
		passed = _blsr_u64(passed);
	}
	return end;
}

static inline __attribute__((always_inline)) size_t sieve_blocks(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out, const bool is_text)
{
	const size_t step = is_text ? TEXT_PART : ANCHOR_BLOCK;
	size_t count = 0;

	n -= n % (is_text ? ANCHOR_TEXT_BLOCK : ANCHOR_BLOCK);
	for (size_t from = 0; from < n; from += AT_ONCE) {
		const size_t to = n - from < AT_ONCE ? n : from + AT_ONCE;
		uint8_t rows[ROWS];
		const uint8_t *row = rows;

		look_up(sieve, data + from, to - from, rows, is_text);
		for (size_t at = from; at < to; at += step, row += ANCHOR_BLOCK) {
			const uint64_t low = passed_of(row, data + at, is_text);
			const uint64_t high =
				passed_of(row + VECTOR, data + at + step / 2, is_text);

			const uint64_t bits_set = low | high << VECTOR;

			count = append(out, count,
				is_text ? anchor_text_passed(bits_set) : bits_set, at, is_text);
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
