// SPDX-License-Identifier: BSD-3-Clause
// A file that COMPRESS.EXE of MS-DOS has packed (SZDD): LZSS with a window of 4 KiB. A format of unpack_whole.h.
//
// Source: Stuart Caie, "The SZDD and KWAJ file formats" (libmspack).
#pragma once

#include "scan/unpack_whole.h"

int szdd_begin(struct whole *whole) __attribute__((warn_unused_result));
void szdd_next(struct whole *whole, struct unpack_event *event);
void szdd_end(struct whole *whole);
