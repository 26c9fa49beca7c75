// SPDX-License-Identifier: BSD-3-Clause
#include "control/mqtt_link.h"

#include "control/clock.h"
#include "control/control_events.h"
#include "control/dial.h"
#include "control/mqtt_tls.h"
#include "control/urgent.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <mosquitto.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define QOS 1
#define KEEPALIVE_S 20 // a broker that is gone without a word is missed after twice that
#define CONNECT_S 30   // from the first packet until the broker has agreed
#define DIAL_S 20      // until one of its addresses answers, if it has several
#define RETRY_S 1      // first pause before it is connected again, doubled each time
#define RETRY_MOST_S 300
#define PACKETS 16   // in one turn of the loop
#define FAILURE 0x80 // granted instead of a QoS
#define NS_PER_S 1000000000
#define SECRET_BYTES 4096 // of a file of credentials

struct mqtt_link {
	struct mqtt_settings settings;
	struct mqtt_owner owner;
	char *host; // the thread may ask for it after the link was closed
	uint16_t port;
	struct mosquitto *mosquitto;
	GSource *watch;
	GIOCondition watched;
	guint turn;  // source, once a second
	guint retry; // source
	unsigned int retry_s;
	int64_t began_s;    // of this connection
	bool is_connecting; // on the other thread
	int error;          // errno of that
	char undialed[128]; // why none of its addresses answered; or ""
	bool is_connected;
	bool is_closed;
	bool is_told;            // why
	unsigned int unanswered; // and not acknowledged
	uint64_t answered;
	uint64_t failed;
	char why[128]; // the last failure
};

static void connect_later(struct mqtt_link *link);

static void free_link(struct mqtt_link *link)
{
	if (link->mosquitto != NULL)
		mosquitto_destroy(link->mosquitto);
	(void)mosquitto_lib_cleanup();
	g_free(link->host);
	free(link);
}

// ---- the socket ---------------------------------------------------------------------------------

static void drop_watch(struct mqtt_link *link)
{
	if (link->watch == NULL)
		return;
	g_source_destroy(link->watch);
	g_source_unref(link->watch);
	link->watch = NULL;
}

// The first reason of a connection's end is the best.
static void tell_why(struct mqtt_link *link, const char *why)
{
	if (!link->is_told)
		(void)snprintf(link->why, sizeof(link->why), "%s", why);
	link->is_told = true;
}

static void fail(struct mqtt_link *link, const char *why)
{
	link->failed++;
	tell_why(link, why);
	link->is_connected = false;
	drop_watch(link);
	// What was sent and not acknowledged is the library's to send again.
	(void)mosquitto_disconnect(link->mosquitto);
	connect_later(link);
}

static void watch_socket(struct mqtt_link *link);

// After whatever the library has done.
static void look(struct mqtt_link *link, int rc)
{
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(link->mosquitto) >= 0)
		watch_socket(link);
	else if (link->retry == 0 && !link->is_connecting)
		fail(link, mosquitto_strerror(rc));
}

static gboolean ready(gint fd, GIOCondition condition, gpointer ctx)
{
	struct mqtt_link *link = ctx;
	int rc = MOSQ_ERR_SUCCESS;

	(void)fd;
	if ((condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) != 0)
		rc = mosquitto_loop_read(link->mosquitto, PACKETS);
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(link->mosquitto) >= 0 &&
		((condition & G_IO_OUT) != 0 || mosquitto_want_write(link->mosquitto)))
		rc = mosquitto_loop_write(link->mosquitto, PACKETS);
	look(link, rc);
	return G_SOURCE_CONTINUE;
}

static void watch_socket(struct mqtt_link *link)
{
	GIOCondition wanted = G_IO_IN | G_IO_HUP | G_IO_ERR;

	if (mosquitto_want_write(link->mosquitto))
		wanted |= G_IO_OUT;
	if (link->watch != NULL && link->watched == wanted)
		return;
	drop_watch(link);
	link->watched = wanted;
	link->watch = g_unix_fd_source_new(mosquitto_socket(link->mosquitto), wanted);
	g_source_set_callback(link->watch, G_SOURCE_FUNC(ready), link, NULL);
	(void)g_source_attach(link->watch, urgent_context());
}

// ---- publishing ---------------------------------------------------------------------------------

int mqtt_link_publish(
	struct mqtt_link *link, const char *topic, const void *data, size_t bytes, bool is_retained)
{
	int rc;

	if (!link->is_connected || link->unanswered >= MQTT_LINK_UNANSWERED)
		return -EAGAIN;
	if (bytes > INT_MAX)
		return -EINVAL;
	rc = mosquitto_publish(link->mosquitto, NULL, topic, (int)bytes, data, QOS, is_retained);
	// Without a connection the library keeps it, as one of those that were sent.
	if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_NO_CONN && rc != MOSQ_ERR_CONN_LOST)
		return -EINVAL;
	link->unanswered++;
	if (link->watch != NULL && mosquitto_socket(link->mosquitto) >= 0)
		watch_socket(link);
	return 0;
}

