// SPDX-License-Identifier: BSD-3-Clause
// The content of a part with some of its decoded bytes repaired, in the transfer encoding that it has:
// what the recipes do not touch stays as it was written, line by line.
#pragma once

#include "scan/scan.h"

#include <glib.h>

#include <stddef.h>
#include <stdint.h>

enum rebuild_encoding {
	REBUILD_ENCODING_PLAIN, // 7bit, 8bit and binary
	REBUILD_ENCODING_BASE64,
	REBUILD_ENCODING_QUOTED,
	REBUILD_ENCODING_OTHER,
};

struct rebuild_code {
	enum rebuild_encoding encoding;
	const uint8_t *content; // as it stands in the message
	size_t bytes;
	const uint8_t *sha256; // of what it decodes to: another reading of it is not repaired
	const char *eol;       // of the message's lines
};

// Appends the new content to out. Returns 0, -ERANGE when the part has not the bytes that a recipe is
// about, -ENOTSUP when it cannot be written in its encoding, or -ENOMEM; out is of no use then.
int rebuild_code_repair(const struct rebuild_code *code, const struct recipe *recipes, size_t count,
	GByteArray *out) SCAN_MUST_USE;
