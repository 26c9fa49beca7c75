// SPDX-License-Identifier: BSD-3-Clause
// File types by content (.ftm): "Magic:Offset:Hex:Name:RequiredType:Type[:MinFL[:MaxFL]]".
//
//   0  the bytes stand at the offset; later lines come before earlier ones
//   1  the body pattern stands in the first FILETYPE_BYTES of what is a text or of no known type
//   4  types of partitions of a disc image, of which none is looked for here
//
// As in ClamAV, a table with a line of the first kind takes the place of the one that is built in; lines
// of the second kind alone extend it. Source: clamav-documentation, "File type magic".
#pragma once

#include "scan/clamav.h"
#include "scan/filetype.h"

#define CLAMAV_MAX_MAGIC 128

enum clamav_magic { CLAMAV_MAGIC_BYTES, CLAMAV_MAGIC_PATTERN };

struct clamav_filetype {
	enum clamav_magic magic;
	const struct filetype_clamav *required;
	const struct filetype_clamav *type;
	uint32_t offset; // of bytes
	uint32_t length;
	uint8_t bytes[CLAMAV_MAX_MAGIC];
	struct clamav_pattern pattern;
};

// Reads one line without its line end, which it changes.
enum clamav_result clamav_parse_ftm(
	struct clamav_arena *arena, char *line, struct clamav_filetype *out, const char **reason);
