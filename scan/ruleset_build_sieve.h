// SPDX-License-Identifier: BSD-3-Clause
// The sieve of one target's table (anchor.h) while its windows are chosen: which bits are set, and how
// likely each is met in what is searched.
#pragma once

#include "scan/anchor.h"

#include <stdint.h>

// The values of one byte of a pattern.
struct build_values {
	uint32_t count;
	uint8_t bytes[256];
};

struct build_sieve {
	enum anchor_content content;
	uint8_t bytes[ANCHOR_SLOTS];                // in text half of them
	float passes[ANCHOR_SLOTS][ANCHOR_CLASSES]; // how likely a place meets that bit
};

// A window that is there so often, whatever its bytes tell. All of them are told first.
void build_sieve_foresee_four(struct build_sieve *sieve, const uint8_t *window, float share);
// first: how likely a byte is, follow: how likely the second one is behind the first.
void build_sieve_foresee(struct build_sieve *sieve, const float *first, const float (*follow)[256]);
// How likely a place passes that would not without this window: values of each of its bytes.
float build_sieve_share(const struct build_sieve *sieve, const struct build_values *const *window);
// Sets the window's bits.
void build_sieve_take(struct build_sieve *sieve, const struct build_values *const *window);
