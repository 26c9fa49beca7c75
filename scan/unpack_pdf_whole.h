// SPDX-License-Identifier: BSD-3-Clause
// A PDF that is encrypted and takes no password, for the table of unpack_whole.c: its streams and scripts
// as they are when they are decrypted. Where it takes a password, "encrypted-archive" is all that comes.
#pragma once

#include "scan/unpack_whole.h"

int pdf_whole_begin(struct whole *whole) __attribute__((warn_unused_result));
void pdf_whole_next(struct whole *whole, struct unpack_event *event);
void pdf_whole_end(struct whole *whole);
