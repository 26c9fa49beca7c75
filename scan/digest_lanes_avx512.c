// SPDX-License-Identifier: BSD-3-Clause
#include "scan/digest_lanes_ops.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define LANES 16
#define MD5_VECTORS 2
typedef uint32_t lanes __attribute__((vector_size(64)));

// Four words of four messages in each quarter: the quarter's number is that of the fourfold of words.
static inline __attribute__((always_inline)) void turn_four(
	const uint8_t *const *data, size_t at, __m512i *out)
{
	__m512i row[4];
	__m512i pair[4];

	for (size_t i = 0; i < 4; i++)
		row[i] = _mm512_loadu_si512(data[i] + at);
	for (size_t i = 0; i < 2; i++) {
		pair[2 * i] = _mm512_unpacklo_epi32(row[2 * i], row[2 * i + 1]);
		pair[2 * i + 1] = _mm512_unpackhi_epi32(row[2 * i], row[2 * i + 1]);
	}
	for (size_t i = 0; i < 2; i++) {
		out[2 * i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
		out[2 * i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
	}
}

static inline __attribute__((always_inline)) void load_block(
	const uint8_t *const *data, size_t at, const bool swaps, lanes *w)
{
	const __m512i order =
		_mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL));
	__m512i four[4][4];

	_Pragma("GCC unroll 4") for (size_t i = 0; i < 4; i++) turn_four(data + 4 * i, at, four[i]);
	_Pragma("GCC unroll 4") for (size_t i = 0; i < 4; i++)
	{
		__m512i half[4] = {_mm512_shuffle_i32x4(four[0][i], four[1][i], 0x44),
			_mm512_shuffle_i32x4(four[2][i], four[3][i], 0x44),
			_mm512_shuffle_i32x4(four[0][i], four[1][i], 0xee),
			_mm512_shuffle_i32x4(four[2][i], four[3][i], 0xee)};
		__m512i word[4] = {_mm512_shuffle_i32x4(half[0], half[1], 0x88),
			_mm512_shuffle_i32x4(half[0], half[1], 0xdd),
			_mm512_shuffle_i32x4(half[2], half[3], 0x88),
			_mm512_shuffle_i32x4(half[2], half[3], 0xdd)};

		_Pragma("GCC unroll 4") for (size_t k = 0; k < 4; k++) w[4 * k + i] =
			(lanes)(swaps ? _mm512_shuffle_epi8(word[k], order) : word[k]);
	}
}

#define md5_blocks digest_md5_avx512
#define sha1_blocks digest_sha1_avx512
#define sha256_blocks digest_sha256_avx512
#include "scan/digest_lanes_block.inc"
