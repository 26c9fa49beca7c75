// SPDX-License-Identifier: BSD-3-Clause
// What only the one whom it was sent to can read. Private to scan*.c and mime*.c and their tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether an object that begins so, with UNPACK_DETECT_BYTES or all of it, is a message of PGP, in armor or not, or one of
// S/MIME, and encrypted. In armor all are taken for it: some are only signed, and packed.
//
// Source: RFC 4880 sections 4.2, 4.3, 5.1, 5.3 and 6.2, RFC 9580 sections 5.1 and 5.3; RFC 5652, RFC 5083.
bool encrypted_begins(const uint8_t *data, size_t n);
// Whether the line begins such an armor; of it there may be less than all.
bool encrypted_is_armor(const uint8_t *line, size_t n);
