// SPDX-License-Identifier: BSD-3-Clause
// Where four bytes stand side by side of which the third is rare in text. In programs it is not, and a search for
// one byte stops everywhere: there the first two are looked for together.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FIND_FOUR_BLOCK 64u
#define FIND_FOUR_NEAR 2048u // so far behind a third byte that tells nothing others are expected

// Whether the first two begin in the block, behind which one more byte is looked at. Without guesses, so that the
// compiler looks at many places side by side.
static inline bool find_four_may_begin(const uint8_t *block, const uint8_t *four)
{
	uint8_t any = 0;

	for (size_t i = 0; i < FIND_FOUR_BLOCK; i++)
		any |= (uint8_t)((block[i] == four[0]) & (block[i + 1] == four[1]));
	return any != 0;
}

// The first place, not before at, where they stand; n: none.
static inline size_t find_four(const uint8_t *data, size_t n, size_t at, const uint8_t *four)
{
	size_t near = at; // to be looked at by blocks up to there

	while (at + 4 <= n) {
		if (at >= near) {
			const uint8_t *third = memchr(data + at + 2, four[2], n - at - 3);

			if (third == NULL)
				return n;
			at = (size_t)(third - data) - 2;
			near = at + FIND_FOUR_NEAR;
		} else if (at + FIND_FOUR_BLOCK < n && !find_four_may_begin(data + at, four)) {
			at += FIND_FOUR_BLOCK;
			continue;
		}
		for (const size_t end = at + FIND_FOUR_BLOCK; at < end && at + 4 <= n; at++)
			if (memcmp(data + at, four, 4) == 0)
				return at;
	}
	return n;
}
