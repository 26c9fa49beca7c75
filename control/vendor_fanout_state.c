// SPDX-License-Identifier: BSD-3-Clause
// What was done for a gateway over each kind of channel, for people and programs.
#include "control/control_events.h"
#include "control/vendor_fanout_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000

static const char *kind_of(const json_t *channel)
{
	return json_string_value(json_object_get(channel, "kind"));
}

static struct channel_state *find(const struct gateway *gateway, const char *kind)
{
	json_t *channel;
	size_t i;

	json_array_foreach(gateway->channels, i, channel)
	{
		if (strcmp(kind_of(channel), kind) == 0)
			return &gateway->states[i];
	}
	return NULL;
}

int fanout_states_make(struct gateway *gateway, json_t *channels)
{
	struct channel_state *states;

	if (gateway->states != NULL && json_equal(gateway->channels, channels))
		return 0;
	states = calloc(json_array_size(channels) + 1, sizeof(*states));
	if (states == NULL)
		return -ENOMEM;
	free(gateway->states);
	gateway->states = states;
	json_decref(gateway->channels);
	gateway->channels = json_incref(channels);
	return 0;
}

void fanout_state_sent(struct gateway *gateway, const json_t *channel, int err)
{
	struct channel_state *state = find(gateway, kind_of(channel));

	if (err == 0) {
		state->sent++;
		state->sent_s = control_now_ns() / NS_PER_S;
	} else if (err == -ENOENT) {
		(void)snprintf(state->why, sizeof(state->why), "%s",
			strcmp(kind_of(channel), "pull") == 0 ? "" : "not configured here");
	} else if (err == -ENOTCONN) {
		(void)snprintf(state->why, sizeof(state->why), "not connected");
	}
}

void fanout_state_failed(struct gateway *gateway, const char *kind, const char *why)
{
	struct channel_state *state = find(gateway, kind);

	(void)snprintf(gateway->why, sizeof(gateway->why), "%s: %s", kind, why);
	if (state != NULL)
		(void)snprintf(state->why, sizeof(state->why), "%s", why);
}

void fanout_state_heard(struct gateway *gateway, const char *kind)
{
	struct channel_state *state = find(gateway, kind);

	if (state == NULL)
		return;
	state->receipts++;
	state->receipt_s = control_now_ns() / NS_PER_S;
	state->why[0] = '\0';
}

struct channel_total *fanout_total(struct fanout *fanout, const char *kind)
{
	struct channel_total *total = g_hash_table_lookup(fanout->totals, kind);

	if (total == NULL) {
		total = g_new0(struct channel_total, 1);
		(void)g_hash_table_insert(fanout->totals, g_strdup(kind), total);
	}
	return total;
}

json_t *fanout_totals(const struct fanout *fanout)
{
	json_t *kinds = json_object();
	GHashTableIter iter;
	gpointer kind;
	gpointer value;

	g_hash_table_iter_init(&iter, fanout->totals);
	while (g_hash_table_iter_next(&iter, &kind, &value)) {
		const struct channel_total *total = value;

		(void)json_object_set_new(kinds, kind,
			json_pack("{s:I, s:I, s:I}", "sent", (json_int_t)total->sent, "failures",
				(json_int_t)total->failures, "receipts",
				(json_int_t)total->receipts));
	}
	return kinds;
}

void fanout_describe(const struct fanout *fanout, const char *id, json_t *out)
{
	const struct gateway *gateway = g_hash_table_lookup(fanout->gateways, id);
	json_t *kinds = json_object();
	json_t *channel;
	size_t i;

	json_array_foreach(gateway != NULL ? gateway->channels : NULL, i, channel)
	{
		const struct channel_state *state =
			gateway != NULL ? find(gateway, kind_of(channel)) : NULL;

		if (state == NULL)
			continue;
		(void)json_object_set_new(kinds, kind_of(channel),
			json_pack("{s:I, s:I, s:I, s:I, s:s}", "sent", (json_int_t)state->sent,
				"last_sent", (json_int_t)state->sent_s, "receipts",
				(json_int_t)state->receipts, "last_receipt",
				(json_int_t)state->receipt_s, "why", state->why));
	}
	(void)json_object_set_new(out, "delivery", kinds);
	(void)json_object_set_new(out, "tries", json_integer(gateway != NULL ? gateway->tries : 0));
	(void)json_object_set_new(out, "why", json_string(gateway != NULL ? gateway->why : ""));
}
