// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify_post.h"

#include "control/control.h"
#include "control/deliver.h"
#include "control/notify_write.h"
#include "control/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define PARCELS_MOST 1000 // that are known here; the others wait in the outbox
#define THREADS 2
#define FORGET_SECONDS INT64_C(3600) // between two looks for keys that are of no use any more

struct parcel {
	struct notify_post *post;
	char *key;
	json_t *about;
	uint8_t *data; // while it is tried
	int64_t next_s;
	uint32_t tries;
	bool is_busy;
	bool is_told; // and the mail that it tells of is still to be withdrawn
	struct deliver_recipient recipient;
	struct deliver deliver;
};

struct notify_post {
	struct control *control;
	struct outbox *outbox;
	GQueue *parcels;
	GHashTable *keys;     // of these
	GHashTable *unwanted; // keys of what was not meant, and could not be removed yet
	GThreadPool *pool;
	size_t busy;
	bool has_more; // in the outbox, and not here
	bool is_ending;
	int64_t forget_s;
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static void parcel_free(gpointer data)
{
	struct parcel *parcel = data;

	json_decref(parcel->about);
	free(parcel->data);
	g_free(parcel->key);
	g_free(parcel);
}

static void report(const struct notify_post *post, const char *key, const json_t *about,
	const char *action, const char *reply)
{
	char *valid = g_utf8_make_valid(reply, -1);

	control_events_write(post->control->events, "notice",
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:O*}", "kind", text_of(about, "kind"), "to",
			text_of(about, "to"), "action", action, "reply", valid, "key", key, "id",
			json_object_get(about, "id")));
	g_free(valid);
}

// What the store says of the mail; "" when it is not there any more.
static void state_of(const struct notify_post *post, const json_t *about, char *out, size_t room)
{
	struct store *store = post->control->store;
	struct spool_id id;
	json_t *mail = NULL;

	if (store != NULL && spool_id_parse(text_of(about, "id"), &id) == 0)
		mail = store_show(store, id);
	(void)snprintf(out, room, "%s", text_of(mail, "state"));
	json_decref(mail);
}

// ---- after a try --------------------------------------------------------------------------------

// Its sender knows now, unless somebody has decided otherwise meanwhile. Returns 0, or -errno when that cannot be
// written down.
static int withdraw(const struct parcel *parcel)
{
	struct store *store = parcel->post->control->store;
	enum spool_state state;
	struct spool_id id;

	if (strcmp(text_of(parcel->about, "kind"), "failure") != 0 || store == NULL ||
		spool_id_parse(text_of(parcel->about, "id"), &id) != 0 ||
		!store_get_state(store, id, &state) || state == SPOOL_RELEASED ||
		spool_state_is_gone(state))
		return 0;
	return store_change(
		store, id, SPOOL_WITHDRAWN, "cordon-control", "its sender was told that it failed");
}

static void drop(struct parcel *parcel)
{
	struct notify_post *post = parcel->post;

	(void)g_queue_remove(post->parcels, parcel);
	(void)g_hash_table_remove(post->keys, parcel->key);
	parcel_free(parcel);
}

static void finish(struct parcel *parcel, const char *action)
{
	int err = outbox_finish(parcel->post->outbox, parcel->key);

	report(parcel->post, parcel->key, parcel->about, action, parcel->recipient.reply);
	if (err != 0)
		report(parcel->post, parcel->key, parcel->about, "not noted",
			parcel->recipient.reply);
	drop(parcel);
}

// Until the mail is withdrawn the notice stays open: a process that ends before sends it once more, and withdraws then.
static void end_told(struct parcel *parcel)
{
	const struct control *control = parcel->post->control;

	if (withdraw(parcel) == 0) {
		finish(parcel, "sent");
		return;
	}
	if (!parcel->is_told)
		report(parcel->post, parcel->key, parcel->about, "not withdrawn",
			parcel->recipient.reply);
	parcel->is_told = true;
	parcel->next_s = control_steady_ns() / NS_PER_S + control->options.release.retry_seconds;
}

