// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_queue.h"

#include "control/control.h"
#include "control/release_end.h"
#include "control/release_links.h"
#include "control/release_mail.h"
#include "control/release_order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define SECONDS_PER_MINUTE 60
#define SWEEP_WRITES 32 // to the disk, in a second, of mail that waits for its server

struct release_queue {
	struct control *control;
	release_valid_fn valid;
	void *ctx;
	GHashTable *mails; // by name
	struct release_order *order;
	struct release_links *links;
	GThreadPool *pool;
	size_t delivering;
	size_t servers; // that these go to
	int64_t minute; // of the count
	uint32_t in_minute;
	GHashTable *to_server; // how many of that minute, by server
	int64_t swept_s;
	uint32_t writes; // of this sweep
};

// That the time of day leaps neither keeps mail waiting nor has it tried too soon.
static int64_t now_of(void)
{
	return control_steady_ns() / NS_PER_S;
}

static void drop(struct release_queue *queue, struct release_mail *mail)
{
	release_order_remove(queue->order, &mail->place);
	(void)g_hash_table_remove(queue->mails, mail->name);
}

// ---- after a try --------------------------------------------------------------------------------

static int64_t pause_after(const struct release_queue *queue, uint32_t fails)
{
	const struct control_options *options = &queue->control->options;
	uint64_t pause = options->release.retry_seconds;

	for (uint32_t i = 1; i < fails && pause < options->release.retry_most_seconds; i++)
		pause *= 2;
	return (int64_t)MIN(pause, options->release.retry_most_seconds);
}

// Who goes next: the line waits, or only this mail does. At which the connection is lost again and again as it
// goes over must not be in the others' way.
static void try_later(struct release_mail *mail, int64_t now_s)
{
	struct release_queue *queue = mail->queue;
	bool is_down = mail->deliver.is_down && !(mail->deliver.is_in_message && mail->is_lost);

	// By the server, not for an earlier mail alone: only then its pauses grow.
	if (release_mail_count(mail, DELIVER_LATER) > mail->behind)
		mail->put_offs++;
	mail->is_lost = mail->is_lost || (mail->deliver.is_down && mail->deliver.is_in_message);
	release_end_begin(mail);
	// At the end of its lifetime what did not succeed has failed.
	mail->is_expired = release_end_is_expired(mail);
	release_mail_settle(
		mail, DELIVER_LATER, mail->is_expired ? DELIVER_NEVER : DELIVER_PENDING);
	if (is_down)
		release_order_down(&mail->place,
			now_s + pause_after(queue, mail->place.line->fails + 1), mail->deliver.why);
	else
		release_order_put_off(
			&mail->place, now_s, now_s + pause_after(queue, mail->put_offs));
}

// It did not come in while others of the line did: the server does not let so many in at a time. Nothing has happened to
// the mail.
static bool was_crowded(struct release_mail *mail)
{
	if (!mail->deliver.is_at_door || mail->place.line->tried < 2)
		return false;
	release_mail_settle(mail, DELIVER_LATER, DELIVER_PENDING);
	release_order_crowded(&mail->place);
	return true;
}

// Another decision came while it was being delivered by an older one: it is made again.
static void decide_anew(struct release_queue *queue, struct release_mail *mail)
{
	store_set_judged(queue->control->store, mail->place.id, "");
	drop(queue, mail);
}

static void conclude(struct release_queue *queue, struct release_mail *mail, int64_t now_s)
{
	if (release_end_conclude(mail) != 0)
		// It went out, but that could not be written down: better once more than never.
		release_order_put_off(&mail->place, now_s, now_s + SECONDS_PER_MINUTE);
	else if (mail->is_stale)
		decide_anew(queue, mail);
	else
		drop(queue, mail);
}

static gboolean try_done(gpointer data)
{
	struct release_mail *mail = data;
	struct release_queue *queue = mail->queue;
	int64_t now_s = now_of();

	queue->delivering--;
	queue->servers -= mail->place.line->tried == 1;
	release_links_give(queue->links, mail->server, mail->link, now_s);
	mail->link = NULL;
	release_mail_end(mail);
	if (was_crowded(mail)) {
		if (mail->is_stale)
			decide_anew(queue, mail);
		release_queue_turn(queue);
		return G_SOURCE_REMOVE;
	}
	if (release_mail_count(mail, DELIVER_LATER) > 0)
		try_later(mail, now_s);
	else
		release_order_served(&mail->place);
	if (release_mail_count(mail, DELIVER_PENDING) == 0) {
		conclude(queue, mail, now_s);
	} else {
		release_mail_report(mail, "later");
		release_end_note_done(mail);
		if (release_end_is_late(mail))
			release_end_tell_delay(mail);
		if (mail->is_stale)
			decide_anew(queue, mail);
	}
	release_queue_turn(queue);
	return G_SOURCE_REMOVE;
}

static void run_try(gpointer data, gpointer ctx)
{
	(void)ctx;
	release_mail_run(data);
	(void)g_idle_add(try_done, data);
}

// ---- while a server is down ---------------------------------------------------------------------

