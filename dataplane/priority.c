// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/priority.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURN_NS 100000        // the shortest that the kernel gives; it is some milliseconds else
#define NICE (-15)            // it seldom has much to do, and then somebody waits for it
#define FLAG_RESET_ON_FORK 1u // what the kernel calls SCHED_FLAG_RESET_ON_FORK

// The kernel's sched_attr, whose header and that of the C library do not go together.
struct attributes {
	uint32_t bytes;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime; // of an ordinary thread: its turn
	uint64_t deadline;
	uint64_t period;
};

// Where it is not allowed all is as it was, and a kernel before 6.12 takes no notice of the turn. What it starts is as
// nice as any.
static void ask_for_short_turns(void)
{
	struct attributes found = {.bytes = sizeof(found)};
	int32_t nice;

	if (syscall(SYS_sched_getattr, 0, &found, sizeof(found), 0) != 0 ||
		found.policy != SCHED_OTHER)
		return;
	found.flags = FLAG_RESET_ON_FORK;
	found.runtime = TURN_NS;
	nice = found.nice;
	if (found.nice > NICE)
		found.nice = NICE;
	if (syscall(SYS_sched_setattr, 0, &found, 0) == 0)
		return;
	found.nice = nice;
	(void)syscall(SYS_sched_setattr, 0, &found, 0);
}

int priority_set(unsigned int level)
{
	const struct sched_param param = {.sched_priority = (int)level};

	if (level == 0) {
		ask_for_short_turns();
		return 0;
	}
	return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0 ? 0 : -errno;
}
