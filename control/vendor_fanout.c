// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_fanout_inside.h"
#include "control/vendor_journal.h"
#include "control/vendor_registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 50
#define TICK_US 50000
#define BURST 32      // gateways that are sent to before the loop looks at what came back
#define TRIES_MOST 20 // that pauses grow

// ---- alerts -------------------------------------------------------------------------------------

static void free_alert(gpointer data)
{
	struct queue_alert *alert = data;

	free(alert->envelope);
	free(alert);
}

static struct queue_alert *make_alert(
	int64_t number, const struct alert *alert, const char *digest, const char *envelope)
{
	struct queue_alert *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return NULL;
	made->number = number;
	made->expires_s = alert->expires_s;
	made->type = alert->type;
	made->role = alert->role;
	made->target = alert->target;
	made->bytes = strlen(envelope);
	made->envelope = strdup(envelope);
	(void)snprintf(made->digest, sizeof(made->digest), "%s", digest);
	(void)snprintf(made->virus_id, sizeof(made->virus_id), "%s", alert->virus_id);
	(void)snprintf(made->target_name, sizeof(made->target_name), "%s", alert->target_name);
	if (made->envelope == NULL) {
		free(made);
		return NULL;
	}
	return made;
}

bool fanout_is_for(const struct gateway *gateway, const struct queue_alert *alert)
{
	json_t *group;
	size_t i;

	if (alert->target == TARGET_ALL)
		return true;
	if (alert->target == TARGET_GATEWAY)
		return strcmp(alert->target_name, gateway->id) == 0;
	json_array_foreach(gateway->groups, i, group)
	{
		if (strcmp(json_string_value(group), alert->target_name) == 0)
			return true;
	}
	return false;
}

// A later ping says what this one said; an all-clear ends what a seal has begun, wherever it has not.
static bool is_superseded(const struct queue_alert *old, const struct queue_alert *new)
{
	bool same_target =
		old->target == new->target &&strcmp(old->target_name, new->target_name) == 0;

	if (new->type == ALERT_PING)
		return old->type == ALERT_PING;
	return new->type == ALERT_ALL_CLEAR &&
	       (old->type == ALERT_SEAL || old->type == ALERT_SCREEN) &&
	       strcmp(old->virus_id, new->virus_id) == 0 &&
	       (same_target || new->target == TARGET_ALL);
}

// Nobody names those any more that are over: they are taken out of each queue, then freed.
static void sweep(struct fanout *fanout)
{
	GHashTableIter iter;
	gpointer value;
	GList *next;

	for (GList *link = fanout->alerts.head; link != NULL; link = next) {
		struct queue_alert *alert = link->data;

		next = link->next;
		if (!alert->is_over)
			continue;
		g_hash_table_iter_init(&iter, fanout->gateways);
		while (g_hash_table_iter_next(&iter, NULL, &value))
			(void)vendor_queue_remove(&((struct gateway *)value)->queue, alert);
		(void)g_hash_table_remove(fanout->by_digest, alert->digest);
		g_queue_delete_link(&fanout->alerts, link);
		free_alert(alert);
	}
}

// ---- sending ------------------------------------------------------------------------------------

static gboolean work(gpointer ctx);

static void make_ready(struct fanout *fanout, struct gateway *gateway)
{
	if (gateway->is_ready || vendor_queue_is_empty(&gateway->queue))
		return;
	gateway->is_ready = true;
	g_queue_push_tail(&fanout->ready, gateway);
	if (fanout->work == 0)
		fanout->work = g_idle_add_full(G_PRIORITY_DEFAULT, work, fanout, NULL);
}

gint64 fanout_pause_us(const struct fanout *fanout, unsigned int tries)
{
	uint64_t pause_ms = (uint64_t)fanout->options.retry_s * 1000
			    << (tries < TRIES_MOST ? tries : TRIES_MOST);

	pause_ms = MIN(pause_ms, (uint64_t)fanout->options.retry_most_s * 1000);
	return (gint64)(pause_ms / 2 + (uint64_t)g_random_int_range(0, (gint)(pause_ms / 2 + 1))) *
	       1000;
}

static void note_sent(struct fanout *fanout, const json_t *channel)
{
	const char *kind = json_string_value(json_object_get(channel, "kind"));

	fanout->sent++;
	fanout_total(fanout, kind != NULL ? kind : "")->sent++;
}

