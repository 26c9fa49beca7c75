// SPDX-License-Identifier: BSD-3-Clause
//
// Which eight bytes of a pattern are compared beside its window.
#include "scan/ruleset_build_window.h"

#include <string.h>

// The bits that all values of a byte have alike.
static uint8_t fixed_bits(const struct clamav_class *set, uint8_t *value)
{
	unsigned int all = 0xff;
	unsigned int any = 0;

	for (unsigned int half = 0; half < 4; half++) {
		for (uint64_t bits = set->bits[half]; bits != 0; bits &= bits - 1) {
			unsigned int byte = 64 * half + (unsigned int)__builtin_ctzll(bits);

			all &= byte;
			any |= byte;
		}
	}
	*value = (uint8_t)all;
	return (uint8_t) ~(all ^ any);
}

void build_first_piece(const struct build_spelling *spelling, uint64_t *piece, uint64_t *mask)
{
	uint8_t values[ANCHOR_PIECE_BYTES] = {0};
	uint8_t masks[ANCHOR_PIECE_BYTES] = {0};

	for (uint32_t i = 0; i < ANCHOR_PIECE_BYTES && i < spelling->length; i++) {
		masks[i] = fixed_bits(&spelling->sets[i], &values[i]);
		values[i] &= masks[i];
	}
	memcpy(piece, values, sizeof(values));
	memcpy(mask, masks, sizeof(masks));
}

void build_read_span(const struct build_spelling *spelling, uint32_t window, struct build_span *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < BUILD_SPAN; i++) {
		const uint32_t place = window + i - ANCHOR_PIECE_BEFORE;

		if (window + i < ANCHOR_PIECE_BEFORE || place >= spelling->length)
			continue;
		out->masks[i] = fixed_bits(&spelling->sets[place], &out->values[i]);
		out->values[i] &= out->masks[i];
	}
}

// How much each byte tells when the window is known. What follows an equal byte tells little, and so do zeros.
static void weigh(const struct build_span *span, uint32_t *weights)
{
	for (uint32_t i = 0; i < BUILD_SPAN; i++) {
		uint32_t weight = (uint32_t)__builtin_popcount(span->masks[i]);

		if (i > 0 && span->masks[i] == span->masks[i - 1] &&
			span->values[i] == span->values[i - 1])
			weight /= 2;
		if (span->values[i] == 0 || span->values[i] == 0xff)
			weight /= 2;
		weights[i] =
			i >= ANCHOR_PIECE_BEFORE && i < ANCHOR_PIECE_BEFORE + ANCHOR_WINDOW_BYTES
				? 1 + weight / 4
				: 4 * weight;
	}
}

// Whether the piece that begins with the pattern tells all of it.
static bool is_whole(const struct build_spelling *spelling, uint64_t mask)
{
	uint8_t masks[ANCHOR_PIECE_BYTES];

	if (spelling->length > ANCHOR_PIECE_BYTES)
		return false;
	memcpy(masks, &mask, sizeof(masks));
	for (uint32_t i = 0; i < spelling->length; i++) {
		unsigned int values = 0;

		for (unsigned int k = 0; k < 4; k++)
			values += (unsigned int)__builtin_popcountll(spelling->sets[i].bits[k]);
		if (values != 256u >> __builtin_popcount(masks[i]))
			return false;
	}
	return true;
}

void build_choose_piece(
	const struct build_spelling *spelling, uint32_t window, struct anchor_entry *out)
{
	const uint32_t first = window < ANCHOR_PIECE_BEFORE ? ANCHOR_PIECE_BEFORE - window : 0;
	uint32_t best = first;
	uint32_t most = 0;
	uint32_t weights[BUILD_SPAN];
	struct build_span span;

	build_read_span(spelling, window, &span);
	weigh(&span, weights);
	for (uint32_t at = first; at <= BUILD_SPAN - ANCHOR_PIECE_BYTES; at++) {
		uint32_t sum = 0;

		for (uint32_t i = at; i < at + ANCHOR_PIECE_BYTES; i++)
			sum += weights[i];
		if (sum <= most)
			continue;
		most = sum;
		best = at;
	}
	memcpy(&out->piece, span.values + best, sizeof(out->piece));
	memcpy(&out->mask, span.masks + best, sizeof(out->mask));
	out->piece_at = (int8_t)((int32_t)best - ANCHOR_PIECE_BEFORE);
	out->whole = 0;
	if (window + best == ANCHOR_PIECE_BEFORE && is_whole(spelling, out->mask))
		out->whole = (uint8_t)spelling->length;
}
