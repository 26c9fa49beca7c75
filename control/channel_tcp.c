// SPDX-License-Identifier: BSD-3-Clause
// Alerts over TCP connections that stay: from vendors that connect (listen) and to a vendor (connect), which
// works from behind an address translator. Either way a frame is a length of four bytes, the highest first,
// and as many bytes: an envelope towards the gateway, a receipt from it. A frame of no bytes is a sign of
// life and is sent back. Who sends what no trusted key has signed is cut off after a few.
#include "control/channel.h"
#include "control/control_events.h"

#include <gio/gio.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 4
#define READ_BYTES 65536
#define WAITING_BYTES (1u << 20) // of receipts that a peer does not take
#define STRANGERS 10             // unsigned envelopes from a peer
#define RETRY_S 1                // first pause before it is connected again, doubled each time
#define RETRY_MOST_S 60
#define NS_PER_S 1000000000

struct channel_tcp;

struct peer {
	struct peer *next;
	struct channel_tcp *channel;
	GSocketConnection *connection;
	GSource *input;
	GSource *output; // while something waits to be sent
	GByteArray *in;
	GByteArray *out;
	uint64_t token;
	int64_t heard_s;
	unsigned int strangers;
	unsigned int unanswered; // envelopes
	bool is_ours;            // we have connected
	bool has_ended;          // its side; ours ends when it has its answers
	char name[96];
};

struct channel_tcp {
	struct alerts *alerts;
	GSocketService *service; // NULL: it does not listen
	GCancellable *cancel;
	struct peer *peers;
	unsigned int peers_count;
	unsigned int peers_most;
	uint64_t tokens;
	guint retry; // source
	unsigned int retry_s;
	bool is_connected;
	uint64_t received;
	uint64_t answered;
	char connect[CONTROL_TEXT_BYTES];
};

static void connect_later(struct channel_tcp *channel);

// ---- peers --------------------------------------------------------------------------------------

static void drop_source(GSource **source)
{
	if (*source == NULL)
		return;
	g_source_destroy(*source);
	g_source_unref(*source);
	*source = NULL;
}

static void free_peer(struct peer *peer)
{
	drop_source(&peer->input);
	drop_source(&peer->output);
	g_byte_array_unref(peer->in);
	g_byte_array_unref(peer->out);
	g_object_unref(peer->connection);
	free(peer);
}

static void drop_peer(struct peer *peer)
{
	struct channel_tcp *channel = peer->channel;
	struct peer **link = &channel->peers;
	bool is_ours = peer->is_ours;

	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	channel->peers_count--;
	free_peer(peer);
	if (is_ours) {
		channel->is_connected = false;
		connect_later(channel);
	}
}

static struct peer *find_peer(struct channel_tcp *channel, uint64_t token)
{
	struct peer *peer = channel->peers;

	while (peer != NULL && peer->token != token)
		peer = peer->next;
	return peer;
}

static bool is_done(const struct peer *peer)
{
	return peer->has_ended && peer->unanswered == 0 && peer->out->len == 0;
}

// ---- sending ------------------------------------------------------------------------------------

// Returns whether the peer may stay.
static bool flush(struct peer *peer)
{
	GSocket *socket = g_socket_connection_get_socket(peer->connection);
	GError *error = NULL;
	bool good = true;

	while (peer->out->len > 0 && good) {
		gssize n = g_socket_send(
			socket, (const char *)peer->out->data, peer->out->len, NULL, &error);

		if (n > 0)
			(void)g_byte_array_remove_range(peer->out, 0, (guint)n);
		else
			good = false;
	}
	good = good || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
	g_clear_error(&error);
	return good && peer->out->len <= WAITING_BYTES;
}

static gboolean writable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct peer *peer = ctx;

	(void)socket;
	(void)condition;
	if (!flush(peer)) {
		drop_peer(peer);
		return G_SOURCE_REMOVE;
	}
	if (peer->out->len > 0)
		return G_SOURCE_CONTINUE;
	drop_source(&peer->output);
	if (is_done(peer))
		drop_peer(peer);
	return G_SOURCE_REMOVE;
}

static void send_frame(struct peer *peer, const char *text, size_t bytes)
{
	uint32_t head = htonl((uint32_t)bytes);

	(void)g_byte_array_append(peer->out, (const guint8 *)&head, HEAD_BYTES);
	(void)g_byte_array_append(peer->out, (const guint8 *)text, (guint)bytes);
	if (peer->output != NULL)
		return;
	peer->output = g_socket_create_source(
		g_socket_connection_get_socket(peer->connection), G_IO_OUT, NULL);
	g_source_set_callback(peer->output, G_SOURCE_FUNC(writable), peer, NULL);
	(void)g_source_attach(peer->output, NULL);
}

static void answer(void *ctx, uint64_t token, const char *receipt)
{
	struct channel_tcp *channel = ctx;
	struct peer *peer = find_peer(channel, token);

	if (peer == NULL)
		return;
	peer->unanswered--;
	if (receipt == NULL) {
		peer->strangers++;
		return;
	}
	channel->answered++;
	send_frame(peer, receipt, strlen(receipt));
}

