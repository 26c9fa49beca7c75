// SPDX-License-Identifier: BSD-3-Clause
// Mail that is a file: in an archive, or attached as anything but a message. Its parts are members, and a
// format of unpack_whole.h, since parts that overlap must be given one after the other.
#pragma once

#include "scan/unpack_whole.h"

#include <stdbool.h>

// Whether the first bytes are the header of a mail: its first line is a field that mail begins with, and
// one of MIME is there too, or more of mail's.
bool mail_is_header(const uint8_t *data, size_t n);
// Whether such a header begins behind other lines: blank ones, a mark of byte order, text, fields that mail does not
// begin with. At *at it does, with one of From, Received, MIME-Version and Message-ID and with what tells of parts.
bool mail_begins_late(const uint8_t *data, size_t n, size_t *at);
// Whether they begin with any field: that is enough of what can only be a message, or a part of one.
bool mail_begins_field(const uint8_t *data, size_t n);

int mail_begin(struct whole *whole) __attribute__((warn_unused_result));
void mail_next(struct whole *whole, struct unpack_event *event);
void mail_end(struct whole *whole);
