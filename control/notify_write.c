// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify_write.h"

#include "control/control.h"
#include "control/letter.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static uint8_t *write_letter(
	const struct control *control, const char *key, const json_t *about, size_t *bytes)
{
	const struct letter letter = {
		.gateway = control->options.gateway,
		.from = control->options.notify.from,
		.to = text_of(about, "to"),
		.subject = text_of(about, "subject"),
		.text = text_of(about, "text"),
		.key = key,
	};

	return letter_write(&letter, bytes);
}

static enum dsn_kind kind_of(const json_t *about)
{
	if (strcmp(text_of(about, "kind"), "delay") == 0)
		return DSN_DELAYED;
	return strcmp(text_of(about, "kind"), "success") == 0 ? DSN_RELAYED : DSN_FAILED;
}

static struct dsn_recipient *recipients_of(const json_t *list)
{
	struct dsn_recipient *recipients = g_new0(struct dsn_recipient, json_array_size(list) + 1);
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		recipients[i].address = text_of(entry, "address");
		recipients[i].params = text_of(entry, "params");
		recipients[i].reply = text_of(entry, "reply");
	}
	return recipients;
}

static uint8_t *write_dsn(
	const struct control *control, const char *key, const json_t *about, size_t *bytes)
{
	const json_t *told = json_object_get(about, "dsn");
	struct dsn_recipient *recipients = recipients_of(json_object_get(told, "recipients"));
	struct store_message message = {.data = NULL};
	struct spool_id id;
	struct dsn dsn = {
		.kind = kind_of(about),
		.key = key,
		.gateway = control->options.gateway,
		.from = control->options.notify.from,
		.sender = text_of(about, "to"),
		.mail_params = text_of(told, "mail_params"),
		.server = text_of(told, "server"),
		.arrival = text_of(told, "arrival"),
		.until = text_of(told, "until"),
		.recipients = recipients,
		.recipients_count = json_array_size(json_object_get(told, "recipients")),
	};
	bool is_there =
		control->store != NULL && spool_id_parse(text_of(about, "id"), &id) == 0 &&
		store_read(control->store, id, control->options.spool.message_bytes, &message) == 0;
	uint8_t *data;

	if (is_there) {
		dsn.data = message.data;
		dsn.bytes = message.bytes;
	}
	data = dsn_write(&dsn, bytes);
	if (is_there)
		store_message_fini(&message);
	g_free(recipients);
	return data;
}

uint8_t *notify_write(
	const struct control *control, const char *key, const json_t *about, size_t *bytes)
{
	return json_object_get(about, "dsn") != NULL ? write_dsn(control, key, about, bytes)
						     : write_letter(control, key, about, bytes);
}
