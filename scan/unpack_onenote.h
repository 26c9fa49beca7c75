// SPDX-License-Identifier: BSD-3-Clause
// The files that are embedded in a section of OneNote, wherever in it they stand. A format of unpack_whole.h.
//
// Source: MS-ONESTORE 2.6.13 (FileDataStoreObject), 2.8.1 (the packaging of synchronised files, in which they
// cannot be found so: "unsupported-method").
#pragma once

#include "scan/unpack_whole.h"

int onenote_begin(struct whole *whole) __attribute__((warn_unused_result));
void onenote_next(struct whole *whole, struct unpack_event *event);
void onenote_end(struct whole *whole);
