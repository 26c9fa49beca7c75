// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor_ops.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define TEXT_HALF (ANCHOR_TEXT_BLOCK / 2) // places of text whose bytes are loaded together

// Bytes of the two halves of a block of text, for each three places: the pair of all, and what is behind it.
#define PAIR(k) 3 * (k) + 3, 3 * (k) + 2
#define BEHIND(k) 3 * (k) + 4, 0
// What chooses the bits of a row: the fourth one is of the first place, too.
#define CHOOSERS(k) 3 * (k) + 1, 3 * (k) + 5, 3 * (k) + 1, 3 * (k)
#define TWO(what, k) what((k) + 1), what(k)
#define FOUR(what, k) TWO(what, (k) + 2), TWO(what, k)
#define EIGHT(what, k) FOUR(what, (k) + 4), FOUR(what, k)
#define SIXTEEN(what) EIGHT(what, 8), EIGHT(what, 0)
// The other half is counted from 64 on.
#define PAIR_OF_OTHER(k) 64 + 3 * (k) + 3, 64 + 3 * (k) + 2
#define BEHIND_OF_OTHER(k) 64 + 3 * (k) + 4, 0

// Of every third place: see anchor_text_slot.
static inline __m512i slots_of(const uint8_t *data)
{
	const __m512i pair = _mm512_set_epi8(SIXTEEN(PAIR_OF_OTHER), SIXTEEN(PAIR));
	const __m512i behind = _mm512_set_epi8(SIXTEEN(BEHIND_OF_OTHER), SIXTEEN(BEHIND));
	const __m512i half = _mm512_loadu_si512(data);
	const __m512i other = _mm512_loadu_si512(data + TEXT_HALF);
	const __m512i pairs = _mm512_permutex2var_epi8(half, pair, other);
	const __m512i low = _mm512_and_si512(pairs, _mm512_set1_epi8(0x1f));
	const __m512i high = _mm512_and_si512(_mm512_srli_epi16(pairs, 1), _mm512_set1_epi8(0x20));
	const __m512i codes =
		_mm512_maddubs_epi16(_mm512_or_si512(low, high), _mm512_set1_epi16(1 | 64 << 8));
	const __m512i bit = _mm512_and_si512(
		_mm512_permutex2var_epi8(half, behind, other), _mm512_set1_epi16(0x800));

	return _mm512_or_si512(codes, _mm512_slli_epi16(bit, 1));
}

#define SLOTS_AT_ONCE ANCHOR_TEXT_BLOCK

static inline void store_slots(uint16_t *slots, const uint8_t *data)
{
	_mm512_storeu_si512(slots, slots_of(data));
}

#include "scan/anchor_rows.inc"

// The bytes that choose the bits of the places from there on.
static inline __m512i choosers(const uint8_t *data, bool is_text)
{
	const __m512i three = _mm512_set_epi8(SIXTEEN(CHOOSERS));

	return is_text ? _mm512_permutexvar_epi8(three, _mm512_loadu_si512(data))
		       : _mm512_loadu_si512(data + 2);
}

// Those places, told from the first one's number on, that have passed. They rarely are more than 32.
static inline size_t append(uint16_t *out, uint64_t passed, __m512i places, size_t first)
{
	const __m512i which = _mm512_maskz_compress_epi8(passed, places);
	const __m512i from = _mm512_set1_epi16((short)first);
	const size_t count = (size_t)_mm_popcnt_u64(passed);

	_mm512_storeu_si512(
		out, _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(which)), from));
	if (__builtin_expect(count > 32, 0))
		_mm512_storeu_si512(out + 32,
			_mm512_add_epi16(
				_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(which, 1)), from));
	return count;
}

// Bytes of rows stand for places: all, or three of four in text.
#define IN_ORDER(k) 4 * (k) + 3, 4 * (k) + 2, 4 * (k) + 1, 4 * (k)
#define IN_THREES(k) 0, 3 * (k) + 2, 3 * (k) + 1, 3 * (k)

