// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_inside.h"
#include "control/control_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_S 60

char *alerts_tell_receipt(
	struct alerts *alerts, const char *digest, const char *result, const char *why)
{
	char time[32];
	char *receipt = NULL;
	json_t *payload = json_pack("{s:s, s:s, s:s, s:o, s:s, s:I}", "gateway",
		alerts->options.gateway, "alert", digest, "result", result, "state",
		alerts->actions.state(alerts->actions.ctx), "time",
		control_time_text(control_now_ns(), time), "counter",
		(json_int_t)alert_order_count(alerts->order));
	char *text;

	if (strcmp(result, "refused") == 0)
		(void)json_object_set_new(payload, "why", json_string(why));
	text = json_dumps(payload, JSON_COMPACT);
	json_decref(payload);
	if (text == NULL || envelope_sign(ENVELOPE_RECEIPT, text, strlen(text), &alerts->signer, 1,
				    &receipt) != 0)
		receipt = NULL;
	free(text);
	return receipt;
}

static json_t *describe(const struct taking *taking, const char *result)
{
	const struct alert *alert = &taking->alert;
	json_t *members = json_pack("{s:s, s:s, s:s}", "result", result, "channel",
		taking->source->channel, "peer", taking->source->peer);

	if (taking->why[0] != '\0')
		(void)json_object_set_new(members, "why", json_string(taking->why));
	if (taking->digest != NULL && taking->digest[0] != '\0')
		(void)json_object_set_new(members, "alert", json_string(taking->digest));
	if (alert->payload == NULL)
		return members;
	(void)json_object_set_new(members, "vendor", json_string(alert->vendor));
	(void)json_object_set_new(members, "role", json_string(key_role_name(alert->role)));
	(void)json_object_set_new(members, "type", json_string(alert_type_name(alert->type)));
	(void)json_object_set_new(members, "epoch", json_integer((json_int_t)alert->epoch));
	(void)json_object_set_new(members, "sequence", json_integer((json_int_t)alert->sequence));
	if (alert->virus_id[0] != '\0')
		(void)json_object_set_new(members, "virus_id", json_string(alert->virus_id));
	return members;
}

void alerts_tell(struct alerts *alerts, const char *event, json_t *members)
{
	alerts->actions.event(alerts->actions.ctx, event, members);
}

void alerts_tell_fault(struct alerts *alerts, const char *why)
{
	alerts_tell(alerts, "fault", json_pack("{s:s, s:s}", "what", "alerts", "why", why));
}

void alerts_tell_taking(struct alerts *alerts, const struct taking *taking, const char *result)
{
	alerts_tell(alerts, "alert", describe(taking, result));
}

// ---- what anybody can send again and again ------------------------------------------------------

static const struct {
	unsigned int most; // told one by one in a minute
	const char *result;
	const char *why; // of the others
} seldom[TOLD_KINDS] = {
	[TOLD_UNSIGNED] = {10, "refused", "not signed, and not told one by one"},
	[TOLD_REFUSED] = {100, "refused", "signed, and not told one by one"},
	[TOLD_REPEATED] = {100, "repeated", "not told one by one"},
};

void alerts_tell_seldom(struct alerts *alerts, enum told_kind kind, const struct taking *taking)
{
	struct told *told = &alerts->told[kind];

	if (taking->now_s / MINUTE_S != told->minute) {
		told->minute = taking->now_s / MINUTE_S;
		told->count = 0;
	}
	if (told->count++ < seldom[kind].most)
		alerts_tell_taking(alerts, taking, seldom[kind].result);
	else
		told->untold++;
}

void alerts_tell_sums(struct alerts *alerts, int64_t now_s)
{
	for (enum told_kind kind = TOLD_UNSIGNED; kind < TOLD_KINDS; kind++) {
		struct told *told = &alerts->told[kind];

		if (told->untold == 0 || now_s / MINUTE_S == told->minute)
			continue;
		alerts_tell(alerts, "alert",
			json_pack("{s:s, s:s, s:i}", "result", seldom[kind].result, "why",
				seldom[kind].why, "count", (int)told->untold));
		told->untold = 0;
	}
}

// ---- answers ------------------------------------------------------------------------------------

void alerts_tell_answer(const struct alerts_source *source, const struct alerts_answer *answer)
{
	if (source->answer != NULL)
		source->answer(source->ctx, source->token, answer);
}

void alerts_count_refusal(struct alerts *alerts, const char *why)
{
	// The text before a colon is one of a few; what follows it may be anybody's.
	size_t length = strcspn(why, ":");
	char key[64];

	(void)snprintf(key, sizeof(key), "%.*s", (int)length, why);
	(void)json_object_set_new(alerts->refused, key,
		json_integer(json_integer_value(json_object_get(alerts->refused, key)) + 1));
}

void alerts_refuse_stranger(struct alerts *alerts, struct taking *taking, const char *why)
{
	const struct alerts_answer no = {.is_refusal = true, .why = why};
	const struct seen_answer seen = {.kind = SEEN_STRANGER,
		.why = why,
		.digest = taking->digest != NULL ? taking->digest : ""};

	(void)snprintf(taking->why, sizeof(taking->why), "%s", why);
	alerts_count_refusal(alerts, why);
	alerts_tell_seldom(alerts, TOLD_UNSIGNED, taking);
	alerts_seen_keep(alerts->seen, &taking->key, taking->now_s, &seen);
	alerts_tell_answer(taking->source, &no);
}

void alerts_refuse(struct alerts *alerts, const struct taking *taking)
{
	char *receipt = alerts_tell_receipt(alerts, taking->digest, "refused", taking->why);
	const struct alerts_answer answer = {
		.receipt = receipt, .is_refusal = true, .is_busy = receipt == NULL};
	const struct seen_answer seen = {SEEN_REFUSED, taking->why, receipt, true, taking->digest};

	alerts_count_refusal(alerts, taking->why);
	alerts_tell_seldom(alerts, TOLD_REFUSED, taking);
	if (receipt != NULL)
		alerts_seen_keep(alerts->seen, &taking->key, taking->now_s, &seen);
	alerts_tell_answer(taking->source, &answer);
	free(receipt);
}
