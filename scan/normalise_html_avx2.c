// SPDX-License-Identifier: BSD-3-Clause
// The plain parts of HTML with AVX2.
#include "scan/normalise_ops.h"

#include <immintrin.h>
#include <string.h>

struct block {
	__m256i low;
	__m256i high;
	uint64_t blank;
	uint8_t copy[128]; // the last half may be read, whatever it holds
};

static inline uint64_t both(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
							     << 32;
}

static inline uint64_t block_equal(const struct block *block, char byte)
{
	const __m256i all = _mm256_set1_epi8(byte);

	return both(_mm256_cmpeq_epi8(block->low, all), _mm256_cmpeq_epi8(block->high, all));
}

static inline uint64_t block_high(const struct block *block)
{
	return both(block->low, block->high);
}

static inline uint64_t block_below(const struct block *block, char byte)
{
	const __m256i all = _mm256_set1_epi8(byte);

	// As signed bytes: those above 127 are below it too.
	return both(_mm256_cmpgt_epi8(all, block->low), _mm256_cmpgt_epi8(all, block->high)) &
	       ~block_high(block);
}

static inline uint64_t block_space(const struct block *block)
{
	return block_equal(block, ' ');
}

static inline uint64_t block_blank(const struct block *block)
{
	return block->blank;
}

static inline __m256i between(__m256i bytes, char first, char last)
{
	return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8((char)(first - 1))),
		_mm256_cmpgt_epi8(_mm256_set1_epi8((char)(last + 1)), bytes));
}

static inline __m256i copy_of(__m256i bytes, __m256i *is_blank)
{
	const __m256i space = _mm256_set1_epi8(' ');

	*is_blank = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, space), between(bytes, '\t', '\r'));
	bytes = _mm256_add_epi8(bytes, _mm256_and_si256(between(bytes, 'A', 'Z'), space));
	return _mm256_blendv_epi8(bytes, space, *is_blank);
}

static inline uint64_t block_letter(const struct block *block, char lower)
{
	return block_equal(block, lower) | block_equal(block, (char)(lower - 32));
}

static inline void block_load(struct block *block, const uint8_t *in, size_t n)
{
	uint8_t rest[64] = {0};
	__m256i blank_low;
	__m256i blank_high;

	if (n < sizeof(rest)) {
		memcpy(rest, in, n);
		in = rest;
	}
	block->low = _mm256_loadu_si256((const __m256i *)(const void *)in);
	block->high = _mm256_loadu_si256((const __m256i *)(const void *)(in + 32));
	_mm256_storeu_si256((__m256i *)(void *)block->copy, copy_of(block->low, &blank_low));
	_mm256_storeu_si256(
		(__m256i *)(void *)(block->copy + 32), copy_of(block->high, &blank_high));
	block->blank = both(blank_low, blank_high);
}

// Run by run of bytes that are kept.
static inline uint8_t *block_put(
	const struct block *block, uint64_t keep, uint8_t *out, bool turns_quotes)
{
	uint8_t *start = out;

	while (keep != 0) {
		unsigned int from = (unsigned int)__builtin_ctzll(keep);
		uint64_t left = keep >> from;
		unsigned int bytes = ~left != 0 ? (unsigned int)__builtin_ctzll(~left) : 64;

		_mm256_storeu_si256((__m256i *)(void *)out,
			_mm256_loadu_si256((const __m256i *)(const void *)(block->copy + from)));
		if (bytes > 32)
			_mm256_storeu_si256((__m256i *)(void *)(out + 32),
				_mm256_loadu_si256(
					(const __m256i *)(const void *)(block->copy + from + 32)));
		out += bytes;
		keep = from + bytes < 64 ? keep & ~UINT64_C(0) << (from + bytes) : 0;
	}
	for (uint8_t *at = start; turns_quotes && at < out; at++)
		*at = *at == '\'' ? '"' : *at;
	return out;
}

static inline void block_turn(struct block *block, uint64_t mask, char byte)
{
	for (; mask != 0; mask &= mask - 1)
		block->copy[__builtin_ctzll(mask)] = (uint8_t)byte;
}

static inline uint64_t block_between(uint64_t mask)
{
	// Without carries, each bit counts in all above it.
	const __m128i product = _mm_clmulepi64_si128(
		_mm_cvtsi64_si128((long long)mask), _mm_set1_epi8((char)0xff), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

static inline void block_repeat(struct block *block, uint64_t mask)
{
	for (; mask != 0; mask &= mask - 1) {
		uint8_t *at = block->copy + __builtin_ctzll(mask);

		*at = at[-1];
	}
}

#include "scan/normalise_html_block.inc"

void normalise_html_run_avx2(struct normalise_html_run *run)
{
	run_html(run);
}

void normalise_script_run_avx2(struct normalise_html_run *run, bool is_comment)
{
	run_script(run, is_comment);
}

void normalise_value_run_avx2(struct normalise_html_run *run)
{
	run_value(run);
}

void normalise_name_run_avx2(struct normalise_html_run *run, bool is_arg)
{
	run_name(run, is_arg);
}