static inline __attribute__((always_inline)) size_t sieve_blocks(
	const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out, const bool is_text)
{
	const __m512i class_bits = _mm512_set1_epi64((int64_t)UINT64_C(0x8040201008040201));
	const __m512i places =
		is_text ? _mm512_set_epi8(SIXTEEN(IN_THREES)) : _mm512_set_epi8(SIXTEEN(IN_ORDER));
	const size_t step = is_text ? TEXT_HALF : ANCHOR_BLOCK;
	size_t count = 0;

	n -= n % (is_text ? ANCHOR_TEXT_BLOCK : ANCHOR_BLOCK);
	for (size_t from = 0; from < n; from += AT_ONCE) {
		const size_t to = n - from < AT_ONCE ? n : from + AT_ONCE;
		uint8_t rows[ROWS];
		const uint8_t *row = rows;

		look_up(sieve, data + from, to - from, rows, is_text);
		for (size_t at = from; at < to; at += step, row += ANCHOR_BLOCK) {
			const __m512i classes =
				_mm512_and_si512(choosers(data + at, is_text), _mm512_set1_epi8(7));
			const __m512i bits = _mm512_shuffle_epi8(class_bits, classes);
			const __mmask64 bits_set =
				_mm512_test_epi8_mask(_mm512_loadu_si512(row), bits);
			const uint64_t passed = is_text ? anchor_text_passed(bits_set) : bits_set;

			count += append(out + count, passed, places, at);
		}
	}
	return count;
}

size_t anchor_sieve_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_blocks(sieve, data, n, out, false);
}

size_t anchor_sieve_text_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	return sieve_blocks(sieve, data, n, out, true);
}

// ---- the sieve of base64 -----------------------------------------------------------------------

#define CODE_ROWS 8u // of 64 bytes, in each of which the first of two bytes chooses one

struct code_rows {
	__m512i rows[CODE_ROWS];
};

static inline struct code_rows load_code_rows(const uint8_t *slots)
{
	struct code_rows all;

	for (unsigned int i = 0; i < CODE_ROWS; i++)
		all.rows[i] = _mm512_loadu_si512(slots + (size_t)i * ANCHOR_BLOCK);
	return all;
}

// Of which places the pair is in the sieve: bits 3 to 5 of the second byte choose the row, the others the bit.
static inline __mmask64 pairs_passed(const struct code_rows *all, const uint8_t *data)
{
	const __m512i class_bits = _mm512_set1_epi64((int64_t)UINT64_C(0x8040201008040201));
	const __m512i first = _mm512_loadu_si512(data);
	const __m512i second = _mm512_loadu_si512(data + 1);
	const __m512i low_row = _mm512_slli_epi16(second, 3); // bit 3 where it chooses one of two
	// Where the mask has ones the second operand, where not the third.
	const __m512i which =
		_mm512_ternarylogic_epi32(_mm512_set1_epi8(0x40), low_row, first, 0xca);
	const __mmask64 middle = _mm512_test_epi8_mask(second, _mm512_set1_epi8(0x10));
	const __mmask64 high = _mm512_test_epi8_mask(second, _mm512_set1_epi8(0x20));
	const __m512i *rows = all->rows;
	const __m512i lower =
		_mm512_mask_blend_epi8(middle, _mm512_permutex2var_epi8(rows[0], which, rows[1]),
			_mm512_permutex2var_epi8(rows[2], which, rows[3]));
	const __m512i upper =
		_mm512_mask_blend_epi8(middle, _mm512_permutex2var_epi8(rows[4], which, rows[5]),
			_mm512_permutex2var_epi8(rows[6], which, rows[7]));
	const __m512i bits = _mm512_shuffle_epi8(
		class_bits, _mm512_and_si512(second, _mm512_set1_epi8(ANCHOR_CLASSES - 1)));

	return _mm512_test_epi8_mask(_mm512_mask_blend_epi8(high, lower, upper), bits);
}

size_t anchor_sieve_codes_avx512(const uint8_t *sieve, const uint8_t *data, size_t n, uint16_t *out)
{
	const __m512i places = _mm512_set_epi8(SIXTEEN(IN_ORDER));
	const struct code_rows ones = load_code_rows(sieve);
	const struct code_rows others = load_code_rows(sieve + ANCHOR_CODE_SLOTS);
	size_t count = 0;

	for (size_t at = 0; at + ANCHOR_BLOCK <= n; at += ANCHOR_BLOCK) {
		const uint64_t passed =
			pairs_passed(&ones, data + at) & pairs_passed(&others, data + at + 2);

		count += append(out + count, passed, places, at);
	}
	return count;
}

// By bytes below 128, the highest bit of what is none of base64.
static const uint8_t other_bytes[128] __attribute__((aligned(64))) = {
	[0 ... '\n' - 1] = 0x80,
	['\n' + 1 ... '\r' - 1] = 0x80,
	['\r' + 1 ... '+' - 1] = 0x80,
	['+' + 1 ... '/' - 1] = 0x80,
	['9' + 1 ... 'A' - 1] = 0x80,
	['Z' + 1 ... 'a' - 1] = 0x80,
	['z' + 1 ... 127] = 0x80,
};

