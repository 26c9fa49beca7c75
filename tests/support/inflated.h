// SPDX-License-Identifier: BSD-3-Clause
// Deflate by all variants of scan/unpack_inflate.h and by zlib, side by side.
#pragma once

#include <stddef.h>
#include <stdint.h>

// How it ended.
enum inflated { INFLATED_CUT, INFLATED_WHOLE, INFLATED_BROKEN };

// Feeds data to both in pieces of step bytes, 0: of sizes that differ. Returns how it ended. What each
// gives until then has to be the same after every piece, bytes that were read as well as bytes that came
// out: *what says what was not, NULL else.
enum inflated inflated_compare(const uint8_t *data, size_t n, size_t step, const char **what);
