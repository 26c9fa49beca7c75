// SPDX-License-Identifier: BSD-3-Clause
// What a file is, by its first bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

// As many first bytes as the table looks at; fewer are enough where the file has no more.
#define FILETYPE_BYTES 1024

// Target numbers of ClamAV's signatures (clamav-documentation, "Target Types").
enum filetype_target {
	FILETYPE_TARGET_ANY = 0,
	FILETYPE_TARGET_PE = 1,
	FILETYPE_TARGET_OLE2 = 2,
	FILETYPE_TARGET_HTML = 3,
	FILETYPE_TARGET_MAIL = 4,
	FILETYPE_TARGET_GRAPHICS = 5,
	FILETYPE_TARGET_ELF = 6,
	FILETYPE_TARGET_TEXT = 7,
	FILETYPE_TARGET_MACHO = 9,
	FILETYPE_TARGET_PDF = 10,
	FILETYPE_TARGET_FLASH = 11,
	FILETYPE_TARGET_JAVA = 12,
};
#define FILETYPE_TARGETS 16

struct filetype {
	const char *name; // "" where unknown
	enum filetype_target target;
};

const struct filetype *filetype_detect(const uint8_t *data, size_t n);
