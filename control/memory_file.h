// SPDX-License-Identifier: BSD-3-Clause
// Files in memory (memfd), which are handed to another process by their descriptor.
#pragma once

#include <stddef.h>

// Nobody can change it any more once it is sealed. Returns a descriptor of the caller's, or -errno.
int memory_file_new(const char *name) __attribute__((warn_unused_result));
// Behind what is there. Returns 0 or -errno.
int memory_file_write(int file, const void *data, size_t bytes) __attribute__((warn_unused_result));
// With err, which is 0 or a -errno of what was to be written, closes the file and returns that. Else seals it and
// returns it; or closes it and returns -errno.
int memory_file_seal(int file, int err) __attribute__((warn_unused_result));
