// SPDX-License-Identifier: BSD-3-Clause
// A Maildir that is read: what is in `new` is shown and goes to `cur`.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// A mail, or NULL where it is too long, no regular file, or not readable. Returns whether it was of use: it is
// marked as seen then.
typedef bool (*maildir_fn)(void *ctx, const void *data, size_t bytes);

// The oldest first, some of them. Returns 0, or -errno when one cannot be moved: it would be read again.
int maildir_take(const char *folder, size_t most_bytes, maildir_fn each, void *ctx)
	__attribute__((warn_unused_result));
