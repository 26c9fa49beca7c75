// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_sieve.h"

#include <stdbool.h>
#include <stddef.h>

// In text the lower four bits of a byte count where it is not one of the two that a place is looked up by:
// the class, and the bit that goes into the slot.
#define NIBBLES 16u
#define SLOT_BIT 8u

// Bits of one byte of the sieve.
typedef void (*visit_fn)(void *ctx, size_t at, unsigned int classes);

// The classes of the values, by the bit that goes into the slot.
static void sort_classes(const struct build_values *values, unsigned int classes[2])
{
	classes[0] = 0;
	classes[1] = 0;
	for (uint32_t i = 0; i < values->count; i++)
		classes[(values->bytes[i] & SLOT_BIT) != 0] |= 1u << anchor_class(values->bytes[i]);
}

// A window at the first of two places.
static void visit_first(const struct build_values *const *window, uint8_t one, uint8_t other,
	visit_fn fn, void *ctx)
{
	unsigned int before[2];
	unsigned int behind[2];

	sort_classes(window[0], before);
	sort_classes(window[3], behind);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < 2; k++)
			if (before[i] != 0 && behind[k] != 0)
				fn(ctx,
					anchor_text_slot((uint8_t)(i * SLOT_BIT), one, other,
						(uint8_t)(k * SLOT_BIT)),
					before[i]);
}

// A window at the second of two places: what is before it is not known.
static void visit_second(const struct build_values *const *window, uint8_t one, uint8_t other,
	visit_fn fn, void *ctx)
{
	unsigned int behind[2];

	sort_classes(window[2], behind);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < 2; k++)
			if (behind[k] != 0)
				fn(ctx,
					anchor_text_slot((uint8_t)(i * SLOT_BIT), one, other,
						(uint8_t)(k * SLOT_BIT)) +
						1,
					behind[k]);
}

// Tells all bits by which the window passes.
static void visit_bits(enum anchor_content content, const struct build_values *const *window,
	visit_fn fn, void *ctx)
{
	const bool is_text = content != ANCHOR_BYTES;
	unsigned int classes[2];

	sort_classes(window[2], classes);
	for (uint32_t i = 0; i < window[0]->count; i++)
		for (uint32_t k = 0; k < window[1]->count; k++) {
			const uint8_t one = window[0]->bytes[i];
			const uint8_t other = window[1]->bytes[k];

			if (is_text)
				visit_second(window, one, other, fn, ctx);
			else
				fn(ctx, anchor_slot(one, other), classes[0] | classes[1]);
		}
	for (uint32_t i = 0; is_text && i < window[1]->count; i++)
		for (uint32_t k = 0; k < window[2]->count; k++)
			visit_first(window, window[1]->bytes[i], window[2]->bytes[k], fn, ctx);
}

// ---- what is likely ----------------------------------------------------------------------------

void build_sieve_foresee_four(struct build_sieve *sieve, const uint8_t *window, float share)
{
	float(*passes)[ANCHOR_CLASSES] = sieve->passes;

	if (sieve->content == ANCHOR_BYTES) {
		passes[anchor_slot(window[0], window[1])][anchor_class(window[2])] += share;
		return;
	}
	passes[anchor_text_slot(window[0], window[1], window[2], window[3])]
	      [anchor_class(window[0])] += share / 2;
	for (unsigned int bit = 0; bit < 2; bit++)
		passes[anchor_text_slot(
			       (uint8_t)(bit * SLOT_BIT), window[0], window[1], window[2]) +
			1][anchor_class(window[2])] += share / 4;
}

static void raise_to(float *pass, float share)
{
	if (*pass < share)
		*pass = share;
}

// How likely it is that a byte stands beside one, by their lower bits.
struct beside {
	float before[256][NIBBLES]; // and that both are there
	float behind[256][NIBBLES];
	float before_with[256][2]; // the same, of those whose bit for the slot is so
	float behind_with[256][2];
};

static float with_bit(const float *nibbles, unsigned int bit)
{
	float share = 0;

	for (unsigned int i = 0; i < NIBBLES; i++)
		if (((i & SLOT_BIT) != 0) == (bit != 0))
			share += nibbles[i];
	return share;
}

static void sum_up(struct beside *beside, const float *first, const float (*follow)[256])
{
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int k = 0; k < 256; k++) {
			beside->before[k][i % NIBBLES] += first[i] * follow[i][k];
			beside->behind[i][k % NIBBLES] += follow[i][k];
		}
	for (unsigned int i = 0; i < 256; i++)
		for (unsigned int bit = 0; bit < 2; bit++) {
			beside->before_with[i][bit] = with_bit(beside->before[i], bit);
			beside->behind_with[i][bit] = with_bit(beside->behind[i], bit);
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
					first[i] * follow[i][k] *
						(beside->behind[k][class] +
							beside->behind[k][class + SLOT_BIT]));
}

// Both places that are looked up by this pair: each is every second one.
static void foresee_pair(struct build_sieve *sieve, const struct beside *beside, const float *first,
	const float (*follow)[256], uint8_t one, uint8_t other)
{
	const float pair = first[one] * follow[one][other] / 2;

	for (unsigned int nibble = 0; nibble < NIBBLES; nibble++)
		for (unsigned int bit = 0; bit < 2; bit++) {
			const unsigned int class = nibble % ANCHOR_CLASSES;
			const uint8_t far = (uint8_t)(bit * SLOT_BIT);
			const size_t slot = anchor_text_slot((uint8_t)nibble, one, other, far);
			const size_t next = anchor_text_slot(far, one, other, (uint8_t)nibble) + 1;

			raise_to(&sieve->passes[slot][class],
				beside->before[one][nibble] * follow[one][other] *
					beside->behind_with[other][bit] / 2);
			if (first[one] > 0)
				raise_to(&sieve->passes[next][class],
					pair * beside->behind[other][nibble] *
						beside->before_with[one][bit] / first[one]);
		}
}

void build_sieve_foresee(struct build_sieve *sieve, const float *first, const float (*follow)[256])
{
	struct beside beside = {0};

	sum_up(&beside, first, follow);
	if (sieve->content == ANCHOR_BYTES) {
		foresee_bytes(sieve, &beside, first, follow);
		return;
	}
	for (unsigned int k = 0; k < 128; k++)
		for (unsigned int i = 0; i < 128; i++)
			foresee_pair(sieve, &beside, first, follow, (uint8_t)i, (uint8_t)k);
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
