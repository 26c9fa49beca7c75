// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_huffman.h"

#include <string.h>

int huffman_make(struct huffman *huffman, const uint8_t *lengths, size_t symbols)
{
	uint16_t places[HUFFMAN_MAX_LENGTH + 2] = {0};
	int left = 1;

	memset(huffman->count, 0, sizeof(huffman->count));
	for (size_t i = 0; i < symbols; i++)
		huffman->count[lengths[i]]++;
	huffman->count[0] = 0;
	for (size_t length = 1; length <= HUFFMAN_MAX_LENGTH; length++) {
		left = 2 * left - huffman->count[length];
		if (left < 0)
			return left;
		places[length + 1] = (uint16_t)(places[length] + huffman->count[length]);
	}
	for (size_t i = 0; i < symbols; i++)
		if (lengths[i] != 0)
			huffman->symbols[places[lengths[i]]++] = (uint16_t)i;
	return left;
}

bool huffman_take(struct huffman_bits *bits, uint32_t n, uint32_t *value)
{
	while (bits->held < n) {
		if (bits->at == bits->end)
			return false;
		bits->hold |= (uint32_t)*bits->at++ << bits->held;
		bits->held = (uint8_t)(bits->held + 8);
	}
	*value = bits->hold & ((1u << n) - 1);
	bits->hold >>= n;
	bits->held = (uint8_t)(bits->held - n);
	return true;
}

int huffman_next(const struct huffman *huffman, struct huffman_walk *walk,
	struct huffman_bits *bits, uint32_t flip)
{
	uint32_t bit;

	while (huffman_take(bits, 1, &bit)) {
		uint32_t count = huffman->count[++walk->length];
		uint32_t code = walk->code | (bit ^ flip);

		if (code < walk->first + count) {
			int symbol = huffman->symbols[walk->index + code - walk->first];

			memset(walk, 0, sizeof(*walk));
			return symbol;
		}
		if (walk->length == HUFFMAN_MAX_LENGTH)
			return HUFFMAN_BROKEN;
		walk->index += count;
		walk->first = (walk->first + count) << 1;
		walk->code = code << 1;
	}
	return HUFFMAN_MORE;
}
