// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_links.h"

#include <glib.h>

#include <string.h>

#define IDLE_SECONDS 5 // servers count connections, and end those that say nothing

struct idle {
	char *server;
	struct deliver_link *link;
	int64_t since_s;
};

struct release_links {
	uint32_t mails;
	GQueue *idle; // the one that was used last comes first
};

static void close_idle(gpointer data)
{
	struct idle *idle = data;

	deliver_link_free(idle->link);
	g_free(idle->server);
	g_free(idle);
}

struct release_links *release_links_new(uint32_t mails)
{
	struct release_links *links = g_new0(struct release_links, 1);

	links->mails = mails;
	links->idle = g_queue_new();
	return links;
}

void release_links_free(struct release_links *links)
{
	if (links == NULL)
		return;
	g_queue_free_full(links->idle, close_idle);
	g_free(links);
}

struct deliver_link *release_links_take(struct release_links *links, const char *server)
{
	for (GList *at = links->idle->head; at != NULL; at = at->next) {
		struct idle *idle = at->data;
		struct deliver_link *link = idle->link;

		if (strcmp(idle->server, server) != 0)
			continue;
		g_queue_delete_link(links->idle, at);
		g_free(idle->server);
		g_free(idle);
		return link;
	}
	return deliver_link_new();
}

void release_links_give(
	struct release_links *links, const char *server, struct deliver_link *link, int64_t now_s)
{
	struct idle *idle;

	if (link == NULL || link->smtp == NULL || link->mails >= links->mails) {
		deliver_link_free(link);
		return;
	}
	idle = g_new0(struct idle, 1);
	idle->server = g_strdup(server);
	idle->link = link;
	idle->since_s = now_s;
	g_queue_push_head(links->idle, idle);
}

void release_links_turn(struct release_links *links, int64_t now_s)
{
	const struct idle *last;

	while ((last = g_queue_peek_tail(links->idle)) != NULL &&
		now_s - last->since_s >= IDLE_SECONDS)
		close_idle(g_queue_pop_tail(links->idle));
}
