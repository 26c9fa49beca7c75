// SPDX-License-Identifier: BSD-3-Clause
// Alerts over TCP connections that stay: from vendors that connect (listen) and to a vendor (connect), which
// works from behind an address translator. Either way a frame is a length of four bytes, the highest first,
// and as many bytes: an envelope towards the gateway, a receipt from it. A frame of no bytes is a sign of
// life and is sent back. Who sends what no trusted key has signed is cut off after a few.
#include "control/channel.h"
#include "control/control_events.h"
#include "control/descriptors.h"
#include "control/framed.h"
#include "control/urgent.h"

#include <gio/gio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAITING_BYTES (1u << 20) // of receipts that a peer does not take
#define PARTS_BYTES (96u << 20)  // of frames that are not whole, of all peers
#define PART_BYTES 65536         // of one peer, which nobody minds
#define STRANGERS 10             // unsigned envelopes from a peer
#define BACKLOG 128              // connections that wait to be let in
#define AGAIN_MS 100             // before it is looked whether there are descriptors again
#define RETRY_S 1                // first pause before it is connected again, doubled each time
#define RETRY_MOST_S 60
#define NS_PER_S 1000000000

struct channel_tcp;

struct peer {
	struct peer *next;
	struct channel_tcp *channel;
	struct framed *framed;
	uint64_t token;
	unsigned int strangers;
	unsigned int unanswered; // envelopes
	bool is_ours;            // we have connected
	bool is_known;           // it has sent what was taken
	char name[96];
};

struct channel_tcp {
	struct alerts *alerts;
	GSocket *listener; // NULL: it does not listen
	GSource *incoming; // of it, or the pause before it is listened to again
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

static void forget_peer(struct peer *peer)
{
	struct channel_tcp *channel = peer->channel;
	struct peer **link = &channel->peers;
	bool is_ours = peer->is_ours;

	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	channel->peers_count--;
	free(peer);
	if (is_ours) {
		channel->is_connected = false;
		connect_later(channel);
	}
}

static void drop_peer(struct peer *peer)
{
	framed_free(peer->framed);
	forget_peer(peer);
}

static struct peer *find_peer(struct channel_tcp *channel, uint64_t token)
{
	struct peer *peer = channel->peers;

	while (peer != NULL && peer->token != token)
		peer = peer->next;
	return peer;
}

// Of those that have at least so many bytes of a frame; the vendor that we have connected to stays.
static struct peer *find_most_silent(struct channel_tcp *channel, size_t least)
{
	struct peer *found = NULL;

	for (struct peer *peer = channel->peers; peer != NULL; peer = peer->next) {
		if (peer->is_ours || framed_input_bytes(peer->framed) < least)
			continue;
		// Strangers go before those that are known.
		if (found == NULL || peer->is_known < found->is_known ||
			(peer->is_known == found->is_known &&
				framed_active_us(peer->framed) < framed_active_us(found->framed)))
			found = peer;
	}
	return found;
}

// ---- envelopes and receipts ---------------------------------------------------------------------

// Who brings news is read before those who do not.
static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct channel_tcp *channel = ctx;
	struct peer *peer = find_peer(channel, token);

	if (peer == NULL)
		return;
	peer->unanswered--;
	framed_prefer(peer->framed, said->receipt != NULL && !said->is_repeat && !said->is_refusal);
	if (said->receipt == NULL) {
		peer->strangers += !said->is_busy;
		framed_wake(peer->framed);
		return;
	}
	peer->is_known = peer->is_known || !said->is_refusal;
	channel->answered++;
	framed_send(peer->framed, said->receipt, strlen(said->receipt));
}

static bool take_frame(void *ctx, struct framed *framed, const void *text, size_t bytes)
{
	struct peer *peer = ctx;
	const struct alerts_source source = {.channel = "tcp",
		.peer = peer->name,
		.answer = answer,
		.ctx = peer->channel,
		.token = peer->token,
		.began_us = framed_began_us(framed)};

	peer->channel->received++;
	peer->unanswered++;
	alerts_take(peer->channel->alerts, &source, text, bytes, control_now_ns() / NS_PER_S);
	return peer->strangers < STRANGERS;
}

// Frames that never become whole must not fill the memory.
static bool has_grown(void *ctx, struct framed *framed)
{
	struct peer *peer = ctx;
	struct peer *silent;
	size_t bytes = 0;

	if (framed_input_bytes(framed) <= PART_BYTES)
		return true;
	for (const struct peer *other = peer->channel->peers; other != NULL; other = other->next)
		bytes += framed_input_bytes(other->framed);
	if (bytes <= PARTS_BYTES)
		return true;
	silent = find_most_silent(peer->channel, PART_BYTES);
	if (silent == NULL || silent == peer)
		return peer->is_ours;
	drop_peer(silent);
	return true;
}

static bool is_unanswered(void *ctx, struct framed *framed)
{
	const struct peer *peer = ctx;

	(void)framed;
	return peer->unanswered > 0;
}

static void gone(void *ctx, struct framed *framed)
{
	(void)framed; // which frees itself
	forget_peer(ctx);
}

