// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify.h"

#include "control/control.h"
#include "control/letter.h"
#include "control/notify_kept.h"
#include "control/notify_post.h"
#include "control/notify_rounds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000
#define HASH_DIGITS 16

struct notify {
	struct control *control;
	struct notify_post *post;
	struct notify_rounds *rounds;
	struct notify_kept *kept;
	char host[CONTROL_TEXT_BYTES]; // next hop
	uint32_t port;
	int64_t due_s;
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static int64_t now_of(void)
{
	return control_now_ns() / NS_PER_S;
}

// ---- the administrator --------------------------------------------------------------------------

void notify_event(void *ctx, const char *event, const json_t *members)
{
	static const char *const told[] = {
		"seal", "unseal", "quarantine", "release", "fault", "audit", "screening"};
	struct notify *notify = ctx;
	const char *admin = notify->control->options.notify.admin;
	bool is_told = false;
	char *name;
	char *text;
	char *dump;
	json_t *line;

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		is_told = is_told || strcmp(event, told[i]) == 0;
	// A mail that waits is no news each time.
	if (!is_told || admin[0] == '\0' || strcmp(text_of(members, "action"), "later") == 0)
		return;
	name = g_strstrip(g_strdup_printf("%s %s", event, text_of(members, "action")));
	dump = json_dumps(members, JSON_COMPACT);
	text = g_strdup_printf("%s %s", event, dump != NULL ? dump : "");
	line = json_pack("{s:s, s:s, s:i, s:s, s:s}", "to", admin, "host", notify->host, "port",
		(int)notify->port, "line", text, "name", name);
	// What the journal has no room for is told all the same, unless the process dies.
	if (notify_rounds_add(notify->rounds, line) != 0)
		notify->due_s = 0;
	json_decref(line);
	g_free(text);
	free(dump);
	g_free(name);
}

static void put_count(gpointer name, gpointer count, gpointer out)
{
	g_string_append_printf(out, "  %-24s %zu\n", (const char *)name, GPOINTER_TO_SIZE(count));
}

static void put_lines(const struct notify_round *round, GString *out)
{
	size_t lines = 0;

	for (const char *at = round->lines->str; *at != '\0'; at++)
		lines += *at == '\n';
	g_string_append(out, round->lines->str);
	if (round->count > lines)
		g_string_append_printf(out, "  and %zu more\n", round->count - lines);
}

static void write_digest(
	const struct notify *notify, const struct notify_round *round, GString *text)
{
	g_string_append_printf(text, "This is the mail gateway %s. Since the last digest:\n\n",
		notify->control->options.gateway);
	g_hash_table_foreach(round->counts, put_count, text);
	if (notify->control->store != NULL) {
		json_t *counts = store_counts(notify->control->store);

		g_string_append_printf(text, "\nKept now: %lld held, %lld quarantined.\n",
			json_integer_value(json_object_get(counts, "held")),
			json_integer_value(json_object_get(counts, "quarantined")));
		json_decref(counts);
	}
	g_string_append(text, "\nIn detail:\n\n");
	put_lines(round, text);
}

// ---- recipients ---------------------------------------------------------------------------------

int notify_quarantined(struct notify *notify, struct spool_id id, const char *why)
{
	char name[SPOOL_ID_TEXT_BYTES];
	const json_t *envelope;
	json_t *recipient;
	json_t *mail;
	char *text;
	size_t i;
	int err = 0;

	if (!notify->control->options.notify.recipients)
		return 0;
	mail = store_show(notify->control->store, id);
	envelope = json_object_get(mail, "envelope");
	text = g_strdup_printf("from <%s>, subject \"%s\", reason: %s, number %s",
		text_of(envelope, "mail_from"), text_of(mail, "subject"), why,
		spool_id_text(id, name));
	json_array_foreach(json_object_get(envelope, "rcpt_to"), i, recipient)
	{
		// Without a next hop their own server takes it.
		bool has_host = notify->host[0] != '\0';
		json_t *line = json_pack("{s:s, s:s, s:I, s:s, s:s}", "to",
			text_of(recipient, "address"), "host",
			has_host ? notify->host : text_of(envelope, "server"), "port",
			has_host ? (json_int_t)notify->port
				 : json_integer_value(json_object_get(envelope, "server_port")),
			"line", text, "id", name);

		if (err == 0)
			err = notify_rounds_add(notify->rounds, line);
		json_decref(line);
	}
	g_free(text);
	json_decref(mail);
	return err;
}

static void send_round(void *ctx, const struct notify_round *round)
{
	struct notify *notify = ctx;
	bool is_digest = g_hash_table_size(round->counts) > 0;
	GString *text = g_string_new(NULL);
	gchar *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, round->to, -1);
	char *key = g_strdup_printf("%s-%llu-%.*s", is_digest ? "digest" : "quarantine",
		(unsigned long long)notify_rounds_number(notify->rounds), HASH_DIGITS, hash);
	json_t *about;
	int err;

