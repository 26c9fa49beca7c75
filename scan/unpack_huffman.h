// SPDX-License-Identifier: BSD-3-Clause
// Bits and prefix codes of packed data that comes in pieces: what is not all there yet is gone on with
// later. Shared by scan/unpack*.c alone.
//
// Codes are canonical (RFC 1951, 3.2.2): the shorter first, those of a length in the order of their
// symbols; a code's first bit is the first that is read, and bytes are read from their lowest bit on.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUFFMAN_MAX_LENGTH 16
#define HUFFMAN_MAX_SYMBOLS 288

struct huffman {
	uint16_t count[HUFFMAN_MAX_LENGTH + 1]; // codes of a length
	uint16_t symbols[HUFFMAN_MAX_SYMBOLS];  // by their codes
};

struct huffman_bits {
	const uint8_t *at; // input of this call
	const uint8_t *end;
	uint32_t hold; // bits that were read and are not used, the next one lowest
	uint8_t held;
};

// A code that is being read.
struct huffman_walk {
	uint32_t code;
	uint32_t first;
	uint32_t index;
	uint32_t length;
};

enum { HUFFMAN_MORE = -1, HUFFMAN_BROKEN = -2 };

// lengths: of the code of each symbol, 0 for none. Returns how many codes of the greatest length could be
// added; negative: there are too many codes.
int huffman_make(struct huffman *huffman, const uint8_t *lengths, size_t symbols);
// The next symbol, HUFFMAN_MORE at the end of the input, HUFFMAN_BROKEN where no code has these bits.
// flip: 1 where the bits of codes are the other way round.
int huffman_next(const struct huffman *huffman, struct huffman_walk *walk,
	struct huffman_bits *bits, uint32_t flip);
// The next n bits, up to 16, to *value. False at the end of the input.
bool huffman_take(struct huffman_bits *bits, uint32_t n, uint32_t *value);