static void published(struct mosquitto *mosquitto, void *ctx, int id)
{
	struct mqtt_link *link = ctx;

	(void)mosquitto;
	(void)id;
	link->answered++;
	if (link->unanswered > 0)
		link->unanswered--;
	link->owner.ready(link->owner.ctx);
}

static void came(struct mosquitto *mosquitto, void *ctx, const struct mosquitto_message *message)
{
	const struct mqtt_link *link = ctx;

	(void)mosquitto;
	link->owner.message(link->owner.ctx, message->topic, message->payload,
		(size_t)message->payloadlen, message->retain);
}

// ---- connecting ---------------------------------------------------------------------------------

static void agreed(struct mosquitto *mosquitto, void *ctx, int rc)
{
	struct mqtt_link *link = ctx;

	if (rc != 0) {
		tell_why(link, mosquitto_connack_string(rc));
		(void)mosquitto_disconnect(mosquitto);
		return;
	}
	link->is_connected = true;
	(void)mosquitto_subscribe_multiple(
		mosquitto, NULL, link->settings.topics_count, link->settings.topics, QOS, 0, NULL);
}

static void subscribed(
	struct mosquitto *mosquitto, void *ctx, int id, int count, const int *granted)
{
	struct mqtt_link *link = ctx;

	(void)mosquitto;
	(void)id;
	link->retry_s = RETRY_S;
	link->why[0] = '\0';
	for (int i = 0; i < count && i < link->settings.topics_count; i++) {
		if (granted[i] == FAILURE)
			(void)snprintf(link->why, sizeof(link->why),
				"the broker does not give us \"%s\"", link->settings.topics[i]);
	}
	link->owner.connected(link->owner.ctx);
}

static void left(struct mosquitto *mosquitto, void *ctx, int rc)
{
	struct mqtt_link *link = ctx;

	(void)mosquitto;
	link->is_connected = false;
	drop_watch(link);
	if (rc != 0)
		tell_why(link, mosquitto_strerror(rc));
}

// Waits for the TCP connection, for without one the library's TLS neither begins nor ends; what is said over it then
// is the main loop's.
static void connect_on_thread(GTask *task, gpointer source, gpointer ctx, GCancellable *cancellable)
{
	struct mqtt_link *link = ctx;
	char address[DIAL_ADDRESS_BYTES];
	int rc = MOSQ_ERR_ERRNO;

	(void)source;
	(void)cancellable;
	link->undialed[0] = '\0';
	// The library would wait two minutes for each address that is dead.
	if (dial_address(link->host, link->port, DIAL_S, address, link->undialed,
		    sizeof(link->undialed)) == 0)
		rc = mosquitto_connect(link->mosquitto, address, link->port, KEEPALIVE_S);
	link->error = errno;
	g_task_return_int(task, rc);
}

static void connected(GObject *object, GAsyncResult *result, gpointer ctx)
{
	struct mqtt_link *link = ctx;
	int rc = (int)g_task_propagate_int(G_TASK(result), NULL);

	(void)object;
	link->is_connecting = false;
	link->is_told = false;
	if (link->is_closed) {
		free_link(link);
		return;
	}
	link->began_s = control_steady_ns() / NS_PER_S;
	if (link->undialed[0] != '\0')
		tell_why(link, link->undialed);
	errno = link->error; // the library's text may be of this one
	look(link, rc);
}

static gboolean connect_now(gpointer ctx)
{
	struct mqtt_link *link = ctx;
	GTask *task = g_task_new(NULL, NULL, connected, link);

	link->retry = 0;
	link->is_connecting = true;
	g_task_set_task_data(task, link, NULL);
	g_task_run_in_thread(task, connect_on_thread);
	g_object_unref(task);
	return G_SOURCE_REMOVE;
}

// With a pause that grows, a little different for each gateway.
static void connect_later(struct mqtt_link *link)
{
	unsigned int pause_ms = link->retry_s * 1000;

	if (link->retry != 0)
		return;
	pause_ms = pause_ms / 2 + (unsigned int)g_random_int_range(0, (gint)(pause_ms / 2 + 1));
	link->retry = g_timeout_add(pause_ms, connect_now, link);
	link->retry_s = MIN(link->retry_s * 2, RETRY_MOST_S);
}

static gboolean turn(gpointer ctx)
{
	struct mqtt_link *link = ctx;
	int64_t now_s = control_steady_ns() / NS_PER_S;
	int rc;

	if (link->is_connecting || link->retry != 0)
		return G_SOURCE_CONTINUE;
	if (!link->is_connected && now_s - link->began_s > CONNECT_S) {
		fail(link, "the broker does not answer");
		return G_SOURCE_CONTINUE;
	}
	link->owner.ready(link->owner.ctx);
	rc = link->is_connected ? mosquitto_loop_misc(link->mosquitto) : MOSQ_ERR_SUCCESS;
	look(link, rc);
	return G_SOURCE_CONTINUE;
}

