// SPDX-License-Identifier: BSD-3-Clause
// Named characters of HTML: those of HTML 4 and of the sets of ISO 8879, with the values that ClamAV
// gives them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NORMALISE_ENTITY_BYTES 8 // no name is longer
#define NORMALISE_ENTITY_RENDERED 8

// The character that the name stands for, or 0.
uint16_t normalise_entity(const char *name, size_t n);
// The same by the name's bytes, the first one the highest, and zeros behind them.
uint16_t normalise_entity_of(uint64_t key);
// A character of UTF-16 as it stands in the copy. Returns how many bytes, 0 for no character.
size_t normalise_entity_render(uint16_t character, uint8_t out[NORMALISE_ENTITY_RENDERED]);