// Returns whether a channel could not go yet.
static bool send_round(struct fanout *fanout, struct gateway *gateway)
{
	struct queue_alert *alerts[ROLES];
	unsigned int count = vendor_queue_next(&gateway->queue, alerts);
	uint32_t waits = 0;
	json_t *channel;
	size_t i;

	json_array_foreach(gateway->channels, i, channel)
	{
		if ((gateway->sent >> i & 1) != 0)
			continue;
		for (unsigned int k = 0; k < count; k++) {
			const struct vendor_try try = {gateway->id, channel, alerts[k]->envelope,
				alerts[k]->bytes, alerts[k]->digest};
			int err = fanout->options.send(fanout->options.ctx, &try);

			fanout_state_sent(gateway, channel, err);
			if (err == 0)
				note_sent(fanout, channel);
			else if (err == -EAGAIN)
				waits |= UINT32_C(1) << i;
		}
		if ((waits >> i & 1) == 0)
			gateway->sent |= UINT32_C(1) << i;
	}
	return waits != 0;
}

static void send_to(struct fanout *fanout, struct gateway *gateway)
{
	gint64 now_us = g_get_monotonic_time();

	if (send_round(fanout, gateway)) {
		gateway->due_us = now_us + TICK_US;
		return;
	}
	gateway->due_us = now_us + fanout_pause_us(fanout, gateway->tries);
	gateway->tries++;
	gateway->sent = 0;
}

static gboolean work(gpointer ctx)
{
	struct fanout *fanout = ctx;
	struct gateway *gateway;

	for (int i = 0; i < BURST && (gateway = g_queue_pop_head(&fanout->ready)) != NULL; i++) {
		gateway->is_ready = false;
		send_to(fanout, gateway);
	}
	if (!g_queue_is_empty(&fanout->ready))
		return G_SOURCE_CONTINUE;
	fanout->work = 0;
	return G_SOURCE_REMOVE;
}

static gboolean tick(gpointer ctx)
{
	struct fanout *fanout = ctx;
	gint64 now_us = g_get_monotonic_time();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, fanout->gateways);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct gateway *gateway = value;

		if (gateway->due_us <= now_us)
			make_ready(fanout, gateway);
	}
	fanout_keep(fanout);
	return G_SOURCE_CONTINUE;
}

void fanout_start_over(struct fanout *fanout, struct gateway *gateway)
{
	gateway->tries = 0;
	gateway->sent = 0;
	gateway->due_us = 0;
	make_ready(fanout, gateway);
}

void fanout_wake(struct fanout *fanout, const char *id)
{
	struct gateway *gateway = g_hash_table_lookup(fanout->gateways, id);

	if (gateway != NULL)
		fanout_start_over(fanout, gateway);
}

int64_t fanout_retry(struct fanout *fanout, const char *digest)
{
	const struct queue_alert *alert = g_hash_table_lookup(fanout->by_digest, digest);
	GHashTableIter iter;
	gpointer value;
	int64_t count = 0;

	if (alert == NULL || alert->is_over)
		return -ENOENT;
	g_hash_table_iter_init(&iter, fanout->gateways);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct gateway *gateway = value;

		if (!vendor_queue_has(&gateway->queue, alert))
			continue;
		fanout_start_over(fanout, gateway);
		count++;
	}
	return count;
}

void fanout_failed(struct fanout *fanout, const char *id, const char *channel, const char *why)
{
	struct gateway *gateway = g_hash_table_lookup(fanout->gateways, id);

	fanout_total(fanout, channel)->failures++;
	if (gateway != NULL)
		fanout_state_failed(gateway, channel, why);
}

// ---- issuing ------------------------------------------------------------------------------------

// All that is to be kept of it, before anything of it is done.
static int write_down(struct fanout *fanout, const struct queue_alert *alert)
{
	struct database *database = fanout->options.database;
	GHashTableIter iter;
	gpointer value;
	bool any = false;
	int err = 0;

	for (GList *link = fanout->alerts.head; link != NULL && err == 0; link = link->next) {
		const struct queue_alert *old = link->data;

		if (old->is_over || !is_superseded(old, alert))
			continue;
		any = true;
		err = journal_set_state(database, old->number, "superseded");
	}
	if (any && err == 0)
		err = journal_forget(database, alert_type_name(ALERT_PING));
	g_hash_table_iter_init(&iter, fanout->gateways);
	while (err == 0 && alert->type != ALERT_PING &&
		g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct gateway *gateway = value;

		if (fanout_is_for(gateway, alert))
			err = journal_address(database, alert->number, gateway->id);
	}
	if (err != 0)
		database_undo(database);
	return err == 0 ? database_flush(database) : err;
}

static void end_superseded(struct fanout *fanout, const struct queue_alert *alert)
{
	bool any = false;

	for (GList *link = fanout->alerts.head; link != NULL; link = link->next) {
		struct queue_alert *old = link->data;

		if (old->is_over || !is_superseded(old, alert))
			continue;
		old->is_over = true;
		any = true;
	}
	if (any)
		sweep(fanout);
}

