// SPDX-License-Identifier: BSD-3-Clause
#include "control/alive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define QUIET_S 15 // before it is asked whether the other side is there
#define AGAIN_S 5
#define ASKS 3
#define UNHEARD_MS 30000 // for what was written

static void set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

void alive_watch(int fd)
{
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, QUIET_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, AGAIN_S);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, ASKS);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNHEARD_MS);
}
