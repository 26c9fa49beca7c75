// SPDX-License-Identifier: BSD-3-Clause
// Alerts over connections that gateways make, which works from behind an address translator. Nothing that
// a gateway sends by itself says who it is; its receipts do. So whoever connects is sent the root document
// in force, which every gateway answers by a receipt and which changes nothing where it is known.
#include "control/descriptors.h"
#include "control/framed.h"
#include "control/vendor_registry.h"
#include "control/vendor_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND "tcp-in"
#define STRANGER_S 30       // until it has shown who it is
#define STRANGERS_MOST 4096 // at once
#define RECEIPT_BYTES 65536
#define WAITING_BYTES (16u << 20) // that a gateway does not take

struct way {
	struct vendor_sink sink;
	GSocketService *service;
	GHashTable *links; // a set
	GHashTable *known; // id: link
	guint timer;
	guint strangers;
};

struct link {
	struct way *way;
	struct framed *framed;
	gint64 since_us;
	char gateway[REGISTRY_ID_BYTES]; // "": a stranger
};

static void forget(struct link *link)
{
	struct way *way = link->way;

	if (link->gateway[0] == '\0')
		way->strangers--;
	else if (g_hash_table_lookup(way->known, link->gateway) == link)
		(void)g_hash_table_remove(way->known, link->gateway);
}

static void free_link(gpointer data)
{
	struct link *link = data;

	forget(link);
	if (link->framed != NULL)
		framed_free(link->framed);
	free(link);
}

static bool take_frame(void *ctx, struct framed *framed, const void *text, size_t bytes)
{
	struct link *link = ctx;
	struct way *way = link->way;
	char gateway[REGISTRY_ID_BYTES] = "";

	(void)framed;
	if (!way->sink.receipt(way->sink.ctx, KIND, text, bytes, gateway))
		return false;
	if (link->gateway[0] != '\0')
		return strcmp(link->gateway, gateway) == 0;
	way->strangers--;
	(void)snprintf(link->gateway, sizeof(link->gateway), "%s", gateway);
	// The latest connection of a gateway counts; an older one may be half open.
	(void)g_hash_table_replace(way->known, link->gateway, link);
	way->sink.here(way->sink.ctx, gateway);
	return true;
}

static void gone(void *ctx, struct framed *framed)
{
	struct link *link = ctx;

	(void)framed;
	link->framed = NULL; // it frees itself
	(void)g_hash_table_remove(link->way->links, link);
}

static const struct framed_owner owner = {.frame_bytes = RECEIPT_BYTES,
	.waiting_bytes = WAITING_BYTES,
	.frame = take_frame,
	.gone = gone};

static gboolean incoming(
	GSocketService *service, GSocketConnection *connection, GObject *source, gpointer ctx)
{
	struct way *way = ctx;
	const char *root = way->sink.root(way->sink.ctx);
	struct link *link;

	(void)service;
	(void)source;
	if (way->strangers >= STRANGERS_MOST || root == NULL ||
		descriptors_are_scarce(g_socket_get_fd(g_socket_connection_get_socket(connection))))
		return TRUE;
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return TRUE;
	link->way = way;
	link->since_us = g_get_monotonic_time();
	link->framed = framed_new(connection, &owner, link);
	if (link->framed == NULL) {
		free(link);
		return TRUE;
	}
	way->strangers++;
	(void)g_hash_table_add(way->links, link);
	framed_send(link->framed, root, strlen(root));
	return TRUE;
}

static int send_tcp_in(void *ctx, const struct vendor_try *try)
{
	const struct way *way = ctx;
	const struct link *link = g_hash_table_lookup(way->known, try->gateway);

	if (link == NULL)
		return -ENOTCONN;
	framed_send(link->framed, try->envelope, try->bytes);
	return 0;
}

static gboolean is_late(gpointer key, gpointer value, gpointer ctx)
{
	const struct link *link = key;
	const gint64 *now_us = ctx;

	(void)value;
	return link->gateway[0] == '\0' &&
	       *now_us - link->since_us > (gint64)STRANGER_S * G_USEC_PER_SEC;
}

static gboolean close_late(gpointer ctx)
{
	struct way *way = ctx;
	gint64 now_us = g_get_monotonic_time();

	(void)g_hash_table_foreach_remove(way->links, is_late, &now_us);
	return G_SOURCE_CONTINUE;
}

static void close_tcp_in(void *ctx)
{
	struct way *way = ctx;

	if (way->timer != 0)
		(void)g_source_remove(way->timer);
	g_socket_service_stop(way->service);
	g_socket_listener_close(G_SOCKET_LISTENER(way->service));
	g_object_unref(way->service);
	g_hash_table_unref(way->links);
	g_hash_table_unref(way->known);
	free(way);
}

static int listen_at(struct way *way, const char *text, char *error, size_t error_bytes)
{
	GSocketConnectable *named = g_network_address_parse(text, 0, NULL);
	GSocketAddress *address = NULL;
	GError *mistake = NULL;
	bool good = false;

	if (named != NULL && g_network_address_get_port(G_NETWORK_ADDRESS(named)) != 0)
		address = g_inet_socket_address_new_from_string(
			g_network_address_get_hostname(G_NETWORK_ADDRESS(named)),
			g_network_address_get_port(G_NETWORK_ADDRESS(named)));
	g_clear_object(&named);
	if (address != NULL)
		good = g_socket_listener_add_address(G_SOCKET_LISTENER(way->service), address,
			G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, &mistake);
	if (!good)
		(void)snprintf(error, error_bytes, "tcp.listen: %s: %s", text,
			mistake != NULL ? mistake->message : "is not address:port");
	g_clear_error(&mistake);
	g_clear_object(&address);
	return good ? 0 : -EADDRNOTAVAIL;
}

static int open_tcp_in(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	struct way *way;
	int err;

	if (options->tcp.listen[0] == '\0')
		return 0;
	way = calloc(1, sizeof(*way));
	if (way == NULL)
		return -ENOMEM;
	way->sink = *sink;
	way->links = g_hash_table_new_full(NULL, NULL, free_link, NULL);
	way->known = g_hash_table_new(g_str_hash, g_str_equal);
	way->service = g_socket_service_new();
	g_socket_listener_set_backlog(G_SOCKET_LISTENER(way->service), STRANGERS_MOST);
	err = listen_at(way, options->tcp.listen, error, error_bytes);
	if (err != 0) {
		close_tcp_in(way);
		return err;
	}
	(void)g_signal_connect(way->service, "incoming", G_CALLBACK(incoming), way);
	way->timer = g_timeout_add_seconds(5, close_late, way);
	*out = way;
	return 0;
}

const struct vendor_way vendor_way_tcp_in = {
	.kind = KIND, .open = open_tcp_in, .close = close_tcp_in, .send = send_tcp_in};