static int64_t queue_up(struct fanout *fanout, struct queue_alert *alert)
{
	GHashTableIter iter;
	gpointer value;
	int64_t count = 0;

	g_hash_table_iter_init(&iter, fanout->gateways);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct gateway *gateway = value;

		if (!fanout_is_for(gateway, alert))
			continue;
		vendor_queue_add(&gateway->queue, alert);
		fanout_start_over(fanout, gateway);
		count++;
	}
	return count;
}

int64_t fanout_issue(struct fanout *fanout, int64_t number, const struct alert *alert,
	const char *digest, const char *envelope)
{
	struct queue_alert *made = make_alert(number, alert, digest, envelope);
	int err = made != NULL ? write_down(fanout, made) : -ENOMEM;

	if (err != 0) {
		if (made != NULL)
			free_alert(made);
		return err;
	}
	end_superseded(fanout, made);
	g_queue_push_tail(&fanout->alerts, made);
	(void)g_hash_table_insert(fanout->by_digest, made->digest, made);
	return queue_up(fanout, made);
}

void fanout_turn(struct fanout *fanout, int64_t now_s)
{
	bool any = false;

	for (GList *link = fanout->alerts.head; link != NULL; link = link->next) {
		struct queue_alert *alert = link->data;

		if (alert->is_over || alert->expires_s > now_s)
			continue;
		alert->is_over = true;
		any = true;
	}
	if (journal_expire(fanout->options.database, now_s) > 0)
		any = true;
	if (any)
		sweep(fanout);
}

// ---- gateways -----------------------------------------------------------------------------------

static void free_gateway(gpointer data)
{
	struct gateway *gateway = data;

	vendor_queue_clear(&gateway->queue);
	json_decref(gateway->groups);
	json_decref(gateway->channels);
	free(gateway->states);
	free(gateway);
}

static struct gateway *set_gateway(struct fanout *fanout, const json_t *told)
{
	const char *id = json_string_value(json_object_get(told, "id"));
	const char *key = json_string_value(json_object_get(told, "public_key"));
	struct gateway *gateway = g_hash_table_lookup(fanout->gateways, id);
	bool is_new = gateway == NULL;

	if (is_new)
		gateway = calloc(1, sizeof(*gateway));
	if (gateway == NULL ||
		fanout_states_make(gateway, json_object_get(told, "channels")) != 0) {
		if (is_new)
			free(gateway);
		return NULL;
	}
	if (is_new) {
		vendor_queue_init(&gateway->queue);
		(void)snprintf(gateway->id, sizeof(gateway->id), "%s", id);
		(void)g_hash_table_insert(fanout->gateways, gateway->id, gateway);
	} else {
		(void)g_hash_table_remove(fanout->by_key, gateway->key.id);
		json_decref(gateway->groups);
	}
	gateway->groups = json_incref(json_object_get(told, "groups"));
	if (envelope_key_parse(&gateway->key, key != NULL ? key : "") == 0)
		(void)g_hash_table_insert(fanout->by_key, gateway->key.id, gateway);
	return gateway;
}

static bool has_ended(struct fanout *fanout, int64_t number, const char *id)
{
	return database_number(
		       database_prepare(fanout->options.database,
			       "SELECT count(*) FROM delivery WHERE alert = ? AND gateway = ?"
			       " AND state <> 'open'",
			       "it", number, id),
		       0) != 0;
}

void fanout_fill_queue(struct fanout *fanout, struct gateway *gateway)
{
	vendor_queue_clear(&gateway->queue);
	for (GList *link = fanout->alerts.head; link != NULL; link = link->next) {
		struct queue_alert *alert = link->data;

		if (!alert->is_over && fanout_is_for(gateway, alert) &&
			!has_ended(fanout, alert->number, gateway->id))
			vendor_queue_add(&gateway->queue, alert);
	}
}

int fanout_gateway(struct fanout *fanout, const json_t *told)
{
	struct gateway *gateway = set_gateway(fanout, told);
	int err = 0;

	if (gateway == NULL)
		return -ENOMEM;
	fanout_fill_queue(fanout, gateway);
	for (GList *link = fanout->alerts.head; link != NULL && err == 0; link = link->next) {
		const struct queue_alert *alert = link->data;

		if (alert->type != ALERT_PING && vendor_queue_has(&gateway->queue, alert))
			err = journal_address(fanout->options.database, alert->number, gateway->id);
	}
	fanout_start_over(fanout, gateway);
	return err;
}

