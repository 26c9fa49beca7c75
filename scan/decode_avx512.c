// SPDX-License-Identifier: BSD-3-Clause
// The decoders' inner loops with AVX-512 VBMI and VBMI2: 64 bytes a step.
#include "scan/decode_ops.h"

#include <immintrin.h>
#include <stdbool.h>

#define STEP 64
// Steps without a try for whole lines, after a try that found none.
#define STEPS_BETWEEN_TRIES 8

// A table of 128 entries for VPERMI2B. Bytes above 127 fall onto it too: the caller looks at their top
// bit.
struct table {
	__m512i low;
	__m512i high;
};

static struct table table_load(const uint8_t *bytes)
{
	return (struct table){_mm512_loadu_si512(bytes), _mm512_loadu_si512(bytes + STEP)};
}

static inline __m512i table_look(const struct table *table, __m512i bytes)
{
	return _mm512_permutex2var_epi8(table->low, bytes, table->high);
}

static inline uint64_t mask_below(unsigned int n)
{
	return _bzhi_u64(~UINT64_C(0), n);
}

// The lowest bit that is set, 64 where none is.
static inline unsigned int mask_first(uint64_t mask)
{
	return mask != 0 ? (unsigned int)__builtin_ctzll(mask) : 64;
}

// The first 64 of n bytes at data; zeros where there are fewer.
static inline __m512i load(const uint8_t *data, ptrdiff_t n)
{
	if (n >= STEP)
		return _mm512_loadu_si512(data);
	return _mm512_maskz_loadu_epi8(mask_below(n > 0 ? (unsigned int)n : 0), data);
}

static inline uint64_t mask_equal(__m512i bytes, char c)
{
	return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(c));
}

// ---- base64 ------------------------------------------------------------------------------------

// 64 sextets, one a byte, to 48 bytes at the front.
static inline __m512i base64_pack(__m512i sextets)
{
	static const uint8_t order[STEP] __attribute__((aligned(STEP))) = {2, 1, 0, 6, 5, 4, 10, 9,
		8, 14, 13, 12, 18, 17, 16, 22, 21, 20, 26, 25, 24, 30, 29, 28, 34, 33, 32, 38, 37,
		36, 42, 41, 40, 46, 45, 44, 50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60};
	__m512i pairs = _mm512_maddubs_epi16(sextets, _mm512_set1_epi32(0x01400140));
	__m512i quanta = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));

	return _mm512_permutexvar_epi8(_mm512_load_si512(order), quanta);
}

// Length of the line at in when it is one of whole quanta, at most 124 bytes; else 0.
static unsigned int base64_line(const struct decode_run *run, unsigned int *line_end)
{
	ptrdiff_t n = run->end - run->in;
	uint64_t low = mask_equal(load(run->in, n), '\n');
	uint64_t high = mask_equal(load(run->in + STEP, n - STEP), '\n');
	unsigned int at = low != 0 ? mask_first(low) : STEP + mask_first(high);

	if ((low | high) == 0 || at == 0)
		return 0;
	*line_end = run->in[at - 1] == '\r' ? 2 : 1;
	at = at + 1 - *line_end;
	return at % 4 == 0 ? at : 0;
}

// Decodes lines as long as the first, until one is different.
static bool base64_lines(struct decode_run *run, const struct table *table)
{
	unsigned int line_end = 0;
	unsigned int length = base64_line(run, &line_end);
	uint64_t first = mask_below(length < STEP ? length : STEP);
	uint64_t second = length > STEP ? mask_below(length - STEP) : 0;
	const uint8_t *in = run->in;

	if (length == 0)
		return false;
	while ((size_t)(run->end - in) >= length + line_end) {
		__m512i a = _mm512_maskz_loadu_epi8(first, in);
		__m512i b = _mm512_maskz_loadu_epi8(second, in + STEP);
		__m512i a_sextets = table_look(table, a);
		__m512i b_sextets = table_look(table, b);
		uint64_t bad = (_mm512_movepi8_mask(_mm512_or_si512(a, a_sextets)) & first) |
			       (_mm512_movepi8_mask(_mm512_or_si512(b, b_sextets)) & second);

		if (bad != 0 || in[length + line_end - 1] != '\n' ||
			(line_end == 2 && in[length] != '\r'))
			break;
		_mm512_storeu_si512(run->out, base64_pack(a_sextets));
		if (second != 0)
			_mm512_storeu_si512(run->out + 48, base64_pack(b_sextets));
		run->out += (size_t)length / 4 * 3;
		in += length + line_end;
	}
	if (in == run->in)
		return false;
	run->in = in;
	return true;
}

