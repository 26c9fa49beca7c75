// SPDX-License-Identifier: BSD-3-Clause
// Files of macOS with both of their forks in one: AppleSingle and MacBinary. The forks, and what else there is, are
// members, so that they have types and digests of their own. A format of unpack_whole.h.
//
// Source: RFC 1740 appendix A; MacBinary II and III standards of 1987 and 1996.
#pragma once

#include "scan/unpack_whole.h"

#include <stdbool.h>

// By the first bytes of an object. MacBinary has no mark, but a checksum of its header.
bool apple_is_macbinary(const uint8_t *data, size_t n);

int apple_begin(struct whole *whole) __attribute__((warn_unused_result));
void apple_next(struct whole *whole, struct unpack_event *event);
void apple_end(struct whole *whole);
