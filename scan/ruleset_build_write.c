// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build.h"

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
	return 0;
}

// Up to two pieces, one behind the other.
struct pieces {
	const void *data[2];
	size_t bytes[2];
};

static int write_file(char *path, const struct pieces *pieces)
{
	int fd = mkostemp(path, O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, pieces->data[0], pieces->bytes[0]);
	if (err == 0)
		err = write_all(fd, pieces->data[1], pieces->bytes[1]);
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
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

static int write_pieces(const char *path, const struct pieces *pieces)
{
	char *temporary = NULL;
	int err;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	err = write_file(temporary, pieces);
	if (err == 0 && rename(temporary, path) != 0) {
		err = -errno;
		(void)unlink(temporary);
	}
	free(temporary);
	return err != 0 ? err : sync_folder(path);
}

int ruleset_write(const char *path, const void *image, size_t bytes)
{
	return write_pieces(path, &(struct pieces){{image}, {bytes}});
}

int build_write_both(
	const char *path, const void *image, size_t bytes, const void *delta, size_t delta_bytes)
{
	return write_pieces(path, &(struct pieces){{image, delta}, {bytes, delta_bytes}});
}

int build_write_link(const char *path, const char *from)
{
	char *temporary = NULL;
	int err = 0;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	// A name that nobody else has; the link takes it over.
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
	} else {
		(void)close(fd);
		if (unlink(temporary) != 0 || link(from, temporary) != 0 ||
			rename(temporary, path) != 0)
			err = -errno;
		// Of two names of one file rename leaves both.
		(void)unlink(temporary);
	}
	free(temporary);
	return err != 0 ? err : sync_folder(path);
}
