// SPDX-License-Identifier: BSD-3-Clause
// Alerts over MQTT 3.1.1, from a broker that is there already: what is published once reaches a whole fleet.
// A payload is an envelope, or several, one a line, the oldest first; what is retained tells a gateway that
// starts now what holds now. Receipts are published too. The session outlasts the connection (a name that
// stays, clean session off, QoS 1), so that the broker keeps what comes meanwhile.
//
// The library's socket is watched by the main loop; only names are looked up on another thread.
#include "control/channel_mqtt.h"

#include "control/channel.h"
#include "control/control_events.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <mosquitto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QOS 1
#define KEEPALIVE_S 60
#define CONNECT_S 30 // from the first packet until the broker has agreed
#define RETRY_S 1    // first pause before it is connected again, doubled each time
#define RETRY_MOST_S 300
#define RECEIPTS_WAITING 1000
#define RECEIPTS_SENT 20 // that the broker has not acknowledged
#define SEEN 10000       // retained envelopes that are remembered
#define PACKETS 16       // in one turn of the loop
#define FAILURE 0x80     // granted instead of a QoS
#define NS_PER_S 1000000000

struct channel_mqtt {
	const struct control_options *options;
	struct alerts *alerts;
	struct mosquitto *mosquitto;
	struct mqtt_topics topics;
	GSource *watch;
	GIOCondition watched;
	guint turn;  // source, once a second
	guint retry; // source
	unsigned int retry_s;
	int64_t began_s;    // of this connection
	bool is_connecting; // on the other thread
	bool is_connected;
	bool is_closed;
	bool is_told;      // why
	GQueue *receipts;  // that are to be published
	unsigned int sent; // and not acknowledged
	GHashTable *seen;  // digests of retained envelopes that were answered
	uint64_t received;
	uint64_t answered;
	uint64_t dropped;
	uint64_t failed;
	char why[128]; // the last failure
};

static void connect_later(struct channel_mqtt *channel);

static void free_channel(struct channel_mqtt *channel)
{
	if (channel->mosquitto != NULL)
		mosquitto_destroy(channel->mosquitto);
	(void)mosquitto_lib_cleanup();
	g_queue_free_full(channel->receipts, g_free);
	g_hash_table_unref(channel->seen);
	mqtt_topics_fini(&channel->topics);
	free(channel);
}

// ---- the socket ---------------------------------------------------------------------------------

static void drop_watch(struct channel_mqtt *channel)
{
	if (channel->watch == NULL)
		return;
	g_source_destroy(channel->watch);
	g_source_unref(channel->watch);
	channel->watch = NULL;
}

// The first reason of a connection's end is the best.
static void tell_why(struct channel_mqtt *channel, const char *why)
{
	if (!channel->is_told)
		(void)snprintf(channel->why, sizeof(channel->why), "%s", why);
	channel->is_told = true;
}

static void fail(struct channel_mqtt *channel, const char *why)
{
	channel->failed++;
	tell_why(channel, why);
	channel->is_connected = false;
	drop_watch(channel);
	// What was sent and not acknowledged is the library's to send again.
	(void)mosquitto_disconnect(channel->mosquitto);
	connect_later(channel);
}

static void watch_socket(struct channel_mqtt *channel);

// After whatever the library has done.
static void look(struct channel_mqtt *channel, int rc)
{
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(channel->mosquitto) >= 0)
		watch_socket(channel);
	else if (channel->retry == 0 && !channel->is_connecting)
		fail(channel, mosquitto_strerror(rc));
}

static gboolean ready(gint fd, GIOCondition condition, gpointer ctx)
{
	struct channel_mqtt *channel = ctx;
	int rc = MOSQ_ERR_SUCCESS;

	(void)fd;
	if ((condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) != 0)
		rc = mosquitto_loop_read(channel->mosquitto, PACKETS);
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(channel->mosquitto) >= 0 &&
		((condition & G_IO_OUT) != 0 || mosquitto_want_write(channel->mosquitto)))
		rc = mosquitto_loop_write(channel->mosquitto, PACKETS);
	look(channel, rc);
	return G_SOURCE_CONTINUE;
}

static void watch_socket(struct channel_mqtt *channel)
{
	GIOCondition wanted = G_IO_IN | G_IO_HUP | G_IO_ERR;

	if (mosquitto_want_write(channel->mosquitto))
		wanted |= G_IO_OUT;
	if (channel->watch != NULL && channel->watched == wanted)
		return;
	drop_watch(channel);
	channel->watched = wanted;
	channel->watch = g_unix_fd_source_new(mosquitto_socket(channel->mosquitto), wanted);
	g_source_set_callback(channel->watch, G_SOURCE_FUNC(ready), channel, NULL);
	(void)g_source_attach(channel->watch, NULL);
}

// ---- receipts -----------------------------------------------------------------------------------

