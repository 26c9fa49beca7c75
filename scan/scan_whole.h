// SPDX-License-Identifier: BSD-3-Clause
// Objects that are unpacked when they are whole: kept while they pass, deferred when they end, worked on
// when the message has ended. Private to scan*.c.
#pragma once

#include "scan/scan_object.h"

#include <stddef.h>
#include <stdint.h>

// The object's first bytes are known, and what unpacks it as it passes.
void scan_whole_detect(struct scan *scan, struct scan_object *object, enum unpack_kind kind);
// Its bytes, from the first on.
void scan_whole_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n);
// A member of a zip could not be unpacked as it passed. True: it will be when the zip is whole.
bool scan_whole_takes_rest(struct scan_object *object);
// It has ended. True: it was put off, and is not the caller's any more.
bool scan_whole_defer(struct scan *scan, struct scan_object *object);
// Gives up what was put off of a part and inside of it.
void scan_whole_drop(struct scan *scan, uint32_t part);
// Unpacks all that was put off, and what is put off meanwhile.
void scan_whole_work(struct scan *scan);
// Gives back what was worked on elsewhere.
void scan_whole_free(struct scan *scan);
