// SPDX-License-Identifier: BSD-3-Clause
// Blocks of one message or two, with the processor's instructions for SHA-1 and SHA-256. These wait for each
// other within one message: two messages take hardly longer than one.
#include "scan/digest_lanes_ops.h"

#include <immintrin.h>
#include <string.h>

#define FEW 2

// A block's words, in the order of the instructions.
static inline __attribute__((always_inline)) void load(
	__m128i *w, const uint8_t *block, const __m128i order)
{
	for (size_t k = 0; k < 4; k++)
		w[k] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(block + 16 * k)), order);
}

// ---- SHA-256 -------------------------------------------------------------------------------------

// The words as the instructions want them: A, B, E, F and C, D, G, H, the first highest.
struct sha256 {
	__m128i abef;
	__m128i cdgh;
};

static inline __attribute__((always_inline)) void take_four(
	struct sha256 *lane, __m128i *w, const unsigned int step)
{
	const unsigned int at = step % 4;
	__m128i sum = _mm_add_epi32(
		w[at], _mm_loadu_si128((const void *)(digest_sha256_constants + (size_t)4 * step)));

	lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, sum);
	lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(sum, 0x0e));
	if (step < 12) {
		__m128i last = w[(at + 3) % 4];
		__m128i next = _mm_sha256msg1_epu32(w[at], w[(at + 1) % 4]);

		next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(at + 2) % 4], 4));
		w[at] = _mm_sha256msg2_epu32(next, last);
	}
}

static inline __attribute__((always_inline)) void run_sha256(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, const size_t count)
{
	const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	struct sha256 sums[FEW];

	for (size_t i = 0; i < count; i++) {
		sums[i].abef = _mm_set_epi32(
			(int)states[0][i], (int)states[1][i], (int)states[4][i], (int)states[5][i]);
		sums[i].cdgh = _mm_set_epi32(
			(int)states[2][i], (int)states[3][i], (int)states[6][i], (int)states[7][i]);
	}
	for (size_t block = 0; block < blocks; block++) {
		struct sha256 now[FEW];
		__m128i w[FEW][4];

		_Pragma("GCC unroll 2") for (size_t i = 0; i < count; i++)
		{
			now[i] = sums[i];
			load(w[i], data[i] + block * DIGEST_BLOCK_BYTES, order);
		}
		_Pragma("GCC unroll 16") for (unsigned int step = 0; step < 16; step++)
		{
			_Pragma("GCC unroll 2") for (size_t i = 0; i < count; i++)
				take_four(&now[i], w[i], step);
		}
		_Pragma("GCC unroll 2") for (size_t i = 0; i < count; i++)
		{
			sums[i].abef = _mm_add_epi32(sums[i].abef, now[i].abef);
			sums[i].cdgh = _mm_add_epi32(sums[i].cdgh, now[i].cdgh);
		}
	}
	for (size_t i = 0; i < count; i++) {
		states[0][i] = (uint32_t)_mm_extract_epi32(sums[i].abef, 3);
		states[1][i] = (uint32_t)_mm_extract_epi32(sums[i].abef, 2);
		states[4][i] = (uint32_t)_mm_extract_epi32(sums[i].abef, 1);
		states[5][i] = (uint32_t)_mm_extract_epi32(sums[i].abef, 0);
		states[2][i] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 3);
		states[3][i] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 2);
		states[6][i] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 1);
		states[7][i] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 0);
		data[i] += blocks * DIGEST_BLOCK_BYTES;
	}
}

void digest_sha256_shani(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, size_t count)
{
	if (count == FEW)
		run_sha256(states, data, blocks, FEW);
	else
		run_sha256(states, data, blocks, 1);
}

// ---- SHA-1 ---------------------------------------------------------------------------------------

// A, B, C, D, the first highest, and what E is made of.
struct sha1 {
	__m128i abcd;
	__m128i e;
};

static inline __attribute__((always_inline)) __m128i sha1_rounds(
	__m128i abcd, __m128i e, const unsigned int kind)
{
	switch (kind) {
	case 0:
		return _mm_sha1rnds4_epu32(abcd, e, 0);
	case 1:
		return _mm_sha1rnds4_epu32(abcd, e, 1);
	case 2:
		return _mm_sha1rnds4_epu32(abcd, e, 2);
	default:
		return _mm_sha1rnds4_epu32(abcd, e, 3);
	}
}

static inline __attribute__((always_inline)) void sha1_four(
	struct sha1 *now, __m128i *w, const unsigned int step)
{
	__m128i *next = &w[step % 4];
	__m128i e;

	if (step >= 4)
		*next = _mm_sha1msg2_epu32(
			_mm_xor_si128(
				_mm_sha1msg1_epu32(*next, w[(step + 1) % 4]), w[(step + 2) % 4]),
			w[(step + 3) % 4]);
	e = step == 0 ? _mm_add_epi32(now->e, *next) : _mm_sha1nexte_epu32(now->e, *next);
	now->e = now->abcd;
	now->abcd = sha1_rounds(now->abcd, e, step / 5);
}

static inline __attribute__((always_inline)) void run_sha1(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, const size_t count)
{
	const __m128i order = _mm_set_epi64x(0x0001020304050607LL, 0x08090a0b0c0d0e0fLL);
	struct sha1 sums[FEW];

	for (size_t i = 0; i < count; i++) {
		sums[i].abcd = _mm_set_epi32(
			(int)states[0][i], (int)states[1][i], (int)states[2][i], (int)states[3][i]);
		sums[i].e = _mm_set_epi32((int)states[4][i], 0, 0, 0);
	}
	for (size_t block = 0; block < blocks; block++) {
		struct sha1 now[FEW];
		__m128i w[FEW][4];

		_Pragma("GCC unroll 2") for (size_t i = 0; i < count; i++)
		{
			now[i] = sums[i];
			load(w[i], data[i] + block * DIGEST_BLOCK_BYTES, order);
		}
		_Pragma("GCC unroll 20") for (unsigned int step = 0; step < 20; step++)
		{
			_Pragma("GCC unroll 2") for (size_t i = 0; i < count; i++)
				sha1_four(&now[i], w[i], step);
		}
		_Pragma("GCC unroll 2") for (size_t i = 0; i < count; i++)
		{
			sums[i].abcd = _mm_add_epi32(sums[i].abcd, now[i].abcd);
			sums[i].e = _mm_sha1nexte_epu32(now[i].e, sums[i].e);
		}
	}
	for (size_t i = 0; i < count; i++) {
		states[0][i] = (uint32_t)_mm_extract_epi32(sums[i].abcd, 3);
		states[1][i] = (uint32_t)_mm_extract_epi32(sums[i].abcd, 2);
		states[2][i] = (uint32_t)_mm_extract_epi32(sums[i].abcd, 1);
		states[3][i] = (uint32_t)_mm_extract_epi32(sums[i].abcd, 0);
		states[4][i] = (uint32_t)_mm_extract_epi32(sums[i].e, 3);
		data[i] += blocks * DIGEST_BLOCK_BYTES;
	}
}

void digest_sha1_shani(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, size_t count)
{
	if (count == FEW)
		run_sha1(states, data, blocks, FEW);
	else
		run_sha1(states, data, blocks, 1);
}
