// SPDX-License-Identifier: BSD-3-Clause
//
// Whether a pattern has bytes that are rare enough to be searched for, as far as the bytes of files and
// mails tell one by one, and how rare. Which of them are looked up is chosen later, by what else there
// is (ruleset_build_window.h).
#include "scan/ruleset_build.h"

#include <string.h>

#define WHOLE 65536u // of the frequencies
#define BIT 8u       // of information, in the unit of this file
#define LEAST_BITS 12u
#define ENOUGH_BITS 26u
#define MOST_VARIANTS 1024u

// Of 65536 bytes of programs or mails, whichever has more of it; bit 5 of the bytes is set and left out.
static const uint16_t frequencies[128] = {
	15117,
	2161,
	1448,
	1197,
	2476,
	1221,
	1317,
	529,
	1051,
	422,
	1567,
	514,
	453,
	1284,
	1988,
	617,
	1530,
	1085,
	996,
	574,
	467,
	336,
	333,
	294,
	453,
	396,
	1022,
	325,
	345,
	184,
	423,
	287,
	424,
	2855,
	764,
	1539,
	1396,
	4468,
	1018,
	1014,
	1510,
	3234,
	260,
	376,
	2074,
	1754,
	2570,
	3209,
	1085,
	160,
	2726,
	2946,
	3558,
	1462,
	452,
	641,
	457,
	629,
	161,
	269,
	255,
	230,
	188,
	976,
	284,
	166,
	137,
	513,
	269,
	343,
	93,
	91,
	177,
	751,
	114,
	866,
	152,
	356,
	93,
	83,
	285,
	248,
	79,
	171,
	177,
	119,
	133,
	113,
	149,
	113,
	113,
	80,
	135,
	89,
	101,
	202,
	412,
	179,
	134,
	228,
	198,
	121,
	149,
	257,
	469,
	246,
	100,
	204,
	244,
	88,
	132,
	97,
	253,
	115,
	152,
	120,
	115,
	88,
	153,
	119,
	224,
	147,
	111,
	131,
	149,
	155,
	215,
	1411,
};

// Windows, of which some must lie side by side. Long ones are better, wherever they lie.
static const struct kind {
	uint32_t bytes;
	uint32_t step;
	uint32_t variants; // of one window at most
	uint32_t bonus;
	bool may_end_behind; // the pattern
} kinds[] = {
	{8, 4, 1, 4 * BIT, false},
	{5, 2, 4, 2 * BIT, false},
	{ANCHOR_WINDOW_BYTES, 1, MOST_VARIANTS, 0, true},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

// A byte of the pattern as it is looked up.
struct folded {
	uint32_t variants;
	uint32_t bits; // of information, in eighths
};

static uint32_t bits_of(uint32_t frequency)
{
	uint32_t log = 31u - (uint32_t)__builtin_clz(frequency);
	uint32_t eighths = log >= 3 ? (frequency >> (log - 3)) & 7 : 0;

	return (16 - log) * BIT - (log < 16 ? eighths : 0);
}

static struct folded fold(const struct clamav_class *set)
{
	struct folded result = {0, 0};
	uint32_t frequency = 0;

	for (unsigned int half = 0; half < 4; half++) {
		uint64_t bits = set->bits[half];
		uint32_t both = (uint32_t)bits | (uint32_t)(bits >> 32);

		for (; both != 0; both &= both - 1) {
			frequency += frequencies[half * 32 + (unsigned int)__builtin_ctz(both)];
			result.variants++;
		}
	}
	if (frequency > 0)
		result.bits = bits_of(frequency < WHOLE ? frequency : WHOLE);
	return result;
}

static bool is_alike(const struct clamav_class *a, const struct clamav_class *b)
{
	return ((a->bits[0] & b->bits[0]) | (a->bits[1] & b->bits[1]) | (a->bits[2] & b->bits[2]) |
		       (a->bits[3] & b->bits[3])) != 0;
}

// What follows some byte is likely to be that byte again.
static void fold_all(const struct build_spelling *spelling, struct folded *out, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (i >= spelling->length) {
			out[i] = (struct folded){128, 0};
			continue;
		}
		out[i] = fold(&spelling->sets[i]);
		if (i > 0 && is_alike(&spelling->sets[i], &spelling->sets[i - 1]) &&
			out[i].bits > 2 * BIT)
			out[i].bits = 2 * BIT;
	}
}

// The information of the poorest of the windows that begin at the step's places from here on; 0: there
// are too many variants.
static uint32_t poorest(const struct folded *bytes, const struct kind *kind)
{
	uint32_t result = UINT32_MAX;

	for (uint32_t step = 0; step < kind->step; step++) {
		uint32_t variants = 1;
		uint32_t bits = 0;

		for (uint32_t i = step; i < step + kind->bytes; i++) {
			// NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): filled
			if (bytes[i].variants == 0 || bytes[i].variants > kind->variants / variants)
				return 0;
			variants *= bytes[i].variants;
			bits += bytes[i].bits;
		}
		result = bits < result ? bits : result;
	}
	return result;
}

bool build_find_anchor(const struct build_spelling *spelling, struct build_anchor *out)
{
	struct folded bytes[RULESET_MAX_CHECK + ANCHOR_WINDOW_BYTES];
	uint32_t best = 0;

	fold_all(spelling, bytes, spelling->length + ANCHOR_WINDOW_BYTES);
	for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
		uint32_t span = kind->bytes + kind->step - 1;
		uint32_t most = ENOUGH_BITS * BIT + kind->bonus;

		for (uint32_t at = spelling->length; at-- > 0 && best < most;) {
			uint32_t bits;

			if (!kind->may_end_behind && at + span > spelling->length)
				continue;
			bits = poorest(bytes + at, kind);
			if (bits < LEAST_BITS * BIT)
				continue;
			bits = (bits < ENOUGH_BITS * BIT ? bits : ENOUGH_BITS * BIT) + kind->bonus;
			best = bits > best ? bits : best;
		}
	}
	out->score = best;
	return best > 0;
}