static inline __m512i others_in(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const __m512i marks = _mm512_permutex2var_epi8(_mm512_load_si512(other_bytes), bytes,
		_mm512_load_si512(other_bytes + ANCHOR_BLOCK));

	return _mm512_or_si512(bytes, marks);
}

size_t anchor_codes_avx512(const uint8_t *data, size_t n)
{
	const size_t four = (size_t)4 * ANCHOR_BLOCK;
	size_t done = 0;

	for (; done + four <= n; done += four) {
		const uint8_t *at = data + done;
		const __m512i two = _mm512_or_si512(others_in(at), others_in(at + ANCHOR_BLOCK));
		const __m512i other = _mm512_or_si512(others_in(at + (size_t)2 * ANCHOR_BLOCK),
			others_in(at + (size_t)3 * ANCHOR_BLOCK));

		if (_mm512_movepi8_mask(_mm512_or_si512(two, other)) != 0)
			break;
	}
	for (; done + ANCHOR_BLOCK <= n; done += ANCHOR_BLOCK)
		if (_mm512_movepi8_mask(others_in(data + done)) != 0)
			break;
	return done;
}

// ---- the filter --------------------------------------------------------------------------------

#define AT_A_TIME 16u

// Both halves of anchor_hash, of 16 windows.
struct hashes {
	__m512i low;
	__m512i high;
};

static inline struct hashes hash_windows(__m512i windows)
{
	const __m512i factor_low = _mm512_set1_epi32((int)(uint32_t)ANCHOR_FACTOR);
	const __m512i factor_high = _mm512_set1_epi32((int)(uint32_t)(ANCHOR_FACTOR >> 32));
	const __m512i folded = _mm512_or_si512(windows, _mm512_set1_epi32((int)ANCHOR_FOLD));
	const __m512i even = _mm512_mul_epu32(folded, factor_low);
	const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(folded, 32), factor_low);
	const __m512i carried = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);

	return (struct hashes){_mm512_mullo_epi32(folded, factor_low),
		_mm512_add_epi32(carried, _mm512_mullo_epi32(folded, factor_high))};
}

static inline __mmask16 has_bit(__m512i words, __m512i low, unsigned int from)
{
	const __m512i bit = _mm512_and_si512(_mm512_srli_epi32(low, from), _mm512_set1_epi32(31));

	return _mm512_test_epi32_mask(_mm512_srlv_epi32(words, bit), _mm512_set1_epi32(1));
}

size_t anchor_filter_avx512(const struct anchor_table *table, const uint8_t *data, size_t at,
	const uint16_t *places, size_t n, const struct anchor_met *out)
{
	const __m512i first = _mm512_set1_epi32((int)(uint32_t)at);
	size_t count = 0;

	for (size_t i = 0; i < n; i += AT_A_TIME) {
		const size_t left = n - i;
		const __mmask16 there = (__mmask16)(left < AT_A_TIME ? (1u << left) - 1 : 0xffffu);
		const __m512i offsets =
			_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, places + i));
		const __m512i windows = _mm512_mask_i32gather_epi32(
			_mm512_setzero_si512(), there, offsets, data + at, 1);
		const struct hashes hashes = hash_windows(windows);
		const __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there,
			_mm512_srli_epi32(hashes.high, 32 - table->words_log), table->filter, 4);
		const __mmask16 passed =
			has_bit(words, hashes.low, 20) & has_bit(words, hashes.low, 25);

		_mm512_storeu_si512(out->ats + count,
			_mm512_maskz_compress_epi32(passed, _mm512_add_epi32(offsets, first)));
		_mm512_storeu_si512(out->buckets + count,
			_mm512_maskz_compress_epi32(
				passed, _mm512_srli_epi32(hashes.high, 32 - table->buckets_log)));
		count += (size_t)_mm_popcnt_u32(passed);
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

	for (size_t at = 0; at + ANCHOR_BLOCK <= n; at += ANCHOR_BLOCK) {
		const __m512i bytes = _mm512_loadu_si512(data + at);
		const __m512i letters = _mm512_sub_epi8(bytes, _mm512_set1_epi8('A'));
		const __mmask64 low = _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20));

		if (_mm512_mask_cmpneq_epi8_mask(low, bytes, _mm512_shuffle_epi8(spaces, bytes)))
			return ANCHOR_BYTES;
		capitals |= _mm512_cmplt_epu8_mask(letters, _mm512_set1_epi8(26));
	}
	return capitals != 0 ? ANCHOR_TEXT : ANCHOR_LOWER;
}
