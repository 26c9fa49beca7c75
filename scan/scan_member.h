// SPDX-License-Identifier: BSD-3-Clause
// What signatures say of the members of containers and the parts of mails. Private to scan*.c.
#pragma once

#include "scan/scan_object.h"

#include <stddef.h>
#include <stdint.h>

// A member begins or ends, with what its container tells of it.
void scan_member_seen(struct scan *scan, struct scan_object *container, uint32_t part,
	const struct unpack_event *event);
// The same of one of which only its name, NULL or "" where there is none, and its size are known.
void scan_member_named(struct scan *scan, struct scan_object *container,
	const struct scan_object *member, const char *name);
// A part of the mail ends.
void scan_member_of_mail(struct scan *scan, const struct scan_object *member);
// The container's size is known.
void scan_member_settle(struct scan *scan, struct scan_object *container);