	if (is_digest) {
		write_digest(notify, round, text);
	} else {
		g_string_append_printf(text,
			"This is the mail gateway %s. Mail for you was not delivered, because it "
			"is not safe.\nYour administrator can release it by its number.\n\n",
			notify->control->options.gateway);
		put_lines(round, text);
	}
	about = json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:s}", "kind",
		is_digest ? "digest" : "quarantine", "to", round->to, "host", round->host, "port",
		(int)round->port, "begun", (json_int_t)now_of(), "subject",
		is_digest ? "Mail gateway: what has happened" : "Mail for you was quarantined",
		"text", text->str);
	err = notify_post_put(notify->post, key, about);
	if (err != -EEXIST)
		notify_post_go(notify->post, key, about, true);
	json_decref(about);
	g_free(key);
	g_free(hash);
	(void)g_string_free(text, TRUE);
}

// ---- senders ------------------------------------------------------------------------------------

static const struct {
	const char *name;
	enum dsn_kind dsn;
} kinds[] = {
	[NOTIFY_FAILURE] = {"failure", DSN_FAILED},
	[NOTIFY_DELAY] = {"delay", DSN_DELAYED},
	[NOTIFY_SUCCESS] = {"success", DSN_RELAYED},
};

static char *date_of(int64_t time_s, char *out, size_t room)
{
	time_t time = (time_t)time_s;
	struct tm utc = {0};

	out[0] = '\0';
	if (time_s > 0 && gmtime_r(&time, &utc) != NULL)
		(void)strftime(out, room, "%a, %d %b %Y %H:%M:%S +0000", &utc);
	return out;
}

static bool is_of_kind(enum notify_kind kind, const struct deliver_recipient *recipient)
{
	switch (kind) {
	case NOTIFY_FAILURE:
		return recipient->outcome == DELIVER_NEVER;
	case NOTIFY_DELAY:
		return recipient->outcome == DELIVER_PENDING || recipient->outcome == DELIVER_LATER;
	case NOTIFY_SUCCESS:
		return recipient->outcome == DELIVER_DONE && recipient->tells_none;
	}
	return false;
}

static json_t *recipients_of(enum notify_kind kind, const struct notify_outcome *outcome)
{
	const char *sender = text_of(outcome->envelope, "mail_from");
	json_t *list = json_array();

	for (size_t i = 0; i < outcome->recipients_count; i++) {
		const struct deliver_recipient *recipient = &outcome->recipients[i];
		char *reply;

		if (!is_of_kind(kind, recipient) ||
			!dsn_is_wanted(kinds[kind].dsn, sender, recipient->params))
			continue;
		reply = g_utf8_make_valid(recipient->reply, -1);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "address", recipient->address, "params",
				      recipient->params, "reply", reply));
		g_free(reply);
	}
	return list;
}

void notify_receipt(struct notify *notify, const char *to, const char *digest, const char *receipt)
{
	char *key = g_strdup_printf("receipt-%.64s", digest);
	char *text = g_strdup_printf("%s\n", receipt);
	json_t *about = json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:s}", "kind", "receipt", "to",
		to, "host", notify->host, "port", (int)notify->port, "begun", (json_int_t)now_of(),
		"subject", "Receipt of an alert", "text", text);

	if (notify_post_put(notify->post, key, about) == 0)
		notify_post_go(notify->post, key, about, true);
	json_decref(about);
	g_free(text);
	g_free(key);
}

// NULL: there is nothing to tell.
static json_t *about_of(
	const struct notify *notify, enum notify_kind kind, const struct notify_outcome *outcome)
{
	char id[SPOOL_ID_TEXT_BYTES];
	char arrival[64];
	char until[64];
	json_t *list = recipients_of(kind, outcome);
	json_t *dsn;

	if (json_array_size(list) == 0) {
		json_decref(list);
		return NULL;
	}
	dsn = json_pack("{s:s, s:s, s:s, s:s, s:o}", "mail_params",
		text_of(outcome->envelope, "mail_params"), "server", outcome->server, "arrival",
		date_of(control_time_seconds(text_of(outcome->envelope, "arrival")), arrival,
			sizeof(arrival)),
		"until", date_of(outcome->until_s, until, sizeof(until)), "recipients", list);
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:o}", "kind", kinds[kind].name, "to",
		text_of(outcome->envelope, "mail_from"), "host", notify->host, "port",
		(int)notify->port, "begun", (json_int_t)now_of(), "id",
		spool_id_text(outcome->id, id), "dsn", dsn);
}

