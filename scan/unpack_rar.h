// SPDX-License-Identifier: BSD-3-Clause
// What the headers of a RAR archive tell of what its reader cannot do, for unpack_libarchive.c.
#pragma once

#include "scan/unpack_whole.h"

enum {
	RAR_ENCRYPTED = 1,
	RAR_HEADERS = 2, // encrypted: nothing can be read from there on
	RAR_OLD = 4,     // packed with a method of RAR 2 or before
	RAR_SPLIT = 8,
};

// RAR_* of an archive; walks its headers as far as they can be read.
unsigned int rar_look(struct whole *whole);
