// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_queue.h"

#include "control/control.h"
#include "control/deliver.h"
#include "control/release_notes.h"
#include "control/release_scan.h"
#include "control/release_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define SECONDS_PER_MINUTE 60

enum mail_phase { MAIL_QUEUED, MAIL_WAITING, MAIL_DELIVERING };

// One mail, from the decision until it is gone or the decision is not good any more.
struct mail {
	struct spool_id id;
	char name[SPOOL_ID_TEXT_BYTES];
	char key[RELEASE_KEY_BYTES];
	char server[64]; // host and port, as the queue's name
	json_t *envelope;
	int64_t arrival_s;
	int64_t queued_s;
	struct rebuild_plan *plan; // what is taken out of it, or NULL
	enum spool_state from;
	enum spool_state after;
	bool is_delay_told;
	bool is_expired; // its lifetime was over
	bool is_stale;   // another way was decided on while it was being delivered
	bool is_asked;   // whether the decision is still good: it waits for the answer
	int64_t next_s;  // in MAIL_WAITING
	uint32_t tries;
	enum mail_phase phase;
	struct deliver_recipient *recipients;
	bool *noted; // of each recipient: that it has the mail is written down
	struct release_queue *queue;
	// While it is being delivered:
	struct deliver deliver;
	struct store_message message;
	uint8_t *repaired; // by the plan
	char trace[1024];
};

struct release_queue {
	struct control *control;
	release_valid_fn valid;
	void *ctx;
	GHashTable *mails; // by name
	GQueue *order;     // of all, by arrival here
	GHashTable *busy;  // servers that are being delivered to
	GThreadPool *pool;
	size_t delivering;
	int64_t minute; // of the count
	uint32_t in_minute;
	GHashTable *to_server; // how many of that minute, by server
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static void mail_free(gpointer data)
{
	struct mail *mail = data;

	json_decref(mail->envelope);
	rebuild_plan_free(mail->plan);
	free(mail->recipients);
	free(mail->noted);
	free(mail);
}

static void drop(struct release_queue *queue, struct mail *mail)
{
	(void)g_queue_remove(queue->order, mail);
	(void)g_hash_table_remove(queue->mails, mail->name);
}

// ---- one try ------------------------------------------------------------------------------------

static int begin_try(struct mail *mail)
{
	const struct control *control = mail->queue->control;
	const struct control_options *options = &control->options;
	int err =
		store_read(control->store, mail->id, options->spool.message_bytes, &mail->message);

	if (err != 0)
		return err;
	release_trace_write(mail->envelope, options->gateway, mail->name, mail->arrival_s,
		mail->trace, sizeof(mail->trace));
	mail->deliver = (struct deliver){
		.host = options->release.host[0] != '\0' ? options->release.host
							 : text_of(mail->envelope, "server"),
		.port = (uint16_t)(options->release.host[0] != '\0'
					   ? (json_int_t)options->release.port
					   : json_integer_value(json_object_get(
						     mail->envelope, "server_port"))),
		.seconds = options->release.reply_seconds,
		.mail_from = text_of(mail->envelope, "mail_from"),
		.mail_params = text_of(mail->envelope, "mail_params"),
		.recipients = mail->recipients,
		.recipients_count = json_array_size(json_object_get(mail->envelope, "rcpt_to")),
		.trace = mail->trace,
		.data = mail->message.data,
		.bytes = mail->message.bytes,
	};
	return 0;
}

static size_t count_outcome(const struct mail *mail, enum deliver_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < mail->deliver.recipients_count; i++)
		n += mail->recipients[i].outcome == outcome;
	return n;
}

static void report(const struct mail *mail, const char *action)
{
	json_t *recipients = json_array();

	for (size_t i = 0; i < mail->deliver.recipients_count; i++)
		(void)json_array_append_new(
			recipients, json_pack("{s:s, s:s}", "address", mail->recipients[i].address,
					    "reply", mail->recipients[i].reply));
	control_events_write(mail->queue->control->events, "release",
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:s*}", "id", mail->name, "action",
			action, "server", mail->server, "mail_from",
			text_of(mail->envelope, "mail_from"), "rcpt_to", recipients, "tries",
			(int)mail->tries, "expired", mail->is_expired ? "yes" : NULL));
}