// ---- receiving ----------------------------------------------------------------------------------

static void take(struct peer *peer, const void *text, size_t bytes)
{
	const struct alerts_source source = {.channel = "tcp",
		.peer = peer->name,
		.answer = answer,
		.ctx = peer->channel,
		.token = peer->token};

	if (bytes == 0) {
		send_frame(peer, "", 0);
		return;
	}
	peer->channel->received++;
	peer->unanswered++;
	alerts_take(peer->channel->alerts, &source, text, bytes, control_now_ns() / NS_PER_S);
}

// One frame a turn, so that nobody keeps the others waiting. Returns whether the peer may stay.
static bool take_frame(struct peer *peer)
{
	uint32_t head;
	size_t bytes;

	if (peer->in->len < HEAD_BYTES)
		return true;
	memcpy(&head, peer->in->data, HEAD_BYTES);
	bytes = ntohl(head);
	if (bytes > ENVELOPE_MAX_BYTES)
		return false;
	if (peer->in->len < HEAD_BYTES + bytes)
		return true;
	take(peer, peer->in->data + HEAD_BYTES, bytes);
	(void)g_byte_array_remove_range(peer->in, 0, (guint)(HEAD_BYTES + bytes));
	return peer->strangers < STRANGERS;
}

// After its last frame: nothing is read any more. Returns whether the peer may stay.
static bool end_input(struct peer *peer)
{
	drop_source(&peer->input);
	peer->has_ended = true;
	return !is_done(peer);
}

static bool has_frame(const struct peer *peer)
{
	uint32_t head;

	if (peer->in->len < HEAD_BYTES)
		return false;
	memcpy(&head, peer->in->data, HEAD_BYTES);
	return peer->in->len >= HEAD_BYTES + (size_t)ntohl(head);
}

static gboolean more_frames(gpointer ctx);

static void watch_input(struct peer *peer);

static gboolean readable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct peer *peer = ctx;
	GError *error = NULL;
	char data[READ_BYTES];
	gssize n = g_socket_receive(socket, data, sizeof(data), NULL, &error);
	bool stays = n >= 0 || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);

	(void)condition;
	g_clear_error(&error);
	if (n > 0) {
		(void)g_byte_array_append(peer->in, (const guint8 *)data, (guint)n);
		peer->heard_s = control_now_ns() / NS_PER_S;
		stays = take_frame(peer);
	} else if (n == 0) {
		stays = end_input(peer);
	}
	if (!stays) {
		drop_peer(peer);
		return G_SOURCE_REMOVE;
	}
	if (n == 0)
		return G_SOURCE_REMOVE;
	if (!has_frame(peer))
		return G_SOURCE_CONTINUE;
	// Nothing is read until the frames that are here are done with.
	drop_source(&peer->input);
	peer->input = g_idle_source_new();
	g_source_set_priority(peer->input, G_PRIORITY_DEFAULT);
	g_source_set_callback(peer->input, more_frames, peer, NULL);
	(void)g_source_attach(peer->input, NULL);
	return G_SOURCE_REMOVE;
}

static gboolean more_frames(gpointer ctx)
{
	struct peer *peer = ctx;

	if (!take_frame(peer)) {
		drop_peer(peer);
		return G_SOURCE_REMOVE;
	}
	if (has_frame(peer))
		return G_SOURCE_CONTINUE;
	drop_source(&peer->input);
	watch_input(peer);
	return G_SOURCE_REMOVE;
}

static void watch_input(struct peer *peer)
{
	peer->input = g_socket_create_source(
		g_socket_connection_get_socket(peer->connection), G_IO_IN, NULL);
	g_source_set_callback(peer->input, G_SOURCE_FUNC(readable), peer, NULL);
	(void)g_source_attach(peer->input, NULL);
}

// ---- connections --------------------------------------------------------------------------------

static void name_peer(struct peer *peer)
{
	GSocketAddress *address = g_socket_connection_get_remote_address(peer->connection, NULL);
	char *name;

	if (address == NULL)
		return;
	name = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address));
	(void)snprintf(peer->name, sizeof(peer->name), "%s", name);
	g_free(name);
	g_object_unref(address);
}

static void drop_most_silent(struct channel_tcp *channel)
{
	struct peer *found = NULL;

	for (struct peer *peer = channel->peers; peer != NULL; peer = peer->next) {
		if (!peer->is_ours && (found == NULL || peer->heard_s < found->heard_s))
			found = peer;
	}
	if (found != NULL)
		drop_peer(found);
}

// Takes a reference of its own.
static void add_peer(struct channel_tcp *channel, GSocketConnection *connection, bool is_ours)
{
	GSocket *socket = g_socket_connection_get_socket(connection);
	struct peer *peer;

	if (channel->peers_count >= channel->peers_most)
		drop_most_silent(channel);
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return;
	g_socket_set_blocking(socket, FALSE);
	g_socket_set_keepalive(socket, TRUE);
	peer->channel = channel;
	peer->connection = g_object_ref(connection);
	peer->in = g_byte_array_new();
	peer->out = g_byte_array_new();
	peer->token = ++channel->tokens;
	peer->heard_s = control_now_ns() / NS_PER_S;
	peer->is_ours = is_ours;
	name_peer(peer);
	peer->next = channel->peers;
	channel->peers = peer;
	channel->peers_count++;
	watch_input(peer);
}

