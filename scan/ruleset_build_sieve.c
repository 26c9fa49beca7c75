// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_sieve.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

static_assert(ANCHOR_TEXT_ROW * ANCHOR_TEXT_SLOTS <= ANCHOR_SLOTS, "text has no more");

// Of a byte behind a pair of text, that goes into the slot.
#define SLOT_BIT 8u
#define BOTH 3u
// How likely the fourth byte of a row lets pass what the first does.
#define FOURTH_SHARE 0.2f

// Bits of one byte of the sieve.
typedef void (*visit_fn)(void *ctx, size_t at, unsigned int classes);

static unsigned int classes_of(const struct build_values *values)
{
	unsigned int classes = 0;

	for (uint32_t i = 0; i < values->count; i++)
		classes |= 1u << anchor_class(values->bytes[i]);
	return classes;
}

// Which values of the slot's bit there are.
static unsigned int slot_bits_of(const struct build_values *values)
{
	unsigned int bits = 0;

	for (uint32_t i = 0; i < values->count; i++)
		bits |= 1u << ((values->bytes[i] & SLOT_BIT) != 0);
	return bits;
}

// A place in text is decided by two bytes of the window, a bit of what is behind these, and the classes.
struct decided {
	const struct build_values *one;
	const struct build_values *other;
	unsigned int behind;
	unsigned int classes;
};

static void visit_place(const struct decided *by, size_t place, visit_fn fn, void *ctx)
{
	for (uint32_t i = 0; i < by->one->count; i++)
		for (uint32_t k = 0; k < by->other->count; k++)
			for (unsigned int bit = 0; bit < 2; bit++)
				if ((by->behind >> bit & 1) != 0)
					fn(ctx,
						anchor_text_slot(by->one->bytes[i],
							by->other->bytes[k],
							(uint8_t)(bit * SLOT_BIT)) +
							place,
						by->classes);
}

static void visit_text(const struct build_values *const *window, visit_fn fn, void *ctx)
{
	const struct decided rows[ANCHOR_TEXT_ROW] = {
		{window[2], window[3], BOTH, classes_of(window[0])},
		{window[1], window[2], slot_bits_of(window[3]), classes_of(window[0])},
		{window[0], window[1], slot_bits_of(window[2]), classes_of(window[3])},
		{window[2], window[3], BOTH, classes_of(window[1])},
	};

	for (size_t i = 0; i < ANCHOR_TEXT_ROW; i++)
		visit_place(&rows[i], i, fn, ctx);
}

static void visit_pair(const struct build_values *one, const struct build_values *other,
	size_t from, visit_fn fn, void *ctx)
{
	for (uint32_t i = 0; i < one->count; i++)
		for (uint32_t k = 0; k < other->count; k++)
			fn(ctx, from + anchor_code_slot(one->bytes[i], other->bytes[k]),
				1u << anchor_class(other->bytes[k]));
}

// Tells all bits by which the window passes.
static void visit_bits(enum anchor_content content, const struct build_values *const *window,
	visit_fn fn, void *ctx)
{
	if (content == ANCHOR_CODES) {
		visit_pair(window[0], window[1], 0, fn, ctx);
		visit_pair(window[2], window[3], ANCHOR_CODE_SLOTS, fn, ctx);
		return;
	}
	if (content != ANCHOR_BYTES) {
		visit_text(window, fn, ctx);
		return;
	}
	for (uint32_t i = 0; i < window[0]->count; i++)
		for (uint32_t k = 0; k < window[1]->count; k++)
			fn(ctx, anchor_slot(window[0]->bytes[i], window[1]->bytes[k]),
				classes_of(window[2]));
}

// ---- what is likely ----------------------------------------------------------------------------

void build_sieve_foresee_four(struct build_sieve *sieve, const uint8_t *window, float share)
{
	float(*passes)[ANCHOR_CLASSES] = sieve->passes;

	if (sieve->content == ANCHOR_BYTES) {
		passes[anchor_slot(window[0], window[1])][anchor_class(window[2])] += share;
		return;
	}
	passes[anchor_text_slot(window[1], window[2], window[3]) + 1][anchor_class(window[0])] +=
		share / 3;
	passes[anchor_text_slot(window[0], window[1], window[2]) + 2][anchor_class(window[3])] +=
		share / 3;
	for (unsigned int bit = 0; bit < 2; bit++)
		passes[anchor_text_slot(window[2], window[3], (uint8_t)(bit * SLOT_BIT))]
		      [anchor_class(window[0])] += share / 6;
}

static void raise_to(float *pass, float share)
{
	if (*pass < share)
		*pass = share;
}

