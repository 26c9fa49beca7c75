// SPDX-License-Identifier: BSD-3-Clause
// One look at the bytes of an object for all that may begin in their midst: most hold nothing of it, and then
// nobody searches them. Private to scan*.c, unpack.c and their tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Two or three bytes, side by side, without which there is none. Two of an archive stand in every other 4 KB of
// collected mails.
enum scan_mark {
	SCAN_MARK_ZIP = 1,    // "\x03\x04" of a member's signature, "\x05\x06" of an end record's
	SCAN_MARK_SCRIPT = 2, // "~^" before an encoded script
	SCAN_MARK_WHOLE = 4,  // "7z\xbc", "MSC", "Rar": an archive that must be whole
};
#define SCAN_MARKS_ALL (SCAN_MARK_ZIP | SCAN_MARK_SCRIPT | SCAN_MARK_WHOLE)

#define SCAN_MARK_WHOLE_BYTES 3

// Those of which all bytes stand in data, as bits.
unsigned int scan_marks(const uint8_t *data, size_t n);

typedef unsigned int (*scan_marks_fn)(const uint8_t *data, size_t n);

// Variant number i that this processor can run, the slowest first; NULL past the last.
scan_marks_fn scan_marks_variant(size_t i);

unsigned int scan_marks_portable(const uint8_t *data, size_t n);
unsigned int scan_marks_avx512(const uint8_t *data, size_t n);
