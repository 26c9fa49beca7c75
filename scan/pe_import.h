// SPDX-License-Identifier: BSD-3-Clause
// The hash of a PE file's import table ("imphash"), as ClamAV's .imp signatures have it: a digest of
// "library.function" for every imported function, in the order of the file, in lower case, separated
// by commas; the library without its extension if that is ocx, sys or dll, the function by its name or,
// if by number, by the name that is known for it or as "ord7".
// Source: Microsoft, "PE Format"; clamav-documentation, "PE import table hash signatures".
#pragma once

#include "scan/digest.h"
#include "scan/executable.h"

struct pe_imports {
	bool is_there;  // the digests are computed
	bool is_cut;    // the table goes on behind the bytes that are at hand
	uint64_t bytes; // of the text that was hashed
	struct digest digest;
};

// Digests of these algorithms are computed.
void pe_imports_read(const struct executable *pe, const struct executable_source *source,
	unsigned int algorithms, struct pe_imports *out);

// NULL: none is known. Looks at the first bytes of the library's name.
const char *pe_ordinal_name(const char *library, uint16_t number);
