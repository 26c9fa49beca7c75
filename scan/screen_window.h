// SPDX-License-Identifier: BSD-3-Clause
// The search for windows: which positions of some bytes may be the start of a window of the list.
//
// All windows are looked for in one pass, whatever their lengths: by the checksum of their first
// SCREEN_LEAST_WINDOW bytes (the upper half of screen_rolling), of which the vector forms compute the low 16
// bits at every position. These go through two small tables that stay in registers and, with more than a few
// windows, one of 8 KiB; what passes is compared in full by the caller. Of random bytes one in 65536 passes for
// each different head.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SCREEN_HEAD_BYTES 32
#define SCREEN_FACTOR UINT32_C(0x08088405)
#define SCREEN_FACTOR16 UINT16_C(0x8405)
// Positions that are looked at with one call.
#define SCREEN_BLOCK 2048
// Bytes behind the last position that are read.
#define SCREEN_BLOCK_SLACK 192
// With more heads than this what the small tables let pass is looked up in the large one, too.
#define SCREEN_FEW_HEADS 8

struct screen_filter {
	uint32_t heads;     // 0: there are no windows
	uint8_t low[128];   // a bit for the low 10 bits of each head's checksum
	uint8_t high[128];  // the same of bits 6 to 15
	uint64_t all[1024]; // of all 16
};

void screen_filter_add(struct screen_filter *filter, uint32_t head);

// Writes a bit for each of the SCREEN_BLOCK positions from data on that may begin a window; of the bytes data
// has SCREEN_BLOCK + SCREEN_BLOCK_SLACK. Positions the caller does not mean it ignores.
typedef void (*screen_find_fn)(
	const struct screen_filter *filter, const uint8_t *data, uint64_t *positions);
void screen_find_portable(
	const struct screen_filter *filter, const uint8_t *data, uint64_t *positions);
void screen_find_avx2(const struct screen_filter *filter, const uint8_t *data, uint64_t *positions);
void screen_find_avx512(
	const struct screen_filter *filter, const uint8_t *data, uint64_t *positions);
screen_find_fn screen_find_choose(void);
