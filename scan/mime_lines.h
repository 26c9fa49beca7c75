// SPDX-License-Identifier: BSD-3-Clause
// Lines of text in which nothing is encoded: almost all there are. Private to mime*.c and its tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef size_t (*mime_lines_skip_fn)(const uint8_t *data, size_t n, bool stops_at_dashes);

// From the start of a line: where the first line begins that may begin something encoded, or a header, or
// that has no end. A line ends with CR, LF or both; one whose CR comes last may have the LF still to come.
// What begins with "--" is passed over too, unless stops_at_dashes or it begins PGP's armor.
size_t mime_lines_skip(const uint8_t *data, size_t n, bool stops_at_dashes);

// Whether the last of these whole lines that is not empty begins with "--", with more behind it; before, if all are empty.
bool mime_lines_after_dashes(const uint8_t *data, size_t n, bool before);

// Variant number i that this processor can run, the slowest first; NULL past the last.
mime_lines_skip_fn mime_lines_variant(size_t i);

size_t mime_lines_skip_portable(const uint8_t *data, size_t n, bool stops_at_dashes);
size_t mime_lines_skip_avx2(const uint8_t *data, size_t n, bool stops_at_dashes);
size_t mime_lines_skip_avx512(const uint8_t *data, size_t n, bool stops_at_dashes);
