// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen_window.h"

#include <assert.h>
#include <immintrin.h>

// Sums of twice as many bytes are made of two neighbours: S2n(i) = Sn(i) * factor^n + Sn(i + n). A step takes 32
// positions; each level stands one step behind the one that it is made of.
#define LANES 32
#define DELAY 4
#define STEPS (SCREEN_BLOCK / LANES)

static_assert(
	(STEPS + DELAY) * LANES + 1 <= SCREEN_BLOCK + SCREEN_BLOCK_SLACK, "what is read is there");

struct levels {
	__m512i of2;
	__m512i of4;
	__m512i of8;
	__m512i of16;
};

static inline __m512i load(const uint8_t *data)
{
	return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)data));
}

// The sums of the next 32 positions; those that come out are of the step DELAY before.
static inline __m512i step(struct levels *levels, const uint8_t *data)
{
	const __m512i by1 = _mm512_set1_epi16((short)0x8405);
	const __m512i by2 = _mm512_set1_epi16((short)0x2819);
	const __m512i by4 = _mm512_set1_epi16((short)0xd271);
	const __m512i by8 = _mm512_set1_epi16((short)0x95e1);
	const __m512i by16 = _mm512_set1_epi16((short)0xafc1);
	__m512i of2 = _mm512_add_epi16(_mm512_mullo_epi16(load(data), by1), load(data + 1));
	__m512i of4 = _mm512_add_epi16(
		_mm512_mullo_epi16(levels->of2, by2), _mm512_alignr_epi32(of2, levels->of2, 1));
	__m512i of8 = _mm512_add_epi16(
		_mm512_mullo_epi16(levels->of4, by4), _mm512_alignr_epi32(of4, levels->of4, 2));
	__m512i of16 = _mm512_add_epi16(
		_mm512_mullo_epi16(levels->of8, by8), _mm512_alignr_epi32(of8, levels->of8, 4));
	__m512i of32 = _mm512_add_epi16(
		_mm512_mullo_epi16(levels->of16, by16), _mm512_alignr_epi32(of16, levels->of16, 8));

	*levels = (struct levels){of2, of4, of8, of16};
	return of32;
}

struct tables {
	__m512i low[2];
	__m512i high[2];
};

// Whether the low 10 bits of each sum have their bit in the table.
static inline __mmask32 look_up(const __m512i table[2], __m512i sums)
{
	const __m512i bits = _mm512_set1_epi64((long long)UINT64_C(0x8040201008040201));
	const __m512i seven = _mm512_set1_epi16(7);
	const __m512i nothing = _mm512_set1_epi16((short)0x8000);
	__m512i found = _mm512_permutex2var_epi8(table[0], sums, table[1]);
	__m512i bit = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(sums, 7), seven), nothing);

	return _mm512_test_epi16_mask(found, _mm512_shuffle_epi8(bits, bit));
}

static inline uint32_t find_few(const struct tables *tables, __m512i sums)
{
	__mmask32 low = look_up(tables->low, sums);

	return low & look_up(tables->high, _mm512_srli_epi16(sums, 6));
}

// Of these positions those that have their bit in the large table, too.
static inline uint32_t refine(const struct screen_filter *filter, __m512i sums, uint32_t positions)
{
	uint16_t sum[LANES];
	uint32_t left = 0;

	_mm512_storeu_si512(sum, sums);
	for (; positions != 0; positions &= positions - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(positions);

		left |= (uint32_t)(filter->all[sum[i] / 64] >> (sum[i] % 64) & 1) << i;
	}
	return left;
}

void screen_find_avx512(
	const struct screen_filter *filter, const uint8_t *data, uint64_t *positions)
{
	const struct tables tables = {
		{_mm512_loadu_si512(filter->low), _mm512_loadu_si512(filter->low + 64)},
		{_mm512_loadu_si512(filter->high), _mm512_loadu_si512(filter->high + 64)}};
	const int is_few = filter->heads <= SCREEN_FEW_HEADS;
	struct levels levels;
	uint32_t pair[2];

	levels.of2 = levels.of4 = levels.of8 = levels.of16 = _mm512_setzero_si512();
	for (size_t i = 0; i < DELAY; i++)
		(void)step(&levels, data + i * LANES);
	for (size_t i = 0; i < STEPS; i++) {
		__m512i sums = step(&levels, data + (i + DELAY) * LANES);

		pair[i % 2] = find_few(&tables, sums);
		if (!is_few && pair[i % 2] != 0)
			pair[i % 2] = refine(filter, sums, pair[i % 2]);
		if (i % 2 == 1)
			positions[i / 2] = (uint64_t)pair[1] << 32 | pair[0];
	}
}
