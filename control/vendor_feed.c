// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_feed.h"

#include <glib.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MOST_S 600
#define WAITING_MOST 50000
#define BURST 64 // that are answered before the loop looks at what else there is
#define TYPE "application/x-ndjson"

struct vendor_feed {
	struct web_server *web;
	char *text;
	char etag[80];
	GQueue waiting; // struct waiter
	guint source;   // while they are answered
};

struct waiter {
	uint64_t token;
	gint64 until_us;
	char etag[80]; // that it has
};

struct vendor_feed *vendor_feed_new(void)
{
	struct vendor_feed *feed = g_new0(struct vendor_feed, 1);

	g_queue_init(&feed->waiting);
	vendor_feed_set(feed, g_strdup(""));
	return feed;
}

void vendor_feed_free(struct vendor_feed *feed)
{
	if (feed == NULL)
		return;
	if (feed->source != 0)
		(void)g_source_remove(feed->source);
	g_queue_clear_full(&feed->waiting, g_free);
	g_free(feed->text);
	g_free(feed);
}

void vendor_feed_serve(struct vendor_feed *feed, struct web_server *web)
{
	feed->web = web;
}

static void fill(const struct vendor_feed *feed, const char *etag, struct web_reply *reply)
{
	reply->etag = feed->etag;
	reply->type = TYPE;
	reply->status = strcmp(etag, feed->etag) == 0 ? 304 : 200;
	if (reply->status == 200)
		reply->body = strdup(feed->text);
}

static void answer_waiter(const struct vendor_feed *feed, const struct waiter *waiter)
{
	struct web_reply reply = {.status = 0};

	fill(feed, waiter->etag, &reply);
	if (feed->web == NULL)
		free(reply.body);
	else
		(void)web_server_answer(feed->web, waiter->token, &reply);
}

static struct waiter *first_to_tell(const struct vendor_feed *feed)
{
	struct waiter *waiter = feed->waiting.head != NULL ? feed->waiting.head->data : NULL;

	return waiter != NULL && strcmp(waiter->etag, feed->etag) != 0 ? waiter : NULL;
}

// A few at a time: each answer is a copy of the feed until it is sent.
static gboolean answer_some(gpointer ctx)
{
	struct vendor_feed *feed = ctx;
	struct waiter *waiter;

	for (int i = 0; i < BURST && (waiter = first_to_tell(feed)) != NULL; i++) {
		(void)g_queue_pop_head(&feed->waiting);
		answer_waiter(feed, waiter);
		g_free(waiter);
	}
	if (first_to_tell(feed) != NULL)
		return G_SOURCE_CONTINUE;
	feed->source = 0;
	return G_SOURCE_REMOVE;
}

void vendor_feed_set(struct vendor_feed *feed, char *text)
{
	char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

	g_free(feed->text);
	feed->text = text;
	(void)snprintf(feed->etag, sizeof(feed->etag), "\"%s\"", digest);
	g_free(digest);
	if (feed->source == 0 && !g_queue_is_empty(&feed->waiting))
		feed->source = g_idle_add_full(G_PRIORITY_DEFAULT, answer_some, feed, NULL);
}

// Prefer: wait=SECONDS, perhaps among others.
static unsigned int wanted_wait(const char *prefer)
{
	const char *at = strstr(prefer, "wait=");
	guint64 seconds = 0;

	if (at == NULL || (at != prefer && strchr(" ,;", at[-1]) == NULL))
		return 0;
	seconds = g_ascii_strtoull(at + strlen("wait="), NULL, 10);
	return (unsigned int)MIN(seconds, WAIT_MOST_S);
}

void vendor_feed_answer(
	struct vendor_feed *feed, const struct web_request *request, struct web_reply *reply)
{
	unsigned int wait_s = wanted_wait(request->prefer);
	struct waiter *waiter;

	if (wait_s == 0 || strcmp(request->etag, feed->etag) != 0 ||
		feed->waiting.length >= WAITING_MOST) {
		fill(feed, request->etag, reply);
		return;
	}
	waiter = g_new0(struct waiter, 1);
	waiter->token = request->token;
	waiter->until_us = g_get_monotonic_time() + (gint64)wait_s * G_USEC_PER_SEC;
	(void)snprintf(waiter->etag, sizeof(waiter->etag), "%s", request->etag);
	g_queue_push_tail(&feed->waiting, waiter);
	reply->is_later = true;
}

void vendor_feed_turn(struct vendor_feed *feed)
{
	gint64 now_us = g_get_monotonic_time();
	GList *next;

	for (GList *link = feed->waiting.head; link != NULL; link = next) {
		struct waiter *waiter = link->data;

		next = link->next;
		if (waiter->until_us > now_us)
			continue;
		answer_waiter(feed, waiter);
		g_queue_delete_link(&feed->waiting, link);
		g_free(waiter);
	}
}
