// SPDX-License-Identifier: BSD-3-Clause
// Alerts over UDP: an envelope in a datagram, its receipt in a datagram back. The vendor repeats the one
// until it has the other, which costs nothing here: a repeat is answered by the same receipt. What no
// trusted key has signed is answered by silence, and only so many of those of a source are looked at in a
// second.
#include "control/channel.h"
#include "control/control_events.h"
#include "control/urgent.h"

#include <gio/gio.h>
#include <glib-unix.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_BYTES 65536
#define BURST 64    // taken in one turn of the loop, at most
#define TURN_US 200 // that they may take together: the other channels want their turn
#define STRANGERS                                                                                  \
	1000 // unsigned ones in a second, after which those of the same source are dropped unread
#define SOURCES 256 // that are told apart
#define PEERS 256   // whose receipts may be outstanding
#define NS_PER_S 1000000000

struct peer {
	uint64_t token; // 0: free
	GSocketAddress *address;
};

struct channel_udp {
	struct alerts *alerts;
	GSocket *socket;
	GSource *source;
	struct peer peers[PEERS];
	uint64_t tokens;
	int64_t second;
	unsigned int strangers[SOURCES]; // in it
	guint seed;
	uint64_t received;
	uint64_t answered;
	uint64_t dropped;
	char data[DATAGRAM_BYTES];
};

// The count of where it came from, of which some share one.
static unsigned int *strangers_of(struct channel_udp *channel, GSocketAddress *address)
{
	GInetAddress *host = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address));
	const guint8 *bytes = g_inet_address_to_bytes(host);
	guint hash = channel->seed;

	for (gsize i = 0; i < g_inet_address_get_native_size(host); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return &channel->strangers[(hash ^ hash >> 16) % SOURCES];
}

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct channel_udp *channel = ctx;
	struct peer *peer = &channel->peers[token % PEERS];

	if (peer->token != token)
		return;
	if (said->receipt == NULL)
		*strangers_of(channel, peer->address) += !said->is_busy;
	else if (g_socket_send_to(channel->socket, peer->address, said->receipt,
			 strlen(said->receipt), NULL, NULL) > 0)
		channel->answered++;
	g_object_unref(peer->address);
	peer->token = 0;
}

// The place of a token: whoever waited there too long is forgotten, and asks again.
static uint64_t remember(struct channel_udp *channel, GSocketAddress *address)
{
	uint64_t token = ++channel->tokens;
	struct peer *peer = &channel->peers[token % PEERS];

	if (peer->token != 0)
		g_object_unref(peer->address);
	peer->token = token;
	peer->address = address;
	return token;
}

static void take(struct channel_udp *channel, size_t bytes, GSocketAddress *address)
{
	int64_t now_s = control_now_ns() / NS_PER_S;
	struct alerts_source source = {.channel = "udp", .answer = answer, .ctx = channel};
	char *name = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address));

	channel->received++;
	source.peer = name;
	source.token = remember(channel, address);
	alerts_take(channel->alerts, &source, channel->data, bytes, now_s);
	g_free(name);
}

static gboolean readable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct channel_udp *channel = ctx;
	gint64 until_us = g_get_monotonic_time() + TURN_US;

	(void)condition;
	for (int i = 0; i < BURST && (i == 0 || g_get_monotonic_time() < until_us); i++) {
		GSocketAddress *address = NULL;
		int64_t second = control_now_ns() / NS_PER_S;
		gssize n = g_socket_receive_from(
			socket, &address, channel->data, DATAGRAM_BYTES, NULL, NULL);

		if (n < 0)
			break;
		if (second != channel->second)
			memset(channel->strangers, 0, sizeof(channel->strangers));
		channel->second = second;
		if (*strangers_of(channel, address) < STRANGERS) {
			take(channel, (size_t)n, address);
			continue;
		}
		channel->dropped++;
		g_object_unref(address);
	}
	return G_SOURCE_CONTINUE;
}

static void close_udp(void *ctx)
{
	struct channel_udp *channel = ctx;

	if (channel->source != NULL) {
		g_source_destroy(channel->source);
		g_source_unref(channel->source);
	}
	g_clear_object(&channel->socket);
	for (size_t i = 0; i < PEERS; i++) {
		if (channel->peers[i].token != 0)
			g_object_unref(channel->peers[i].address);
	}
	free(channel);
}

// address:port, [address]:port.
static GSocketAddress *parse_address(const char *text)
{
	GSocketConnectable *named = g_network_address_parse(text, 0, NULL);
	GSocketAddress *address = NULL;

	if (named == NULL)
		return NULL;
	if (g_network_address_get_port(G_NETWORK_ADDRESS(named)) != 0)
		address = g_inet_socket_address_new_from_string(
			g_network_address_get_hostname(G_NETWORK_ADDRESS(named)),
			g_network_address_get_port(G_NETWORK_ADDRESS(named)));
	g_object_unref(named);
	return address;
}

static GSocket *listen_at(const char *text, char *error, size_t error_bytes)
{
	GSocketAddress *address = parse_address(text);
	GError *mistake = NULL;
	GSocket *socket = NULL;

	if (address == NULL) {
		(void)snprintf(
			error, error_bytes, "alerts.udp.listen: \"%s\" is not address:port", text);
		return NULL;
	}
	socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_DATAGRAM,
		G_SOCKET_PROTOCOL_UDP, &mistake);
	if (socket != NULL && !g_socket_bind(socket, address, FALSE, &mistake))
		g_clear_object(&socket);
	if (socket == NULL)
		(void)snprintf(
			error, error_bytes, "alerts.udp.listen: %s: %s", text, mistake->message);
	else
		g_socket_set_blocking(socket, FALSE);
	g_clear_error(&mistake);
	g_object_unref(address);
	return socket;
}

static int open_udp(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	struct channel_udp *channel;

	if (options->alerts.udp.listen[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->alerts = alerts;
	channel->seed = g_random_int();
	channel->socket = listen_at(options->alerts.udp.listen, error, error_bytes);
	if (channel->socket == NULL) {
		close_udp(channel);
		return -EADDRNOTAVAIL;
	}
	channel->source = g_socket_create_source(channel->socket, G_IO_IN, NULL);
	g_source_set_callback(channel->source, G_SOURCE_FUNC(readable), channel, NULL);
	(void)g_source_attach(channel->source, urgent_context());
	*out = channel;
	return 0;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_udp *channel = ctx;

	return json_pack("{s:I, s:I, s:I}", "received", (json_int_t)channel->received, "answered",
		(json_int_t)channel->answered, "dropped", (json_int_t)channel->dropped);
}

const struct channel_kind channel_udp = {"udp", open_udp, close_udp, get_status};
