// SPDX-License-Identifier: BSD-3-Clause
// Two files take turns, both with room that stays theirs: whose turn it is not is overwritten, and changes places with the
// other one. Nothing is ever given back to a disk that others fill.
#include "control/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_BYTES (64u << 10)

static int open_room(const char *path, char room[PATH_MAX])
{
	int fd;

	if (snprintf(room, PATH_MAX, "%s.room", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = open(room, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	// It was a link to another place that stood where the file is.
	if (fd < 0 && errno == ELOOP && unlink(room) == 0)
		fd = open(room, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	return fd >= 0 ? fd : -errno;
}

// Where a file system has no such thing, or no room, it is written as far as that goes.
static void take_room(int fd)
{
	(void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, ROOM_BYTES);
}

void durable_make_room(const char *path)
{
	char room[PATH_MAX];
	int fd = open_room(path, room);

	if (fd < 0)
		return;
	take_room(fd);
	(void)close(fd);
}

// A file that is cut gives up its room: what stood there longer becomes ends of lines.
static int overwrite(int fd, const char *text, size_t bytes)
{
	char ends[512];
	struct stat status;
	int err = fstat(fd, &status) == 0 ? 0 : -errno;
	size_t left;

	if (err == 0)
		err = durable_write_all(fd, text, bytes);
	left = err == 0 && (size_t)status.st_size > bytes ? (size_t)status.st_size - bytes : 0;
	memset(ends, '\n', sizeof(ends));
	while (err == 0 && left > 0) {
		size_t n = left < sizeof(ends) ? left : sizeof(ends);

		err = durable_write_all(fd, ends, n);
		left -= n;
	}
	if (err == 0 && fsync(fd) != 0)
		err = -errno;
	return err;
}

// The first time there is none to change places with; nor can all file systems.
static int change_places(const char *room, const char *path)
{
	if (renameat2(AT_FDCWD, room, AT_FDCWD, path, RENAME_EXCHANGE) == 0 ||
		rename(room, path) == 0)
		return durable_sync_folder_of(path);
	return -errno;
}

int durable_write_in_room(const char *path, const char *text, size_t bytes)
{
	char room[PATH_MAX];
	int fd = open_room(path, room);
	int err;

	if (fd < 0)
		return fd;
	take_room(fd);
	err = overwrite(fd, text, bytes);
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0)
		err = change_places(room, path);
	if (err == 0)
		durable_make_room(path);
	return err;
}
