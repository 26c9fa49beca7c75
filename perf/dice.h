// SPDX-License-Identifier: BSD-3-Clause
// Numbers without a pattern, the same each time: what signatures and mails to measure with are made by.
#pragma once

#include <stdint.h>

struct dice {
	uint64_t state; // any to begin with
};

// SplitMix64.
static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t value = dice->state += 0x9e3779b97f4a7c15u;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

// 0 to count - 1.
static inline uint32_t dice_below(struct dice *dice, uint32_t count)
{
	return (uint32_t)((dice_next(dice) >> 32) * count >> 32);
}
