// SPDX-License-Identifier: BSD-3-Clause
// Lines with AVX-512 VBMI2.
#include "scan/mime_lines_rules.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define GROUP_BLOCKS 8
#define GROUP_BYTES (GROUP_BLOCKS * BLOCK_BYTES)

struct marks {
	uint64_t ends;
	uint64_t breaks;
	uint64_t odd;
	uint64_t equals;
};

// What a byte below 128 is. A line is odd where a byte is the first of what such lines begin with, and the byte behind
// it the second.
#define BREAK 128 // none that base64 has, in either alphabet
#define CONTROL 1 // but CR and LF: "content-" may stand behind several
#define DASH 2    // "--"
#define YENC 4    // "=y"
#define UU 8      // "be"
#define FIELD 16  // "co" of either case
#define EIGHT(class) class, class, class, class, class, class, class, class
#define TEN(class) EIGHT(class), class, class
#define TWENTY_THREE(class) TEN(class), TEN(class), class, class, class
#define C (BREAK | CONTROL)

static const uint8_t firsts[128] = {
	// clang-format off
	EIGHT(C), C, C, BREAK, C, C, BREAK, C, C,
	EIGHT(C), EIGHT(C),
	EIGHT(BREAK), BREAK, BREAK, BREAK, 0 /* + */, BREAK, DASH, BREAK, 0 /* / */,
	TEN(0), BREAK, BREAK, BREAK, BREAK | YENC, BREAK, BREAK,
	BREAK, 0, 0, FIELD /* C */, TWENTY_THREE(0), BREAK, BREAK, BREAK, BREAK, 0 /* _ */,
	BREAK, 0, UU /* b */, FIELD /* c */, TWENTY_THREE(0), BREAK, BREAK, BREAK, BREAK, BREAK,
	// clang-format on
};

static const uint8_t seconds[128] = {
	// clang-format off
	EIGHT(CONTROL), CONTROL, CONTROL, 0, CONTROL, CONTROL, 0, CONTROL, CONTROL,
	EIGHT(CONTROL), EIGHT(CONTROL),
	['-'] = DASH, ['y'] = YENC, ['e'] = UU, ['O'] = FIELD, ['o'] = FIELD,
	['C'] = CONTROL, ['c'] = CONTROL,
	// clang-format on
};

// Of those above 127 only the highest bit means something.
static inline __m512i classes_of(__m512i bytes, const uint8_t *classes)
{
	return _mm512_permutex2var_epi8(
		_mm512_loadu_si512(classes), bytes, _mm512_loadu_si512(classes + 64));
}

static inline struct marks marks_of_block(const uint8_t *data)
{
	const __m512i bytes = _mm512_loadu_si512(data);
	const __m512i next = _mm512_loadu_si512(data + 1);
	const __m512i first = classes_of(bytes, firsts);
	const __m512i lf = _mm512_set1_epi8('\n');
	const __mmask64 cr = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));

	return (struct marks){
		.ends = _mm512_cmpeq_epi8_mask(bytes, lf) |
			_mm512_mask_cmpneq_epi8_mask(cr, next, lf),
		.breaks = _mm512_movepi8_mask(_mm512_or_si512(first, bytes)),
		.odd = _mm512_test_epi8_mask(first, classes_of(next, seconds)),
		.equals = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('=')),
	};
}

// Eight blocks, and what stands behind them.
struct group {
	uint64_t ends[GROUP_BLOCKS] __attribute__((aligned(64)));
	uint64_t odd[GROUP_BLOCKS] __attribute__((aligned(64)));
	uint64_t equals[GROUP_BLOCKS] __attribute__((aligned(64)));
	uint64_t breaks[GROUP_BLOCKS] __attribute__((aligned(64)));
	uint64_t breaks_behind;
};

static inline void group_load(struct group *group, const uint8_t *data)
{
#pragma GCC unroll 8
	for (size_t i = 0; i < GROUP_BLOCKS; i++) {
		const struct marks marks = marks_of_block(data + i * BLOCK_BYTES);

		group->ends[i] = marks.ends;
		group->odd[i] = marks.odd;
		group->equals[i] = marks.equals;
		group->breaks[i] = marks.breaks;
	}
	group->breaks_behind = marks_of_block(data + GROUP_BYTES).breaks;
}

// Each lane moves down by so many bits, and gets those of the next one; behind the last stand those of behind.
#define DOWN(lanes, behind, bits)                                                                  \
	_mm512_shrdi_epi64(lanes, _mm512_alignr_epi64(behind, lanes, 1), bits)

