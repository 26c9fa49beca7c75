// SPDX-License-Identifier: BSD-3-Clause
// Lines of text in which nothing is encoded: almost all there are. Private to mime*.c and its tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef size_t (*mime_lines_skip_fn)(const uint8_t *data, size_t n);

// From the start of a line: where the first line begins that may begin something encoded, or a header, or
// that has no end. A line ends with CR, LF or both; one whose CR comes last may have the LF still to come.
size_t mime_lines_skip(const uint8_t *data, size_t n);

// Variant number i that this processor can run, the slowest first; NULL past the last.
mime_lines_skip_fn mime_lines_variant(size_t i);

size_t mime_lines_skip_portable(const uint8_t *data, size_t n);
size_t mime_lines_skip_avx2(const uint8_t *data, size_t n);
size_t mime_lines_skip_avx512(const uint8_t *data, size_t n);
