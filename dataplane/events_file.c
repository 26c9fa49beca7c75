// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/events_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int open_path(const char *path)
{
	int fd = strcmp(path, "-") == 0
			 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
			 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

	return fd >= 0 ? fd : -errno;
}

int events_file_open(struct events_file *file, const char *path)
{
	int fd = open_path(path);

	if (fd < 0)
		return fd;
	*file = (struct events_file){.path = path, .fd = fd};
	return 0;
}

void events_file_close(struct events_file *file)
{
	(void)close(file->fd);
	file->fd = -1;
}

int events_file_reopen(struct events_file *file)
{
	int fd = open_path(file->path);

	if (fd < 0)
		return fd;
	(void)close(file->fd);
	file->fd = fd;
	return 0;
}

// A pipe with room takes PIPE_BUF bytes at once: asking first and writing no more than that never
// blocks, without making the other users of standard output non-blocking.
static bool has_room(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT) != 0;
}

bool events_file_drain(struct events_file *file, struct event_ring *ring)
{
	struct iovec pieces[2];

	while (event_ring_peek(ring, pieces) > 0) {
		size_t n = pieces[0].iov_len < PIPE_BUF ? pieces[0].iov_len : PIPE_BUF;
		ssize_t written;

		if (!has_room(file->fd))
			return false;
		written = write(file->fd, pieces[0].iov_base, n);
		if (written < 0) {
			file->error = errno;
			return false;
		}
		file->error = 0;
		event_ring_consume(ring, (size_t)written);
	}
	return true;
}
