// SPDX-License-Identifier: BSD-3-Clause
// What both ends of a local socket do: addresses, connections, and packets with a descriptor beside them. A signal ends
// nothing.
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#define LOCAL_CONNECT_SECONDS 2 // that a full queue is waited for

// Returns 0, or -ENAMETOOLONG.
int local_packet_address(const char *path, struct sockaddr_un *out)
	__attribute__((warn_unused_result));
// Who listens and lets nobody in has a full queue at last: that is waited for so long. What is sent over the connection
// waits for room no longer either. 0: not at all, and the descriptor does not wait for anything. Returns it or -errno
// (-ETIMEDOUT).
int local_packet_connect(const struct sockaddr_un *address, unsigned int seconds)
	__attribute__((warn_unused_result));
// passed: -1, or a descriptor that stays the caller's. Returns the bytes, or -1 with errno.
ssize_t local_packet_send(int fd, const char *text, int passed, int flags)
	__attribute__((warn_unused_result));
// Returns the bytes of the packet, or -errno; -EMSGSIZE when there is no room for it. *passed: -1, or a descriptor of
// the caller's; more than one do not stay open.
ssize_t local_packet_receive(int fd, char *out, size_t room, int *passed, int flags)
	__attribute__((warn_unused_result));
