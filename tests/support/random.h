// SPDX-License-Identifier: BSD-3-Clause
// Numbers that look random and are the same in every run (xorshift64).
#pragma once

#include <stdint.h>

struct random {
	uint64_t state; // not 0
};

static inline uint32_t random_below(struct random *random, uint32_t n)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return (uint32_t)((random->state >> 20) % n);
}
