// SPDX-License-Identifier: BSD-3-Clause
// The look for places where an archive that must be whole may begin inside of an object: 7-Zip, cabinet, RAR.
// Private to scan_whole.c, scan_probe*.c and their tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SCAN_PROBE_BLOCK 64u

// How many bytes there are before a block in which two bytes stand that one of them begins with. The last
// of these may stand one byte behind the block; of what is less than a block and a byte nothing is counted.
size_t scan_probe_barren(const uint8_t *data, size_t n);

typedef size_t (*scan_probe_fn)(const uint8_t *data, size_t n);

// Variant number i that this processor can run, the slowest first; NULL past the last.
scan_probe_fn scan_probe_variant(size_t i);

size_t scan_probe_portable(const uint8_t *data, size_t n);
size_t scan_probe_avx512(const uint8_t *data, size_t n);
