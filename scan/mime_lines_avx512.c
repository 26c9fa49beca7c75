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

#define LF 128
#define CR 64
#define ODD 32
#define BREAK 16
#define EQUALS 8
#define CONTROL (ODD | BREAK)
#define EIGHT(class) class, class, class, class, class, class, class, class
#define TEN(class) EIGHT(class), class, class
#define TWENTY_THREE(class) TEN(class), TEN(class), class, class, class

// What a byte below 128 is: 0 what base64 has, in either alphabet, and no line of interest begins with.
static const uint8_t classes[128] = {
	// clang-format off
	EIGHT(CONTROL), CONTROL, CONTROL, LF | BREAK, CONTROL, CONTROL, CR | BREAK, CONTROL, CONTROL,
	EIGHT(CONTROL), EIGHT(CONTROL),
	EIGHT(BREAK), BREAK, BREAK, BREAK, 0 /* + */, BREAK, ODD /* - */, BREAK, 0 /* / */,
	TEN(0), BREAK, BREAK, BREAK, ODD | EQUALS | BREAK, BREAK, BREAK,
	BREAK, 0, 0, ODD /* C */, TWENTY_THREE(0), BREAK, BREAK, BREAK, BREAK, 0 /* _ */,
	BREAK, 0, ODD /* b */, ODD /* c */, TWENTY_THREE(0), BREAK, BREAK, BREAK, BREAK, BREAK,
	// clang-format on
};

// A value that stays where it is: the compiler would take it back to a mask for the vectors, and wait for that.
static inline uint64_t plain(uint64_t value)
{
	__asm__("" : "+r"(value));
	return value;
}

// The bytes of a class, told by how far its bit is from the highest: to shift takes less than a vector of the bit,
// which the compiler would make anew in each block.
#define OF_CLASS(found, below) plain(_mm512_movepi8_mask(_mm512_slli_epi16(found, below)))

static inline struct marks marks_of_block(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const uint64_t high = _mm512_movepi8_mask(bytes);
	const __m512i found = _mm512_maskz_permutex2var_epi8(
		~high, _mm512_loadu_si512(classes), bytes, _mm512_loadu_si512(classes + 64));
	const uint64_t lf = OF_CLASS(found, 0);
	const uint64_t cr = OF_CLASS(found, 1);
	const uint64_t lf_behind = lf >> 1 | (uint64_t)(data[64] == '\n') << 63;

	return (struct marks){lf | (cr & ~lf_behind), OF_CLASS(found, 3) | high, OF_CLASS(found, 2),
		OF_CLASS(found, 4)};
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_avx512(const uint8_t *data, size_t n)
{
	return skip_lines(data, n);
}
