// SPDX-License-Identifier: BSD-3-Clause
// The searches with AVX-512: 64 bytes a step.
#include "reassembly/smtp_find.h"

#include <immintrin.h>

#define STEP 64

static inline uint64_t mask_of(size_t n)
{
	return n >= STEP ? ~UINT64_C(0) : _bzhi_u64(~UINT64_C(0), (unsigned int)n);
}

// Which of the bytes that are there it is.
static inline uint64_t equals(const uint8_t *data, uint64_t there, char byte)
{
	return _mm512_mask_cmpeq_epi8_mask(
		there, _mm512_maskz_loadu_epi8(there, data), _mm512_set1_epi8(byte));
}

// Dots behind what stands no higher than CR: hardly more than those that are searched for. Texts have many others, and
// none where one would expect it: nothing is branched on for these.
static inline uint64_t low_then_dot(const uint8_t *data, uint64_t there)
{
	const uint64_t low = _mm512_mask_cmple_epu8_mask(
		there, _mm512_maskz_loadu_epi8(there, data - 1), _mm512_set1_epi8('\r'));

	return _mm512_mask_cmpeq_epi8_mask(
		low, _mm512_maskz_loadu_epi8(there, data), _mm512_set1_epi8('.'));
}

size_t smtp_find_dot_avx512(const uint8_t *data, size_t n)
{
	for (size_t i = 1; i < n; i += STEP) {
		const uint64_t there = mask_of(n - i);
		uint64_t found = low_then_dot(data + i, there);

		if (found == 0)
			continue;
		found &= equals(data + i - 1, there, '\r') | equals(data + i - 1, there, '\n') |
			 equals(data + i - 1, there, '\0');
		if (found != 0)
			return i + (size_t)__builtin_ctzll(found);
	}
	return n;
}

size_t smtp_find_bare_avx512(const uint8_t *data, size_t n)
{
	for (size_t i = 1; i < n; i += STEP) {
		const uint64_t there = mask_of(n - i);
		const uint64_t found =
			(equals(data + i - 1, there, '\r') ^ equals(data + i, there, '\n')) |
			equals(data + i, there, '\0');

		if (found != 0)
			return i + (size_t)__builtin_ctzll(found);
	}
	return n;
}