static bool is_there(const struct release_queue *queue, const struct release_mail *mail)
{
	enum spool_state state;

	return store_get_state(queue->control->store, mail->place.id, &state) &&
	       (state == SPOOL_HELD || state == SPOOL_RELEASED);
}

// One that stands behind another which cannot be delivered: its time goes by all the same.
static void sweep_one(
	struct release_queue *queue, struct release_mail *mail, const char *why, int64_t now_s)
{
	bool is_expired = release_end_is_expired(mail);
	bool is_late = release_end_is_late(mail);

	if (!is_there(queue, mail)) {
		drop(queue, mail);
		return;
	}
	if ((mail->begun_s != 0 && !is_expired && !is_late) || queue->writes >= SWEEP_WRITES ||
		!queue->valid(queue->ctx, mail->key))
		return;
	queue->writes++;
	release_end_begin(mail);
	if (is_late && !is_expired)
		release_end_tell_delay(mail);
	if (!is_expired)
		return;
	mail->is_expired = true;
	for (size_t i = 0; i < mail->place.recipients_count; i++) {
		struct deliver_recipient *recipient = &mail->place.recipients[i];

		if (recipient->outcome == DELIVER_PENDING)
			(void)snprintf(recipient->reply, sizeof(recipient->reply), "%s", why);
	}
	release_mail_settle(mail, DELIVER_PENDING, DELIVER_NEVER);
	conclude(queue, mail, now_s);
}

static void sweep_line(void *ctx, struct release_line *line)
{
	struct release_queue *queue = ctx;
	GList *next = line->fails > 0 && line->tried == 0 ? line->places->head : NULL;
	char why[DELIVER_REPLY_BYTES];

	(void)snprintf(why, sizeof(why), "%s", line->why);
	while (next != NULL) {
		struct release_place *place = next->data;

		next = next->next;
		sweep_one(queue, place->owner, why, now_of());
	}
}

static void sweep(struct release_queue *queue, int64_t now_s)
{
	if (now_s == queue->swept_s || !store_can_change(queue->control->store))
		return;
	queue->swept_s = now_s;
	queue->writes = 0;
	release_order_each(queue->order, sweep_line, queue);
}

// ---- the queue ----------------------------------------------------------------------------------

static bool may_send(struct release_queue *queue, int64_t now_s)
{
	const struct control_options *options = &queue->control->options;

	if (now_s / SECONDS_PER_MINUTE != queue->minute) {
		queue->minute = now_s / SECONDS_PER_MINUTE;
		queue->in_minute = 0;
		g_hash_table_remove_all(queue->to_server);
	}
	// What could not be noted as delivered would be delivered again and again.
	return (options->release.per_minute == 0 ||
		       queue->in_minute < options->release.per_minute) &&
	       store_can_change(queue->control->store);
}

static uint32_t sent_to(const struct release_queue *queue, const char *server)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(queue->to_server, server));
}

static bool may_send_to(const struct release_queue *queue, const struct release_line *line)
{
	const struct control_options *options = &queue->control->options;
	uint32_t most = options->release.server_per_minute;

	return (line->tried > 0 || queue->servers < options->release.servers) &&
	       (most == 0 || sent_to(queue, line->name) < most);
}

static bool is_decided(struct release_queue *queue, struct release_mail *mail)
{
	if (queue->valid(queue->ctx, mail->key))
		return true;
	// Its place, and who has it, are kept until it is decided again.
	if (!mail->is_asked)
		store_set_judged(queue->control->store, mail->place.id, "");
	mail->is_asked = true;
	return false;
}

// One that cannot be read now: the disk may give it back.
static void set_aside(struct release_queue *queue, struct release_mail *mail, int64_t now_s)
{
	if (!mail->is_unread)
		release_mail_report(mail, "not readable");
	mail->is_unread = true;
	release_order_set_aside(&mail->place, now_s, now_s + pause_after(queue, 1));
}

// Whether it can be tried now: else it is gone, or its decision is made again.
static bool is_ready(struct release_queue *queue, struct release_mail *mail, int64_t now_s)
{
	if (!is_there(queue, mail)) {
		drop(queue, mail);
		return false;
	}
	if (!is_decided(queue, mail))
		return false;
	if (release_mail_begin(mail) != 0) {
		set_aside(queue, mail, now_s);
		return false;
	}
	mail->is_unread = false;
	// A seal may have come while it was read (urgent_turn).
	if (!is_decided(queue, mail)) {
		store_message_fini(&mail->message);
		return false;
	}
	return true;
}

static void start_try(struct release_queue *queue, struct release_mail *mail, int64_t now_s)
{
	const struct control_options *options = &queue->control->options;

	release_order_begin(&mail->place, now_s, options->release.order_seconds);
	mail->behind = release_mail_count(mail, DELIVER_LATER);
	mail->link = release_links_take(queue->links, mail->server);
	queue->servers += mail->place.line->tried == 1;
	queue->delivering++;
	queue->in_minute++;
	(void)g_hash_table_replace(queue->to_server, g_strdup(mail->server),
		GUINT_TO_POINTER(sent_to(queue, mail->server) + 1));
	(void)g_thread_pool_push(queue->pool, mail, NULL);
}