void fanout_forget(struct fanout *fanout, const char *id)
{
	struct gateway *gateway = g_hash_table_lookup(fanout->gateways, id);

	if (gateway == NULL)
		return;
	if (gateway->is_ready)
		(void)g_queue_remove(&fanout->ready, gateway);
	(void)g_hash_table_remove(fanout->by_key, gateway->key.id);
	(void)g_hash_table_remove(fanout->gateways, id);
}

// ---- start and stop -----------------------------------------------------------------------------

int fanout_new(const struct fanout_options *options, struct fanout **out)
{
	struct fanout *fanout = calloc(1, sizeof(*fanout));

	if (fanout == NULL)
		return -ENOMEM;
	fanout->options = *options;
	fanout->gateways = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_gateway);
	fanout->by_key = g_hash_table_new(g_str_hash, g_str_equal);
	fanout->by_digest = g_hash_table_new(g_str_hash, g_str_equal);
	fanout->totals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_queue_init(&fanout->alerts);
	g_queue_init(&fanout->ready);
	fanout_kept_init(fanout);
	fanout->tick = g_timeout_add(TICK_MS, tick, fanout);
	*out = fanout;
	return 0;
}

void fanout_free(struct fanout *fanout)
{
	if (fanout == NULL)
		return;
	(void)g_source_remove(fanout->tick);
	if (fanout->work != 0)
		(void)g_source_remove(fanout->work);
	g_queue_clear(&fanout->ready);
	fanout_kept_fini(fanout);
	g_hash_table_unref(fanout->totals);
	g_hash_table_unref(fanout->by_key);
	g_hash_table_unref(fanout->by_digest);
	g_hash_table_unref(fanout->gateways);
	g_queue_clear_full(&fanout->alerts, free_alert);
	free(fanout);
}

static void resume_alert(void *ctx, int64_t number, const char *state, const char *text)
{
	struct fanout *fanout = ctx;
	struct envelope *envelope = NULL;
	struct queue_alert *made = NULL;
	struct alert alert = {.payload = NULL};
	char error[256];
	const char *why;
	size_t bytes;
	const char *payload;

	(void)state;
	if (envelope_parse(text, strlen(text), &envelope, &why) != 0)
		return;
	payload = envelope_payload(envelope, &bytes);
	if (alert_parse(payload, bytes, &alert, error, sizeof(error)) == 0)
		made = make_alert(number, &alert, envelope_digest(envelope), text);
	if (made != NULL) {
		g_queue_push_tail(&fanout->alerts, made);
		(void)g_hash_table_insert(fanout->by_digest, made->digest, made);
	}
	alert_clear(&alert);
	envelope_free(envelope);
}

int fanout_resume(struct fanout *fanout)
{
	struct database *database = fanout->options.database;
	char after[REGISTRY_ID_BYTES] = "";
	int err = journal_each(database, resume_alert, fanout);
	json_t *page = NULL;
	json_t *gateway;
	size_t i;

	while (err == 0 && (page = registry_list(database, after, 1000, NULL)) != NULL &&
		json_array_size(page) > 0) {
		json_array_foreach(page, i, gateway)
		{
			if (err == 0)
				err = fanout_gateway(fanout, gateway);
			(void)snprintf(after, sizeof(after), "%s",
				json_string_value(json_object_get(gateway, "id")));
		}
		json_decref(page);
		page = NULL;
	}
	json_decref(page);
	return err;
}

// ---- for people and programs --------------------------------------------------------------------

static size_t add_open(
	const struct fanout *fanout, bool roots, const struct queue_alert **out, size_t count)
{
	for (const GList *link = fanout->alerts.head; link != NULL; link = link->next) {
		const struct queue_alert *alert = link->data;

		if (!alert->is_over && (alert->type == ALERT_ROOT) == roots)
			out[count++] = alert;
	}
	return count;
}

const struct queue_alert **fanout_open(const struct fanout *fanout, size_t *count)
{
	const struct queue_alert **open =
		g_new(const struct queue_alert *, fanout->alerts.length + 1);

	*count = add_open(fanout, false, open, add_open(fanout, true, open, 0));
	return open;
}

json_t *fanout_status(const struct fanout *fanout)
{
	GHashTableIter iter;
	gpointer value;
	json_int_t waiting = 0;

	g_hash_table_iter_init(&iter, fanout->gateways);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		waiting += vendor_queue_is_empty(&((struct gateway *)value)->queue) ? 0 : 1;
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "gateways",
		(json_int_t)g_hash_table_size(fanout->gateways), "alerts",
		(json_int_t)fanout->alerts.length, "waiting", waiting, "sent",
		(json_int_t)fanout->sent, "receipts", (json_int_t)fanout->receipts, "forged",
		(json_int_t)fanout->forged);
}
