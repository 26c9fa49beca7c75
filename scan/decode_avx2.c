// SPDX-License-Identifier: BSD-3-Clause
// The decoders' inner loops with AVX2: 32 bytes a step.
#include "scan/decode_ops.h"

#include <immintrin.h>
#include <stdbool.h>

#define STEP 32

static inline __m256i load(const uint8_t *data)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)data);
}

static inline void store(uint8_t *out, __m256i bytes)
{
	_mm256_storeu_si256((__m256i *)(void *)out, bytes);
}

// The lowest bit that is set, 32 where none is.
static inline unsigned int mask_first(uint32_t mask)
{
	return mask != 0 ? (unsigned int)__builtin_ctz(mask) : 32;
}

static inline uint32_t mask_equal(__m256i bytes, char c)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)));
}

// ---- base64 ------------------------------------------------------------------------------------

// 32 characters to sextets; bad marks those that are none. By nibbles: a character is in the alphabet
// when its two rows have no bit in common, and what turns it into its sextet depends on the high nibble
// alone, "/" apart.
static inline __m256i base64_sextets(__m256i chars, uint32_t *bad)
{
	const __m256i rows_low = _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
		0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
		0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
	const __m256i rows_high = _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
		0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
		0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
	const __m256i shifts = _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m256i nibble = _mm256_set1_epi8(0x0f);
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(chars, 4), nibble);
	__m256i low = _mm256_and_si256(chars, nibble);
	__m256i common = _mm256_and_si256(
		_mm256_shuffle_epi8(rows_low, low), _mm256_shuffle_epi8(rows_high, high));
	__m256i is_slash = _mm256_cmpeq_epi8(chars, _mm256_set1_epi8('/'));

	*bad = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(common, _mm256_setzero_si256()));
	return _mm256_add_epi8(chars, _mm256_shuffle_epi8(shifts, _mm256_add_epi8(is_slash, high)));
}

// 32 sextets to 24 bytes at the front.
static inline __m256i base64_pack(__m256i sextets)
{
	const __m256i order = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1,
		-1, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
	__m256i pairs = _mm256_maddubs_epi16(sextets, _mm256_set1_epi32(0x01400140));
	__m256i quanta = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));

	return _mm256_permutevar8x32_epi32(
		_mm256_shuffle_epi8(quanta, order), _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
}

static void avx2_base64_run(struct decode_run *run)
{
	while (run->end - run->in >= STEP) {
		uint32_t bad;
		__m256i sextets = base64_sextets(load(run->in), &bad);
		size_t good = (size_t)mask_first(bad) / 4 * 4;

		store(run->out, base64_pack(sextets));
		run->in += good;
		run->out += good / 4 * 3;
		if (bad == 0)
			continue;
		if (run->in[0] == '\r' && run->end - run->in >= 2 && run->in[1] == '\n')
			run->in += 2;
		else if (run->in[0] == '\n' || run->in[0] == '\r')
			run->in++;
		else
			return;
	}
}

// ---- quoted-printable --------------------------------------------------------------------------

// Where the run of blanks that ends before bit n begins.
static inline unsigned int qp_blanks_begin(uint32_t blanks, unsigned int n)
{
	uint32_t others = ~blanks & _bzhi_u32(~UINT32_C(0), n);

	return others != 0 ? 32 - (unsigned int)__builtin_clz(others) : 0;
}

// The escape or soft line break at run->in. False where it is neither, or is not all there.
static inline bool qp_escape(struct decode_run *run)
{
	const uint8_t *in = run->in;
	unsigned int high = decode_nibbles[in[1]];
	unsigned int low = decode_nibbles[in[2]];

	if (((high | low) & DECODE_INVALID) == 0) {
		*run->out++ = (uint8_t)(high << 4 | low);
		run->in += 3;
		return true;
	}
	if (in[1] == '\n')
		run->in += 2;
	else if (in[1] == '\r' && in[2] == '\n')
		run->in += 3;
	else
		return false;
	return true;
}

static void avx2_qp_run(struct decode_run *run)
{
	while (run->end - run->in >= STEP + 2) {
		__m256i bytes = load(run->in);
		__m256i next = load(run->in + 1);
		uint32_t blanks = mask_equal(bytes, ' ') | mask_equal(bytes, '\t');
		uint32_t equals = mask_equal(bytes, '=');
		uint32_t stop =
			equals | (blanks & (mask_equal(next, '\r') | mask_equal(next, '\n')));
		unsigned int limit = mask_first(stop);

		if (limit == STEP)
			limit = qp_blanks_begin(blanks, STEP);
		else if ((blanks >> limit & 1) != 0)
			limit = qp_blanks_begin(blanks, limit + 1);
		store(run->out, bytes);
		run->in += limit;
		run->out += limit;
		if (*run->in == '=') {
			// One after another: text in other alphabets is nothing but escapes.
			while (run->end - run->in >= 3 && *run->in == '=') {
				if (!qp_escape(run))
					return;
			}
		} else if (limit == 0) {
			return;
		}
	}
}

// ---- searches ----------------------------------------------------------------------------------

static const uint8_t *avx2_find_lf(const uint8_t *data, size_t n)
{
	size_t i = 0;

	for (; n - i >= STEP; i += STEP) {
		uint32_t found = mask_equal(load(data + i), '\n');

		if (found != 0)
			return data + i + mask_first(found);
	}
	return decode_ops_portable.find_lf(data + i, n - i);
}

static const uint8_t *avx2_find_line_control(const uint8_t *data, size_t n)
{
	size_t i = 0;

	for (; n - i >= STEP; i += STEP) {
		__m256i bytes = load(data + i);
		uint32_t found =
			mask_equal(bytes, '\n') | mask_equal(bytes, '\r') | mask_equal(bytes, '\0');

		if (found != 0)
			return data + i + mask_first(found);
	}
	return decode_ops_portable.find_line_control(data + i, n - i);
}

// Both bytes are looked for at once: in base64 letters are everywhere.
static const uint8_t *avx2_find_line_with(const uint8_t *data, size_t n, uint8_t first)
{
	const __m256i firsts = _mm256_set1_epi8((char)first);
	const __m256i ends = _mm256_set1_epi8('\n');
	size_t i = 1;

	for (; n > i && n - i >= STEP; i += STEP) {
		const __m256i both = _mm256_and_si256(_mm256_cmpeq_epi8(load(data + i), firsts),
			_mm256_cmpeq_epi8(load(data + i - 1), ends));
		const uint32_t found = (uint32_t)_mm256_movemask_epi8(both);

		if (found != 0)
			return data + i + mask_first(found);
	}
	return decode_ops_portable.find_line_with(data + i - 1, n - (i - 1), first);
}

const struct decode_ops decode_ops_avx2 = {
	.name = "avx2",
	.base64_run = avx2_base64_run,
	.qp_run = avx2_qp_run,
	.find_lf = avx2_find_lf,
	.find_line_control = avx2_find_line_control,
	.find_line_with = avx2_find_line_with,
};