// ---- start and stop -----------------------------------------------------------------------------

void mqtt_link_close(struct mqtt_link *link)
{
	drop_watch(link);
	if (link->turn != 0)
		(void)g_source_remove(link->turn);
	if (link->retry != 0)
		(void)g_source_remove(link->retry);
	link->turn = 0;
	link->retry = 0;
	if (link->is_connecting) {
		// The thread may wait for a name for long: who comes back last takes it away.
		link->is_closed = true;
		return;
	}
	if (link->is_connected)
		(void)mosquitto_disconnect(link->mosquitto);
	free_link(link);
}

// ---- start and stop -----------------------------------------------------------------------------

static int read_line(const struct mqtt_settings *settings, const char *key, const char *path,
	char **out, char *error, size_t error_bytes)
{
	GError *mistake = NULL;
	gsize bytes = 0;
	char *text = NULL;

	if (!g_file_get_contents(path, &text, &bytes, &mistake)) {
		(void)snprintf(
			error, error_bytes, "%s.%s: %s", settings->section, key, mistake->message);
		g_clear_error(&mistake);
		return -EACCES;
	}
	if (bytes > SECRET_BYTES || strlen(text) != bytes) {
		(void)snprintf(error, error_bytes, "%s.%s: %s is not a line of text",
			settings->section, key, path);
		g_free(text);
		return -EINVAL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	*out = text;
	return 0;
}

// The first lines of the files, NULL for none; freed with g_free.
static int read_credentials(const struct mqtt_settings *settings, char **user, char **password,
	char *error, size_t error_bytes)
{
	int err;

	if (settings->user[0] == '\0')
		return 0;
	err = read_line(settings, "user", settings->user, user, error, error_bytes);
	if (err == 0 && settings->password[0] != '\0')
		err = read_line(
			settings, "password", settings->password, password, error, error_bytes);
	if (err != 0)
		g_clear_pointer(user, g_free);
	return err;
}

static bool parse_broker(const char *text, char **host, uint16_t *port)
{
	GSocketConnectable *named = g_network_address_parse(text, 0, NULL);

	if (named == NULL)
		return false;
	*port = g_network_address_get_port(G_NETWORK_ADDRESS(named));
	*host = g_strdup(g_network_address_get_hostname(G_NETWORK_ADDRESS(named)));
	g_object_unref(named);
	return *port != 0;
}

static int set_up(struct mqtt_link *link, char *error, size_t error_bytes)
{
	const struct mqtt_settings *settings = &link->settings;
	char *user = NULL;
	char *password = NULL;
	int rc = MOSQ_ERR_SUCCESS;
	int err;

	if (!parse_broker(settings->broker, &link->host, &link->port)) {
		(void)snprintf(error, error_bytes, "%s.broker: \"%s\" is not host:port",
			settings->section, settings->broker);
		return -EINVAL;
	}
	err = read_credentials(settings, &user, &password, error, error_bytes);
	if (err != 0)
		return err;
	if (user != NULL)
		rc = mosquitto_username_pw_set(link->mosquitto, user, password);
	g_free(user);
	g_free(password);
	if (rc != MOSQ_ERR_SUCCESS) {
		(void)snprintf(
			error, error_bytes, "%s: %s", settings->section, mosquitto_strerror(rc));
		return -EINVAL;
	}
	if (settings->plain)
		return 0;
	return mqtt_tls_set_up(link->mosquitto, settings, link->host, error, error_bytes);
}

int mqtt_link_open(const struct mqtt_settings *settings, const struct mqtt_owner *owner,
	struct mqtt_link **out, char *error, size_t error_bytes)
{
	struct mqtt_link *link = calloc(1, sizeof(*link));
	int err;

	if (link == NULL)
		return -ENOMEM;
	(void)mosquitto_lib_init();
	link->settings = *settings;
	link->owner = *owner;
	link->retry_s = RETRY_S;
	link->mosquitto = mosquitto_new(settings->client, false, link);
	err = link->mosquitto != NULL ? set_up(link, error, error_bytes) : -ENOMEM;
	if (err != 0) {
		free_link(link);
		return err;
	}
	mosquitto_connect_callback_set(link->mosquitto, agreed);
	mosquitto_disconnect_callback_set(link->mosquitto, left);
	mosquitto_subscribe_callback_set(link->mosquitto, subscribed);
	mosquitto_publish_callback_set(link->mosquitto, published);
	mosquitto_message_callback_set(link->mosquitto, came);
	link->turn = g_timeout_add_seconds(1, turn, link);
	(void)connect_now(link);
	*out = link;
	return 0;
}

struct mqtt_state mqtt_link_state(const struct mqtt_link *link)
{
	return (struct mqtt_state){
		.is_connected = link->is_connected,
		.unanswered = link->unanswered,
		.answered = link->answered,
		.failed = link->failed,
		.why = link->why,
	};
}
