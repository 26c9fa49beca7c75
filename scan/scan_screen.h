// SPDX-License-Identifier: BSD-3-Clause
// Screening of a message's objects. Private to scan*.c.
#pragma once

#include "scan/scan_object.h"

// What the object is to it.
enum screening_what scan_screened_as(const struct scan *scan, const struct scan_object *object);
// Adds what was hit.
void scan_screen_add(struct scan *scan, const struct screening_result *result, uint32_t part);
// Some readers end the object here, which may be NULL.
void scan_may_end(struct scan_object *object);
// The object has ended, or the matcher has failed on it; type is what its content tells, or "". later: for
// scan_gather_add. waits: hits wait there, too, for what comes before them.
void scan_screen_end(struct scan *scan, struct scan_object *object, const char *type,
	struct screening_late *later, bool waits);
