// SPDX-License-Identifier: BSD-3-Clause
// The copy of a text with AVX-512 VBMI2: 64 bytes a step.
#include "scan/normalise_ops.h"

#include <immintrin.h>

#define STEP 64

static void store(struct normalise_run *run, uint64_t keep, __m512i bytes)
{
	_mm512_storeu_si512(run->out, _mm512_maskz_compress_epi8(keep, bytes));
	run->out += _mm_popcnt_u64(keep);
}

// 64 bytes of which none is dropped but spaces behind a space.
static void store_spaces(struct normalise_run *run, __m512i bytes, uint64_t valid, uint64_t spaces)
{
	uint64_t behind = spaces << 1 | (run->after_space ? 1u : 0u);

	store(run, valid & ~(spaces & behind), bytes);
	if (valid != 0)
		run->after_space = (spaces & (valid ^ valid >> 1)) != 0;
}

static void text_run(struct normalise_run *run)
{
	const __m512i space = _mm512_set1_epi8(' ');

	for (; run->end - run->in >= STEP; run->in += STEP) {
		__m512i bytes = _mm512_loadu_si512(run->in);
		uint64_t spaces =
			_mm512_cmpeq_epi8_mask(bytes, space) |
			_mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8('\t')),
				_mm512_set1_epi8(5));
		uint64_t upper = _mm512_cmplt_epu8_mask(
			_mm512_sub_epi8(bytes, _mm512_set1_epi8('A')), _mm512_set1_epi8(26));
		// As signed bytes: what is above 127 is below the space too.
		uint64_t kept = _mm512_cmpgt_epi8_mask(bytes, space) | spaces;

		bytes = _mm512_mask_add_epi8(bytes, upper, bytes, space);
		bytes = _mm512_mask_mov_epi8(bytes, spaces, space);
		if (kept != ~UINT64_C(0)) {
			bytes = _mm512_maskz_compress_epi8(kept, bytes);
			spaces = _pext_u64(spaces, kept);
			kept = _bzhi_u64(~UINT64_C(0), (unsigned int)_mm_popcnt_u64(kept));
		}
		store_spaces(run, bytes, kept, spaces);
	}
}

const struct normalise_ops normalise_ops_avx512 = {"avx512", text_run, normalise_html_run_avx512,
	normalise_script_run_avx512, normalise_value_run_avx512, normalise_name_run_avx512, true};
