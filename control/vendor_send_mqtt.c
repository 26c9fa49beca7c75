// SPDX-License-Identifier: BSD-3-Clause
// Alerts by an MQTT broker that is there already, which does the work for a whole fleet. What is open is
// retained, by whom it is for, so that a gateway that starts now learns what holds now:
//
//   cordon/VENDOR/alerts                     for all
//   cordon/VENDOR/groups/GROUP/alerts        for a group
//   cordon/VENDOR/gateways/GATEWAY/alerts    for one
//   cordon/VENDOR/gateways/GATEWAY/receipts  its receipts, which come back to us
//
// each as lines, the oldest first. What is new is published alone before that, and not retained: it is taken at
// once, where states are gathered; but only when the broker holds all that is older. Who does not answer is sent what is missing once more, by its own topic. At
// each start the broker shows what it has; what is not as it should be is put right.
#include "control/control_events.h"
#include "control/mqtt_link.h"
#include "control/vendor_queue.h"
#include "control/vendor_repeat.h"
#include "control/vendor_send.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KIND "mqtt"
#define LOOK_US (G_USEC_PER_SEC / 2) // for what the broker has retained
#define TOPICS 4

struct way {
	struct vendor_sink sink;
	struct mqtt_link *link;
	struct vendor_repeat *repeat;
	GHashTable *states; // topic: struct state
	GHashTable *known;  // digests of what has been published
	char *topics[TOPICS];
	char *client;
	gint64 publish_us; // after which states are published; 0: not connected yet
};

struct state {
	GString *text; // "": nothing is to be retained
	bool is_sent;
};

static void free_state(gpointer data)
{
	struct state *state = data;

	(void)g_string_free(state->text, TRUE);
	g_free(state);
}

// A name that is one level of a topic: it names nobody else.
static bool is_level(const char *name)
{
	return name[0] != '\0' && strpbrk(name, "/+#$") == NULL;
}

// ---- what is retained ---------------------------------------------------------------------------

static struct state *find_state(struct way *way, const char *topic)
{
	struct state *state = g_hash_table_lookup(way->states, topic);

	if (state == NULL) {
		state = g_new0(struct state, 1);
		state->text = g_string_new(NULL);
		(void)g_hash_table_insert(way->states, g_strdup(topic), state);
	}
	return state;
}

// NULL: it cannot be named here.
static char *topic_of(const struct way *way, const struct queue_alert *alert)
{
	const char *name = alert->target_name;

	if (alert->target == TARGET_ALL)
		return g_strdup_printf("cordon/%s/alerts", way->sink.vendor);
	if (!is_level(name))
		return NULL;
	return g_strdup_printf("cordon/%s/%s/%s/alerts", way->sink.vendor,
		alert->target == TARGET_GROUP ? "groups" : "gateways", name);
}

static void publish_next(void *ctx)
{
	struct way *way = ctx;
	GHashTableIter iter;
	gpointer topic;
	gpointer value;

	if (way->link == NULL || way->publish_us == 0 || g_get_monotonic_time() < way->publish_us)
		return;
	g_hash_table_iter_init(&iter, way->states);
	while (g_hash_table_iter_next(&iter, &topic, &value)) {
		struct state *state = value;

		if (state->is_sent)
			continue;
		if (mqtt_link_publish(way->link, topic, state->text->str, state->text->len, true) !=
			0)
			return;
		state->is_sent = true;
		if (state->text->len == 0)
			g_hash_table_iter_remove(&iter);
	}
}

// Whether the broker holds all that was open. A gateway that comes now has to learn that first: it takes no
// sequence below one that it has taken.
static bool broker_holds_all(struct way *way)
{
	GHashTableIter iter;
	gpointer value;

	if (way->link == NULL || way->known == NULL || way->publish_us == 0)
		return false;
	g_hash_table_iter_init(&iter, way->states);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		if (!((const struct state *)value)->is_sent)
			return false;
	}
	return true;
}

// Otherwise the states will tell.
static void publish_new(struct way *way, const struct queue_alert *const *open, size_t count)
{
	const bool is_held = broker_holds_all(way);
	GHashTable *old = way->known;

	way->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (size_t i = 0; i < count; i++) {
		bool is_new = is_held && !g_hash_table_contains(old, open[i]->digest);
		char *topic = is_new ? topic_of(way, open[i]) : NULL;

		(void)g_hash_table_add(way->known, g_strdup(open[i]->digest));
		if (topic != NULL)
			(void)!mqtt_link_publish(
				way->link, topic, open[i]->envelope, open[i]->bytes, false);
		g_free(topic);
	}
	if (old != NULL)
		g_hash_table_unref(old);
}

static void publish(void *ctx, const struct queue_alert *const *open, size_t count)
{
	struct way *way = ctx;
	GHashTable *old = way->states;
	GHashTableIter iter;
	gpointer topic;
	gpointer value;

	publish_new(way, open, count);
	way->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_state);
	for (size_t i = 0; i < count; i++) {
		char *name = topic_of(way, open[i]);

		if (name != NULL)
			g_string_append_printf(
				find_state(way, name)->text, "%s\n", open[i]->envelope);
		g_free(name);
	}
	g_hash_table_iter_init(&iter, old);
	while (g_hash_table_iter_next(&iter, &topic, &value)) {
		const struct state *was = value;
		struct state *state = find_state(way, topic);

		state->is_sent = was->is_sent && g_string_equal(was->text, state->text);
	}
	g_hash_table_unref(old);
	publish_next(way);
}