// Tries those of the line that are ready, as many as there is room for. The line may be gone afterwards.
static void serve(struct release_queue *queue, struct release_line *line, int64_t now_s)
{
	uint32_t behind_s = queue->control->options.release.order_seconds;
	struct release_walk walk;
	struct release_place *place;

	release_walk_init(&walk, line);
	while ((place = release_walk_next(&walk, now_s, behind_s)) != NULL) {
		if (!is_ready(queue, place->owner, now_s))
			continue;
		start_try(queue, place->owner, now_s);
		if (!release_order_has_room(line, now_s) || !may_send(queue, now_s) ||
			!may_send_to(queue, line))
			break;
	}
	release_walk_fini(&walk);
}

void release_queue_turn(struct release_queue *queue)
{
	int64_t now_s = now_of();
	size_t steps = 0;

	sweep(queue, now_s);
	release_links_turn(queue->links, now_s);
	while (may_send(queue, now_s)) {
		struct release_line *line = release_order_line(queue->order, now_s, &steps);

		if (line == NULL)
			return;
		if (may_send_to(queue, line))
			serve(queue, line, now_s);
	}
}

void release_queue_add(struct release_queue *queue, struct spool_id id, const json_t *envelope,
	const struct release_way *way)
{
	char name[SPOOL_ID_TEXT_BYTES];
	struct release_mail *mail = g_hash_table_lookup(queue->mails, spool_id_text(id, name));

	if (mail != NULL) {
		release_mail_change_way(mail, way);
		return;
	}
	mail = release_mail_new(queue->control, id, envelope, way);
	if (mail == NULL)
		return;
	mail->queue = queue;
	(void)g_hash_table_insert(queue->mails, mail->name, mail);
	release_order_add(queue->order, mail->server, &mail->place);
}

void release_queue_stop(struct release_queue *queue, struct spool_id id)
{
	const struct release_notes notes[] = {
		{queue->control->store, id, false}, {queue->control->store, id, true}};
	char name[SPOOL_ID_TEXT_BYTES];
	struct release_mail *mail = g_hash_table_lookup(queue->mails, spool_id_text(id, name));
	enum spool_state state;

	if (mail != NULL && mail->place.is_tried)
		return;
	if (mail != NULL)
		drop(queue, mail);
	if (store_get_state(notes[0].store, id, &state) &&
		(release_notes_begun(&notes[0]) != 0 || release_notes_begun(&notes[1]) != 0))
		release_notes_stop(&notes[0], state);
}

bool release_queue_has(const struct release_queue *queue, struct spool_id id)
{
	char name[SPOOL_ID_TEXT_BYTES];

	return g_hash_table_contains(queue->mails, spool_id_text(id, name));
}

bool release_queue_is_sending(const struct release_queue *queue, struct spool_id id)
{
	char name[SPOOL_ID_TEXT_BYTES];
	const struct release_mail *mail =
		g_hash_table_lookup(queue->mails, spool_id_text(id, name));

	return mail != NULL && mail->place.is_tried;
}

json_t *release_queue_counts(const struct release_queue *queue)
{
	uint32_t behind_s = queue->control->options.release.order_seconds;
	int64_t now_s = now_of();
	json_int_t waiting = 0;
	json_int_t queued = 0;
	json_int_t delivering = 0;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, queue->mails);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct release_mail *mail = value;

		if (mail->place.is_tried)
			delivering++;
		else if (release_order_is_waiting(&mail->place, behind_s, now_s))
			waiting++;
		else
			queued++;
	}
	return json_pack(
		"{s:I, s:I, s:I}", "queued", queued, "waiting", waiting, "delivering", delivering);
}

static void mail_free(gpointer mail)
{
	release_mail_free(mail);
}

int release_queue_new(
	struct control *control, release_valid_fn valid, void *ctx, struct release_queue **out)
{
	const struct control_options *options = &control->options;
	struct release_queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return -ENOMEM;
	queue->control = control;
	queue->valid = valid;
	queue->ctx = ctx;
	queue->mails = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, mail_free);
	queue->order = release_order_new(options->release.connections);
	queue->links = release_links_new(options->release.per_connection);
	queue->to_server = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	queue->pool = g_thread_pool_new(run_try, NULL,
		(gint)(options->release.servers * options->release.connections), FALSE, NULL);
	*out = queue;
	return 0;
}

static bool is_closed(void *ctx, const char *key)
{
	(void)ctx;
	(void)key;
	return false;
}

void release_queue_free(struct release_queue *queue)
{
	if (queue == NULL)
		return;
	// Nothing new begins.
	queue->valid = is_closed;
	g_thread_pool_free(queue->pool, FALSE, TRUE);
	while (queue->delivering > 0)
		(void)g_main_context_iteration(NULL, TRUE);
	release_order_free(queue->order);
	release_links_free(queue->links);
	g_hash_table_destroy(queue->mails);
	g_hash_table_destroy(queue->to_server);
	free(queue);
}
