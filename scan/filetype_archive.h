// SPDX-License-Identifier: BSD-3-Clause
// Archives and compressed files that no magic of a few fixed bytes tells. Private to filetype.c.
#pragma once

#include "scan/filetype.h"

// NULL: none of these.
const struct filetype *filetype_detect_archive(const uint8_t *data, size_t n);
