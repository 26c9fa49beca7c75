// SPDX-License-Identifier: BSD-3-Clause
// Formats that libarchive reads, for the table of unpack_whole.c.
//
// Only the reader of the type that was detected is asked, and it reads from the capture: no file, no
// program, no thread. libarchive and its decoders take memory from malloc. What of a decoder's memory is
// used grows with what comes out, which is limited, but some ask for as much as the archive says: a
// process that must not run short sets a limit (RLIMIT_DATA), and gets "limit-memory" here.
#pragma once

#include "scan/unpack_whole.h"

int libarchive_begin(struct whole *whole) __attribute__((warn_unused_result));
void libarchive_next(struct whole *whole, struct unpack_event *event);
void libarchive_end(struct whole *whole);
