// SPDX-License-Identifier: BSD-3-Clause
#include "scan/digest_lanes_ops.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define LANES 8
#define MD5_VECTORS 2
typedef uint32_t lanes __attribute__((vector_size(32)));

// Four words of four messages in each half: the half's number is that of the fourfold of words.
static inline __attribute__((always_inline)) void turn_four(
	const uint8_t *const *data, size_t at, __m256i *out)
{
	__m256i row[4];
	__m256i pair[4];

	for (size_t i = 0; i < 4; i++)
		row[i] = _mm256_loadu_si256((const __m256i *)(const void *)(data[i] + at));
	for (size_t i = 0; i < 2; i++) {
		pair[2 * i] = _mm256_unpacklo_epi32(row[2 * i], row[2 * i + 1]);
		pair[2 * i + 1] = _mm256_unpackhi_epi32(row[2 * i], row[2 * i + 1]);
	}
	for (size_t i = 0; i < 2; i++) {
		out[2 * i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
		out[2 * i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
	}
}

static inline __attribute__((always_inline)) void load_half(
	const uint8_t *const *data, size_t at, const bool swaps, lanes *w)
{
	const __m256i order = _mm256_broadcastsi128_si256(
		_mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL));
	__m256i four[2][4];

	turn_four(data, at, four[0]);
	turn_four(data + 4, at, four[1]);
	_Pragma("GCC unroll 4") for (size_t i = 0; i < 4; i++)
	{
		__m256i word[2] = {_mm256_permute2x128_si256(four[0][i], four[1][i], 0x20),
			_mm256_permute2x128_si256(four[0][i], four[1][i], 0x31)};

		_Pragma("GCC unroll 2") for (size_t k = 0; k < 2; k++) w[4 * k + i] =
			(lanes)(swaps ? _mm256_shuffle_epi8(word[k], order) : word[k]);
	}
}

static inline __attribute__((always_inline)) void load_block(
	const uint8_t *const *data, size_t at, const bool swaps, lanes *w)
{
	load_half(data, at, swaps, w);
	load_half(data, at + DIGEST_BLOCK_BYTES / 2, swaps, w + 8);
}

#define md5_blocks digest_md5_avx2
#define sha1_blocks digest_sha1_avx2
#define sha256_blocks digest_sha256_avx2
#include "scan/digest_lanes_block.inc"
