// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify.h"

#include "control/control.h"
#include "control/letter.h"
#include "control/notify_post.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000
#define LINES_MOST 20 // of one digest or notice; the others are counted
#define LINE_CHARACTERS 300
#define READERS_MOST 10000 // recipients that are told in one round

// What somebody is told next.
struct round {
	GString *lines;
	size_t count;
	char host[CONTROL_TEXT_BYTES];
	uint32_t port;
};

struct notify {
	struct control *control;
	struct notify_post *post;
	GHashTable *counts;  // of events, by name
	struct round digest; // for the administrator
	GHashTable *readers; // recipients, struct round
	int64_t due_s;
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static void round_free(gpointer data)
{
	struct round *round = data;

	(void)g_string_free(round->lines, TRUE);
	g_free(round);
}

// One line, whatever is in text.
static void add_line(struct round *round, const char *text)
{
	char *valid = g_utf8_make_valid(text, -1);
	char *cut = g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), LINE_CHARACTERS));

	round->count++;
	for (char *at = cut; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = ' ';
	}
	if (round->count <= LINES_MOST)
		g_string_append_printf(round->lines, "  %s\n", cut);
	g_free(cut);
	g_free(valid);
}

static void put_rest(const struct round *round, GString *out)
{
	g_string_append(out, round->lines->str);
	if (round->count > LINES_MOST)
		g_string_append_printf(out, "  and %zu more\n", round->count - LINES_MOST);
}

// ---- the administrator --------------------------------------------------------------------------

void notify_event(void *ctx, const char *event, const json_t *members)
{
	static const char *const told[] = {
		"seal", "unseal", "quarantine", "release", "fault", "audit"};
	struct notify *notify = ctx;
	bool is_told = false;
	char *name;
	char *line;
	char *dump;

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		is_told = is_told || strcmp(event, told[i]) == 0;
	// A mail that waits is no news each time.
	if (!is_told || notify->control->options.notify.admin[0] == '\0' ||
		strcmp(text_of(members, "action"), "later") == 0)
		return;
	name = g_strstrip(g_strdup_printf("%s %s", event, text_of(members, "action")));
	(void)g_hash_table_replace(notify->counts, name,
		GSIZE_TO_POINTER(GPOINTER_TO_SIZE(g_hash_table_lookup(notify->counts, name)) + 1));
	dump = json_dumps(members, JSON_COMPACT);
	line = g_strdup_printf("%s %s", event, dump != NULL ? dump : "");
	add_line(&notify->digest, line);
	g_free(line);
	free(dump);
}

static void put_count(gpointer name, gpointer count, gpointer out)
{
	g_string_append_printf(out, "  %-24s %zu\n", (const char *)name, GPOINTER_TO_SIZE(count));
}

static void send_digest(struct notify *notify)
{
	const struct control_options *options = &notify->control->options;
	const struct notify_parcel parcel = {.kind = "digest",
		.to = options->notify.admin,
		.host = notify->digest.host,
		.port = notify->digest.port};
	GString *text = g_string_new(NULL);
	struct letter letter = {.gateway = options->gateway,
		.from = options->notify.from,
		.to = options->notify.admin,
		.subject = "Mail gateway: what has happened"};
	size_t bytes = 0;
	uint8_t *data;

	g_string_append_printf(
		text, "This is the mail gateway %s. Since the last digest:\n\n", options->gateway);
	g_hash_table_foreach(notify->counts, put_count, text);
	if (notify->control->store != NULL) {
		json_t *counts = store_counts(notify->control->store);

		g_string_append_printf(text, "\nKept now: %lld held, %lld quarantined.\n",
			json_integer_value(json_object_get(counts, "held")),
			json_integer_value(json_object_get(counts, "quarantined")));
		json_decref(counts);
	}
	g_string_append(text, "\nIn detail:\n\n");
	put_rest(&notify->digest, text);
	letter.text = text->str;
	data = letter_write(&letter, &bytes);
	notify_post_send(notify->post, &parcel, data, bytes);
	(void)g_string_free(text, TRUE);
	g_hash_table_remove_all(notify->counts);
	g_string_truncate(notify->digest.lines, 0);
	notify->digest.count = 0;
}

// ---- recipients ---------------------------------------------------------------------------------

static struct round *round_of(struct notify *notify, const char *reader, const json_t *envelope)
{
	struct round *round = g_hash_table_lookup(notify->readers, reader);

	if (round != NULL || g_hash_table_size(notify->readers) >= READERS_MOST)
		return round;
	round = g_new0(struct round, 1);
	round->lines = g_string_new(NULL);
	// Without a next hop their own server takes it.
	round->port = notify->digest.port;
	(void)snprintf(round->host, sizeof(round->host), "%s", notify->digest.host);
	if (round->host[0] == '\0') {
		(void)snprintf(round->host, sizeof(round->host), "%s", text_of(envelope, "server"));
		round->port =
			(uint32_t)json_integer_value(json_object_get(envelope, "server_port"));
	}
	(void)g_hash_table_insert(notify->readers, g_strdup(reader), round);
	return round;
}

