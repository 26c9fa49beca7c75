// SPDX-License-Identifier: BSD-3-Clause
// MD5 of up to three messages without vectors: they take hardly longer than one.
#include "scan/digest_lanes_ops.h"

#include <endian.h>
#include <string.h>

#define FEW 3

// RFC 1321 section 3.4.
const uint32_t digest_md5_constants[64] = {0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu,
	0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u, 0x698098d8u, 0x8b44f7afu, 0xffff5bb1u,
	0x895cd7beu, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u, 0xf61e2562u, 0xc040b340u,
	0x265e5a51u, 0xe9b6c7aau, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u, 0x21e1cde6u,
	0xc33707d6u, 0xf4d50d87u, 0x455a14edu, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au,
	0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u,
	0xbebfbc70u, 0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u, 0xd9d4d039u, 0xe6db99e5u,
	0x1fa27cf8u, 0xc4ac5665u, 0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u, 0x655b59c3u,
	0x8f0ccc92u, 0xffeff47du, 0x85845dd1u, 0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u,
	0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u};
static const uint8_t turns[4][4] = {
	{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static inline uint32_t load(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return le32toh(value);
}

static inline uint32_t rotate(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static inline uint32_t choose(unsigned int round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0:
		return d ^ (b & (c ^ d));
	case 1:
		return (c & ~d) + (b & d); // no bit is in both: one is added early
	case 2:
		return b ^ c ^ d;
	default:
		return c ^ (b | ~d);
	}
}

// The word of the block that a step takes.
static inline unsigned int word_of(unsigned int round, unsigned int step)
{
	static const uint8_t first[4] = {0, 1, 5, 0};
	static const uint8_t further[4] = {1, 5, 3, 7};

	return (first[round] + further[round] * step) % 16;
}

// All of it is known to the compiler but for the lanes' values.
static inline __attribute__((always_inline)) void take_step(
	uint32_t (*s)[4], const uint8_t *const *data, const size_t count, const unsigned int step)
{
	const unsigned int round = step / 16;
	const unsigned int a = (64 - step) % 4;
	const size_t at = (size_t)4 * word_of(round, step % 16);

	_Pragma("GCC unroll 3") for (size_t i = 0; i < count; i++)
	{
		uint32_t *w = s[i];

		w[a] += load(data[i] + at) + digest_md5_constants[step];
		w[a] += choose(round, w[(a + 1) % 4], w[(a + 2) % 4], w[(a + 3) % 4]);
		w[a] = w[(a + 1) % 4] + rotate(w[a], turns[round][step % 4]);
	}
}

static inline __attribute__((always_inline)) void take_four(
	uint32_t (*s)[4], const uint8_t *const *data, const size_t count, const unsigned int step)
{
	take_step(s, data, count, step);
	take_step(s, data, count, step + 1);
	take_step(s, data, count, step + 2);
	take_step(s, data, count, step + 3);
}

static inline __attribute__((always_inline)) void take_round(
	uint32_t (*s)[4], const uint8_t *const *data, const size_t count, const unsigned int step)
{
	take_four(s, data, count, step);
	take_four(s, data, count, step + 4);
	take_four(s, data, count, step + 8);
	take_four(s, data, count, step + 12);
}

static inline __attribute__((always_inline)) void run_few(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, const size_t count)
{
	const uint8_t *own[FEW];
	uint32_t sums[FEW][4];

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < 4; k++)
			sums[i][k] = states[k][i];
		own[i] = data[i];
	}
	for (; blocks > 0; blocks--) {
		uint32_t s[FEW][4];

		memcpy(s, sums, sizeof(s));
		take_round(s, own, count, 0);
		take_round(s, own, count, 16);
		take_round(s, own, count, 32);
		take_round(s, own, count, 48);
		_Pragma("GCC unroll 3") for (size_t i = 0; i < count; i++)
		{
			for (unsigned int k = 0; k < 4; k++)
				sums[i][k] += s[i][k];
			own[i] += DIGEST_BLOCK_BYTES;
		}
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < 4; k++)
			states[k][i] = sums[i][k];
		data[i] = own[i];
	}
}

void digest_md5_few(
	uint32_t (*states)[DIGEST_COLUMNS], const uint8_t **data, size_t blocks, size_t count)
{
	switch (count) {
	case 1:
		run_few(states, data, blocks, 1);
		break;
	case 2:
		run_few(states, data, blocks, 2);
		break;
	default:
		run_few(states, data, blocks, FEW);
		break;
	}
}
