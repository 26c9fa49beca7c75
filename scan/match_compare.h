// SPDX-License-Identifier: BSD-3-Clause
// Comparisons of bytes: the number that stands at a distance from a hit, as ClamAV 1.4.6 reads it.
#pragma once

#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether what item->bytes bytes say compares as the rule asks.
bool match_compare_holds(const struct ruleset_compare *item, const uint8_t *data);