static void publish_next(struct channel_mqtt *channel)
{
	while (channel->is_connected && channel->sent < RECEIPTS_SENT &&
		!g_queue_is_empty(channel->receipts)) {
		char *receipt = g_queue_pop_head(channel->receipts);
		int rc = mosquitto_publish(channel->mosquitto, NULL, channel->topics.receipts,
			(int)strlen(receipt), receipt, QOS, false);

		g_free(receipt);
		// Without a connection the library keeps it, as one of those that were sent.
		if (rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_NO_CONN || rc == MOSQ_ERR_CONN_LOST)
			channel->sent++;
		else
			channel->dropped++;
	}
}

static void answer(void *ctx, uint64_t token, const char *receipt)
{
	struct channel_mqtt *channel = ctx;

	(void)token;
	if (receipt == NULL || channel->topics.receipts == NULL)
		return;
	if (g_queue_get_length(channel->receipts) >= RECEIPTS_WAITING) {
		g_free(g_queue_pop_head(channel->receipts));
		channel->dropped++;
	}
	g_queue_push_tail(channel->receipts, g_strdup(receipt));
	publish_next(channel);
}

static void published(struct mosquitto *mosquitto, void *ctx, int id)
{
	struct channel_mqtt *channel = ctx;

	(void)mosquitto;
	(void)id;
	channel->answered++;
	if (channel->sent > 0)
		channel->sent--;
	publish_next(channel);
}

// ---- alerts -------------------------------------------------------------------------------------

// What is retained comes with each connection anew: it is answered once.
static bool is_seen(struct channel_mqtt *channel, const char *line, size_t bytes)
{
	if (g_hash_table_size(channel->seen) >= SEEN)
		g_hash_table_remove_all(channel->seen);
	return !g_hash_table_add(channel->seen,
		g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)line, bytes));
}

static void came(struct mosquitto *mosquitto, void *ctx, const struct mosquitto_message *message)
{
	struct channel_mqtt *channel = ctx;
	const struct alerts_source source = {
		.channel = "mqtt", .peer = message->topic, .answer = answer, .ctx = channel};
	const char *line = message->payload;
	const char *end = line + message->payloadlen;
	unsigned int lines = 0;

	(void)mosquitto;
	while (line < end) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t bytes = (size_t)((stop != NULL ? stop : end) - line);

		if (lines >= MQTT_MAX_LINES) {
			channel->dropped++;
			return;
		}
		if (mqtt_is_text(line, bytes) &&
			!(message->retain && is_seen(channel, line, bytes))) {
			lines++;
			channel->received++;
			alerts_take(
				channel->alerts, &source, line, bytes, control_now_ns() / NS_PER_S);
		}
		line += bytes + 1;
	}
}

// ---- connecting ---------------------------------------------------------------------------------

static void agreed(struct mosquitto *mosquitto, void *ctx, int rc)
{
	struct channel_mqtt *channel = ctx;

	if (rc != 0) {
		tell_why(channel, mosquitto_connack_string(rc));
		(void)mosquitto_disconnect(mosquitto);
		return;
	}
	channel->is_connected = true;
	(void)mosquitto_subscribe_multiple(
		mosquitto, NULL, channel->topics.count, channel->topics.names, QOS, 0, NULL);
}

static void subscribed(
	struct mosquitto *mosquitto, void *ctx, int id, int count, const int *granted)
{
	struct channel_mqtt *channel = ctx;

	(void)mosquitto;
	(void)id;
	channel->retry_s = RETRY_S;
	channel->why[0] = '\0';
	for (int i = 0; i < count && i < channel->topics.count; i++) {
		if (granted[i] == FAILURE)
			(void)snprintf(channel->why, sizeof(channel->why),
				"the broker does not give us \"%s\"", channel->topics.names[i]);
	}
}

static void left(struct mosquitto *mosquitto, void *ctx, int rc)
{
	struct channel_mqtt *channel = ctx;

	(void)mosquitto;
	channel->is_connected = false;
	drop_watch(channel);
	if (rc != 0)
		tell_why(channel, mosquitto_strerror(rc));
}

static void connect_on_thread(GTask *task, gpointer source, gpointer ctx, GCancellable *cancellable)
{
	struct channel_mqtt *channel = ctx;
	char *host = NULL;
	uint16_t port = 0;
	int rc = MOSQ_ERR_INVAL;

	(void)source;
	(void)cancellable;
	if (mqtt_parse_broker(channel->options->alerts.mqtt.broker, &host, &port))
		rc = mosquitto_connect_async(channel->mosquitto, host, port, KEEPALIVE_S);
	g_free(host);
	g_task_return_int(task, rc);
}

static void connected(GObject *object, GAsyncResult *result, gpointer ctx)
{
	struct channel_mqtt *channel = ctx;
	int rc = (int)g_task_propagate_int(G_TASK(result), NULL);

	(void)object;
	channel->is_connecting = false;
	channel->is_told = false;
	if (channel->is_closed) {
		free_channel(channel);
		return;
	}
	channel->began_s = control_now_ns() / NS_PER_S;
	look(channel, rc);
}

static gboolean connect_now(gpointer ctx)
{
	struct channel_mqtt *channel = ctx;
	GTask *task = g_task_new(NULL, NULL, connected, channel);

	channel->retry = 0;
	channel->is_connecting = true;
	g_task_set_task_data(task, channel, NULL);
	g_task_run_in_thread(task, connect_on_thread);
	g_object_unref(task);
	return G_SOURCE_REMOVE;
}

