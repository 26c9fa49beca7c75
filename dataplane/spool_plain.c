// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spool_io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CREATE_TRIES 3
// Left free for the logs of what becomes of the mail: without them nothing could be released, and a full disk
// would stay full.
#define LEAVE_BYTES (4u << 20)

struct plain {
	struct spool_io io;
	int directory;
	struct spool_request *first; // done, oldest first
	struct spool_request *last;
};

static int open_new(int directory, const char *name)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(directory, name, flags | O_DIRECT, 0600);

	// Not every file system has O_DIRECT (it may have made the file all the same).
	if (fd < 0 && errno == EINVAL) {
		(void)unlinkat(directory, name, 0);
		fd = openat(directory, name, flags, 0600);
	}
	return fd >= 0 ? fd : -errno;
}

// Before it was locked somebody may have taken it for one that a crash left, and removed it.
static int lock_new(int fd)
{
	struct stat status;

	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? -ESTALE : -errno;
	if (fstat(fd, &status) != 0)
		return -errno;
	return status.st_nlink > 0 ? 0 : -ESTALE;
}

static int allocate(int fd, size_t bytes)
{
	struct statvfs disk;

	if (fstatvfs(fd, &disk) == 0 &&
		(uint64_t)disk.f_bavail * disk.f_frsize < bytes + LEAVE_BYTES)
		return -ENOSPC;
	return -posix_fallocate(fd, 0, (off_t)bytes);
}

static int64_t create(int directory, const struct spool_request *request)
{
	int err = -ESTALE;

	for (int i = 0; i < CREATE_TRIES && err == -ESTALE; i++) {
		int fd = open_new(directory, request->name);

		if (fd < 0)
			return fd;
		err = lock_new(fd);
		if (err == 0)
			err = allocate(fd, request->bytes);
		if (err == 0)
			return fd;
		(void)close(fd);
		(void)unlinkat(directory, request->name, 0);
	}
	return err;
}

static int64_t write_at(const struct spool_request *request)
{
	const struct iovec piece = {
		(void *)(uintptr_t)request->data, // iovec has no const: this is only read
		request->bytes};
	ssize_t n = pwritev2(
		request->file, &piece, 1, (off_t)request->offset, request->durable ? RWF_DSYNC : 0);

	return n >= 0 ? n : -errno;
}

static int64_t usage(int directory, const char *prefix)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int64_t bytes = 0;

	if (folder == NULL) {
		bytes = -errno;
		if (fd >= 0)
			(void)close(fd);
		return bytes;
	}
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while ((entry = readdir(folder)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');
		struct stat status;

		if (dot == NULL || strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
			(strcmp(dot, ".seg") != 0 && strcmp(dot, ".new") != 0))
			continue;
		if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += status.st_size;
	}
	(void)closedir(folder);
	return bytes;
}

void spool_plain_do(int directory, struct spool_request *request)
{
	int64_t result = 0;

	switch (request->kind) {
	case SPOOL_IO_CREATE:
		result = create(directory, request);
		break;
	case SPOOL_IO_WRITE:
		result = write_at(request);
		break;
	case SPOOL_IO_SYNC:
		result = fdatasync(request->file) == 0 ? 0 : -errno;
		break;
	case SPOOL_IO_RENAME:
		result = renameat(directory, request->name, directory, request->new_name) == 0
				 ? 0
				 : -errno;
		break;
	case SPOOL_IO_SYNC_DIRECTORY:
		result = fsync(directory) == 0 ? 0 : -errno;
		break;
	case SPOOL_IO_REMOVE:
		result = unlinkat(directory, request->name, 0) == 0 ? 0 : -errno;
		break;
	case SPOOL_IO_CLOSE:
		result = close(request->file) == 0 ? 0 : -errno;
		break;
	case SPOOL_IO_USAGE:
		result = usage(directory, request->name);
		break;
	}
	request->result = result;
}

int spool_plain_read(struct spool_io *io, int file, uint64_t offset, uint8_t *data, size_t n)
{
	(void)io;
	while (n > 0) {
		ssize_t got = pread(file, data, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		data += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

bool spool_plain_is_linked(struct spool_io *io, int file)
{
	struct stat status;

	(void)io;
	return fstat(file, &status) == 0 && status.st_nlink > 0;
}

static int plain_submit(struct spool_io *io, struct spool_request *request)
{
	struct plain *plain = (struct plain *)io;

	spool_plain_do(plain->directory, request);
	request->next = NULL;
	if (plain->first == NULL)
		plain->first = request;
	else
		plain->last->next = request;
	plain->last = request;
	return 0;
}

static struct spool_request *plain_reap(struct spool_io *io, uint64_t wait_ns)
{
	struct plain *plain = (struct plain *)io;
	struct spool_request *request = plain->first;

	(void)wait_ns;
	if (request != NULL)
		plain->first = request->next;
	return request;
}

static void plain_close(struct spool_io *io)
{
	struct plain *plain = (struct plain *)io;

	(void)close(plain->directory);
	free(plain);
}

static const struct spool_io_ops plain_ops = {"plain", plain_submit, plain_reap, NULL,
	spool_plain_read, spool_plain_is_linked, plain_close};

int spool_plain_open(const char *directory, struct spool_io **out)
{
	struct plain *plain = calloc(1, sizeof(*plain));

	if (plain == NULL)
		return -ENOMEM;
	plain->io.ops = &plain_ops;
	plain->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (plain->directory < 0) {
		int err = -errno;

		free(plain);
		return err;
	}
	*out = &plain->io;
	return 0;
}
