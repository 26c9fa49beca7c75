// SPDX-License-Identifier: BSD-3-Clause
#include "scan/sha256_lanes.h"

#include <immintrin.h>

// FIPS 180-4 section 4.2.2.
static const uint32_t constants[64] = {0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u,
	0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u, 0xd807aa98u, 0x12835b01u, 0x243185beu,
	0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u, 0xe49b69c1u, 0xefbe4786u,
	0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau, 0x983e5152u,
	0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
	0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu,
	0x92722c85u, 0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u,
	0xf40e3585u, 0x106aa070u, 0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u,
	0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u, 0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u,
	0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};

// The words as the instructions want them: A, B, E, F and C, D, G, H, the first highest.
struct lane {
	__m128i abef;
	__m128i cdgh;
};

static inline __attribute__((always_inline)) void take_four(
	struct lane *lane, __m128i *w, const unsigned int step)
{
	const unsigned int at = step % 4;
	__m128i sum =
		_mm_add_epi32(w[at], _mm_loadu_si128((const void *)(constants + (size_t)4 * step)));

	lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, sum);
	lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(sum, 0x0e));
	if (step < 12) {
		__m128i last = w[(at + 3) % 4];
		__m128i next = _mm_sha256msg1_epu32(w[at], w[(at + 1) % 4]);

		next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(at + 2) % 4], 4));
		w[at] = _mm_sha256msg2_epu32(next, last);
	}
}

static inline __attribute__((always_inline)) void run(uint32_t (*states)[SHA256_WORDS],
	const uint8_t *const *data, size_t blocks, const size_t lanes)
{
	const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
	struct lane sums[SHA256_LANES];

	for (size_t i = 0; i < lanes; i++) {
		const uint32_t *s = states[i];

		sums[i].abef = _mm_set_epi32((int)s[0], (int)s[1], (int)s[4], (int)s[5]);
		sums[i].cdgh = _mm_set_epi32((int)s[2], (int)s[3], (int)s[6], (int)s[7]);
	}
	for (size_t block = 0; block < blocks; block++) {
		struct lane now[SHA256_LANES];
		__m128i w[SHA256_LANES][4];

		_Pragma("GCC unroll 2") for (size_t i = 0; i < lanes; i++)
		{
			const uint8_t *from = data[i] + block * SHA256_BLOCK_BYTES;

			now[i] = sums[i];
			for (size_t k = 0; k < 4; k++)
				w[i][k] = _mm_shuffle_epi8(
					_mm_loadu_si128((const void *)(from + 16 * k)), order);
		}
		_Pragma("GCC unroll 16") for (unsigned int step = 0; step < 16; step++)
		{
			_Pragma("GCC unroll 2") for (size_t i = 0; i < lanes; i++)
				take_four(&now[i], w[i], step);
		}
		_Pragma("GCC unroll 2") for (size_t i = 0; i < lanes; i++)
		{
			sums[i].abef = _mm_add_epi32(sums[i].abef, now[i].abef);
			sums[i].cdgh = _mm_add_epi32(sums[i].cdgh, now[i].cdgh);
		}
	}
	for (size_t i = 0; i < lanes; i++) {
		uint32_t *s = states[i];

		s[0] = (uint32_t)_mm_extract_epi32(sums[i].abef, 3);
		s[1] = (uint32_t)_mm_extract_epi32(sums[i].abef, 2);
		s[4] = (uint32_t)_mm_extract_epi32(sums[i].abef, 1);
		s[5] = (uint32_t)_mm_extract_epi32(sums[i].abef, 0);
		s[2] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 3);
		s[3] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 2);
		s[6] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 1);
		s[7] = (uint32_t)_mm_extract_epi32(sums[i].cdgh, 0);
	}
}

void sha256_blocks_shani(
	uint32_t (*states)[SHA256_WORDS], const uint8_t *const *data, size_t blocks, size_t lanes)
{
	if (lanes == SHA256_LANES)
		run(states, data, blocks, SHA256_LANES);
	else
		run(states, data, blocks, 1);
}
