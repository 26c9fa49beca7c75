// SPDX-License-Identifier: BSD-3-Clause
#include "control/framed.h"

#include "control/alive.h"
#include "control/urgent.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 4
#define READ_BYTES 65536

struct framed {
	GSocketConnection *connection;
	GSource *input;  // NULL: the other side has ended
	GSource *output; // while something waits to be sent
	GByteArray *in;
	GByteArray *out;
	const struct framed_owner *owner;
	void *ctx;
	gint64 active_us;
	gint64 began_us;
	gint priority;
};

static void drop_source(GSource **source)
{
	if (*source == NULL)
		return;
	g_source_destroy(*source);
	g_source_unref(*source);
	*source = NULL;
}

void framed_free(struct framed *framed)
{
	drop_source(&framed->input);
	drop_source(&framed->output);
	g_byte_array_unref(framed->in);
	g_byte_array_unref(framed->out);
	g_object_unref(framed->connection);
	free(framed);
}

static gboolean end(struct framed *framed)
{
	framed->owner->gone(framed->ctx, framed);
	framed_free(framed);
	return G_SOURCE_REMOVE;
}

gint64 framed_active_us(const struct framed *framed)
{
	return framed->active_us;
}

gint64 framed_began_us(const struct framed *framed)
{
	return framed->began_us;
}

size_t framed_input_bytes(const struct framed *framed)
{
	return framed->in->len;
}

void framed_prefer(struct framed *framed, bool is_preferred)
{
	framed->priority = is_preferred ? G_PRIORITY_HIGH : G_PRIORITY_DEFAULT;
	if (framed->input != NULL)
		g_source_set_priority(framed->input, framed->priority);
}

// ---- sending ------------------------------------------------------------------------------------

// Returns whether the connection may stay.
static bool flush(struct framed *framed)
{
	GSocket *socket = g_socket_connection_get_socket(framed->connection);
	GError *error = NULL;
	bool good = true;

	while (framed->out->len > 0 && good) {
		gssize n = g_socket_send(
			socket, (const char *)framed->out->data, framed->out->len, NULL, &error);

		if (n > 0)
			(void)g_byte_array_remove_range(framed->out, 0, (guint)n);
		else
			good = false;
	}
	good = good || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
	g_clear_error(&error);
	return good && framed->out->len <= framed->owner->waiting_bytes;
}

static bool is_unanswered(struct framed *framed)
{
	return framed->owner->unanswered != NULL && framed->owner->unanswered(framed->ctx, framed);
}

static gboolean writable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct framed *framed = ctx;

	(void)socket;
	(void)condition;
	if (!flush(framed))
		return end(framed);
	if (framed->out->len > 0)
		return G_SOURCE_CONTINUE;
	drop_source(&framed->output);
	if (framed->input == NULL && !is_unanswered(framed))
		return end(framed);
	return G_SOURCE_REMOVE;
}

void framed_wake(struct framed *framed)
{
	if (framed->output != NULL)
		return;
	framed->output = g_socket_create_source(
		g_socket_connection_get_socket(framed->connection), G_IO_OUT, NULL);
	g_source_set_callback(framed->output, G_SOURCE_FUNC(writable), framed, NULL);
	(void)g_source_attach(framed->output, urgent_context());
}

void framed_send(struct framed *framed, const void *text, size_t bytes)
{
	uint32_t head = htonl((uint32_t)bytes);

	framed->active_us = g_get_monotonic_time();
	(void)g_byte_array_append(framed->out, (const guint8 *)&head, HEAD_BYTES);
	(void)g_byte_array_append(framed->out, text, (guint)bytes);
	framed_wake(framed);
}

// ---- receiving ----------------------------------------------------------------------------------

// Whether the next frame is whole; *bytes: how long it is, when that is known.
static bool has_frame(const struct framed *framed, size_t *bytes)
{
	uint32_t head;

	*bytes = 0;
	if (framed->in->len < HEAD_BYTES)
		return false;
	memcpy(&head, framed->in->data, HEAD_BYTES);
	*bytes = ntohl(head);
	return framed->in->len - HEAD_BYTES >= *bytes;
}

