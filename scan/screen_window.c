// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screen_window.h"

#include "scan/processor.h"

// What the first byte of a head is multiplied by.
static uint32_t first_factor(void)
{
	uint32_t factor = 1;

	for (int i = 0; i < SCREEN_HEAD_BYTES - 1; i++)
		factor *= SCREEN_FACTOR;
	return factor;
}

void screen_filter_add(struct screen_filter *filter, uint32_t head)
{
	uint32_t low = head & 1023;
	uint32_t high = head >> 6 & 1023;

	filter->heads++;
	filter->low[low & 127] |= (uint8_t)(1u << (low >> 7));
	filter->high[high & 127] |= (uint8_t)(1u << (high >> 7));
	filter->all[(head & 0xffff) / 64] |= UINT64_C(1) << (head % 64);
}

void screen_find_portable(
	const struct screen_filter *filter, const uint8_t *data, uint64_t *positions)
{
	uint32_t leave = first_factor();
	uint32_t sum = 0;

	for (size_t i = 0; i < SCREEN_HEAD_BYTES - 1; i++)
		sum = sum * SCREEN_FACTOR + data[i];
	for (size_t at = 0; at < SCREEN_BLOCK; at += 64) {
		uint64_t bits = 0;

		for (size_t i = 0; i < 64; i++) {
			const uint8_t *first = data + at + i;

			sum = sum * SCREEN_FACTOR + first[SCREEN_HEAD_BYTES - 1];
			bits |= (filter->all[(sum & 0xffff) / 64] >> (sum % 64) & 1) << i;
			sum -= first[0] * leave;
		}
		positions[at / 64] = bits;
	}
}

screen_find_fn screen_find_choose(void)
{
	if (processor_has_avx512())
		return screen_find_avx512;
	if (processor_has_avx2())
		return screen_find_avx2;
	return screen_find_portable;
}
