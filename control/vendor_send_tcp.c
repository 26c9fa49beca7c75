// SPDX-License-Identifier: BSD-3-Clause
// Alerts over connections that the vendor makes to its gateways. One is closed when nothing was said on it
// for a while, and made again for the next alert; sooner where others wait and it has had its answer.
#include "control/framed.h"
#include "control/vendor_address.h"
#include "control/vendor_registry.h"
#include "control/vendor_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND "tcp"
#define IDLE_S 20
#define CONNECT_S 20
#define RECEIPT_BYTES 65536
#define WAITING_BYTES (16u << 20) // that a gateway does not take

struct way {
	struct vendor_sink sink;
	GHashTable *links; // id and address of the gateway: struct link
	GQueue resting;    // those that have had their answer, the longest first
	GCancellable *cancel;
	guint timer;
	guint at_once;
};

struct link {
	struct way *way;
	struct framed *framed; // NULL: it is being connected
	GByteArray *waits;     // the envelope that is sent then
	GList *rests;          // in resting; NULL: an answer is outstanding
	char *name;            // in links
	char gateway[REGISTRY_ID_BYTES];
};

static void rest(struct link *link)
{
	if (link->rests != NULL)
		return;
	g_queue_push_tail(&link->way->resting, link);
	link->rests = g_queue_peek_tail_link(&link->way->resting);
}

static void rest_no_more(struct link *link)
{
	if (link->rests != NULL)
		g_queue_delete_link(&link->way->resting, link->rests);
	link->rests = NULL;
}

static void free_link(gpointer data)
{
	struct link *link = data;

	rest_no_more(link);
	if (link->framed != NULL)
		framed_free(link->framed);
	g_byte_array_unref(link->waits);
	g_free(link->name);
	free(link);
}

static bool take_frame(void *ctx, struct framed *framed, const void *text, size_t bytes)
{
	struct link *link = ctx;

	(void)framed;
	rest(link);
	return link->way->sink.receipt(link->way->sink.ctx, KIND, text, bytes, NULL);
}

static void gone(void *ctx, struct framed *framed)
{
	struct link *link = ctx;

	(void)framed;
	link->framed = NULL; // it frees itself
	(void)g_hash_table_remove(link->way->links, link->name);
}

static const struct framed_owner owner = {.frame_bytes = RECEIPT_BYTES,
	.waiting_bytes = WAITING_BYTES,
	.frame = take_frame,
	.gone = gone};

static void connected(GObject *source, GAsyncResult *result, gpointer ctx)
{
	struct link *link = ctx;
	GError *error = NULL;
	GSocketConnection *connection =
		g_socket_client_connect_finish(G_SOCKET_CLIENT(source), result, &error);

	if (connection == NULL) {
		// After a cancel the link is this function's to free.
		if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
			free_link(link);
		} else {
			link->way->sink.failed(
				link->way->sink.ctx, link->gateway, KIND, error->message);
			(void)g_hash_table_remove(link->way->links, link->name);
		}
		g_error_free(error);
		return;
	}
	link->framed = framed_new(connection, &owner, link);
	g_object_unref(connection);
	if (link->framed == NULL) {
		(void)g_hash_table_remove(link->way->links, link->name);
		return;
	}
	framed_send(link->framed, link->waits->data, link->waits->len);
	(void)g_byte_array_set_size(link->waits, 0);
}

static int connect_link(
	struct way *way, const struct vendor_try *try, const char *address, char *name)
{
	struct link *link = calloc(1, sizeof(*link));
	GSocketClient *client;

	if (link == NULL) {
		g_free(name);
		return -ENOMEM;
	}
	link->way = way;
	link->name = name;
	link->waits = g_byte_array_new();
	(void)g_byte_array_append(link->waits, (const guint8 *)try->envelope, (guint)try->bytes);
	(void)snprintf(link->gateway, sizeof(link->gateway), "%s", try->gateway);
	(void)g_hash_table_insert(way->links, link->name, link);
	client = g_socket_client_new();
	g_socket_client_set_enable_proxy(client, FALSE);
	g_socket_client_set_timeout(client, CONNECT_S);
	g_socket_client_connect_to_host_async(client, address, 0, way->cancel, connected, link);
	g_object_unref(client);
	return 0;
}

static int send_tcp(void *ctx, const struct vendor_try *try)
{
	struct way *way = ctx;
	const char *address = json_string_value(json_object_get(try->channel, "address"));
	char *name = g_strconcat(try->gateway, "\n", address, NULL);
	struct link *link = g_hash_table_lookup(way->links, name);

	if (link == NULL && g_hash_table_size(way->links) >= way->at_once &&
		!g_queue_is_empty(&way->resting))
		(void)g_hash_table_remove(
			way->links, ((struct link *)g_queue_peek_head(&way->resting))->name);
	if (link == NULL && g_hash_table_size(way->links) < way->at_once)
		return connect_link(way, try, address, name);
	g_free(name);
	if (link == NULL || link->framed == NULL)
		return -EAGAIN;
	rest_no_more(link);
	framed_send(link->framed, try->envelope, try->bytes);
	return 0;
}

static gboolean is_idle(gpointer key, gpointer value, gpointer ctx)
{
	const struct link *link = value;
	const gint64 *now_us = ctx;

	(void)key;
	return link->framed != NULL &&
	       *now_us - framed_active_us(link->framed) > (gint64)IDLE_S * G_USEC_PER_SEC;
}

static gboolean close_idle(gpointer ctx)
{
	struct way *way = ctx;
	gint64 now_us = g_get_monotonic_time();

	(void)g_hash_table_foreach_remove(way->links, is_idle, &now_us);
	return G_SOURCE_CONTINUE;
}

// Those that are being connected come back once more, and free themselves.
static gboolean is_connecting(gpointer key, gpointer value, gpointer ctx)
{
	const struct link *link = value;

	(void)key;
	(void)ctx;
	return link->framed == NULL;
}

static void close_tcp(void *ctx)
{
	struct way *way = ctx;

	(void)g_source_remove(way->timer);
	(void)g_hash_table_foreach_steal(way->links, is_connecting, NULL);
	g_cancellable_cancel(way->cancel);
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_hash_table_unref(way->links);
	g_object_unref(way->cancel);
	free(way);
}

static int open_tcp(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	struct way *way = calloc(1, sizeof(*way));

	(void)error;
	(void)error_bytes;
	if (way == NULL)
		return -ENOMEM;
	way->sink = *sink;
	way->at_once = options->tcp.at_once;
	g_queue_init(&way->resting);
	way->links = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_link);
	way->cancel = g_cancellable_new();
	way->timer = g_timeout_add_seconds(5, close_idle, way);
	*out = way;
	return 0;
}

const struct vendor_way vendor_way_tcp = {.kind = KIND,
	.members = {{"address", true, vendor_address_check}},
	.open = open_tcp,
	.close = close_tcp,
	.send = send_tcp};
