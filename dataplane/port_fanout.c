// SPDX-License-Identifier: BSD-3-Clause
// Keeps the kernel from putting IP fragments together in front of net_af_packet.
//
// That driver (22.11) joins its sockets to a fanout group and asks for PACKET_FANOUT_FLAG_DEFRAG
// whatever the number of queues. The kernel then hands over whole IPv4 datagrams, larger than a frame:
// they do not fit the ring, and could not be sent on. The driver has no argument for it, so its call
// passes through here: a program's own setsockopt goes before the C library's for every shared object.
#include <linux/if_packet.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FANOUT_FLAGS_SHIFT 16 // of the argument: group below, type and flags above

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the header has reserved names
int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes)
{
	unsigned int fanout;

	if (level == SOL_PACKET && name == PACKET_FANOUT && bytes == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((unsigned int)PACKET_FANOUT_FLAG_DEFRAG << FANOUT_FLAGS_SHIFT);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, bytes);
}
