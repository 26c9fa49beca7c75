// SPDX-License-Identifier: BSD-3-Clause
#include "control/descriptors.h"

#include <errno.h>
#include <sys/resource.h>

bool descriptors_are_scarce(int fd)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	return (rlim_t)fd >= limit.rlim_cur - limit.rlim_cur / 4;
}

bool descriptors_are_why(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}
