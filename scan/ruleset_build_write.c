// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const uint8_t *data, size_t n)
{
	while (n > 0) {
		ssize_t written = write(fd, data, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		n -= (size_t)written;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

static int write_file(char *path, const void *image, size_t bytes)
{
	int fd = mkostemp(path, O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, image, bytes);
	if (err == 0 && fchmod(fd, 0644) != 0)
		err = -errno;
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err != 0)
		(void)unlink(path);
	return err;
}

static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 1;
	char *folder = strndup(slash != NULL ? path : ".", length);
	int err = 0;
	int fd;

	if (folder == NULL)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		err = -errno;
	if (fd >= 0)
		(void)close(fd);
	free(folder);
	return err;
}

int ruleset_write(const char *path, const void *image, size_t bytes)
{
	char *temporary = NULL;
	int err;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	err = write_file(temporary, image, bytes);
	if (err == 0 && rename(temporary, path) != 0) {
		err = -errno;
		(void)unlink(temporary);
	}
	free(temporary);
	return err != 0 ? err : sync_folder(path);
}
