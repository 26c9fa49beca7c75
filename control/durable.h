// SPDX-License-Identifier: BSD-3-Clause
// Small files that are there whole or as they were before, whatever crashes.
#pragma once

#include <stddef.h>

// Writes a temporary file, syncs, renames, syncs the folder. Returns 0 or -errno.
int durable_write(const char *path, const void *data, size_t bytes)
	__attribute__((warn_unused_result));
// The rename alone, of a file that is written already: syncs it, renames it, syncs the folder.
int durable_rename(const char *from, const char *to) __attribute__((warn_unused_result));
// So that a file that was made in it is there after a crash. Returns 0 or -errno.
int durable_sync_folder_of(const char *path) __attribute__((warn_unused_result));
// The whole file, with a NUL behind it, which the caller frees. Returns 0, -EFBIG past max_bytes, or
// -errno.
int durable_read(const char *path, size_t max_bytes, char **data, size_t *bytes)
	__attribute__((warn_unused_result));

// As durable_write, for a text that a full disk must not keep away, and behind which ends of lines are nothing: PATH.room
// beside it holds the room for the next one. durable_make_room: for the first.
int durable_write_in_room(const char *path, const char *text, size_t bytes)
	__attribute__((warn_unused_result));
void durable_make_room(const char *path);
// Returns 0 or -errno.
int durable_write_all(int fd, const char *data, size_t bytes) __attribute__((warn_unused_result));
