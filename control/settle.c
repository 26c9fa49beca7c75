// SPDX-License-Identifier: BSD-3-Clause
#include "control/settle.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>

#define PATIENCE_MS 250 // many times what a dataplane takes for seals; one that hangs takes longer

struct waiter {
	struct settle *settle;
	guint clock; // source
	void (*then)(void *ctx);
	void *ctx;
};

struct settle {
	struct dataplane_link *link;
	GQueue waiting;
	guint look; // source: something is known; 0: nothing new
	bool is_listening;
	bool is_ended;
};

// Of one that is not in the queue any more.
static void call(struct waiter *waiter)
{
	waiter->then(waiter->ctx);
	g_free(waiter);
}

static gboolean time_is_over(gpointer ctx)
{
	struct waiter *waiter = ctx;

	(void)g_queue_remove(&waiter->settle->waiting, waiter);
	call(waiter);
	return G_SOURCE_REMOVE;
}

static void call_all(struct settle *settle)
{
	GQueue waiting = settle->waiting;
	struct waiter *waiter;

	g_queue_init(&settle->waiting);
	while ((waiter = g_queue_pop_head(&waiting)) != NULL) {
		(void)g_source_remove(waiter->clock);
		call(waiter);
	}
}

static void listen(struct settle *settle);

static gboolean look(gpointer ctx)
{
	struct settle *settle = ctx;

	settle->look = 0;
	if (!dataplane_link_is_telling(settle->link))
		call_all(settle);
	else
		listen(settle); // to what came after it
	return G_SOURCE_REMOVE;
}

// In the midst of other work as a rule, which may have the store in its hands: the state shows that, too.
static void told(void *ctx)
{
	struct settle *settle = ctx;

	settle->is_listening = false;
	if (settle->look == 0 && !settle->is_ended)
		settle->look = g_idle_add_full(G_PRIORITY_DEFAULT, look, settle, NULL);
}

static void listen(struct settle *settle)
{
	if (settle->is_listening || settle->waiting.length == 0)
		return;
	settle->is_listening = true;
	dataplane_link_when_told(settle->link, told, settle);
}

bool settle_wait(struct settle *settle, void (*then)(void *ctx), void *ctx)
{
	struct waiter *waiter;

	if (settle == NULL || settle->is_ended || !dataplane_link_is_telling(settle->link))
		return false;
	waiter = g_new(struct waiter, 1);
	*waiter = (struct waiter){.settle = settle, .then = then, .ctx = ctx};
	waiter->clock = g_timeout_add(PATIENCE_MS, time_is_over, waiter);
	g_queue_push_tail(&settle->waiting, waiter);
	listen(settle);
	return true;
}

int settle_new(struct dataplane_link *link, struct settle **out)
{
	struct settle *settle = calloc(1, sizeof(*settle));

	if (settle == NULL)
		return -ENOMEM;
	settle->link = link;
	g_queue_init(&settle->waiting);
	*out = settle;
	return 0;
}

void settle_end(struct settle *settle)
{
	if (settle == NULL)
		return;
	settle->is_ended = true;
	if (settle->look != 0)
		(void)g_source_remove(settle->look);
	settle->look = 0;
	call_all(settle);
}

void settle_free(struct settle *settle)
{
	free(settle);
}