// What is left; the room that a long frame took is given back.
static void forget_frame(struct framed *framed, size_t bytes)
{
	GByteArray *left = framed->in;

	framed->began_us = g_get_monotonic_time(); // of what is behind it, at the latest
	if (bytes <= READ_BYTES) {
		(void)g_byte_array_remove_range(left, 0, (guint)bytes);
		return;
	}
	framed->in = g_byte_array_new();
	(void)g_byte_array_append(framed->in, left->data + bytes, left->len - (guint)bytes);
	g_byte_array_unref(left);
}

// The next one, if it is whole. Returns whether the connection may stay.
static bool take_frame(struct framed *framed)
{
	const struct framed_owner *owner = framed->owner;
	size_t bytes;
	bool is_whole = has_frame(framed, &bytes);
	bool stays = true;

	if (bytes > owner->frame_bytes)
		return false;
	if (!is_whole)
		return owner->grown == NULL || owner->grown(framed->ctx, framed);
	if (bytes > 0)
		stays = owner->frame(framed->ctx, framed, framed->in->data + HEAD_BYTES, bytes);
	else if (owner->echoes)
		framed_send(framed, "", 0);
	forget_frame(framed, HEAD_BYTES + bytes);
	return stays;
}

static void watch_input(struct framed *framed);

static gboolean more_frames(gpointer ctx)
{
	struct framed *framed = ctx;
	size_t bytes;

	if (!take_frame(framed))
		return end(framed);
	if (has_frame(framed, &bytes))
		return G_SOURCE_CONTINUE;
	drop_source(&framed->input);
	watch_input(framed);
	return G_SOURCE_REMOVE;
}

static gboolean end_input(struct framed *framed)
{
	drop_source(&framed->input);
	if (framed->out->len == 0 && !is_unanswered(framed))
		return end(framed);
	return G_SOURCE_REMOVE;
}

static gboolean readable(GSocket *socket, GIOCondition condition, gpointer ctx)
{
	struct framed *framed = ctx;
	GError *error = NULL;
	char data[READ_BYTES];
	gssize n = g_socket_receive(socket, data, sizeof(data), NULL, &error);
	bool stays = n >= 0 || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
	size_t bytes;

	(void)condition;
	g_clear_error(&error);
	if (n == 0)
		return end_input(framed);
	if (n > 0) {
		framed->active_us = g_get_monotonic_time();
		if (framed->in->len == 0)
			framed->began_us = framed->active_us;
		(void)g_byte_array_append(framed->in, (const guint8 *)data, (guint)n);
		stays = take_frame(framed);
	}
	if (!stays)
		return end(framed);
	if (!has_frame(framed, &bytes))
		return G_SOURCE_CONTINUE;
	drop_source(&framed->input);
	framed->input = g_idle_source_new();
	g_source_set_priority(framed->input, framed->priority);
	g_source_set_callback(framed->input, more_frames, framed, NULL);
	(void)g_source_attach(framed->input, urgent_context());
	return G_SOURCE_REMOVE;
}

void framed_look(struct framed *framed)
{
	(void)readable(g_socket_connection_get_socket(framed->connection), G_IO_IN, framed);
}

static void watch_input(struct framed *framed)
{
	framed->input = g_socket_create_source(
		g_socket_connection_get_socket(framed->connection), G_IO_IN, NULL);
	g_source_set_priority(framed->input, framed->priority);
	g_source_set_callback(framed->input, G_SOURCE_FUNC(readable), framed, NULL);
	(void)g_source_attach(framed->input, urgent_context());
}

struct framed *framed_new(
	GSocketConnection *connection, const struct framed_owner *owner, void *ctx)
{
	GSocket *socket = g_socket_connection_get_socket(connection);
	struct framed *framed = calloc(1, sizeof(*framed));

	if (framed == NULL)
		return NULL;
	g_socket_set_blocking(socket, FALSE);
	// That of connecting would be that of silence from now on.
	g_socket_set_timeout(socket, 0);
	alive_watch(g_socket_get_fd(socket));
	framed->connection = g_object_ref(connection);
	framed->in = g_byte_array_new();
	framed->out = g_byte_array_new();
	framed->owner = owner;
	framed->ctx = ctx;
	framed->active_us = g_get_monotonic_time();
	framed->priority = G_PRIORITY_DEFAULT;
	watch_input(framed);
	return framed;
}