static void try_later(struct parcel *parcel)
{
	const struct control_options *options = &parcel->post->control->options;
	uint64_t pause = options->release.retry_seconds;
	int64_t begun_s = clock_begun_s(json_integer_value(json_object_get(parcel->about, "begun")),
		control_now_ns() / NS_PER_S);

	(void)json_object_set_new(parcel->about, "begun", json_integer(begun_s));
	for (uint32_t i = 1; i < parcel->tries && pause < options->release.retry_most_seconds; i++)
		pause *= 2;
	pause = MIN(pause, options->release.retry_most_seconds);
	if (control_due_s() - begun_s > options->release.lifetime_seconds) {
		finish(parcel, "failed");
		return;
	}
	parcel->next_s = control_steady_ns() / NS_PER_S + (int64_t)pause;
	parcel->recipient.outcome = DELIVER_PENDING;
}

static gboolean try_done(gpointer data)
{
	struct parcel *parcel = data;
	struct notify_post *post = parcel->post;

	post->busy--;
	parcel->is_busy = false;
	parcel->tries++;
	free(parcel->data);
	parcel->data = NULL;
	switch (parcel->recipient.outcome) {
	case DELIVER_PENDING:
	case DELIVER_LATER:
		try_later(parcel);
		break;
	case DELIVER_DONE:
		end_told(parcel);
		break;
	case DELIVER_NEVER:
		finish(parcel, "failed");
		break;
	}
	notify_post_turn(post);
	return G_SOURCE_REMOVE;
}

