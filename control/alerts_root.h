// SPDX-License-Identifier: BSD-3-Clause
// The root document that is in force, and how another one takes its place. See keys.h.
#pragma once

#include "control/alert.h"
#include "control/envelope.h"
#include "control/keys.h"

#include <stddef.h>
#include <stdint.h>

struct alerts_root {
	struct keys *keys; // NULL: there is none, and nothing is trusted
	uint64_t version;
	char vendor[ALERT_NAME_BYTES];
};

// Reads the newer of two files, either of which may be missing or "": kept, where alerts_root_renew
// writes; first, what the operator put there. A document must be signed as it asks for itself. Returns 0,
// -EBADMSG with a text in error, or -errno.
int alerts_root_open(struct alerts_root *root, const char *kept, const char *first, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
void alerts_root_close(struct alerts_root *root);

// Whether this alert of type "root" is the successor: the next version, not yet expired, signed as the
// present one asks for and as it asks for itself. Returns 0 and its keys; -EACCES or -EINVAL with a text in
// why, which has room for ALERT_WHY_BYTES; -ENOMEM.
int alerts_root_check(const struct alerts_root *root, const struct alert *alert,
	const struct envelope *envelope, int64_t now_s, struct keys **keys, char *why)
	__attribute__((warn_unused_result));
// Puts it in force once it is durable in the file kept; takes keys when it returns 0. Returns -errno.
// alerts_root_adopt: without the file.
void alerts_root_adopt(struct alerts_root *root, const struct alert *alert, struct keys *keys);
int alerts_root_renew(struct alerts_root *root, const char *kept, const char *envelope,
	const struct alert *alert, struct keys *keys) __attribute__((warn_unused_result));
