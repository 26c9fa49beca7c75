// SPDX-License-Identifier: BSD-3-Clause
#include "control/clock.h"

#include "control/control_events.h"

#include <pthread.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define EVEN_NS (2 * NS_PER_S) // what a clock that is only slewed may gain between two questions

static bool is_even(int64_t one_ns, int64_t other_ns)
{
	return one_ns - other_ns <= EVEN_NS && other_ns - one_ns <= EVEN_NS;
}

static bool has_stood(int64_t since_ns, int64_t steady_ns)
{
	return steady_ns - since_ns >= CLOCK_BELIEVED_S * NS_PER_S;
}

// Of leaps back one after the other, what was believed before the first.
static void note_leap_back(struct clock_due *due, int64_t steady_ns)
{
	if (due->has_former && has_stood(due->went_back_ns, steady_ns))
		due->has_former = false;
	if (due->seen_ns - due->believed_ns >= -EVEN_NS ||
		(due->has_former && due->former_ns >= due->believed_ns))
		return;
	due->has_former = true;
	due->former_ns = due->believed_ns;
	due->went_back_ns = steady_ns;
}

static bool is_believed(const struct clock_due *due, int64_t steady_ns)
{
	return !due->is_real || due->seen_ns - due->believed_ns <= EVEN_NS ||
	       (due->has_former && is_even(due->seen_ns, due->former_ns)) ||
	       has_stood(due->since_ns, steady_ns);
}

int64_t clock_due_ask(struct clock_due *due, int64_t now_ns, int64_t steady_ns)
{
	int64_t seen_ns = now_ns - steady_ns;

	if (!due->is_set || !is_even(seen_ns, due->seen_ns))
		due->since_ns = steady_ns;
	due->seen_ns = seen_ns;
	if (due->is_real)
		note_leap_back(due, steady_ns);
	if (is_believed(due, steady_ns))
		due->believed_ns = seen_ns;
	due->is_real = due->is_real || now_ns >= CLOCK_LEAST_S * NS_PER_S;
	due->is_set = true;
	return (steady_ns + due->believed_ns) / NS_PER_S;
}

int64_t clock_begun_s(int64_t begun_s, int64_t now_s)
{
	return begun_s > now_s || (begun_s < CLOCK_LEAST_S && now_s >= CLOCK_LEAST_S) ? now_s
										      : begun_s;
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
