// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/priority.h"

#include <errno.h>
#include <sched.h>

int priority_set(unsigned int level)
{
	const struct sched_param param = {.sched_priority = (int)level};

	if (level == 0)
		return 0;
	return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0 ? 0 : -errno;
}
