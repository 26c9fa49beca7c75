// SPDX-License-Identifier: BSD-3-Clause
#include "control/store_json.h"

#include "control/control_events.h"

#include <glib.h>

json_t *store_json_text(struct spool_text text)
{
	char *valid = g_utf8_make_valid(text.at != NULL ? text.at : "", (gssize)text.bytes);
	json_t *string = json_string(valid);

	g_free(valid);
	return string;
}

static void put(json_t *object, const char *member, json_t *value)
{
	(void)json_object_set_new(object, member, value);
}

json_t *store_json_envelope(const struct spool_envelope *envelope)
{
	json_t *object = json_object();
	json_t *recipients = json_array();
	char time[32];

	for (size_t i = 0; i < envelope->recipients_count; i++) {
		const struct spool_recipient *recipient = &envelope->recipients[i];

		(void)json_array_append_new(recipients,
			json_pack("{s:o, s:o}", "address", store_json_text(recipient->address),
				"params", store_json_text(recipient->params)));
	}
	put(object, "mail_from", store_json_text(envelope->mail_from));
	put(object, "mail_params", store_json_text(envelope->mail_params));
	put(object, "rcpt_to", recipients);
	put(object, "helo", store_json_text(envelope->helo));
	put(object, "client", store_json_text(envelope->client));
	put(object, "client_port", json_integer(envelope->client_port));
	put(object, "server", store_json_text(envelope->server));
	put(object, "server_port", json_integer(envelope->server_port));
	put(object, "link", store_json_text(envelope->link));
	put(object, "direction", store_json_text(envelope->direction));
	put(object, "session", json_integer((json_int_t)envelope->session));
	put(object, "message", json_integer(envelope->message));
	put(object, "arrival", json_string(control_time_text(envelope->arrival_ns, time)));
	return object;
}

static json_t *text_list(const struct spool_text *texts, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, store_json_text(texts[i]));
	return list;
}

json_t *store_json_reason(const struct spool_reason *reason)
{
	static const char *const members[] = {"subject", "message_id", "parts", "matches"};
	json_t *object = json_object();
	json_t *parts = json_loadb(
		reason->parts.at != NULL ? reason->parts.at : "", reason->parts.bytes, 0, NULL);

	put(object, "verdict", store_json_text(reason->verdict));
	put(object, "reason", store_json_text(reason->reason));
	put(object, "seals", text_list(reason->seals, reason->seals_count));
	put(object, "signatures", text_list(reason->signatures, reason->signatures_count));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (json_object_get(parts, members[i]) != NULL)
			(void)json_object_set(
				object, members[i], json_object_get(parts, members[i]));
	}
	json_decref(parts);
	return object;
}

json_t *store_json_change(const struct spool_change *change)
{
	char time[32];

	return json_pack("{s:s, s:s, s:o, s:o}", "time", control_time_text(change->time_ns, time),
		"state", spool_state_name(change->state), "who", store_json_text(change->who),
		"why", store_json_text(change->why));
}
