// SPDX-License-Identifier: BSD-3-Clause
// The copy of a text with AVX2: 32 bytes a step, fewer where some are dropped.
#include "scan/normalise_ops.h"

#include <immintrin.h>

#define STEP 32

static inline __m256i between(__m256i bytes, char first, char last)
{
	return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8((char)(first - 1))),
		_mm256_cmpgt_epi8(_mm256_set1_epi8((char)(last + 1)), bytes));
}

static void text_run(struct normalise_run *run)
{
	const __m256i space = _mm256_set1_epi8(' ');

	while (run->end - run->in >= STEP) {
		__m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)run->in);
		__m256i is_space = _mm256_or_si256(
			_mm256_cmpeq_epi8(bytes, space), between(bytes, '\t', '\r'));
		// As signed bytes: what is above 127 is below the space too.
		__m256i is_kept = _mm256_or_si256(_mm256_cmpgt_epi8(bytes, space), is_space);
		uint32_t spaces = (uint32_t)_mm256_movemask_epi8(is_space);
		uint32_t dropped = ~(uint32_t)_mm256_movemask_epi8(is_kept) |
				   (spaces & (spaces << 1 | (run->after_space ? 1u : 0u)));
		unsigned int run_bytes = dropped != 0 ? (unsigned int)__builtin_ctz(dropped) : STEP;

		bytes = _mm256_add_epi8(bytes, _mm256_and_si256(between(bytes, 'A', 'Z'), space));
		bytes = _mm256_blendv_epi8(bytes, space, is_space);
		_mm256_storeu_si256((__m256i *)(void *)run->out, bytes);
		run->out += run_bytes;
		if (run_bytes > 0)
			run->after_space = (spaces >> (run_bytes - 1) & 1u) != 0;
		// All that are dropped in a row.
		if (run_bytes < STEP) {
			uint32_t rest = ~(dropped >> run_bytes);

			run_bytes +=
				rest != 0 ? (unsigned int)__builtin_ctz(rest) : STEP - run_bytes;
		}
		run->in += run_bytes;
	}
}

const struct normalise_ops normalise_ops_avx2 = {"avx2", text_run, normalise_html_run_avx2,
	normalise_script_run_avx2, normalise_value_run_avx2, normalise_name_run_avx2, true};
