// SPDX-License-Identifier: BSD-3-Clause
#include "control/ending.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int descriptor = -1; // written before there are threads, and after them

int ending_open(void)
{
	descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return descriptor >= 0 ? 0 : -errno;
}

void ending_begin(void)
{
	static const struct itimerspec grace = {.it_value = {.tv_sec = 1}};

	if (descriptor >= 0)
		(void)timerfd_settime(descriptor, 0, &grace, NULL);
}

int ending_descriptor(void)
{
	return descriptor;
}

bool ending_has_come(void)
{
	struct pollfd look = {.fd = descriptor, .events = POLLIN};

	return poll(&look, 1, 0) > 0;
}

void ending_close(void)
{
	if (descriptor >= 0)
		(void)close(descriptor);
	descriptor = -1;
}
