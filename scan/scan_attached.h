// SPDX-License-Identifier: BSD-3-Clause
// Attached messages as files: what a mail reader would save is matched, as a mail, and screened. Their parts are
// matched and screened as all parts. Private to scan*.c.
#pragma once

#include "scan/scan_pool.h"

// Before the message's first byte.
void scan_attached_begin(struct scan *scan);
// One of the events of attached messages.
void scan_attached_event(struct scan *scan, const struct mime_event *event);
// The next bytes of the raw message, which the MIME parser is about to read; and it has.
void scan_attached_step(struct scan *scan, const uint8_t *data, size_t n);
void scan_attached_feed(struct scan *scan);
// The message is over, and is there still.
void scan_attached_end(struct scan *scan);
// Gives up what has not ended.
void scan_attached_drop(struct scan *scan);
