// SPDX-License-Identifier: BSD-3-Clause
// Alerts over MQTT, from a broker that is there already: what is published once reaches a whole fleet. A
// payload is an envelope, which is taken at once; or a state: envelopes as lines, the oldest first, all that
// hold now, which tells a gateway that starts now. States of several topics come in any order, so they are
// gathered for a moment and taken in the order of issue. Receipts are published too.
#include "control/channel_mqtt.h"

#include "control/alert_sort.h"
#include "control/channel.h"
#include "control/control_events.h"
#include "control/mqtt_link.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECEIPTS_WAITING 1000
#define SEEN 10000    // envelopes that are remembered
#define GATHER_MS 300 // after the last state that has come
#define GATHER_MOST_US INT64_C(2000000)
#define GATHER_BYTES (64u << 20)
#define NS_PER_S 1000000000

struct channel_mqtt {
	struct alerts *alerts;
	struct mqtt_link *link;
	struct mqtt_topics topics;
	GQueue *receipts;    // that are to be published
	GHashTable *seen;    // digests of envelopes that were taken
	GPtrArray *gathered; // lines of states, GBytes
	size_t gathered_bytes;
	gint64 gathered_us; // the first of them
	guint gather;       // source
	uint64_t received;
	uint64_t dropped;
};

// ---- receipts -----------------------------------------------------------------------------------

static void publish_next(void *ctx)
{
	struct channel_mqtt *channel = ctx;

	// The broker may be there before the caller knows of its link.
	while (channel->link != NULL && !g_queue_is_empty(channel->receipts)) {
		const char *receipt = g_queue_peek_head(channel->receipts);
		int err = mqtt_link_publish(
			channel->link, channel->topics.receipts, receipt, strlen(receipt), false);

		if (err == -EAGAIN)
			return;
		channel->dropped += err != 0;
		g_free(g_queue_pop_head(channel->receipts));
	}
}

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct channel_mqtt *channel = ctx;

	(void)token;
	if (said->receipt == NULL || channel->topics.receipts == NULL)
		return;
	if (g_queue_get_length(channel->receipts) >= RECEIPTS_WAITING) {
		g_free(g_queue_pop_head(channel->receipts));
		channel->dropped++;
	}
	g_queue_push_tail(channel->receipts, g_strdup(said->receipt));
	publish_next(channel);
}

// ---- alerts -------------------------------------------------------------------------------------

// States come again with each connection and with each change: an envelope of theirs is answered once. One that
// comes alone asks for its receipt.
static bool is_seen(struct channel_mqtt *channel, const char *line, size_t bytes)
{
	if (g_hash_table_size(channel->seen) >= SEEN)
		g_hash_table_remove_all(channel->seen);
	return !g_hash_table_add(channel->seen,
		g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)line, bytes));
}

static void take(struct channel_mqtt *channel, const char *topic, GBytes *line, bool is_alone)
{
	const struct alerts_source source = {
		.channel = "mqtt", .peer = topic, .answer = answer, .ctx = channel};
	gsize bytes = 0;
	const char *text = g_bytes_get_data(line, &bytes);

	if (is_seen(channel, text, bytes) && !is_alone)
		return;
	channel->received++;
	alerts_take(channel->alerts, &source, text, bytes, control_now_ns() / NS_PER_S);
}

static void take_gathered(struct channel_mqtt *channel)
{
	GPtrArray *lines = channel->gathered;

	channel->gathered = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	channel->gathered_bytes = 0;
	if (channel->gather != 0)
		(void)g_source_remove(channel->gather);
	channel->gather = 0;
	alert_sort(lines);
	for (guint i = 0; i < lines->len; i++)
		take(channel, "a state", lines->pdata[i], false);
	g_ptr_array_unref(lines);
}

static gboolean gathered(gpointer ctx)
{
	struct channel_mqtt *channel = ctx;

	channel->gather = 0;
	take_gathered(channel);
	return G_SOURCE_REMOVE;
}