static void run_try(gpointer data, gpointer ctx)
{
	struct parcel *parcel = data;

	(void)ctx;
	deliver_run(&parcel->deliver, NULL);
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

static void start_try(struct parcel *parcel)
{
	struct notify_post *post = parcel->post;
	const char *to = text_of(parcel->about, "to");
	size_t bytes = 0;

	parcel->data = notify_write(post->control, parcel->key, parcel->about, &bytes);
	if (parcel->data == NULL) {
		(void)snprintf(parcel->recipient.reply, sizeof(parcel->recipient.reply), "%s",
			"it cannot be written");
		try_later(parcel);
		return;
	}
	parcel->recipient.address = to;
	parcel->recipient.params = "";
	parcel->deliver = (struct deliver){
		.host = text_of(parcel->about, "host"),
		.port = (uint16_t)json_integer_value(json_object_get(parcel->about, "port")),
		.seconds = post->control->options.release.reply_seconds,
		.mail_from = "",
		.mail_params = is_ascii(to) ? "BODY=8BITMIME" : "BODY=8BITMIME SMTPUTF8",
		.recipients = &parcel->recipient,
		.recipients_count = 1,
		.trace = "",
		.data = parcel->data,
		.bytes = bytes,
	};
	parcel->is_busy = true;
	post->busy++;
	(void)g_thread_pool_push(post->pool, parcel, NULL);
}

static void add(struct notify_post *post, const char *key, const json_t *about)
{
	struct parcel *parcel;

	if (g_hash_table_contains(post->keys, key))
		return;
	if (g_queue_get_length(post->parcels) >= PARCELS_MOST) {
		post->has_more = true;
		return;
	}
	parcel = g_new0(struct parcel, 1);
	parcel->post = post;
	parcel->key = g_strdup(key);
	parcel->about = json_deep_copy(about);
	(void)g_hash_table_add(post->keys, parcel->key);
	g_queue_push_tail(post->parcels, parcel);
}

static void remove_unwanted(struct notify_post *post, const char *key)
{
	if (outbox_withdraw(post->outbox, key) != 0)
		(void)g_hash_table_add(post->unwanted, g_strdup(key));
}

static gboolean is_removed(gpointer key, gpointer value, gpointer ctx)
{
	const struct notify_post *post = ctx;

	(void)value;
	return outbox_withdraw(post->outbox, key) == 0;
}

static void resume_one(void *ctx, const char *key, const json_t *about)
{
	struct notify_post *post = ctx;
	char state[32];

	if (g_hash_table_contains(post->unwanted, key))
		return;
	if (about == NULL) {
		report(post, key, about, "not readable", "");
		return;
	}
	state_of(post, about, state, sizeof(state));
	// The decision that it tells of is not the record's: it died before it was durable. A delay is none.
	if (strcmp(text_of(about, "kind"), "delay") != 0 &&
		!g_hash_table_contains(post->keys, key) &&
		(strcmp(state, spool_state_name(SPOOL_HELD)) == 0 ||
			strcmp(state, spool_state_name(SPOOL_RELEASED)) == 0)) {
		remove_unwanted(post, key);
		return;
	}
	add(post, key, about);
}

void notify_post_resume(struct notify_post *post)
{
	int err;

	post->has_more = false;
	err = outbox_each(post->outbox, resume_one, post);
	if (err != 0) {
		char reason[128];

		post->has_more = true;
		control_events_write(post->control->events, "fault",
			json_pack("{s:s, s:s}", "what", "outbox", "why",
				strerror_r(-err, reason, sizeof(reason))));
	}
}

int notify_post_put(struct notify_post *post, const char *key, const json_t *about)
{
	const char *host = text_of(about, "host");

	if (!may_be_address(text_of(about, "to")) || host[0] == '\0') {
		report(post, key, about, "failed",
			host[0] == '\0' ? "no next hop (notify.host)" : "not an address");
		return -EEXIST;
	}
	// What lies there of that key was not meant: it does not say that somebody was told.
	if (g_hash_table_contains(post->unwanted, key)) {
		int err = outbox_withdraw(post->outbox, key);

		if (err != 0)
			return err;
		(void)g_hash_table_remove(post->unwanted, key);
	}
	return outbox_put(post->outbox, key, about);
}

void notify_post_go(struct notify_post *post, const char *key, const json_t *about, bool is_true)
{
	if (!is_true) {
		remove_unwanted(post, key);
		return;
	}
	add(post, key, about);
	notify_post_turn(post);
}

// A key ends with what it is about.
static bool is_of_mail_here(void *ctx, const char *key)
{
	const struct notify_post *post = ctx;
	struct store *store = post->control->store;
	const char *id = strchr(key, '-');
	struct spool_id of;

	return store != NULL && id != NULL && spool_id_parse(id + 1, &of) == 0 &&
	       store_has(store, of);
}

void notify_post_turn(struct notify_post *post)
{
	int64_t now_s = control_steady_ns() / NS_PER_S;
	GList *next = post->parcels->head;

	while (next != NULL && post->busy < THREADS && !post->is_ending) {
		struct parcel *parcel = next->data;

		next = next->next;
		if (parcel->is_busy || parcel->next_s > now_s)
			continue;
		if (parcel->is_told)
			end_told(parcel);
		else
			start_try(parcel);
	}
	(void)g_hash_table_foreach_remove(post->unwanted, is_removed, post);
	if (post->has_more && !post->is_ending &&
		g_queue_get_length(post->parcels) < PARCELS_MOST / 2)
		notify_post_resume(post);
	if (now_s < post->forget_s)
		return;
	post->forget_s = now_s + FORGET_SECONDS;
	// Longer than any mail is tried, and as long as it is here: so that no notice of it can come a second time.
	outbox_forget(post->outbox,
		control_due_s() - 2 * (int64_t)post->control->options.release.lifetime_seconds,
		is_of_mail_here, post);
}

size_t notify_post_count(const struct notify_post *post)
{
	return g_queue_get_length(post->parcels);
}

int notify_post_new(struct control *control, struct notify_post **out)
{
	struct notify_post *post = calloc(1, sizeof(*post));
	char folder[CONTROL_TEXT_BYTES + 16];
	int err;

	if (post == NULL)
		return -ENOMEM;
	(void)snprintf(folder, sizeof(folder), "%s/outbox", control->options.state);
	err = outbox_open(folder, &post->outbox);
	if (err != 0) {
		free(post);
		return err;
	}
	post->control = control;
	post->parcels = g_queue_new();
	post->keys = g_hash_table_new(g_str_hash, g_str_equal);
	post->unwanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	post->pool = g_thread_pool_new(run_try, NULL, THREADS, FALSE, NULL);
	*out = post;
	return 0;
}

void notify_post_free(struct notify_post *post)
{
	if (post == NULL)
		return;
	post->is_ending = true;
	g_thread_pool_free(post->pool, FALSE, TRUE);
	while (post->busy > 0)
		(void)g_main_context_iteration(NULL, TRUE);
	g_hash_table_destroy(post->keys);
	g_hash_table_destroy(post->unwanted);
	g_queue_free_full(post->parcels, parcel_free);
	outbox_close(post->outbox);
	free(post);
}
