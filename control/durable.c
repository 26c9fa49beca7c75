// SPDX-License-Identifier: BSD-3-Clause
#include "control/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int durable_sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	char *slash;
	int err = 0;
	int fd;

	(void)snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		(void)snprintf(folder, sizeof(folder), ".");
	else
		slash[slash == folder ? 1 : 0] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		err = -errno;
	(void)close(fd);
	return err;
}

int durable_rename(const char *from, const char *to)
{
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0 || rename(from, to) != 0)
		err = -errno;
	(void)close(fd);
	return err == 0 ? durable_sync_folder_of(to) : err;
}

int durable_write_all(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int durable_write(const char *path, const void *data, size_t bytes)
{
	char temporary[PATH_MAX];
	int err;
	int fd;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	err = durable_write_all(fd, data, bytes);
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0)
		err = durable_rename(temporary, path);
	if (err != 0)
		(void)unlink(temporary);
	return err;
}

int durable_read(const char *path, size_t max_bytes, char **data, size_t *bytes)
{
	FILE *file = fopen(path, "rbe");
	struct stat status;
	int err = 0;
	char *text = NULL;

	if (file == NULL)
		return -errno;
	if (fstat(fileno(file), &status) != 0)
		err = -errno;
	else if (!S_ISREG(status.st_mode))
		err = -EINVAL;
	else if ((size_t)status.st_size > max_bytes)
		err = -EFBIG;
	if (err == 0) {
		text = malloc((size_t)status.st_size + 1);
		err = text == NULL ? -ENOMEM : 0;
	}
	if (err == 0) {
		*bytes = fread(text, 1, (size_t)status.st_size, file);
		err = ferror(file) != 0 ? -EIO : 0;
	}
	(void)fclose(file);
	if (err != 0) {
		free(text);
		return err;
	}
	text[*bytes] = '\0';
	*data = text;
	return 0;
}