static char *key_of(enum notify_kind kind, struct spool_id id, char *out, size_t room)
{
	char name[SPOOL_ID_TEXT_BYTES];

	(void)snprintf(out, room, "%s-%s", kinds[kind].name, spool_id_text(id, name));
	return out;
}

int notify_plan(struct notify *notify, enum notify_kind kind, const struct notify_outcome *outcome)
{
	json_t *about;
	char key[96];
	int err;

	if (kind == NOTIFY_SUCCESS && !notify->control->options.notify.success)
		return -ENOENT;
	about = about_of(notify, kind, outcome);
	if (about == NULL)
		return -ENOENT;
	err = notify_post_put(notify->post, key_of(kind, outcome->id, key, sizeof(key)), about);
	json_decref(about);
	// It was told before.
	return err == -EEXIST ? -ENOENT : err;
}

void notify_settle(struct notify *notify, enum notify_kind kind,
	const struct notify_outcome *outcome, bool is_true)
{
	json_t *about = about_of(notify, kind, outcome);
	char key[96];

	if (about != NULL)
		notify_post_go(
			notify->post, key_of(kind, outcome->id, key, sizeof(key)), about, is_true);
	json_decref(about);
}

// ---- the clock ----------------------------------------------------------------------------------

void notify_turn(struct notify *notify)
{
	int64_t now_s = control_steady_ns() / NS_PER_S;

	notify_kept_turn(notify->kept, notify->host[0] != '\0');
	notify_post_turn(notify->post);
	if (now_s < notify->due_s || notify_rounds_is_empty(notify->rounds))
		return;
	notify->due_s = now_s + notify->control->options.notify.interval_seconds;
	notify_rounds_flush(notify->rounds, send_round, notify);
}

// What tells of a mail that is held still was not decided any more.
static bool is_true_line(void *ctx, const json_t *line)
{
	const struct notify *notify = ctx;
	struct store *store = notify->control->store;
	struct spool_id id;
	json_t *mail;
	bool is_true;

	if (text_of(line, "id")[0] == '\0')
		return true;
	if (store == NULL || spool_id_parse(text_of(line, "id"), &id) != 0)
		return false;
	mail = store_show(store, id);
	is_true = strcmp(text_of(mail, "state"), spool_state_name(SPOOL_HELD)) != 0;
	json_decref(mail);
	return is_true;
}

void notify_resume(struct notify *notify)
{
	char path[CONTROL_TEXT_BYTES + 32];
	char reason[128];
	int err;

	(void)snprintf(
		path, sizeof(path), "%s/outbox/rounds.jsonl", notify->control->options.state);
	err = notify_rounds_load(notify->rounds, path, is_true_line, notify);
	if (err != 0)
		control_events_write(notify->control->events, "fault",
			json_pack("{s:s, s:s}", "what", path, "why",
				strerror_r(-err, reason, sizeof(reason))));
	notify_post_resume(notify->post);
	// What is left of a round may be sent in part: its keys are of this number.
	if (!notify_rounds_is_empty(notify->rounds))
		notify_rounds_flush(notify->rounds, send_round, notify);
}

size_t notify_count(const struct notify *notify)
{
	return notify_post_count(notify->post);
}

int notify_new(struct control *control, struct notify **out)
{
	const struct control_options *options = &control->options;
	bool has_host = options->notify.host[0] != '\0';
	struct notify *notify = calloc(1, sizeof(*notify));
	int err;

	if (notify == NULL)
		return -ENOMEM;
	err = notify_post_new(control, &notify->post);
	if (err == 0)
		err = notify_kept_new(control, &notify->kept);
	if (err != 0) {
		notify_post_free(notify->post);
		free(notify);
		return err;
	}
	notify->control = control;
	notify_rounds_new(&notify->rounds);
	notify->port = has_host ? options->notify.port : options->release.port;
	(void)snprintf(notify->host, sizeof(notify->host), "%s",
		has_host ? options->notify.host : options->release.host);
	*out = notify;
	return 0;
}

void notify_free(struct notify *notify)
{
	if (notify == NULL)
		return;
	notify_post_free(notify->post);
	notify_rounds_free(notify->rounds);
	notify_kept_free(notify->kept);
	free(notify);
}
