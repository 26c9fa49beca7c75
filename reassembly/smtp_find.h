// SPDX-License-Identifier: BSD-3-Clause
// What the body of DATA is searched for. Private to smtp*.c and its tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The first index from 1 on of a dot behind a CR, LF or NUL; n if there is none, 0 of no bytes.
size_t smtp_find_dot(const uint8_t *data, size_t n);
// The first index from 1 on of a NUL, of an LF without CR, or of what follows a CR without LF; likewise.
size_t smtp_find_bare(const uint8_t *data, size_t n);

size_t smtp_find_dot_portable(const uint8_t *data, size_t n);
size_t smtp_find_bare_portable(const uint8_t *data, size_t n);
size_t smtp_find_dot_avx512(const uint8_t *data, size_t n);
size_t smtp_find_bare_avx512(const uint8_t *data, size_t n);
