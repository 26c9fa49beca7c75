// SPDX-License-Identifier: BSD-3-Clause
// A PDF that is encrypted and takes no password: its streams and scripts as they are when they are decrypted. Where it
// takes a password, "encrypted-archive" is all that comes. And one that is not encrypted, but of which some streams
// are told elsewhere in the file how they are packed, or packed more often than is undone while it passes.
#pragma once

#include "scan/unpack_whole.h"

int pdf_whole_begin(struct whole *whole) __attribute__((warn_unused_result));
int pdf_whole_begin_plain(struct whole *whole) __attribute__((warn_unused_result));
void pdf_whole_next(struct whole *whole, struct unpack_event *event);
void pdf_whole_end(struct whole *whole);