static const struct framed_owner owner = {.frame_bytes = ENVELOPE_MAX_BYTES,
	.waiting_bytes = WAITING_BYTES,
	.echoes = true,
	.frame = take_frame,
	.grown = has_grown,
	.unanswered = is_unanswered,
	.gone = gone};

// ---- connections --------------------------------------------------------------------------------

static void name_peer(struct peer *peer, GSocketConnection *connection)
{
	GSocketAddress *address = g_socket_connection_get_remote_address(connection, NULL);
	char *name;

	if (address == NULL)
		return;
	name = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address));
	(void)snprintf(peer->name, sizeof(peer->name), "%s", name);
	g_free(name);
	g_object_unref(address);
}

// Whether there was one that could go.
static bool drop_most_silent(struct channel_tcp *channel)
{
	struct peer *silent = find_most_silent(channel, 0);

	if (silent != NULL)
		drop_peer(silent);
	return silent != NULL;
}

// Takes a reference of its own. Returns the peer, or NULL when there is no memory.
static struct peer *add_peer(
	struct channel_tcp *channel, GSocketConnection *connection, bool is_ours)
{
	struct peer *peer;

	if (channel->peers_count >= channel->peers_most)
		(void)drop_most_silent(channel);
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return NULL;
	peer->framed = framed_new(connection, &owner, peer);
	if (peer->framed == NULL) {
		free(peer);
		return NULL;
	}
	peer->channel = channel;
	peer->token = ++channel->tokens;
	peer->is_ours = is_ours;
	name_peer(peer, connection);
	peer->next = channel->peers;
	channel->peers = peer;
	channel->peers_count++;
	return peer;
}

// Takes fd.
static void take_connection(struct channel_tcp *channel, int fd)
{
	GSocket *socket = g_socket_new_from_fd(fd, NULL);
	GSocketConnection *connection;
	const struct peer *peer;

	if (socket == NULL) {
		(void)close(fd);
		return;
	}
	connection = g_socket_connection_factory_create_connection(socket);
	peer = add_peer(channel, connection, false);
	if (peer != NULL)
		framed_look(peer->framed);
	g_object_unref(connection);
	g_object_unref(socket);
}

static void watch_incoming(struct channel_tcp *channel);

static gboolean listen_again(gpointer ctx)
{
	struct channel_tcp *channel = ctx;

	g_source_unref(channel->incoming);
	watch_incoming(channel);
	return G_SOURCE_REMOVE;
}

// As long as somebody waits that cannot be let in the listener is readable.
static void pause_incoming(struct channel_tcp *channel)
{
	g_source_unref(channel->incoming);
	channel->incoming = g_timeout_source_new(AGAIN_MS);
	g_source_set_callback(channel->incoming, listen_again, channel, NULL);
	(void)g_source_attach(channel->incoming, urgent_context());
}

// One at a time: what it may have sent by now is read before the next is let in, for which it may have to go. When
// descriptors are scarce one goes for each that comes.
static gboolean incoming(GSocket *listener, GIOCondition condition, gpointer ctx)
{
	struct channel_tcp *channel = ctx;
	int fd = accept4(g_socket_get_fd(listener), NULL, NULL, SOCK_CLOEXEC);

	(void)condition;
	// What the whole machine lacks nobody gets by our hanging up on those who are there.
	if (fd < 0 && descriptors_are_why(errno) &&
		(errno != EMFILE || !drop_most_silent(channel))) {
		pause_incoming(channel);
		return G_SOURCE_REMOVE;
	}
	if (fd < 0)
		return G_SOURCE_CONTINUE;
	if (descriptors_are_scarce(fd) && !drop_most_silent(channel))
		(void)close(fd);
	else
		take_connection(channel, fd);
	return G_SOURCE_CONTINUE;
}

static void watch_incoming(struct channel_tcp *channel)
{
	channel->incoming = g_socket_create_source(channel->listener, G_IO_IN, NULL);
	g_source_set_callback(channel->incoming, G_SOURCE_FUNC(incoming), channel, NULL);
	(void)g_source_attach(channel->incoming, urgent_context());
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
	channel->is_connected = add_peer(channel, connection, true) != NULL;
	if (!channel->is_connected)
		connect_later(channel);
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
	if (channel->incoming != NULL) {
		g_source_destroy(channel->incoming);
		g_source_unref(channel->incoming);
	}
	g_clear_object(&channel->listener);
	while (channel->peers != NULL) {
		struct peer *peer = channel->peers;

		channel->peers = peer->next;
		framed_free(peer->framed);
		free(peer);
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
	channel->listener = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM,
		G_SOCKET_PROTOCOL_TCP, &mistake);
	good = channel->listener != NULL &&
	       g_socket_bind(channel->listener, address, TRUE, &mistake);
	if (good) {
		g_socket_set_blocking(channel->listener, FALSE);
		g_socket_set_listen_backlog(channel->listener, BACKLOG);
		good = g_socket_listen(channel->listener, &mistake);
	}
	if (good)
		watch_incoming(channel);
	else
		(void)snprintf(
			error, error_bytes, "alerts.tcp.listen: %s: %s", text, mistake->message);
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
