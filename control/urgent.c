// SPDX-License-Identifier: BSD-3-Clause
#include "control/urgent.h"

#include "dataplane/dataplane.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define EACH_US 200 // between two turns in the midst of other work

struct work {
	void (*fn)(void *ctx);
	void *ctx;
	gint is_done;
};

static struct {
	GMainContext *context; // NULL: closed
	GPollFD *fds;          // the default context's, and its own behind them
	guint room;
	bool is_inside; // something of it is served
	gint64 served_us;
	pthread_t helper;
	pthread_mutex_t lock;  // for all below
	pthread_cond_t wanted; // what the helper waits for
	struct work *given;
	bool stop;
} urgent;

static void dispatch(void)
{
	urgent.is_inside = true;
	g_main_context_dispatch(urgent.context);
	urgent.is_inside = false;
	urgent.served_us = g_get_monotonic_time();
}

// What its context wants to be asked for, behind the first others of fds. Returns how many; timeout_ms becomes the
// lesser one.
static guint query(guint others, gint priority, gint *timeout_ms)
{
	gint own_ms = -1;
	gint wanted;

	for (;;) {
		guint room = urgent.room > others ? urgent.room - others : 0;

		wanted = g_main_context_query(urgent.context, priority, &own_ms,
			room > 0 ? urgent.fds + others : NULL, (gint)room);
		if ((guint)wanted <= room)
			break;
		urgent.room = others + (guint)wanted;
		urgent.fds = g_renew(GPollFD, urgent.fds, urgent.room);
	}
	if (own_ms >= 0 && (*timeout_ms < 0 || own_ms < *timeout_ms))
		*timeout_ms = own_ms;
	return (guint)wanted;
}

// In the place of the default context's poll.
static gint poll_both(GPollFD *others, guint count, gint timeout_ms)
{
	gint priority = G_PRIORITY_DEFAULT;
	guint own;
	gint ready = 0;

	if (urgent.is_inside)
		return g_poll(others, count, timeout_ms);
	if (g_main_context_prepare(urgent.context, &priority))
		timeout_ms = 0;
	if (urgent.room < count) {
		urgent.room = count;
		urgent.fds = g_renew(GPollFD, urgent.fds, urgent.room);
	}
	own = query(count, priority, &timeout_ms);
	memcpy(urgent.fds, others, count * sizeof(*others));
	if (g_poll(urgent.fds, count + own, timeout_ms) < 0)
		return -1;
	for (guint i = 0; i < count; i++) {
		others[i].revents = urgent.fds[i].revents;
		ready += others[i].revents != 0;
	}
	if (g_main_context_check(urgent.context, priority, urgent.fds + count, (gint)own))
		dispatch();
	return ready;
}

// NULL: it is to end.
static struct work *wait_for_work(void)
{
	struct work *work;

	(void)pthread_mutex_lock(&urgent.lock);
	while (urgent.given == NULL && !urgent.stop)
		(void)pthread_cond_wait(&urgent.wanted, &urgent.lock);
	work = urgent.given;
	urgent.given = NULL;
	(void)pthread_mutex_unlock(&urgent.lock);
	return work;
}

static void *help(void *arg)
{
	struct work *work;

	(void)arg;
	// The loop waits for what it does.
	(void)priority_set(0);
	while ((work = wait_for_work()) != NULL) {
		work->fn(work->ctx);
		// It may be gone from now on.
		g_atomic_int_set(&work->is_done, 1);
		g_main_context_wakeup(urgent.context);
	}
	return NULL;
}

static void give(struct work *work)
{
	(void)pthread_mutex_lock(&urgent.lock);
	urgent.given = work;
	urgent.stop = work == NULL;
	(void)pthread_cond_signal(&urgent.wanted);
	(void)pthread_mutex_unlock(&urgent.lock);
}

int urgent_open(void)
{
	int err;

	urgent.context = g_main_context_new();
	(void)pthread_mutex_init(&urgent.lock, NULL);
	(void)pthread_cond_init(&urgent.wanted, NULL);
	err = -pthread_create(&urgent.helper, NULL, help, NULL);
	if (err != 0) {
		g_main_context_unref(urgent.context);
		memset(&urgent, 0, sizeof(urgent));
		return err;
	}
	(void)g_main_context_acquire(urgent.context);
	g_main_context_set_poll_func(NULL, poll_both);
	return 0;
}

void urgent_close(void)
{
	if (urgent.context == NULL)
		return;
	give(NULL);
	(void)pthread_join(urgent.helper, NULL);
	(void)pthread_cond_destroy(&urgent.wanted);
	(void)pthread_mutex_destroy(&urgent.lock);
	g_main_context_set_poll_func(NULL, NULL);
	g_main_context_release(urgent.context);
	g_main_context_unref(urgent.context);
	g_free(urgent.fds);
	memset(&urgent, 0, sizeof(urgent));
}

GMainContext *urgent_context(void)
{
	return urgent.context;
}

void urgent_turn(void)
{
	if (urgent.context == NULL || urgent.is_inside ||
		g_get_monotonic_time() - urgent.served_us < EACH_US)
		return;
	urgent.is_inside = true;
	(void)g_main_context_iteration(urgent.context, FALSE);
	urgent.is_inside = false;
	urgent.served_us = g_get_monotonic_time();
}

void urgent_wait(void (*work)(void *ctx), void *ctx)
{
	struct work given = {.fn = work, .ctx = ctx};

	if (urgent.context == NULL || urgent.is_inside) {
		work(ctx);
		return;
	}
	give(&given);
	urgent.is_inside = true;
	while (g_atomic_int_get(&given.is_done) == 0)
		(void)g_main_context_iteration(urgent.context, TRUE);
	urgent.is_inside = false;
	urgent.served_us = g_get_monotonic_time();
}
