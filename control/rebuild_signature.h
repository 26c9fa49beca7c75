// SPDX-License-Identifier: BSD-3-Clause
// Whether a part that stands where a signature stands is one: by its type, its name, and all of its bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// type in lower case; name "" where it has none.
bool rebuild_is_signature(const char *type, const char *name, const uint8_t *data, size_t bytes);
