// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_connections.h"

#include "control/address_list.h"
#include "control/alive.h"
#include "control/descriptors.h"

#include <glib.h>
#include <netdb.h>

#include <sys/socket.h>

struct web_connections {
	struct address_list *allowed;
	size_t most;
	size_t most_each;
	GHashTable *places; // of each connection
	GHashTable *counts; // of each place
};

int web_connections_new(const struct web_server_options *options, struct web_connections **out,
	char *error, size_t error_bytes)
{
	struct address_list *allowed;
	struct web_connections *connections;
	int err = address_list_new(
		options->allow, options->allow_count, &allowed, error, error_bytes);

	if (err != 0)
		return err;
	connections = g_new0(struct web_connections, 1);
	connections->allowed = allowed;
	connections->most = options->connections;
	connections->most_each = options->connections_each;
	connections->places = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	connections->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	*out = connections;
	return 0;
}

void web_connections_free(struct web_connections *connections)
{
	if (connections == NULL)
		return;
	address_list_free(connections->allowed);
	g_hash_table_unref(connections->places);
	g_hash_table_unref(connections->counts);
	g_free(connections);
}

static size_t count_of(const struct web_connections *connections, const char *place)
{
	return GPOINTER_TO_SIZE(g_hash_table_lookup(connections->counts, place));
}

static bool have_room(const struct web_connections *connections, const char *address)
{
	char place[ADDRESS_BYTES];

	address_place(address, place);
	return (connections->most == 0 ||
		       g_hash_table_size(connections->places) < connections->most) &&
	       (connections->most_each == 0 ||
		       count_of(connections, place) < connections->most_each);
}

bool web_connections_may_come(const struct web_connections *connections, int fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof(address);
	char text[NI_MAXHOST] = "";

	alive_watch(fd);
	if (getpeername(fd, (struct sockaddr *)&address, &bytes) == 0)
		(void)getnameinfo((struct sockaddr *)&address, bytes, text, sizeof(text), NULL, 0,
			NI_NUMERICHOST);
	return !descriptors_are_scarce(fd) && address_list_has(connections->allowed, text) &&
	       have_room(connections, text);
}

void web_connections_add(
	struct web_connections *connections, const void *connection, const char *address)
{
	char place[ADDRESS_BYTES];

	if (g_hash_table_contains(connections->places, connection))
		return;
	address_place(address, place);
	(void)g_hash_table_insert(
		connections->places, (gpointer)(guintptr)connection, g_strdup(place));
	(void)g_hash_table_insert(connections->counts, g_strdup(place),
		GSIZE_TO_POINTER(count_of(connections, place) + 1));
}

void web_connections_remove(struct web_connections *connections, const void *connection)
{
	const char *place = g_hash_table_lookup(connections->places, connection);
	size_t left;

	if (place == NULL)
		return;
	left = count_of(connections, place) - 1;
	if (left == 0)
		(void)g_hash_table_remove(connections->counts, place);
	else
		(void)g_hash_table_insert(
			connections->counts, g_strdup(place), GSIZE_TO_POINTER(left));
	(void)g_hash_table_remove(connections->places, connection);
}
