// SPDX-License-Identifier: BSD-3-Clause
// The plain parts of HTML with AVX-512 VBMI2.
#include "scan/normalise_ops.h"

#include <immintrin.h>

struct block {
	__m512i bytes;
	__m512i copy;
	uint64_t blank;
	uint64_t space;
};

// Read where it is to be compared with: it takes two instructions to make it.
static inline __m512i all_of(char byte)
{
	return byte < 0 ? _mm512_set1_epi8(byte)
			: _mm512_load_si512(normalise_html_all[(uint8_t)byte]);
}

// Masks are worked on in ordinary registers: what is done to those of vectors takes four times as long.
static inline uint64_t mask_of(__mmask64 mask)
{
	uint64_t bits = mask;

	__asm__("" : "+r"(bits));
	return bits;
}

static inline uint64_t block_equal(const struct block *block, char byte)
{
	return mask_of(_mm512_cmpeq_epi8_mask(block->bytes, all_of(byte)));
}

static inline uint64_t block_below(const struct block *block, char byte)
{
	return mask_of(_mm512_cmplt_epu8_mask(block->bytes, all_of(byte)));
}

static inline uint64_t block_high(const struct block *block)
{
	return mask_of(_mm512_movepi8_mask(block->bytes));
}

static inline uint64_t block_space(const struct block *block)
{
	return block->space;
}

static inline uint64_t block_blank(const struct block *block)
{
	return block->blank;
}

static inline uint64_t block_letter(const struct block *block, char lower)
{
	return mask_of(_mm512_cmpeq_epi8_mask(block->copy, all_of(lower)));
}

static inline void block_load(struct block *block, const uint8_t *in, size_t n)
{
	const __m512i space = all_of(' ');
	__m512i bytes = n < sizeof(bytes) ? _mm512_maskz_loadu_epi8(
						    _bzhi_u64(~UINT64_C(0), (unsigned int)n), in)
					  : _mm512_loadu_si512(in);
	const __mmask64 upper =
		_mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, all_of('A')), all_of(26));
	__mmask64 is_space;
	__mmask64 is_blank;

	block->bytes = bytes;
	is_space = _mm512_cmpeq_epi8_mask(bytes, space);
	is_blank = _kor_mask64(
		is_space, _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, all_of('\t')), all_of(5)));
	bytes = _mm512_mask_add_epi8(bytes, upper, bytes, space);
	block->copy = _mm512_mask_mov_epi8(bytes, is_blank, space);
	block->space = mask_of(is_space);
	block->blank = mask_of(is_blank);
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
	block->copy = _mm512_mask_mov_epi8(block->copy, mask, all_of(byte));
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
	// The lane before each lane.
	const __m512i before = _mm512_alignr_epi64(block->copy, _mm512_setzero_si512(), 6);

	block->copy = _mm512_mask_alignr_epi8(block->copy, mask, block->copy, before, 15);
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

void normalise_name_run_avx512(struct normalise_html_run *run, bool is_arg)
{
	run_name(run, is_arg);
}
