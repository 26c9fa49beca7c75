// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/local_packet.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// One descriptor beside a packet.
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int local_packet_address(const char *path, struct sockaddr_un *out)
{
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (path[0] == '\0' || strlen(path) >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, path, strlen(path));
	return 0;
}

int local_packet_connect(const struct sockaddr_un *address, unsigned int seconds)
{
	const struct timeval limit = {.tv_sec = (time_t)seconds};
	int fd = socket(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | (seconds == 0 ? SOCK_NONBLOCK : 0), 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
		TEMP_FAILURE_RETRY(
			connect(fd, (const struct sockaddr *)address, sizeof(*address))) != 0)
		err = errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (err == 0)
		return fd;
	(void)close(fd);
	return err;
}

ssize_t local_packet_send(int fd, const char *text, int passed, int flags)
{
	union control control = {.bytes = {0}};
	// sendmsg does not write through it.
	struct iovec place = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr header = {.msg_iov = &place, .msg_iovlen = 1};

	if (passed >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(passed));
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	}
	return TEMP_FAILURE_RETRY(sendmsg(fd, &header, flags | MSG_NOSIGNAL));
}

// The first becomes *passed, if there is none yet. There may be another one: the room for one is rounded up.
static void take_descriptors(struct cmsghdr *part, int *passed)
{
	size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
		if (*passed < 0)
			*passed = fd;
		else
			(void)close(fd);
	}
}

ssize_t local_packet_receive(int fd, char *out, size_t room, int *passed, int flags)
{
	union control control;
	struct iovec place = {out, room};
	struct msghdr header = {.msg_iov = &place,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = TEMP_FAILURE_RETRY(recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC));

	*passed = -1;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part != NULL;
		part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
			take_descriptors(part, passed);
	}
	if ((header.msg_flags & MSG_TRUNC) == 0)
		return n;
	if (*passed >= 0)
		(void)close(*passed);
	*passed = -1;
	return -EMSGSIZE;
}
