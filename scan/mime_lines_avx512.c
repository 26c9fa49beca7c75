// SPDX-License-Identifier: BSD-3-Clause
// Lines with AVX-512.
#include <immintrin.h>
#include <stdint.h>

struct marks {
	uint64_t ends;
	uint64_t breaks;
	uint64_t odd;
	uint64_t equals;
};

#define LF 1
#define CR 2
#define ODD 4
#define BREAK 8
#define EQUALS 16
#define CONTROL (ODD | BREAK)

// What a byte below 128 is.
static const uint8_t classes[128] = {CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL,
	CONTROL, CONTROL, CONTROL, LF | BREAK, CONTROL, CONTROL, CR | BREAK, CONTROL, CONTROL,
	CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL,
	CONTROL, CONTROL, CONTROL, CONTROL, CONTROL, CONTROL,
	BREAK, ['-'] = ODD, ['='] = ODD | EQUALS, ['b'] = ODD, ['c'] = ODD, ['C'] = ODD};

static inline uint64_t of_class(__m512i found, char class)
{
	return _mm512_test_epi8_mask(found, _mm512_set1_epi8(class));
}

static inline struct marks marks_of_block(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const uint64_t high = _mm512_movepi8_mask(bytes);
	const __m512i found = _mm512_maskz_permutex2var_epi8(
		~high, _mm512_loadu_si512(classes), bytes, _mm512_loadu_si512(classes + 64));
	const uint64_t lf = of_class(found, LF);
	const uint64_t lf_behind = lf >> 1 | (uint64_t)(data[64] == '\n') << 63;

	return (struct marks){lf | (of_class(found, CR) & ~lf_behind),
		of_class(found, BREAK) | high, of_class(found, ODD), of_class(found, EQUALS)};
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_avx512(const uint8_t *data, size_t n)
{
	return skip_lines(data, n);
}
