// SPDX-License-Identifier: BSD-3-Clause
// Receipts: whose key has signed one is found before anything in it is read.
#include "control/control_events.h"
#include "control/vendor_fanout_inside.h"
#include "control/vendor_journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000

// Refusals that may be otherwise later: of the gateway's state, not of the alert.
static bool is_for_now(const char *why)
{
	static const char *const known[] = {"too many seals in an hour", "issued in the future",
		"it cannot be made durable", "its order cannot be looked up",
		"the root document cannot be kept"};

	for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
		if (strcmp(known[i], why) == 0)
			return true;
	}
	return false;
}

static struct gateway *find_signer(const struct fanout *fanout, const struct envelope *envelope)
{
	const char *key_id;

	if (strcmp(envelope_type(envelope), ENVELOPE_RECEIPT) != 0)
		return NULL;
	for (size_t i = 0; (key_id = envelope_key_id(envelope, i)) != NULL; i++) {
		struct gateway *gateway = g_hash_table_lookup(fanout->by_key, key_id);

		if (gateway != NULL)
			return envelope_signers(envelope, &gateway->key, 1) != 0 ? gateway : NULL;
	}
	return NULL;
}

static void end_delivery(struct fanout *fanout, struct gateway *gateway,
	const struct journal_answer *answer, bool applied)
{
	const struct queue_alert *alert = g_hash_table_lookup(fanout->by_digest, answer->digest);

	if (alert == NULL || !fanout_is_for(gateway, alert))
		return;
	if (!applied && is_for_now(answer->why)) {
		(void)snprintf(
			gateway->why, sizeof(gateway->why), "%s: %s", answer->channel, answer->why);
		return;
	}
	if (alert->type != ALERT_PING && journal_deliver(fanout->options.database, alert->number,
						 applied ? "delivered" : "refused", answer) != 0) {
		fanout->is_refused = true;
		return;
	}
	gateway->why[0] = '\0';
	(void)vendor_queue_remove(&gateway->queue, alert);
	fanout_start_over(fanout, gateway);
}

static void note_receipt(struct fanout *fanout, struct gateway *gateway,
	const struct journal_answer *answer, const json_t *state)
{
	const struct queue_alert *alert = g_hash_table_lookup(fanout->by_digest, answer->digest);
	bool applied = strcmp(answer->result, "refused") != 0;
	int err = 0;

	fanout_kept_note(fanout, gateway->id);
	if (registry_seen(fanout->options.database, gateway->id, answer->time_s, answer->counter,
		    state) != 0) {
		fanout->is_refused = true;
		return;
	}
	fanout_state_heard(gateway, answer->channel);
	// Answers to pings are as many as gateways, each time; what they say is in the registry.
	if (alert == NULL || alert->type != ALERT_PING)
		err = journal_receipt(fanout->options.database, answer);
	if (err == 0 && (alert == NULL || alert->type != ALERT_PING))
		fanout->options.event(fanout->options.ctx, "receipt",
			json_pack("{s:s, s:s, s:s, s:s, s:s*}", "of", gateway->id, "alert",
				answer->digest, "result", answer->result, "channel",
				answer->channel, "why", answer->why));
	if (err != 0 && err != -EALREADY)
		fanout->is_refused = true;
	else
		end_delivery(fanout, gateway, answer, applied);
}

static bool read_receipt(struct fanout *fanout, struct gateway *gateway,
	const struct envelope *envelope, struct journal_answer *answer)
{
	size_t bytes;
	const char *payload = envelope_payload(envelope, &bytes);
	json_t *content = json_loadb(payload, bytes, JSON_REJECT_DUPLICATES, NULL);
	const char *id = json_string_value(json_object_get(content, "gateway"));
	json_int_t counter = json_integer_value(json_object_get(content, "counter"));
	bool good;

	answer->gateway = gateway->id;
	answer->digest = json_string_value(json_object_get(content, "alert"));
	answer->result = json_string_value(json_object_get(content, "result"));
	answer->why = json_string_value(json_object_get(content, "why"));
	answer->counter = counter > 0 ? (uint64_t)counter : 0;
	if (answer->result != NULL && strcmp(answer->result, "refused") == 0 && answer->why == NULL)
		answer->why = "";
	good = id != NULL && strcmp(id, gateway->id) == 0 && answer->digest != NULL &&
	       answer->result != NULL && counter > 0;
	if (good)
		note_receipt(fanout, gateway, answer, json_object_get(content, "state"));
	json_decref(content);
	return good;
}

bool fanout_receipt(
	struct fanout *fanout, const char *channel, const void *text, size_t bytes, char *id)
{
	struct journal_answer answer = {.channel = channel, .time_s = control_now_ns() / NS_PER_S};
	struct envelope *envelope = NULL;
	struct gateway *gateway = NULL;
	const char *why;
	char *line = NULL;
	bool good = false;

	if (envelope_parse(text, bytes, &envelope, &why) == 0)
		gateway = find_signer(fanout, envelope);
	if (gateway != NULL)
		line = strndup(text, bytes);
	if (line != NULL) {
		answer.envelope = line;
		answer.receipt = envelope_digest(envelope);
		good = read_receipt(fanout, gateway, envelope, &answer);
	}
	if (good && id != NULL)
		(void)snprintf(id, REGISTRY_ID_BYTES, "%s", gateway->id);
	if (good) {
		fanout->receipts++;
		fanout_total(fanout, channel)->receipts++;
	} else {
		fanout->forged++;
	}
	free(line);
	envelope_free(envelope);
	return good;
}