static gboolean incoming(
	GSocketService *service, GSocketConnection *connection, GObject *source, gpointer ctx)
{
	(void)service;
	(void)source;
	add_peer(ctx, connection, false);
	return TRUE;
}

static void connected(GObject *source, GAsyncResult *result, gpointer ctx)
{
	struct channel_tcp *channel = ctx;
	GError *error = NULL;
	GSocketConnection *connection =
		g_socket_client_connect_finish(G_SOCKET_CLIENT(source), result, &error);
	bool gone = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

	g_clear_error(&error);
	if (gone)
		return;
	if (connection == NULL) {
		connect_later(channel);
		return;
	}
	channel->retry_s = RETRY_S;
	channel->is_connected = true;
	add_peer(channel, connection, true);
	g_object_unref(connection);
}

static gboolean connect_now(gpointer ctx)
{
	struct channel_tcp *channel = ctx;
	GSocketClient *client = g_socket_client_new();

	channel->retry = 0;
	g_socket_client_set_timeout(client, RETRY_MOST_S);
	g_socket_client_connect_to_host_async(
		client, channel->connect, 0, channel->cancel, connected, channel);
	g_object_unref(client);
	return G_SOURCE_REMOVE;
}

// With a pause that grows, a little different for each gateway.
static void connect_later(struct channel_tcp *channel)
{
	unsigned int pause_ms = channel->retry_s * 1000;

	if (channel->retry != 0 || g_cancellable_is_cancelled(channel->cancel))
		return;
	pause_ms = pause_ms / 2 + (unsigned int)g_random_int_range(0, (gint)(pause_ms / 2 + 1));
	channel->retry = g_timeout_add(pause_ms, connect_now, channel);
	channel->retry_s = MIN(channel->retry_s * 2, RETRY_MOST_S);
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_tcp(void *ctx)
{
	struct channel_tcp *channel = ctx;

	g_cancellable_cancel(channel->cancel);
	if (channel->service != NULL) {
		g_socket_service_stop(channel->service);
		g_socket_listener_close(G_SOCKET_LISTENER(channel->service));
		g_object_unref(channel->service);
	}
	while (channel->peers != NULL) {
		struct peer *peer = channel->peers;

		channel->peers = peer->next;
		free_peer(peer);
	}
	if (channel->retry != 0)
		(void)g_source_remove(channel->retry);
	// What was cancelled still comes back once, and looks at nothing.
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_object_unref(channel->cancel);
	free(channel);
}

static int listen_at(struct channel_tcp *channel, const char *text, char *error, size_t error_bytes)
{
	GSocketConnectable *named = g_network_address_parse(text, 0, NULL);
	GSocketAddress *address = NULL;
	GError *mistake = NULL;
	bool good;

	if (named != NULL && g_network_address_get_port(G_NETWORK_ADDRESS(named)) != 0)
		address = g_inet_socket_address_new_from_string(
			g_network_address_get_hostname(G_NETWORK_ADDRESS(named)),
			g_network_address_get_port(G_NETWORK_ADDRESS(named)));
	g_clear_object(&named);
	if (address == NULL) {
		(void)snprintf(
			error, error_bytes, "alerts.tcp.listen: \"%s\" is not address:port", text);
		return -EINVAL;
	}
	channel->service = g_socket_service_new();
	good = g_socket_listener_add_address(G_SOCKET_LISTENER(channel->service), address,
		G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, &mistake);
	if (!good)
		(void)snprintf(
			error, error_bytes, "alerts.tcp.listen: %s: %s", text, mistake->message);
	else
		(void)g_signal_connect(channel->service, "incoming", G_CALLBACK(incoming), channel);
	g_clear_error(&mistake);
	g_object_unref(address);
	return good ? 0 : -EADDRNOTAVAIL;
}

static int open_tcp(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	struct channel_tcp *channel;
	int err = 0;

	if (options->alerts.tcp.listen[0] == '\0' && options->alerts.tcp.connect[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->alerts = alerts;
	channel->cancel = g_cancellable_new();
	channel->peers_most = options->alerts.tcp.peers;
	channel->retry_s = RETRY_S;
	(void)snprintf(
		channel->connect, sizeof(channel->connect), "%s", options->alerts.tcp.connect);
	if (options->alerts.tcp.listen[0] != '\0')
		err = listen_at(channel, options->alerts.tcp.listen, error, error_bytes);
	if (err != 0) {
		close_tcp(channel);
		return err;
	}
	if (channel->connect[0] != '\0')
		(void)connect_now(channel);
	*out = channel;
	return 0;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_tcp *channel = ctx;

	return json_pack("{s:i, s:b, s:I, s:I}", "peers", (int)channel->peers_count, "connected",
		channel->is_connected, "received", (json_int_t)channel->received, "answered",
		(json_int_t)channel->answered);
}

const struct channel_kind channel_tcp = {"tcp", open_tcp, close_tcp, get_status};
