// SPDX-License-Identifier: BSD-3-Clause
// A message of S/MIME that is signed or compressed and carries what it is about in itself (smime.p7m): one member.
// Mail readers show it without a key. What is encrypted, and signatures that stand beside their message, are
// none. A format of unpack_whole.h.
//
// Source: RFC 5652 sections 3, 5.1 and 5.2, RFC 3274 section 1.1, X.690 sections 8.1 and 8.7.
#pragma once

#include "scan/unpack_whole.h"

#include <stdbool.h>

// By the first bytes of an object: UNPACK_DETECT_BYTES of them, or all.
bool cms_detect(const uint8_t *data, size_t n);
// Whether it is encrypted: there is nothing to be read.
bool cms_is_encrypted(const uint8_t *data, size_t n);

int cms_begin(struct whole *whole) __attribute__((warn_unused_result));
void cms_next(struct whole *whole, struct unpack_event *event);
void cms_end(struct whole *whole);
