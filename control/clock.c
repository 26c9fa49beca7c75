// SPDX-License-Identifier: BSD-3-Clause
#include "control/clock.h"

#include "control/control_events.h"

#include <pthread.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define EVEN_NS (2 * NS_PER_S) // what a clock that is only slewed may gain between two questions

int64_t clock_due_ask(struct clock_due *due, int64_t now_ns, int64_t steady_ns)
{
	int64_t seen_ns = now_ns - steady_ns;

	if (!due->is_set || seen_ns - due->seen_ns > EVEN_NS || due->seen_ns - seen_ns > EVEN_NS)
		due->since_ns = steady_ns;
	due->seen_ns = seen_ns;
	if (!due->is_set || seen_ns - due->believed_ns <= EVEN_NS ||
		steady_ns - due->since_ns >= CLOCK_BELIEVED_S * NS_PER_S)
		due->believed_ns = seen_ns;
	due->is_set = true;
	return (steady_ns + due->believed_ns) / NS_PER_S;
}

int64_t control_steady_ns(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

// One for the process, whose day it is.
static struct {
	pthread_mutex_t lock;
	struct clock_due due;
} ours = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t ask(int64_t *leap_s)
{
	int64_t due_s;

	(void)pthread_mutex_lock(&ours.lock);
	due_s = clock_due_ask(&ours.due, control_now_ns(), control_steady_ns());
	*leap_s = (ours.due.seen_ns - ours.due.believed_ns + NS_PER_S / 2) / NS_PER_S;
	(void)pthread_mutex_unlock(&ours.lock);
	return due_s;
}

int64_t control_due_s(void)
{
	int64_t leap_s;

	return ask(&leap_s);
}

int64_t control_leap_s(void)
{
	int64_t leap_s;

	(void)ask(&leap_s);
	return leap_s;
}