// What the record becomes. Of what a server does not want an operator sees the rest: it is not thrown
// away. When only a copy was not wanted, the full one is still to come.
static enum spool_state state_after(const struct mail *mail)
{
	if (mail->after == SPOOL_HELD || count_outcome(mail, DELIVER_NEVER) == 0)
		return mail->after;
	return SPOOL_QUARANTINED;
}

static const char *action_of(const struct mail *mail)
{
	if (count_outcome(mail, DELIVER_NEVER) > 0)
		return "failed";
	if (mail->plan == NULL)
		return "deliver";
	return mail->plan->repairs_count > 0 ? "deliver-disinfected" : "deliver-stripped";
}

static struct notify_outcome outcome_of(const struct mail *mail)
{
	const struct control_options *options = &mail->queue->control->options;

	return (struct notify_outcome){
		.id = mail->id,
		.envelope = mail->envelope,
		.server = mail->deliver.host,
		.until_s = mail->queued_s + options->release.lifetime_seconds,
		.recipients = mail->recipients,
		.recipients_count = mail->deliver.recipients_count,
	};
}

static const char *reply_of(const struct mail *mail, enum spool_state state)
{
	size_t failed = count_outcome(mail, DELIVER_NEVER);
	const char *reply = "";

	for (size_t i = 0; i < mail->deliver.recipients_count; i++) {
		if (failed == 0 || mail->recipients[i].outcome == DELIVER_NEVER)
			reply = mail->recipients[i].reply;
	}
	if (state == SPOOL_HELD)
		return RELEASE_COPY_SENT;
	if (failed > 0 || mail->plan == NULL)
		return reply;
	return mail->plan->repairs_count > 0 ? "delivered disinfected"
					     : "delivered without what was infected";
}

// All recipients are decided: the record's way ends. Returns 0 when that is durable. That senders are to be
// told is durable before it.
static int conclude(struct mail *mail)
{
	static const enum notify_kind kinds[] = {NOTIFY_FAILURE, NOTIFY_SUCCESS};
	struct control *control = mail->queue->control;
	const struct notify_outcome outcome = outcome_of(mail);
	enum spool_state state = state_after(mail);
	enum spool_state now = mail->from;
	bool is_told[] = {false, false};
	int err = 0;

	// Somebody has deleted it, or wants all to go where this was a part: that counts.
	if (!store_get_state(control->store, mail->id, &now) ||
		(now != mail->from && (mail->plan != NULL || mail->after != SPOOL_DELIVERED))) {
		report(mail, action_of(mail));
		mail->is_stale = true;
		return 0;
	}

	// Of a copy without attachments nobody is told: the full one is still to come.
	for (size_t i = 0; i < 2 && state != SPOOL_HELD && err == 0; i++) {
		err = notify_plan(control->notify, kinds[i], &outcome);
		is_told[i] = err == 0;
		err = err == -ENOENT ? 0 : err;
	}
	if (err == 0)
		err = store_change(
			control->store, mail->id, state, "cordon-control", reply_of(mail, state));
	report(mail, action_of(mail));
	for (size_t i = 0; i < 2; i++) {
		if (is_told[i])
			notify_settle(control->notify, kinds[i], &outcome, err == 0);
	}
	return err;
}

// Once for each mail, whatever happens: the outbox knows.
static void tell_delay(struct mail *mail)
{
	const struct control *control = mail->queue->control;
	const struct notify_outcome outcome = outcome_of(mail);
	int64_t now_s = control_now_ns() / NS_PER_S;

	if (control->options.notify.delay_seconds == 0 || mail->is_delay_told ||
		mail->after == SPOOL_HELD ||
		now_s - mail->arrival_s < control->options.notify.delay_seconds)
		return;
	mail->is_delay_told = true;
	if (notify_plan(control->notify, NOTIFY_DELAY, &outcome) == 0)
		notify_settle(control->notify, NOTIFY_DELAY, &outcome, true);
}