// ---- what comes back ----------------------------------------------------------------------------

static void came(void *ctx, const char *topic, const void *data, size_t bytes, bool is_retained)
{
	struct way *way = ctx;
	struct state *state;

	if (g_str_has_suffix(topic, "/receipts")) {
		(void)way->sink.receipt(way->sink.ctx, KIND, data, bytes, NULL);
		return;
	}
	// What we say ourselves comes back too, but for what is retained.
	if (!is_retained)
		return;
	state = find_state(way, topic);
	state->is_sent = state->text->len == bytes && memcmp(state->text->str, data, bytes) == 0;
}

static void connected(void *ctx)
{
	struct way *way = ctx;
	GHashTableIter iter;
	gpointer value;

	// It may have lost what it was given, or be another one: what it has comes now.
	g_hash_table_iter_init(&iter, way->states);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		((struct state *)value)->is_sent = false;
	way->publish_us = g_get_monotonic_time() + LOOK_US;
}

// ---- one gateway --------------------------------------------------------------------------------

static int send_mqtt(void *ctx, const struct vendor_try *try)
{
	struct way *way = ctx;
	struct mqtt_state state = mqtt_link_state(way->link);
	unsigned int times = 0;
	char *topic;
	int err;

	if (!state.is_connected)
		return -ENOTCONN;
	if (state.unanswered >= MQTT_LINK_UNANSWERED)
		return -EAGAIN;
	if (!is_level(try->gateway)) {
		way->sink.failed(
			way->sink.ctx, try->gateway, KIND, "its name is no part of a topic");
		return -EINVAL;
	}
	if (!vendor_repeat_may(
		    way->repeat, try->gateway, try->digest, g_get_monotonic_time(), &times))
		return -EALREADY;
	// At first it is among what is retained.
	if (times == 0)
		return 0;
	topic = g_strdup_printf("cordon/%s/gateways/%s/alerts", way->sink.vendor, try->gateway);
	err = mqtt_link_publish(way->link, topic, try->envelope, try->bytes, false);
	g_free(topic);
	return err;
}

static const char *fault(const void *ctx)
{
	const struct way *way = ctx;
	struct mqtt_state state = mqtt_link_state(way->link);

	if (state.is_connected)
		return NULL;
	return state.why[0] != '\0' ? state.why : "not connected";
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_mqtt(void *ctx)
{
	struct way *way = ctx;

	if (way->link != NULL)
		mqtt_link_close(way->link);
	vendor_repeat_free(way->repeat);
	g_hash_table_unref(way->states);
	if (way->known != NULL)
		g_hash_table_unref(way->known);
	for (size_t i = 0; i < TOPICS; i++)
		g_free(way->topics[i]);
	g_free(way->client);
	free(way);
}

static int connect_way(
	struct way *way, const struct vendor_options *options, char *error, size_t error_bytes)
{
	const struct mqtt_settings settings = {.section = "mqtt",
		.broker = options->mqtt.broker,
		.client = way->client,
		.plain = options->mqtt.plain,
		.ca = options->mqtt.ca,
		.certificate = options->mqtt.certificate,
		.key = options->mqtt.key,
		.user = options->mqtt.user,
		.password = options->mqtt.password,
		.topics = way->topics,
		.topics_count = TOPICS};
	const struct mqtt_owner owner = {came, connected, publish_next, way};

	return mqtt_link_open(&settings, &owner, &way->link, error, error_bytes);
}

static int open_mqtt(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	static const char *const below[TOPICS] = {
		"gateways/+/receipts", "alerts", "groups/+/alerts", "gateways/+/alerts"};
	struct way *way;
	int err;

	if (options->mqtt.broker[0] == '\0')
		return 0;
	if (!is_level(sink->vendor)) {
		(void)snprintf(error, error_bytes, "mqtt: \"%s\" cannot be a part of a topic",
			sink->vendor);
		return -EINVAL;
	}
	way = calloc(1, sizeof(*way));
	if (way == NULL)
		return -ENOMEM;
	way->sink = *sink;
	way->repeat = vendor_repeat_new(options->mqtt.repeat_seconds);
	way->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_state);
	way->client = options->mqtt.client[0] != '\0'
			      ? g_strdup(options->mqtt.client)
			      : g_strdup_printf("cordon-vendor-%s", sink->vendor);
	for (size_t i = 0; i < TOPICS; i++)
		way->topics[i] = g_strdup_printf("cordon/%s/%s", sink->vendor, below[i]);
	err = connect_way(way, options, error, error_bytes);
	if (err != 0)
		close_mqtt(way);
	else
		*out = way;
	return err;
}

const struct vendor_way vendor_way_mqtt = {.kind = KIND,
	.open = open_mqtt,
	.close = close_mqtt,
	.send = send_mqtt,
	.publish = publish,
	.fault = fault};