// How likely it is that a byte of a class stands so near a byte, if that is there.
struct beside {
	float before[256][ANCHOR_CLASSES]; // right before it
	float behind[256][ANCHOR_CLASSES];
	float before_far[256][ANCHOR_CLASSES]; // two before it
	float behind_far[256][2]
			[ANCHOR_CLASSES]; // two behind it, and right behind it one with that bit
	float behind_with[256][2];        // that bit
};

static void sum_up(struct beside *beside, const float *first, const float (*follow)[256])
{
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++) {
			if (first[k] > 0)
				beside->before[k][anchor_class((uint8_t)i)] +=
					first[i] * follow[i][k] / first[k];
			beside->behind[i][anchor_class((uint8_t)k)] += follow[i][k];
			beside->behind_with[i][(k & SLOT_BIT) != 0] += follow[i][k];
		}
}

static void sum_up_far(struct beside *beside, const float *first, const float (*follow)[256])
{
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++) {
			const float share = follow[i][k];

			if (share == 0 || first[k] == 0)
				continue;
			for (unsigned int class = 0; class < ANCHOR_CLASSES; class ++) {
				beside->before_far[k][class] +=
					beside->before[i][class] * first[i] * share / first[k];
				beside->behind_far[i][(k & SLOT_BIT) != 0][class] +=
					beside->behind[k][class] * share;
			}
		}
}

static void foresee_bytes(struct build_sieve *sieve, const struct beside *beside,
	const float *first, const float (*follow)[256])
{
	// As the slots lie.
	for (unsigned int k = 0; k < 256; k++)
		for (unsigned int i = 0; i < 256; i++)
			for (unsigned int class = 0; class < ANCHOR_CLASSES; class ++)
				raise_to(&sieve->passes[anchor_slot((uint8_t)i, (uint8_t)k)][class],
					first[i] * follow[i][k] * beside->behind[k][class]);
}

// Both pairs of a window alike.
static void foresee_codes(struct build_sieve *sieve, const float *first, const float (*follow)[256])
{
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++) {
			const size_t slot = anchor_code_slot((uint8_t)i, (uint8_t)k);
			const unsigned int class = anchor_class((uint8_t)k);
			const float share = first[i] * follow[i][k];

			sieve->passes[slot][class] += share;
			sieve->passes[ANCHOR_CODE_SLOTS + slot][class] += share;
		}
}

// All places that are looked up by this pair, which shares its slot with others: each is every third one.
static void foresee_pair(struct build_sieve *sieve, const struct beside *beside, float share,
	uint8_t one, uint8_t other)
{
	for (unsigned int class = 0; class < ANCHOR_CLASSES; class ++)
		for (unsigned int bit = 0; bit < 2; bit++) {
			float(*const row)[ANCHOR_CLASSES] = &sieve->passes[anchor_text_slot(
				one, other, (uint8_t)(bit * SLOT_BIT))];
			const float with = share / 3 * beside->behind_with[other][bit];

			row[0][class] += with * beside->before_far[one][class] * FOURTH_SHARE;
			row[1][class] += with * beside->before[one][class];
			row[2][class] += share / 3 * beside->behind_far[other][bit][class];
		}
}

void build_sieve_foresee(struct build_sieve *sieve, const float *first, const float (*follow)[256])
{
	struct beside beside = {0};

	if (sieve->content == ANCHOR_CODES) {
		foresee_codes(sieve, first, follow);
		return;
	}
	sum_up(&beside, first, follow);
	sum_up_far(&beside, first, follow);
	if (sieve->content == ANCHOR_BYTES) {
		foresee_bytes(sieve, &beside, first, follow);
		return;
	}
	for (unsigned int k = 0; k < 128; k++)
		for (unsigned int i = 0; i < 128; i++)
			foresee_pair(
				sieve, &beside, first[i] * follow[i][k], (uint8_t)i, (uint8_t)k);
}

// ---- a window ----------------------------------------------------------------------------------

struct sum {
	const struct build_sieve *sieve;
	float share;
};

static void add_share(void *ctx, size_t at, unsigned int classes)
{
	struct sum *sum = ctx;

	for (classes &= ~(unsigned int)sum->sieve->bytes[at]; classes != 0; classes &= classes - 1)
		sum->share += sum->sieve->passes[at][__builtin_ctz(classes)];
}

float build_sieve_share(const struct build_sieve *sieve, const struct build_values *const *window)
{
	struct sum sum = {sieve, 0};

	visit_bits(sieve->content, window, add_share, &sum);
	return sum.share;
}

static void set_bits(void *ctx, size_t at, unsigned int classes)
{
	struct build_sieve *sieve = ctx;

	sieve->bytes[at] |= (uint8_t)classes;
}

void build_sieve_take(struct build_sieve *sieve, const struct build_values *const *window)
{
	visit_bits(sieve->content, window, set_bits, sieve);
}
