// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_mail.h"

#include "control/clock.h"
#include "control/release_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

// ---- its life -----------------------------------------------------------------------------------

void release_mail_free(struct release_mail *mail)
{
	if (mail == NULL)
		return;
	json_decref(mail->envelope);
	rebuild_plan_free(mail->plan);
	free(mail->place.recipients);
	free(mail->noted);
	free(mail);
}

static void name_server(const struct control_options *options, struct release_mail *mail)
{
	if (options->release.host[0] != '\0')
		(void)snprintf(mail->server, sizeof(mail->server), "%.50s %u",
			options->release.host, options->release.port);
	else
		(void)snprintf(mail->server, sizeof(mail->server), "%.50s %lld",
			text_of(mail->envelope, "server"),
			json_integer_value(json_object_get(mail->envelope, "server_port")));
}

// As far as an earlier one came.
static void resume(struct release_mail *mail)
{
	const struct release_notes notes = release_mail_notes(mail);

	release_notes_apply(&notes, mail->place.recipients, mail->place.recipients_count);
	for (size_t i = 0; i < mail->place.recipients_count; i++)
		mail->noted[i] = mail->place.recipients[i].outcome == DELIVER_DONE;
	mail->begun_s = release_notes_begun(&notes);
}

static bool fill(struct release_mail *mail, struct spool_id id, const json_t *envelope,
	const struct release_way *way)
{
	json_t *list;
	json_t *entry;
	size_t i;

	mail->envelope = json_deep_copy(envelope);
	list = json_object_get(mail->envelope, "rcpt_to");
	mail->place = (struct release_place){
		.owner = mail,
		.id = id,
		.arrival = text_of(mail->envelope, "arrival"),
		.sender = text_of(mail->envelope, "mail_from"),
		.recipients = calloc(json_array_size(list) + 1, sizeof(struct deliver_recipient)),
		.recipients_count = json_array_size(list),
	};
	mail->noted = calloc(json_array_size(list) + 1, sizeof(bool));
	mail->plan = way->plan != NULL ? rebuild_plan_copy(way->plan) : NULL;
	if (mail->envelope == NULL || mail->place.recipients == NULL || mail->noted == NULL ||
		(way->plan != NULL && mail->plan == NULL))
		return false;
	json_array_foreach(list, i, entry)
	{
		mail->place.recipients[i].address = text_of(entry, "address");
		mail->place.recipients[i].params = text_of(entry, "params");
	}
	return true;
}

struct release_mail *release_mail_new(struct control *control, struct spool_id id,
	const json_t *envelope, const struct release_way *way)
{
	struct release_mail *mail = calloc(1, sizeof(*mail));

	if (mail == NULL)
		return NULL;
	mail->control = control;
	mail->from = way->from;
	mail->after = way->after;
	if (!fill(mail, id, envelope, way)) {
		release_mail_free(mail);
		return NULL;
	}
	(void)spool_id_text(id, mail->name);
	(void)snprintf(mail->key, sizeof(mail->key), "%s", way->key);
	name_server(&control->options, mail);
	mail->arrival_s = release_trace_arrival(envelope);
	resume(mail);
	return mail;
}

void release_mail_change_way(struct release_mail *mail, const struct release_way *way)
{
	(void)snprintf(mail->key, sizeof(mail->key), "%s", way->key);
	mail->is_asked = false;
	if ((mail->plan != NULL) == (way->plan != NULL) && mail->after == way->after) {
		if (mail->from != way->from)
			mail->begun_s = 0;
		mail->from = way->from;
		return;
	}
	if (mail->place.is_tried) {
		mail->is_stale = true;
		return;
	}
	rebuild_plan_free(mail->plan);
	mail->plan = way->plan != NULL ? rebuild_plan_copy(way->plan) : NULL;
	mail->from = way->from;
	mail->after = way->after;
	mail->place.next_s = 0;
	mail->put_offs = 0;
	for (size_t i = 0; i < mail->place.recipients_count; i++)
		mail->place.recipients[i].outcome = DELIVER_PENDING;
	resume(mail);
}

// ---- one try ------------------------------------------------------------------------------------

int release_mail_begin(struct release_mail *mail)
{
	const struct control *control = mail->control;
	const struct control_options *options = &control->options;
	bool has_hop = options->release.host[0] != '\0';
	int64_t now_s = control_due_s();
	int err = store_read(
		control->store, mail->place.id, options->spool.message_bytes, &mail->message);

	if (err != 0)
		return err;
	release_trace_write(mail->envelope, options->gateway, mail->name, mail->arrival_s,
		mail->trace, sizeof(mail->trace));
	mail->deliver = (struct deliver){
		.host = has_hop ? options->release.host : text_of(mail->envelope, "server"),
		.port = (uint16_t)(has_hop ? (json_int_t)options->release.port
					   : json_integer_value(json_object_get(
						     mail->envelope, "server_port"))),
		.seconds = options->release.reply_seconds,
		.mail_from = text_of(mail->envelope, "mail_from"),
		.mail_params = text_of(mail->envelope, "mail_params"),
		.recipients = mail->place.recipients,
		.recipients_count = mail->place.recipients_count,
		.trace = mail->trace,
		.data = mail->message.data,
		.bytes = mail->message.bytes,
		.now_s = now_s,
		.waited_s = now_s - clock_begun_s(mail->arrival_s, now_s),
	};
	return 0;
}

// The same plan gave the message that was scanned. What fails here is memory.
static bool repair(struct release_mail *mail)
{
	const struct control_options *options = &mail->control->options;

	if (rebuild_strip(mail->message.data, mail->message.bytes, mail->plan, options->gateway,
		    &mail->repaired, &mail->deliver.bytes) != 0)
		return false;
	mail->deliver.data = mail->repaired;
	return true;
}

void release_mail_run(struct release_mail *mail)
{
	if (mail->plan == NULL || repair(mail))
		deliver_run(&mail->deliver, mail->link);
	else
		release_mail_settle(mail, DELIVER_PENDING, DELIVER_LATER);
}

void release_mail_end(struct release_mail *mail)
{
	store_message_fini(&mail->message);
	free(mail->repaired);
	mail->repaired = NULL;
	mail->tries++;
}

// ---- what is to be known of it ------------------------------------------------------------------

size_t release_mail_count(const struct release_mail *mail, enum deliver_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < mail->place.recipients_count; i++)
		n += mail->place.recipients[i].outcome == outcome;
	return n;
}

void release_mail_settle(
	struct release_mail *mail, enum deliver_outcome from, enum deliver_outcome to)
{
	for (size_t i = 0; i < mail->place.recipients_count; i++) {
		if (mail->place.recipients[i].outcome == from)
			mail->place.recipients[i].outcome = to;
	}
}

void release_mail_report(const struct release_mail *mail, const char *action)
{
	json_t *recipients = json_array();

	for (size_t i = 0; i < mail->place.recipients_count; i++)
		(void)json_array_append_new(recipients,
			json_pack("{s:s, s:s}", "address", mail->place.recipients[i].address,
				"reply", mail->place.recipients[i].reply));
	control_events_write(mail->control->events, "release",
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:s*}", "id", mail->name, "action",
			action, "server", mail->server, "mail_from",
			text_of(mail->envelope, "mail_from"), "rcpt_to", recipients, "tries",
			(int)mail->tries, "expired", mail->is_expired ? "yes" : NULL));
}

struct release_notes release_mail_notes(const struct release_mail *mail)
{
	return (struct release_notes){mail->control->store, mail->place.id, mail->plan != NULL};
}
