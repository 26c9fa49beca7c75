// SPDX-License-Identifier: BSD-3-Clause
// A Maildir that is read: what is in `new` is shown and goes to `cur`.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct maildir_mail {
	const void *data; // NULL: it is too long, no regular file, or not readable
	size_t bytes;
	const char *path; // where it goes if it is not marked as seen; with an "S" behind it, it is
};

// Returns whether it was of use: it is marked as seen then.
typedef bool (*maildir_fn)(void *ctx, const struct maildir_mail *mail);

// The oldest first, some of them; none of a folder that is not there. Returns 0, or -errno when it cannot be read, or one
// cannot be moved: it would be read again.
int maildir_take(const char *folder, size_t most_bytes, maildir_fn each, void *ctx)
	__attribute__((warn_unused_result));