// Decodes what whole quanta the next 64 bytes hold, blanks and line breaks squeezed out.
static bool base64_step(struct decode_run *run, const struct table *table)
{
	__m512i bytes = load(run->in, run->end - run->in);
	__m512i sextets = table_look(table, bytes);
	uint64_t good = ~_mm512_movepi8_mask(_mm512_or_si512(bytes, sextets));
	uint64_t space;
	unsigned int end;
	unsigned int quanta;

	if (good == ~UINT64_C(0)) {
		_mm512_storeu_si512(run->out, base64_pack(sextets));
		run->in += STEP;
		run->out += 48;
		return true;
	}
	space = mask_equal(bytes, '\r') | mask_equal(bytes, '\n') | mask_equal(bytes, ' ') |
		mask_equal(bytes, '\t');
	end = mask_first(~(good | space));
	good &= mask_below(end);
	quanta = (unsigned int)_mm_popcnt_u64(good) / 4;
	_mm512_storeu_si512(run->out, base64_pack(_mm512_maskz_compress_epi8(good, sextets)));
	run->out += (size_t)quanta * 3;
	// On to the first sextet that was left over, if there is one.
	good = quanta == STEP / 4 ? 0 : _pdep_u64(UINT64_C(1) << (quanta * 4), good);
	if (good != 0)
		end = mask_first(good);
	run->in += end;
	return end > 0;
}

static void avx512_base64_run(struct decode_run *run)
{
	struct table table = table_load(decode_sextets);
	unsigned int steps = 0;

	while (run->end - run->in >= 4) {
		if (steps == 0 && base64_lines(run, &table))
			continue;
		steps = steps == 0 ? STEPS_BETWEEN_TRIES : steps - 1;
		if (!base64_step(run, &table))
			return;
	}
}

// ---- quoted-printable --------------------------------------------------------------------------

// How much of the run of blanks that ends before bit n is in the block: the bit where it begins.
static inline unsigned int qp_blanks_begin(uint64_t blanks, unsigned int n)
{
	uint64_t others = ~blanks & mask_below(n);

	return others != 0 ? 64 - (unsigned int)__builtin_clzll(others) : 0;
}

// The bytes of the block that can be decoded without a look at what follows them.
static inline unsigned int qp_limit(uint64_t blanks, uint64_t equals, uint64_t stop)
{
	unsigned int limit = mask_first(stop | (equals & UINT64_C(3) << 62));

	// Blanks are left for the next step unless it is known what follows them: here "=" does.
	if (limit < STEP && (equals >> limit & 1) != 0)
		return limit;
	if (limit < STEP && (blanks >> limit & 1) != 0)
		limit++;
	return qp_blanks_begin(blanks, limit);
}

