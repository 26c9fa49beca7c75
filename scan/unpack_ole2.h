// SPDX-License-Identifier: BSD-3-Clause
// OLE2 compound files (MS-CFB): documents of Office until 2003, .msg, .msi, and vbaProject.bin in later
// ones. A format of unpack_whole.h.
//
// Members are all streams, by their path, also those that no folder lists. From some of them comes more,
// right after them: the source text of macros (MS-OVBA), what Ole10Native holds, objects in a
// presentation. Macros are searched for in their streams, wherever these say that they begin.
#pragma once

#include "scan/unpack_whole.h"

int ole2_begin(struct whole *whole);
void ole2_next(struct whole *whole, struct unpack_event *event);
void ole2_end(struct whole *whole);