void notify_quarantined(struct notify *notify, struct spool_id id, const char *why)
{
	char name[SPOOL_ID_TEXT_BYTES];
	const json_t *envelope;
	json_t *recipient;
	json_t *mail;
	char *line;
	size_t i;

	if (!notify->control->options.notify.recipients)
		return;
	mail = store_show(notify->control->store, id);
	envelope = json_object_get(mail, "envelope");
	line = g_strdup_printf("from <%s>, subject \"%s\", reason: %s, number %s",
		text_of(envelope, "mail_from"), text_of(mail, "subject"), why,
		spool_id_text(id, name));
	json_array_foreach(json_object_get(envelope, "rcpt_to"), i, recipient)
	{
		struct round *round = round_of(notify, text_of(recipient, "address"), envelope);

		if (round != NULL)
			add_line(round, line);
	}
	g_free(line);
	json_decref(mail);
}

static gboolean send_round(gpointer reader, gpointer data, gpointer ctx)
{
	const struct notify *notify = ctx;
	const struct round *round = data;
	const struct control_options *options = &notify->control->options;
	const struct notify_parcel parcel = {
		.kind = "quarantine", .to = reader, .host = round->host, .port = round->port};
	GString *text = g_string_new(NULL);
	struct letter letter = {.gateway = options->gateway,
		.from = options->notify.from,
		.to = reader,
		.subject = "Mail for you was quarantined"};
	size_t bytes = 0;
	uint8_t *letter_data;

	g_string_append_printf(text,
		"This is the mail gateway %s. Mail for you was not delivered, because it is not "
		"safe.\nYour administrator can release it by its number.\n\n",
		options->gateway);
	put_rest(round, text);
	letter.text = text->str;
	letter_data = letter_write(&letter, &bytes);
	notify_post_send(notify->post, &parcel, letter_data, bytes);
	(void)g_string_free(text, TRUE);
	return TRUE;
}

// ---- senders ------------------------------------------------------------------------------------

static const char *date_of(const char *time, char *out, size_t room)
{
	struct tm utc = {0};

	out[0] = '\0';
	if (strptime(time, "%Y-%m-%dT%H:%M:%S", &utc) != NULL)
		(void)strftime(out, room, "%a, %d %b %Y %H:%M:%S +0000", &utc);
	return out;
}

static size_t choose_failed(const struct notify_failure *failure, struct dsn_recipient *out)
{
	size_t n = 0;

	for (size_t i = 0; i < failure->recipients_count; i++) {
		const struct deliver_recipient *recipient = &failure->recipients[i];

		if (recipient->outcome == DELIVER_NEVER)
			out[n++] = (struct dsn_recipient){
				recipient->address, recipient->params, recipient->reply};
	}
	return n;
}

void notify_failed(struct notify *notify, const struct notify_failure *failure)
{
	const struct control_options *options = &notify->control->options;
	struct dsn_recipient *recipients = g_new0(struct dsn_recipient, failure->recipients_count);
	struct store_message message;
	char arrival[64];
	struct dsn dsn = {
		.gateway = options->gateway,
		.from = options->notify.from,
		.sender = text_of(failure->envelope, "mail_from"),
		.mail_params = text_of(failure->envelope, "mail_params"),
		.server = failure->server,
		.arrival = date_of(text_of(failure->envelope, "arrival"), arrival, sizeof(arrival)),
		.recipients = recipients,
		.recipients_count = choose_failed(failure, recipients),
	};
	const struct notify_parcel parcel = {.kind = "failure",
		.to = dsn.sender,
		.host = notify->digest.host,
		.port = notify->digest.port,
		.has_record = true,
		.id = failure->id};
	uint8_t *data = NULL;
	size_t bytes = 0;

	if (store_read(notify->control->store, failure->id, options->spool.message_bytes,
		    &message) == 0) {
		dsn.data = message.data;
		dsn.bytes = message.bytes;
		data = dsn_write(&dsn, &bytes);
		store_message_fini(&message);
	}
	// NULL: nobody wants to know.
	if (data != NULL)
		notify_post_send(notify->post, &parcel, data, bytes);
	g_free(recipients);
}

// ---- the clock ----------------------------------------------------------------------------------

void notify_turn(struct notify *notify)
{
	const struct control_options *options = &notify->control->options;
	int64_t now_s = control_now_ns() / NS_PER_S;

	notify_post_turn(notify->post);
	if (now_s < notify->due_s ||
		(notify->digest.count == 0 && g_hash_table_size(notify->readers) == 0))
		return;
	notify->due_s = now_s + options->notify.interval_seconds;
	if (notify->digest.count > 0)
		send_digest(notify);
	(void)g_hash_table_foreach_remove(notify->readers, send_round, notify);
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
	if (err != 0) {
		free(notify);
		return err;
	}
	notify->control = control;
	notify->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	notify->readers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, round_free);
	notify->digest.lines = g_string_new(NULL);
	notify->digest.port = has_host ? options->notify.port : options->release.port;
	(void)snprintf(notify->digest.host, sizeof(notify->digest.host), "%s",
		has_host ? options->notify.host : options->release.host);
	*out = notify;
	return 0;
}

void notify_free(struct notify *notify)
{
	if (notify == NULL)
		return;
	notify_post_free(notify->post);
	g_hash_table_destroy(notify->counts);
	g_hash_table_destroy(notify->readers);
	(void)g_string_free(notify->digest.lines, TRUE);
	free(notify);
}
