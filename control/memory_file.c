// SPDX-License-Identifier: BSD-3-Clause
#include "control/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int memory_file_new(const char *name)
{
	int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return file >= 0 ? file : -errno;
}

int memory_file_write(int file, const void *data, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = write(file, (const char *)data + at, bytes - at);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

int memory_file_seal(int file, int err)
{
	if (err == 0 && fcntl(file, F_ADD_SEALS,
				F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		err = -errno;
	if (err == 0)
		return file;
	(void)close(file);
	return err;
}
