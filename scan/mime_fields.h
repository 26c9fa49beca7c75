// SPDX-License-Identifier: BSD-3-Clause
// Header fields that say nothing of the message's structure: almost all there are. Private to mime*.c and its tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef size_t (*mime_fields_skip_fn)(const uint8_t *data, size_t n, size_t most, uint32_t *lines);

// From the start of a line: how many bytes of whole fields there are that mime_field_end takes nothing from, of
// which each has at most so many bytes, and in how many lines. A field is whole when the byte behind it is
// there, too. Also the first one that is left may be such a field: where it ends is not always to be seen.
//
// Fields that are passed over end their lines with LF or CRLF, have no other CR, no blank before the colon, and
// nothing in which a transfer encoding could hide.
size_t mime_fields_skip(const uint8_t *data, size_t n, size_t most, uint32_t *lines);

// Variant number i that this processor can run, the slowest first; NULL past the last.
mime_fields_skip_fn mime_fields_variant(size_t i);

size_t mime_fields_skip_portable(const uint8_t *data, size_t n, size_t most, uint32_t *lines);
size_t mime_fields_skip_avx2(const uint8_t *data, size_t n, size_t most, uint32_t *lines);
size_t mime_fields_skip_avx512(const uint8_t *data, size_t n, size_t most, uint32_t *lines);
