// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen_window.h"

#include <assert.h>
#include <immintrin.h>

// As screen_window_avx512.c, one level after the other: neighbours are read again from memory.
#define LANES 16
#define BEHIND 32 // more sums of the lower levels than of the last

static_assert(SCREEN_BLOCK + BEHIND + LANES + 1 <= SCREEN_BLOCK + SCREEN_BLOCK_SLACK,
	"what is read is there");

// In place: what is read of the next step has not been written yet.
static inline void raise_level(uint16_t *sums, size_t distance, uint16_t factor)
{
	const __m256i by = _mm256_set1_epi16((short)factor);

	for (size_t i = 0; i < SCREEN_BLOCK + BEHIND; i += LANES) {
		__m256i own = _mm256_loadu_si256((const void *)(sums + i));
		__m256i next = _mm256_loadu_si256((const void *)(sums + i + distance));

		_mm256_storeu_si256(
			(void *)(sums + i), _mm256_add_epi16(_mm256_mullo_epi16(own, by), next));
	}
}

static inline __m256i load(const uint8_t *data)
{
	return _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)data));
}

void screen_find_avx2(const struct screen_filter *filter, const uint8_t *data, uint64_t *positions)
{
	const __m256i by1 = _mm256_set1_epi16((short)0x8405);
	uint16_t sums[SCREEN_BLOCK + BEHIND + LANES + 16];

	for (size_t i = 0; i < SCREEN_BLOCK + BEHIND + LANES; i += LANES)
		_mm256_storeu_si256((void *)(sums + i),
			_mm256_add_epi16(
				_mm256_mullo_epi16(load(data + i), by1), load(data + i + 1)));
	_mm256_storeu_si256((void *)(sums + SCREEN_BLOCK + BEHIND + LANES), _mm256_setzero_si256());
	raise_level(sums, 2, 0x2819);
	raise_level(sums, 4, 0xd271);
	raise_level(sums, 8, 0x95e1);
	raise_level(sums, 16, 0xafc1);
	for (size_t at = 0; at < SCREEN_BLOCK; at += 64) {
		uint64_t bits = 0;

		for (size_t i = 0; i < 64; i++) {
			uint16_t sum = sums[at + i];

			bits |= (filter->all[sum / 64] >> (sum % 64) & 1) << i;
		}
		positions[at / 64] = bits;
	}
}
