// SPDX-License-Identifier: BSD-3-Clause
// The plain parts of HTML with AVX-512 VBMI2.
#include "scan/normalise_ops.h"

#include <immintrin.h>

struct block {
	__m512i bytes;
	__m512i copy;
	uint64_t blank;
};

static inline uint64_t block_equal(const struct block *block, char byte)
{
	return _mm512_cmpeq_epi8_mask(block->bytes, _mm512_set1_epi8(byte));
}

static inline uint64_t block_below(const struct block *block, char byte)
{
	return _mm512_cmplt_epu8_mask(block->bytes, _mm512_set1_epi8(byte));
}

static inline uint64_t block_high(const struct block *block)
{
	return _mm512_movepi8_mask(block->bytes);
}

static inline uint64_t block_blank(const struct block *block)
{
	return block->blank;
}

static inline void block_load(struct block *block, const uint8_t *in, size_t n)
{
	const __m512i space = _mm512_set1_epi8(' ');
	__m512i bytes = _mm512_maskz_loadu_epi8(_bzhi_u64(~UINT64_C(0), (unsigned int)n), in);
	uint64_t upper = _mm512_cmplt_epu8_mask(
		_mm512_sub_epi8(bytes, _mm512_set1_epi8('A')), _mm512_set1_epi8(26));

	block->bytes = bytes;
	block->blank = _mm512_cmpeq_epi8_mask(bytes, space) |
		       _mm512_cmplt_epu8_mask(
			       _mm512_sub_epi8(bytes, _mm512_set1_epi8('\t')), _mm512_set1_epi8(5));
	bytes = _mm512_mask_add_epi8(bytes, upper, bytes, space);
	block->copy = _mm512_mask_mov_epi8(bytes, block->blank, space);
}

static inline uint8_t *block_put(
	const struct block *block, uint64_t keep, uint8_t *out, bool turns_quotes)
{
	__m512i copy = block->copy;

	if (turns_quotes)
		copy = _mm512_mask_mov_epi8(copy, block_equal(block, '\''), _mm512_set1_epi8('"'));
	_mm512_storeu_si512(out, _mm512_maskz_compress_epi8(keep, copy));
	return out + _mm_popcnt_u64(keep);
}

static inline void block_turn(struct block *block, uint64_t mask, char byte)
{
	block->copy = _mm512_mask_mov_epi8(block->copy, mask, _mm512_set1_epi8(byte));
}

#include "scan/normalise_html_block.inc"

void normalise_html_run_avx512(struct normalise_html_run *run)
{
	run_html(run);
}

void normalise_script_run_avx512(struct normalise_html_run *run, bool is_comment)
{
	run_script(run, is_comment);
}

void normalise_value_run_avx512(struct normalise_html_run *run)
{
	run_value(run);
}