static void try_later(struct mail *mail)
{
	const struct control_options *options = &mail->queue->control->options;
	uint64_t pause = options->release.retry_seconds;
	int64_t now_s = control_now_ns() / NS_PER_S;

	for (uint32_t i = 1; i < mail->tries && pause < options->release.retry_most_seconds; i++)
		pause *= 2;
	if (pause > options->release.retry_most_seconds)
		pause = options->release.retry_most_seconds;
	mail->phase = MAIL_WAITING;
	mail->next_s = now_s + (int64_t)pause;
	for (size_t i = 0; i < mail->deliver.recipients_count; i++) {
		if (mail->recipients[i].outcome != DELIVER_LATER)
			continue;
		// At the end of its lifetime what did not succeed has failed.
		mail->is_expired = now_s - mail->queued_s > options->release.lifetime_seconds;
		mail->recipients[i].outcome = mail->is_expired ? DELIVER_NEVER : DELIVER_PENDING;
	}
}

static struct release_notes notes_of(const struct mail *mail)
{
	return (struct release_notes){mail->queue->control->store, mail->id, mail->plan != NULL};
}

// Some have it, others get it later. What cannot be written down may come twice to somebody.
static void note_done(struct mail *mail)
{
	const struct release_notes notes = notes_of(mail);
	enum spool_state state;

	for (size_t i = 0; i < mail->deliver.recipients_count; i++) {
		if (mail->recipients[i].outcome != DELIVER_DONE || mail->noted[i] ||
			!store_get_state(notes.store, mail->id, &state))
			continue;
		mail->noted[i] = release_notes_add(&notes, state, &mail->recipients[i]) == 0;
	}
}

// Another decision came while it was being delivered by an older one: it is made again.
static void decide_anew(struct release_queue *queue, struct mail *mail)
{
	store_set_judged(queue->control->store, mail->id, "");
	drop(queue, mail);
}

static gboolean try_done(gpointer data)
{
	struct mail *mail = data;
	struct release_queue *queue = mail->queue;

	queue->delivering--;
	(void)g_hash_table_remove(queue->busy, mail->server);
	store_message_fini(&mail->message);
	free(mail->repaired);
	mail->repaired = NULL;
	mail->tries++;
	if (count_outcome(mail, DELIVER_LATER) > 0)
		try_later(mail);
	if (count_outcome(mail, DELIVER_PENDING) > 0) {
		report(mail, "later");
		note_done(mail);
		tell_delay(mail);
		if (mail->is_stale)
			decide_anew(queue, mail);
	} else if (conclude(mail) == 0) {
		if (mail->is_stale)
			decide_anew(queue, mail);
		else
			drop(queue, mail);
	} else {
		// It went out, but that could not be written down: better once more than never.
		mail->phase = MAIL_WAITING;
		mail->next_s = control_now_ns() / NS_PER_S + SECONDS_PER_MINUTE;
	}
	release_queue_turn(queue);
	return G_SOURCE_REMOVE;
}

// The same plan gave the message that was scanned. What fails here is memory.
static bool repair(struct mail *mail)
{
	const struct control_options *options = &mail->queue->control->options;

	if (rebuild_strip(mail->message.data, mail->message.bytes, mail->plan, options->gateway,
		    &mail->repaired, &mail->deliver.bytes) == 0) {
		mail->deliver.data = mail->repaired;
		return true;
	}
	for (size_t i = 0; i < mail->deliver.recipients_count; i++) {
		if (mail->recipients[i].outcome == DELIVER_PENDING)
			mail->recipients[i].outcome = DELIVER_LATER;
	}
	return false;
}

