// SPDX-License-Identifier: BSD-3-Clause
// Predictors of PDF: those of TIFF 6.0 (section 14) and PNG (section 9). A byte is given as soon as it is
// known; the rows that it depends on are kept.
#include "scan/unpack_state.h"

#include <stdlib.h>
#include <string.h>

#define TIFF 2
#define FIRST_PNG 10
#define MAX_COLORS 64
#define MAX_COLUMNS (1u << 24)

enum { PNG_NONE, PNG_SUB, PNG_UP, PNG_AVERAGE, PNG_PAETH };

static uint32_t or_else(uint32_t value, uint32_t otherwise)
{
	return value != 0 ? value : otherwise;
}

bool predictor_begin(struct unpack *unpack, const struct pdf_parms *parms)
{
	struct predictor *predictor = &unpack->codec.stream.predictor;
	uint32_t bits = or_else(parms->bits, 8);
	uint32_t colors = or_else(parms->colors, 1);
	uint32_t columns = or_else(parms->columns, 1);
	uint8_t *memory = unpack->inflate_memory;
	size_t need;

	memset(predictor, 0, sizeof(*predictor));
	if (colors > MAX_COLORS || columns > MAX_COLUMNS || bits > 16 || (bits & (bits - 1)) != 0 ||
		(parms->predictor != TIFF && parms->predictor < FIRST_PNG))
		return false;
	predictor->is_png = parms->predictor >= FIRST_PNG;
	predictor->bits = bits;
	predictor->colors = colors;
	predictor->pixel = (colors * bits + 7) / 8;
	predictor->row = (uint32_t)(((uint64_t)columns * colors * bits + 7) / 8);
	predictor->at = predictor->is_png ? 0 : 1;
	need = 2 * ((size_t)predictor->row + predictor->pixel);
	if (need > UNPACK_INFLATE_BYTES) {
		memory = need <= UNPACK_BZIP2_BYTES ? unpack_take_bzip2(unpack->pool) : NULL;
		if (memory == NULL)
			return false;
		predictor->is_great = true;
		unpack->codec.arena.memory = memory;
	}
	memset(memory, 0, need);
	predictor->last = memory + predictor->pixel;
	predictor->now = memory + need / 2 + predictor->pixel;
	return true;
}

void predictor_end(struct unpack *unpack)
{
	if (unpack->codec.stream.predictor.is_great)
		unpack_give_bzip2(unpack->pool, unpack->codec.arena.memory);
	unpack->codec.stream.predictor.is_great = false;
}

static uint8_t paeth(int left, int up, int corner)
{
	int guess = left + up - corner;
	int to_left = abs(guess - left);
	int to_up = abs(guess - up);
	int to_corner = abs(guess - corner);

	if (to_left <= to_up && to_left <= to_corner)
		return (uint8_t)left;
	return (uint8_t)(to_up <= to_corner ? up : corner);
}

static uint8_t png_byte(const struct predictor *predictor, uint32_t i, uint8_t byte)
{
	uint8_t left = predictor->now[(ptrdiff_t)i - (ptrdiff_t)predictor->pixel];
	uint8_t up = predictor->last[i];
	uint8_t corner = predictor->last[(ptrdiff_t)i - (ptrdiff_t)predictor->pixel];

	switch (predictor->tag) {
	case PNG_SUB:
		return (uint8_t)(byte + left);
	case PNG_UP:
		return (uint8_t)(byte + up);
	case PNG_AVERAGE:
		return (uint8_t)(byte + (left + up) / 2);
	case PNG_PAETH:
		return (uint8_t)(byte + paeth(left, up, corner));
	default:
		return byte;
	}
}

// Samples of less than a byte: each is told by the one of its color in the pixel before.
static uint8_t tiff_bits(const struct predictor *predictor, uint32_t i, uint8_t byte)
{
	uint32_t bits = predictor->bits;
	uint32_t mask = (1u << bits) - 1;
	uint8_t made = 0;

	for (uint32_t at = 0; at < 8; at += bits) {
		uint32_t sample = 8 * i + at;
		uint32_t value = (uint32_t)byte >> (8 - bits - at) & mask;

		if (sample >= predictor->colors * bits) {
			uint32_t before = sample - predictor->colors * bits;
			uint32_t from = before / 8 == i ? made : predictor->now[before / 8];

			value += from >> (8 - bits - before % 8) & mask;
		}
		made |= (uint8_t)((value & mask) << (8 - bits - at));
	}
	return made;
}

static uint8_t tiff_byte(const struct predictor *predictor, uint32_t i, uint8_t byte)
{
	const uint8_t *left = predictor->now + i - predictor->pixel;

	if (predictor->bits < 8)
		return tiff_bits(predictor, i, byte);
	return (uint8_t)(byte + *left);
}

// A sample of two bytes: what the second carries over goes to the first, which waits for it.
static void tiff_pair(const struct predictor *predictor, uint32_t i)
{
	uint8_t *at = predictor->now + i - 1;
	const uint8_t *left = at - predictor->pixel;
	uint32_t sum = ((uint32_t)at[0] << 8 | at[1]) + ((uint32_t)left[0] << 8 | left[1]);

	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

static void row_end(struct predictor *predictor)
{
	uint8_t *last = predictor->last;

	predictor->last = predictor->now;
	predictor->now = last;
	predictor->at = predictor->is_png ? 0 : 1;
}

// Takes one byte; what comes out of it goes to out, up to two. Returns how many.
static size_t byte_run(struct predictor *predictor, uint8_t byte, uint8_t *out)
{
	uint32_t i = predictor->at - 1;
	size_t bytes = 1;

	if (predictor->at++ == 0) {
		predictor->tag = byte;
		return 0;
	}
	if (predictor->is_png) {
		predictor->now[i] = png_byte(predictor, i, byte);
	} else if (predictor->bits == 16) {
		predictor->now[i] = byte;
		if (i % 2 != 0)
			tiff_pair(predictor, i);
		bytes = i % 2 == 0 ? 0 : 2;
	} else {
		predictor->now[i] = tiff_byte(predictor, i, byte);
	}
	memcpy(out, predictor->now + i + 1 - bytes, bytes);
	if (predictor->at > predictor->row)
		row_end(predictor);
	return bytes;
}

enum codec_step predictor_run(
	struct unpack *unpack, const uint8_t *data, size_t n, size_t *used, size_t *bytes)
{
	struct predictor *predictor = &unpack->codec.stream.predictor;
	size_t i;

	for (i = 0; i < n && *bytes + 2 <= UNPACK_OUT_BYTES; i++) {
		if (predictor->row == 0)
			unpack->out[(*bytes)++] = data[i];
		else
			*bytes += byte_run(predictor, data[i], unpack->out + *bytes);
	}
	*used = i;
	return CODEC_MORE;
}