static void gather(struct channel_mqtt *channel, const char *line, size_t bytes)
{
	if (channel->gathered->len == 0)
		channel->gathered_us = g_get_monotonic_time();
	g_ptr_array_add(channel->gathered, g_bytes_new(line, bytes));
	channel->gathered_bytes += bytes;
	if (channel->gathered_bytes > GATHER_BYTES ||
		g_get_monotonic_time() - channel->gathered_us > GATHER_MOST_US) {
		take_gathered(channel);
		return;
	}
	if (channel->gather != 0)
		(void)g_source_remove(channel->gather);
	channel->gather = g_timeout_add(GATHER_MS, gathered, channel);
}

static void take_state(struct channel_mqtt *channel, const char *line, const char *end)
{
	unsigned int lines = 0;

	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t length = (size_t)((stop != NULL ? stop : end) - line);

		if (lines >= MQTT_MAX_LINES) {
			channel->dropped++;
			return;
		}
		if (mqtt_is_text(line, length)) {
			lines++;
			gather(channel, line, length);
		}
		line += length + 1;
	}
}

static void came(void *ctx, const char *topic, const void *data, size_t bytes, bool is_retained)
{
	struct channel_mqtt *channel = ctx;
	GBytes *line;

	if (bytes > 0 && (is_retained || memchr(data, '\n', bytes) != NULL)) {
		take_state(channel, data, (const char *)data + bytes);
		return;
	}
	if (!mqtt_is_text(data, bytes))
		return;
	// What waits is older.
	take_gathered(channel);
	line = g_bytes_new(data, bytes);
	take(channel, topic, line, true);
	g_bytes_unref(line);
}

static void connected(void *ctx)
{
	(void)ctx;
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_mqtt(void *ctx)
{
	struct channel_mqtt *channel = ctx;

	if (channel->link != NULL)
		mqtt_link_close(channel->link);
	if (channel->gather != 0)
		(void)g_source_remove(channel->gather);
	g_ptr_array_unref(channel->gathered);
	g_queue_free_full(channel->receipts, g_free);
	g_hash_table_unref(channel->seen);
	mqtt_topics_fini(&channel->topics);
	free(channel);
}

static int open_mqtt(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	struct channel_mqtt *channel;
	struct mqtt_settings settings = {.section = "alerts.mqtt",
		.broker = options->alerts.mqtt.broker,
		.plain = options->alerts.mqtt.plain,
		.ca = options->alerts.mqtt.ca,
		.certificate = options->alerts.mqtt.certificate,
		.key = options->alerts.mqtt.key,
		.user = options->alerts.mqtt.user,
		.password = options->alerts.mqtt.password};
	struct mqtt_owner owner = {came, connected, publish_next, NULL};
	int err;

	if (options->alerts.mqtt.broker[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->alerts = alerts;
	channel->receipts = g_queue_new();
	channel->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	channel->gathered = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	err = mqtt_topics_init(&channel->topics, options, alerts, error, error_bytes);
	settings.client = channel->topics.client;
	settings.topics = channel->topics.names;
	settings.topics_count = channel->topics.count;
	owner.ctx = channel;
	if (err == 0)
		err = mqtt_link_open(&settings, &owner, &channel->link, error, error_bytes);
	if (err != 0)
		close_mqtt(channel);
	else
		*out = channel;
	return err;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_mqtt *channel = ctx;
	struct mqtt_state state = mqtt_link_state(channel->link);

	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:i, s:s}", "connected", state.is_connected,
		"received", (json_int_t)channel->received, "answered", (json_int_t)state.answered,
		"dropped", (json_int_t)channel->dropped, "failed", (json_int_t)state.failed,
		"waiting", (int)(g_queue_get_length(channel->receipts) + state.unanswered), "why",
		state.why);
}

const struct channel_kind channel_mqtt = {"mqtt", open_mqtt, close_mqtt, get_status};