static void run_try(gpointer data, gpointer ctx)
{
	struct mail *mail = data;

	(void)ctx;
	if (mail->plan == NULL || repair(mail))
		deliver_run(&mail->deliver);
	(void)g_idle_add(try_done, mail);
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
	return queue->delivering < options->release.servers &&
	       (options->release.per_minute == 0 || queue->in_minute < options->release.per_minute);
}

static uint32_t sent_to(const struct release_queue *queue, const char *server)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(queue->to_server, server));
}

static bool may_send_to(const struct release_queue *queue, const char *server)
{
	uint32_t most = queue->control->options.release.server_per_minute;

	return !g_hash_table_contains(queue->busy, server) &&
	       (most == 0 || sent_to(queue, server) < most);
}

static void start_try(struct release_queue *queue, struct mail *mail)
{
	int err = begin_try(mail);

	if (err != 0) {
		// Gone by an operator's hand, or not readable: the store tells of that.
		drop(queue, mail);
		return;
	}
	mail->phase = MAIL_DELIVERING;
	queue->delivering++;
	queue->in_minute++;
	(void)g_hash_table_replace(queue->to_server, g_strdup(mail->server),
		GUINT_TO_POINTER(sent_to(queue, mail->server) + 1));
	(void)g_hash_table_add(queue->busy, g_strdup(mail->server));
	(void)g_thread_pool_push(queue->pool, mail, NULL);
}

void release_queue_turn(struct release_queue *queue)
{
	int64_t now_s = control_now_ns() / NS_PER_S;
	GList *next = queue->order->head;
	enum spool_state state;

	// What could not be noted as delivered would be delivered again and again.
	while (next != NULL && may_send(queue, now_s) && store_can_change(queue->control->store)) {
		struct mail *mail = next->data;

		next = next->next;
		if (mail->phase == MAIL_DELIVERING)
			continue;
		if (!store_get_state(queue->control->store, mail->id, &state) ||
			(state != SPOOL_HELD && state != SPOOL_RELEASED)) {
			drop(queue, mail);
		} else if (mail->phase == MAIL_WAITING && mail->next_s > now_s) {
			continue;
		} else if (!queue->valid(queue->ctx, mail->key)) {
			// Its place, and who has it, are kept until it is decided again.
			if (!mail->is_asked)
				store_set_judged(queue->control->store, mail->id, "");
			mail->is_asked = true;
		} else if (may_send_to(queue, mail->server)) {
			start_try(queue, mail);
		}
	}
}

static struct deliver_recipient *make_recipients(const json_t *list)
{
	struct deliver_recipient *recipients =
		calloc(json_array_size(list) + 1, sizeof(*recipients));
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (recipients == NULL)
			break;
		recipients[i].address = text_of(entry, "address");
		recipients[i].params = text_of(entry, "params");
	}
	return recipients;
}

// As far as an earlier one came.
static void resume(struct mail *mail)
{
	const struct release_notes notes = notes_of(mail);
	size_t n = json_array_size(json_object_get(mail->envelope, "rcpt_to"));

	release_notes_apply(&notes, mail->recipients, n);
	for (size_t i = 0; i < n; i++)
		mail->noted[i] = mail->recipients[i].outcome == DELIVER_DONE;
}

// Whoever had it the old way gets it the new way too.
static void change_way(struct mail *mail, const struct release_way *way)
{
	(void)snprintf(mail->key, sizeof(mail->key), "%s", way->key);
	mail->is_asked = false;
	if ((mail->plan != NULL) == (way->plan != NULL) && mail->after == way->after) {
		mail->from = way->from;
		return;
	}
	if (mail->phase == MAIL_DELIVERING) {
		mail->is_stale = true;
		return;
	}
	rebuild_plan_free(mail->plan);
	mail->plan = way->plan != NULL ? rebuild_plan_copy(way->plan) : NULL;
	mail->from = way->from;
	mail->after = way->after;
	mail->phase = MAIL_QUEUED;
	for (size_t i = 0; i < json_array_size(json_object_get(mail->envelope, "rcpt_to")); i++) {
		mail->recipients[i].outcome = DELIVER_PENDING;
		mail->noted[i] = false;
	}
	resume(mail);
}

