// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify_post.h"

#include "control/control.h"
#include "control/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define PARCELS_MOST 1000
#define THREADS 2

struct parcel {
	struct notify_post *post;
	struct notify_parcel about;
	char *to;
	char *host;
	uint8_t *data;
	size_t bytes;
	int64_t begun_s;
	int64_t next_s;
	uint32_t tries;
	bool is_busy;
	struct deliver_recipient recipient;
	struct deliver deliver;
};

struct notify_post {
	struct control *control;
	GQueue *parcels;
	GThreadPool *pool;
	size_t busy;
};

static void parcel_free(gpointer data)
{
	struct parcel *parcel = data;

	g_free(parcel->to);
	g_free(parcel->host);
	free(parcel->data);
	g_free(parcel);
}

static void report(const struct parcel *parcel, const char *action, const char *reply)
{
	char id[SPOOL_ID_TEXT_BYTES];

	control_events_write(parcel->post->control->events, "notice",
		json_pack("{s:s, s:s, s:s, s:s, s:s*}", "kind", parcel->about.kind, "to",
			parcel->to, "action", action, "reply", reply, "id",
			parcel->about.has_record ? spool_id_text(parcel->about.id, id) : NULL));
}

// Its sender knows now, unless somebody has decided otherwise meanwhile.
static void withdraw(const struct parcel *parcel)
{
	struct store *store = parcel->post->control->store;
	json_t *mail = store_show(store, parcel->about.id);
	const char *state = json_string_value(json_object_get(mail, "state"));

	// What the files say may be a second old: held, where it has been quarantined since.
	if (state != NULL && strcmp(state, spool_state_name(SPOOL_RELEASED)) != 0 &&
		store_change(store, parcel->about.id, SPOOL_WITHDRAWN, "cordon-control",
			"its sender was told that it failed") != 0)
		report(parcel, "not withdrawn", parcel->recipient.reply);
	json_decref(mail);
}

static void drop(struct parcel *parcel)
{
	(void)g_queue_remove(parcel->post->parcels, parcel);
	parcel_free(parcel);
}

static void try_later(struct parcel *parcel)
{
	const struct control_options *options = &parcel->post->control->options;
	uint64_t pause = options->release.retry_seconds;
	int64_t now_s = control_now_ns() / NS_PER_S;

	for (uint32_t i = 1; i < parcel->tries && pause < options->release.retry_most_seconds; i++)
		pause *= 2;
	pause = MIN(pause, options->release.retry_most_seconds);
	if (now_s - parcel->begun_s > options->release.lifetime_seconds) {
		report(parcel, "failed", parcel->recipient.reply);
		drop(parcel);
		return;
	}
	parcel->next_s = now_s + (int64_t)pause;
	parcel->recipient.outcome = DELIVER_PENDING;
}

static gboolean try_done(gpointer data)
{
	struct parcel *parcel = data;

	parcel->post->busy--;
	parcel->is_busy = false;
	parcel->tries++;
	switch (parcel->recipient.outcome) {
	case DELIVER_PENDING:
	case DELIVER_LATER:
		try_later(parcel);
		break;
	case DELIVER_DONE:
		if (parcel->about.has_record)
			withdraw(parcel);
		report(parcel, "sent", parcel->recipient.reply);
		drop(parcel);
		break;
	case DELIVER_NEVER:
		report(parcel, "failed", parcel->recipient.reply);
		drop(parcel);
		break;
	}
	return G_SOURCE_REMOVE;
}

static void run_try(gpointer data, gpointer ctx)
{
	struct parcel *parcel = data;

	(void)ctx;
	deliver_run(&parcel->deliver);
	(void)g_idle_add(try_done, parcel);
}

// ---- the main loop ------------------------------------------------------------------------------

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (*text & 0x80) == 0)
		text++;
	return *text == '\0';
}

static bool may_be_address(const char *text)
{
	return text[0] != '\0' && strpbrk(text, " <>\t\r\n") == NULL;
}

void notify_post_send(
	struct notify_post *post, const struct notify_parcel *about, uint8_t *data, size_t bytes)
{
	struct parcel *parcel = g_new0(struct parcel, 1);

	*parcel = (struct parcel){
		.post = post,
		.about = *about,
		.to = g_strdup(about->to),
		.host = g_strdup(about->host),
		.data = data,
		.bytes = bytes,
		.begun_s = control_now_ns() / NS_PER_S,
	};
	parcel->recipient.address = parcel->to;
	parcel->recipient.params = "";
	parcel->deliver = (struct deliver){
		.host = parcel->host,
		.port = (uint16_t)about->port,
		.seconds = post->control->options.release.reply_seconds,
		.mail_from = "",
		.mail_params = is_ascii(parcel->to) ? "BODY=8BITMIME" : "BODY=8BITMIME SMTPUTF8",
		.recipients = &parcel->recipient,
		.recipients_count = 1,
		.trace = "",
		.data = data,
		.bytes = bytes,
	};
	if (data == NULL || !may_be_address(parcel->to) || parcel->host[0] == '\0' ||
		g_queue_get_length(post->parcels) >= PARCELS_MOST) {
		report(parcel, "failed",
			parcel->host[0] == '\0' ? "no next hop (notify.host)" : "not sent");
		parcel_free(parcel);
		return;
	}
	g_queue_push_tail(post->parcels, parcel);
	notify_post_turn(post);
}

void notify_post_turn(struct notify_post *post)
{
	int64_t now_s = control_now_ns() / NS_PER_S;

	for (GList *at = post->parcels->head; at != NULL && post->busy < THREADS; at = at->next) {
		struct parcel *parcel = at->data;

		if (parcel->is_busy || parcel->next_s > now_s)
			continue;
		parcel->is_busy = true;
		post->busy++;
		(void)g_thread_pool_push(post->pool, parcel, NULL);
	}
}

int notify_post_new(struct control *control, struct notify_post **out)
{
	struct notify_post *post = calloc(1, sizeof(*post));

	if (post == NULL)
		return -ENOMEM;
	post->control = control;
	post->parcels = g_queue_new();
	post->pool = g_thread_pool_new(run_try, NULL, THREADS, FALSE, NULL);
	*out = post;
	return 0;
}

void notify_post_free(struct notify_post *post)
{
	if (post == NULL)
		return;
	g_thread_pool_free(post->pool, FALSE, TRUE);
	while (post->busy > 0)
		(void)g_main_context_iteration(NULL, TRUE);
	g_queue_free_full(post->parcels, parcel_free);
	free(post);
}