static bool qp_step(struct decode_run *run, const struct table *table)
{
	ptrdiff_t n = run->end - run->in;
	__m512i bytes = load(run->in, n);
	__m512i next = load(run->in + 1, n - 1);
	uint64_t equals = mask_equal(bytes, '=');
	uint64_t blanks = mask_equal(bytes, ' ') | mask_equal(bytes, '\t');
	uint64_t next_lf = mask_equal(next, '\n');
	uint64_t next_cr = mask_equal(next, '\r');
	uint64_t stop = blanks & (next_lf | next_cr);
	uint64_t keep = ~UINT64_C(0);
	unsigned int limit;

	if (equals != 0) {
		__m512i third = load(run->in + 2, n - 2);
		__m512i high = table_look(table, next);
		__m512i low = table_look(table, third);
		uint64_t escapes =
			equals & ~_mm512_movepi8_mask(_mm512_or_si512(
					 _mm512_or_si512(high, low), _mm512_or_si512(next, third)));
		uint64_t soft_crlf = equals & next_cr & mask_equal(third, '\n');
		uint64_t soft_lf = equals & next_lf;

		high = _mm512_and_si512(_mm512_slli_epi16(high, 4), _mm512_set1_epi8((char)0xf0));
		bytes = _mm512_mask_mov_epi8(bytes, escapes, _mm512_or_si512(high, low));
		stop |= equals & ~(escapes | soft_crlf | soft_lf);
		keep = ~(soft_crlf | soft_lf | (escapes | soft_crlf | soft_lf) << 1 |
			 (escapes | soft_crlf) << 2);
	}
	stop |= n < STEP ? ~mask_below((unsigned int)n) : 0;
	limit = qp_limit(blanks, equals, stop);
	keep &= mask_below(limit);
	_mm512_storeu_si512(run->out, _mm512_maskz_compress_epi8(keep, bytes));
	run->out += _mm_popcnt_u64(keep);
	run->in += limit;
	return limit > 0;
}

static void avx512_qp_run(struct decode_run *run)
{
	struct table table = table_load(decode_nibbles);

	while (run->end > run->in && qp_step(run, &table)) {
	}
}

// ---- searches ----------------------------------------------------------------------------------

static const uint8_t *avx512_find_lf(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i += STEP) {
		uint64_t found = mask_equal(load(data + i, (ptrdiff_t)(n - i)), '\n');

		if (found != 0)
			return data + i + mask_first(found);
	}
	return NULL;
}

static const uint8_t *avx512_find_line_control(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i += STEP) {
		__m512i bytes = load(data + i, (ptrdiff_t)(n - i));
		uint64_t found =
			mask_equal(bytes, '\n') | mask_equal(bytes, '\r') | mask_equal(bytes, '\0');

		// The zeros past the end are found too, after everything else.
		if (found != 0)
			return mask_first(found) < n - i ? data + i + mask_first(found) : NULL;
	}
	return NULL;
}

// Both bytes are looked for at once: in base64 letters are everywhere.
static inline uint64_t lines_with(const uint8_t *data, __m512i first)
{
	const __mmask64 there = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(data), first);

	return _mm512_mask_cmpeq_epi8_mask(
		there, _mm512_loadu_si512(data - 1), _mm512_set1_epi8('\n'));
}

static const uint8_t *avx512_find_line_with(const uint8_t *data, size_t n, uint8_t first)
{
	const __m512i firsts = _mm512_set1_epi8((char)first);
	size_t i = 1;

	for (; n > i && n - i >= (size_t)2 * STEP; i += (size_t)2 * STEP) {
		const uint64_t found = lines_with(data + i, firsts);
		const uint64_t other = lines_with(data + i + STEP, firsts);

		if ((found | other) != 0)
			return data + i +
			       (found != 0 ? mask_first(found) : STEP + mask_first(other));
	}
	for (; i < n; i += STEP) {
		const uint64_t found = mask_equal(load(data + i, (ptrdiff_t)(n - i)), (char)first) &
				       mask_equal(load(data + i - 1, (ptrdiff_t)(n - i + 1)), '\n');

		// Zeros past the end are no line's.
		if (found != 0)
			return data + i + mask_first(found);
	}
	return NULL;
}

const struct decode_ops decode_ops_avx512 = {
	.name = "avx512",
	.base64_run = avx512_base64_run,
	.qp_run = avx512_qp_run,
	.find_lf = avx512_find_lf,
	.find_line_control = avx512_find_line_control,
	.find_line_with = avx512_find_line_with,
};