// Places that have a break in the PROBE_BYTES from there on.
static inline __m512i before_breaks_of(const struct group *group)
{
	__m512i lanes = _mm512_load_si512(group->breaks);
	__m512i behind = _mm512_set1_epi64((int64_t)group->breaks_behind);

	lanes = _mm512_or_si512(lanes, DOWN(lanes, behind, 1));
	behind = _mm512_or_si512(behind, _mm512_srli_epi64(behind, 1));
	lanes = _mm512_or_si512(lanes, DOWN(lanes, behind, 2));
	behind = _mm512_or_si512(behind, _mm512_srli_epi64(behind, 2));
	lanes = _mm512_or_si512(lanes, DOWN(lanes, behind, 4));
	behind = _mm512_or_si512(behind, _mm512_srli_epi64(behind, 4));
	lanes = _mm512_or_si512(lanes, DOWN(lanes, behind, 8));
	behind = _mm512_or_si512(behind, _mm512_srli_epi64(behind, 8));
	lanes = _mm512_or_si512(lanes, DOWN(lanes, behind, 16));
	behind = _mm512_or_si512(behind, _mm512_srli_epi64(behind, 16));
	return _mm512_or_si512(lanes, DOWN(lanes, behind, PROBE_BYTES - 32));
}

// Of each block whether it has BLOCK_ESCAPES of "=".
static inline __mmask8 with_equals(const struct group *group)
{
	const __m512i all = _mm512_set1_epi64(-1);
	__m512i lanes = _mm512_load_si512(group->equals);

	for (unsigned int i = 1; i < BLOCK_ESCAPES; i++)
		lanes = _mm512_and_si512(lanes, _mm512_add_epi64(lanes, all));
	return _mm512_test_epi64_mask(lanes, lanes);
}

// Where the last line begins behind an end in one of the first so many blocks; line, if none does.
static inline size_t last_line(const struct group *group, size_t blocks, size_t at, size_t line)
{
	const __m512i ends = _mm512_load_si512(group->ends);
	const unsigned int there = _mm512_test_epi64_mask(ends, ends) & ((1u << blocks) - 1);
	const unsigned int block = 31 - (unsigned int)__builtin_clz(there | 1);

	if (there == 0)
		return line;
	return at + (block + 1) * BLOCK_BYTES - (unsigned int)__builtin_clzll(group->ends[block]);
}

// In blocks that may have something. Returns whether one has.
static __attribute__((noinline)) bool look_closely(
	struct walk *walk, const struct group *group, unsigned int blocks, __m512i odd)
{
	uint64_t lines[GROUP_BLOCKS];

	_mm512_storeu_si512(lines, odd);
	for (; blocks != 0; blocks &= blocks - 1) {
		const unsigned int block = (unsigned int)__builtin_ctz(blocks);
		const size_t at = walk->at + block * BLOCK_BYTES;

		if (has_escapes(walk->data + at, walk->bytes - at, group->equals[block])) {
			walk->line = last_line(group, block, walk->at, walk->line);
			return true;
		}
		for (uint64_t left = lines[block]; left != 0; left &= left - 1) {
			const size_t line = at + (unsigned int)__builtin_ctzll(left);

			if (!walk_matters(walk, line))
				continue;
			walk->line = line;
			return true;
		}
	}
	return false;
}

// Lines that have a break early, and begin with nothing odd, are passed over. Returns whether one matters. before: the
// ends of the group before this one.
static inline bool walk_group(struct walk *walk, const struct group *group, __m512i *before)
{
	const __m512i ends = _mm512_load_si512(group->ends);
	const __m512i begins =
		_mm512_shldi_epi64(ends, _mm512_alignr_epi64(ends, *before, GROUP_BLOCKS - 1), 1);
	// What is odd, or has no break.
	const __m512i lines = _mm512_ternarylogic_epi64(
		begins, _mm512_load_si512(group->odd), before_breaks_of(group), 0xd0);
	const unsigned int blocks = _mm512_test_epi64_mask(lines, lines) | with_equals(group);

	*before = ends;
	if (blocks != 0 && look_closely(walk, group, blocks, lines))
		return true;
	walk->line = last_line(group, GROUP_BLOCKS, walk->at, walk->line);
	walk->begins = group->ends[GROUP_BLOCKS - 1] >> (BLOCK_BYTES - 1);
	walk->at += GROUP_BYTES;
	return false;
}

static inline bool has_group(const struct walk *walk, size_t at)
{
	return walk->bytes - at > GROUP_BYTES + BLOCK_BYTES;
}

// What is written of a group is read when that of the next one is: at once it would be waited for.
static inline bool walk_groups(struct walk *walk)
{
	struct group groups[2];
	__m512i before = _mm512_setzero_si512();
	bool goes_on = has_group(walk, walk->at);

	if (goes_on)
		group_load(&groups[0], walk->data + walk->at);
	for (unsigned int i = 0; goes_on; i ^= 1) {
		goes_on = has_group(walk, walk->at + GROUP_BYTES);
		if (goes_on)
			group_load(&groups[i ^ 1], walk->data + walk->at + GROUP_BYTES);
		if (walk_group(walk, &groups[i], &before))
			return true;
	}
	return false;
}

#include "scan/mime_lines.inc"

size_t mime_lines_skip_avx512(const uint8_t *data, size_t n, bool stops_at_dashes)
{
	return skip_lines(data, n, stops_at_dashes);
}
