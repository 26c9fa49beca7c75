// SPDX-License-Identifier: BSD-3-Clause
// Alerts in a datagram each, repeated until the receipt has come back in another. One that is too long for
// a datagram goes by the gateway's other channels.
#include "control/vendor_address.h"
#include "control/vendor_send.h"

#include <gio/gio.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define KIND "udp"
#define DATAGRAM_BYTES 65507 // over IPv4 (RFC 768, RFC 791)
#define RECEIVE_BYTES (8 << 20)
#define BURST 64

struct way {
	struct vendor_sink sink;
	GSocket *sockets[2]; // IPv4, IPv6; NULL: the host has none
	GSource *sources[2];
	GCancellable *cancel;
	bool is_full; // the socket, when something was last sent
	char data[65536];
};

// A name that is looked up.
struct lookup {
	struct way *way;
	char *gateway;
	char *envelope;
	size_t bytes;
};

static gboolean readable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct way *way = ctx;

	(void)condition;
	for (int i = 0; i < BURST; i++) {
		gssize n = g_socket_receive_from(
			socket, NULL, way->data, sizeof(way->data), NULL, NULL);

		if (n < 0)
			break;
		(void)way->sink.receipt(way->sink.ctx, KIND, way->data, (size_t)n, NULL);
	}
	return G_SOURCE_CONTINUE;
}

static void send_datagram(struct way *way, GSocketAddress *address, const char *gateway,
	const char *text, size_t bytes)
{
	GSocket *socket =
		way->sockets[g_socket_address_get_family(address) == G_SOCKET_FAMILY_IPV6 ? 1 : 0];
	GError *error = NULL;

	if (socket == NULL)
		way->sink.failed(way->sink.ctx, gateway, KIND, "no socket of its family");
	else if (g_socket_send_to(socket, address, text, bytes, NULL, &error) >= 0)
		way->is_full = false;
	else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
		way->is_full = true;
	else
		way->sink.failed(way->sink.ctx, gateway, KIND, error->message);
	g_clear_error(&error);
}

static void free_lookup(struct lookup *lookup)
{
	g_free(lookup->gateway);
	g_free(lookup->envelope);
	g_free(lookup);
}

// To all addresses of the name: a repeat costs a gateway nothing.
static void found(void *ctx, const GList *addresses, const char *why)
{
	struct lookup *lookup = ctx;
	const struct vendor_sink *sink = &lookup->way->sink;

	for (const GList *link = addresses; link != NULL; link = link->next)
		send_datagram(
			lookup->way, link->data, lookup->gateway, lookup->envelope, lookup->bytes);
	if (why != NULL)
		sink->failed(sink->ctx, lookup->gateway, KIND, why);
	free_lookup(lookup);
}

static int send_udp(void *ctx, const struct vendor_try *try)
{
	struct way *way = ctx;
	struct lookup *lookup;

	if (try->bytes > DATAGRAM_BYTES) {
		way->sink.failed(way->sink.ctx, try->gateway, KIND, "too long for a datagram");
		return -EMSGSIZE;
	}
	way->is_full = false;
	lookup = g_new0(struct lookup, 1);
	lookup->way = way;
	lookup->gateway = g_strdup(try->gateway);
	lookup->envelope = g_strndup(try->envelope, try->bytes);
	lookup->bytes = try->bytes;
	vendor_address_find(json_string_value(json_object_get(try->channel, "address")),
		way->cancel, found, lookup);
	return way->is_full ? -EAGAIN : 0;
}

static void close_udp(void *ctx)
{
	struct way *way = ctx;

	g_cancellable_cancel(way->cancel);
	while (g_main_context_iteration(NULL, FALSE))
		;
	for (size_t i = 0; i < 2; i++) {
		if (way->sources[i] != NULL) {
			g_source_destroy(way->sources[i]);
			g_source_unref(way->sources[i]);
		}
		g_clear_object(&way->sockets[i]);
	}
	g_object_unref(way->cancel);
	free(way);
}

// A socket of a family that the host does not have is not needed.
static void open_socket(struct way *way, size_t i, GSocketFamily family)
{
	GSocket *socket = g_socket_new(family, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);

	if (socket == NULL)
		return;
	g_socket_set_blocking(socket, FALSE);
	(void)g_socket_set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES, NULL);
	(void)g_socket_set_option(socket, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES, NULL);
	way->sockets[i] = socket;
	way->sources[i] = g_socket_create_source(socket, G_IO_IN, NULL);
	g_source_set_callback(way->sources[i], G_SOURCE_FUNC(readable), way, NULL);
	(void)g_source_attach(way->sources[i], NULL);
}

static int open_udp(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	struct way *way = calloc(1, sizeof(*way));

	(void)options;
	(void)error;
	(void)error_bytes;
	if (way == NULL)
		return -ENOMEM;
	way->sink = *sink;
	way->cancel = g_cancellable_new();
	open_socket(way, 0, G_SOCKET_FAMILY_IPV4);
	open_socket(way, 1, G_SOCKET_FAMILY_IPV6);
	*out = way;
	return 0;
}

const struct vendor_way vendor_way_udp = {.kind = KIND,
	.members = {{"address", true, vendor_address_check}},
	.open = open_udp,
	.close = close_udp,
	.send = send_udp};