static void name_server(const struct control_options *options, struct mail *mail)
{
	if (options->release.host[0] != '\0')
		(void)snprintf(mail->server, sizeof(mail->server), "%.50s %u",
			options->release.host, options->release.port);
	else
		(void)snprintf(mail->server, sizeof(mail->server), "%.50s %lld",
			text_of(mail->envelope, "server"),
			json_integer_value(json_object_get(mail->envelope, "server_port")));
}

static struct mail *mail_new(const json_t *envelope, const struct release_way *way)
{
	struct mail *mail = calloc(1, sizeof(*mail));

	if (mail == NULL)
		return NULL;
	mail->envelope = json_deep_copy(envelope);
	mail->recipients = make_recipients(json_object_get(mail->envelope, "rcpt_to"));
	mail->noted = calloc(
		json_array_size(json_object_get(mail->envelope, "rcpt_to")) + 1, sizeof(bool));
	mail->plan = way->plan != NULL ? rebuild_plan_copy(way->plan) : NULL;
	mail->from = way->from;
	mail->after = way->after;
	if (mail->envelope != NULL && mail->recipients != NULL && mail->noted != NULL &&
		(way->plan == NULL || mail->plan != NULL))
		return mail;
	mail_free(mail);
	return NULL;
}

void release_queue_add(struct release_queue *queue, struct spool_id id, const json_t *envelope,
	const struct release_way *way)
{
	char name[SPOOL_ID_TEXT_BYTES];
	struct mail *mail = g_hash_table_lookup(queue->mails, spool_id_text(id, name));

	if (mail != NULL) {
		change_way(mail, way);
		return;
	}
	mail = mail_new(envelope, way);
	if (mail == NULL)
		return;
	mail->id = id;
	mail->queue = queue;
	(void)snprintf(mail->name, sizeof(mail->name), "%s", name);
	(void)snprintf(mail->key, sizeof(mail->key), "%s", way->key);
	name_server(&queue->control->options, mail);
	mail->arrival_s = release_trace_arrival(envelope);
	mail->queued_s = control_now_ns() / NS_PER_S;
	resume(mail);
	(void)g_hash_table_insert(queue->mails, mail->name, mail);
	g_queue_push_tail(queue->order, mail);
}

bool release_queue_is_sending(const struct release_queue *queue, struct spool_id id)
{
	char name[SPOOL_ID_TEXT_BYTES];
	const struct mail *mail = g_hash_table_lookup(queue->mails, spool_id_text(id, name));

	return mail != NULL && mail->phase == MAIL_DELIVERING;
}

json_t *release_queue_counts(const struct release_queue *queue)
{
	json_int_t counts[] = {[MAIL_QUEUED] = 0, [MAIL_WAITING] = 0, [MAIL_DELIVERING] = 0};

	for (const GList *at = queue->order->head; at != NULL; at = at->next)
		counts[((const struct mail *)at->data)->phase]++;
	return json_pack("{s:I, s:I, s:I}", "queued", counts[MAIL_QUEUED], "waiting",
		counts[MAIL_WAITING], "delivering", counts[MAIL_DELIVERING]);
}

int release_queue_new(
	struct control *control, release_valid_fn valid, void *ctx, struct release_queue **out)
{
	struct release_queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return -ENOMEM;
	queue->control = control;
	queue->valid = valid;
	queue->ctx = ctx;
	queue->mails = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, mail_free);
	queue->order = g_queue_new();
	queue->busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	queue->to_server = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	queue->pool = g_thread_pool_new(
		run_try, NULL, (gint)control->options.release.servers, FALSE, NULL);
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
	g_queue_free(queue->order);
	g_hash_table_destroy(queue->mails);
	g_hash_table_destroy(queue->busy);
	g_hash_table_destroy(queue->to_server);
	free(queue);
}