// With a pause that grows, a little different for each gateway.
static void connect_later(struct channel_mqtt *channel)
{
	unsigned int pause_ms = channel->retry_s * 1000;

	if (channel->retry != 0)
		return;
	pause_ms = pause_ms / 2 + (unsigned int)g_random_int_range(0, (gint)(pause_ms / 2 + 1));
	channel->retry = g_timeout_add(pause_ms, connect_now, channel);
	channel->retry_s = MIN(channel->retry_s * 2, RETRY_MOST_S);
}

static gboolean turn(gpointer ctx)
{
	struct channel_mqtt *channel = ctx;
	int64_t now_s = control_now_ns() / NS_PER_S;
	int rc;

	if (channel->is_connecting || channel->retry != 0)
		return G_SOURCE_CONTINUE;
	if (!channel->is_connected && now_s - channel->began_s > CONNECT_S) {
		fail(channel, "the broker does not answer");
		return G_SOURCE_CONTINUE;
	}
	publish_next(channel);
	rc = channel->is_connected ? mosquitto_loop_misc(channel->mosquitto) : MOSQ_ERR_SUCCESS;
	look(channel, rc);
	return G_SOURCE_CONTINUE;
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_mqtt(void *ctx)
{
	struct channel_mqtt *channel = ctx;

	drop_watch(channel);
	if (channel->turn != 0)
		(void)g_source_remove(channel->turn);
	if (channel->retry != 0)
		(void)g_source_remove(channel->retry);
	channel->turn = 0;
	channel->retry = 0;
	if (channel->is_connecting) {
		// The thread may wait for a name for long: who comes back last takes it away.
		channel->is_closed = true;
		return;
	}
	if (channel->is_connected)
		(void)mosquitto_disconnect(channel->mosquitto);
	free_channel(channel);
}

static int no_passphrase(char *out, int room, int is_new, void *ctx)
{
	(void)out;
	(void)room;
	(void)is_new;
	(void)ctx;
	return 0;
}

static int set_up(struct channel_mqtt *channel, char *error, size_t error_bytes)
{
	const struct control_options *options = channel->options;
	const char *certificate = options->alerts.mqtt.certificate;
	const char *key = options->alerts.mqtt.key;
	const char *ca = options->alerts.mqtt.ca;
	char *user = NULL;
	char *password = NULL;
	int err = mqtt_read_credentials(options, &user, &password, error, error_bytes);
	int rc = MOSQ_ERR_SUCCESS;

	if (err != 0)
		return err;
	if (user != NULL)
		rc = mosquitto_username_pw_set(channel->mosquitto, user, password);
	g_free(user);
	g_free(password);
	if (rc == MOSQ_ERR_SUCCESS && !options->alerts.mqtt.plain)
		rc = mosquitto_tls_set(channel->mosquitto, ca[0] != '\0' ? ca : NULL,
			ca[0] != '\0' ? NULL : MQTT_SYSTEM_CA,
			certificate[0] != '\0' ? certificate : NULL, key[0] != '\0' ? key : NULL,
			no_passphrase);
	if (rc != MOSQ_ERR_SUCCESS)
		(void)snprintf(error, error_bytes,
			"alerts.mqtt: a file of `ca`, `certificate` or `key` cannot be read (%s)",
			mosquitto_strerror(rc));
	return rc == MOSQ_ERR_SUCCESS ? 0 : -EINVAL;
}

static int open_mqtt(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	struct channel_mqtt *channel;
	int err;

	if (options->alerts.mqtt.broker[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	(void)mosquitto_lib_init();
	channel->options = options;
	channel->alerts = alerts;
	channel->retry_s = RETRY_S;
	channel->receipts = g_queue_new();
	channel->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	err = mqtt_topics_init(&channel->topics, options, alerts, error, error_bytes);
	if (err == 0) {
		channel->mosquitto = mosquitto_new(channel->topics.client, false, channel);
		err = channel->mosquitto != NULL ? set_up(channel, error, error_bytes) : -ENOMEM;
	}
	if (err != 0) {
		free_channel(channel);
		return err;
	}
	mosquitto_connect_callback_set(channel->mosquitto, agreed);
	mosquitto_disconnect_callback_set(channel->mosquitto, left);
	mosquitto_subscribe_callback_set(channel->mosquitto, subscribed);
	mosquitto_publish_callback_set(channel->mosquitto, published);
	mosquitto_message_callback_set(channel->mosquitto, came);
	channel->turn = g_timeout_add_seconds(1, turn, channel);
	(void)connect_now(channel);
	*out = channel;
	return 0;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_mqtt *channel = ctx;

	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:i, s:s}", "connected", channel->is_connected,
		"received", (json_int_t)channel->received, "answered",
		(json_int_t)channel->answered, "dropped", (json_int_t)channel->dropped, "failed",
		(json_int_t)channel->failed, "waiting",
		(int)(g_queue_get_length(channel->receipts) + channel->sent), "why", channel->why);
}

const struct channel_kind channel_mqtt = {"mqtt", open_mqtt, close_mqtt, get_status};
