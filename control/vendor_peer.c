// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_peer.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 4
#define READ_BYTES 16384
#define FRAME_BYTES 65536         // of a receipt
#define WAITING_BYTES (16u << 20) // that it does not take

struct vendor_peer {
	GSocketConnection *connection;
	GSource *input;
	GSource *output; // while something waits to be sent
	GByteArray *in;
	GByteArray *out;
	const struct vendor_peer_owner *owner;
	void *ctx;
	gint64 active_us;
};

static void drop_source(GSource **source)
{
	if (*source == NULL)
		return;
	g_source_destroy(*source);
	g_source_unref(*source);
	*source = NULL;
}

void vendor_peer_free(struct vendor_peer *peer)
{
	drop_source(&peer->input);
	drop_source(&peer->output);
	g_byte_array_unref(peer->in);
	g_byte_array_unref(peer->out);
	g_object_unref(peer->connection);
	free(peer);
}

static void end_peer(struct vendor_peer *peer)
{
	peer->owner->gone(peer->ctx, peer);
	vendor_peer_free(peer);
}

void *vendor_peer_ctx(const struct vendor_peer *peer)
{
	return peer->ctx;
}

gint64 vendor_peer_active_us(const struct vendor_peer *peer)
{
	return peer->active_us;
}

// Returns whether the peer may stay.
static bool flush(struct vendor_peer *peer)
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
	struct vendor_peer *peer = ctx;

	(void)socket;
	(void)condition;
	if (!flush(peer)) {
		end_peer(peer);
		return G_SOURCE_REMOVE;
	}
	if (peer->out->len > 0)
		return G_SOURCE_CONTINUE;
	drop_source(&peer->output);
	return G_SOURCE_REMOVE;
}

void vendor_peer_send(struct vendor_peer *peer, const void *text, size_t bytes)
{
	uint32_t head = htonl((uint32_t)bytes);

	peer->active_us = g_get_monotonic_time();
	(void)g_byte_array_append(peer->out, (const guint8 *)&head, HEAD_BYTES);
	(void)g_byte_array_append(peer->out, text, (guint)bytes);
	if (peer->output != NULL)
		return;
	peer->output = g_socket_create_source(
		g_socket_connection_get_socket(peer->connection), G_IO_OUT, NULL);
	g_source_set_callback(peer->output, G_SOURCE_FUNC(writable), peer, NULL);
	(void)g_source_attach(peer->output, NULL);
}

// All frames that are whole. Returns whether the peer may stay.
static bool take_frames(struct vendor_peer *peer)
{
	bool stays = true;
	size_t at = 0;

	while (stays && peer->in->len - at >= HEAD_BYTES) {
		uint32_t head;
		size_t bytes;

		memcpy(&head, peer->in->data + at, HEAD_BYTES);
		bytes = ntohl(head);
		if (bytes > FRAME_BYTES)
			return false;
		if (peer->in->len - at < HEAD_BYTES + bytes)
			break;
		if (bytes > 0)
			stays = peer->owner->frame(
				peer->ctx, peer, peer->in->data + at + HEAD_BYTES, bytes);
		at += HEAD_BYTES + bytes;
	}
	(void)g_byte_array_remove_range(peer->in, 0, (guint)at);
	return stays;
}

static gboolean readable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct vendor_peer *peer = ctx;
	GError *error = NULL;
	char data[READ_BYTES];
	gssize n = g_socket_receive(socket, data, sizeof(data), NULL, &error);
	bool stays = n > 0 || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);

	(void)condition;
	g_clear_error(&error);
	if (n > 0) {
		peer->active_us = g_get_monotonic_time();
		(void)g_byte_array_append(peer->in, (const guint8 *)data, (guint)n);
		stays = take_frames(peer);
	}
	if (stays)
		return G_SOURCE_CONTINUE;
	end_peer(peer);
	return G_SOURCE_REMOVE;
}

struct vendor_peer *vendor_peer_new(
	GSocketConnection *connection, const struct vendor_peer_owner *owner, void *ctx)
{
	GSocket *socket = g_socket_connection_get_socket(connection);
	struct vendor_peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	g_socket_set_blocking(socket, FALSE);
	g_socket_set_keepalive(socket, TRUE);
	peer->connection = g_object_ref(connection);
	peer->in = g_byte_array_new();
	peer->out = g_byte_array_new();
	peer->owner = owner;
	peer->ctx = ctx;
	peer->active_us = g_get_monotonic_time();
	peer->input = g_socket_create_source(socket, G_IO_IN, NULL);
	g_source_set_callback(peer->input, G_SOURCE_FUNC(readable), peer, NULL);
	(void)g_source_attach(peer->input, NULL);
	return peer;
}
