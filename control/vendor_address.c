// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

struct lookup {
	vendor_address_fn found;
	void *ctx;
	guint16 port;
};

int vendor_address_check(const char *address, char *why, size_t why_bytes)
{
	GSocketConnectable *named = g_network_address_parse(address, 0, NULL);
	bool good = named != NULL && g_network_address_get_port(G_NETWORK_ADDRESS(named)) != 0;

	g_clear_object(&named);
	if (!good)
		(void)snprintf(why, why_bytes, "channels: address must be host:port");
	return good ? 0 : -EINVAL;
}

static void came_back(GObject *source, GAsyncResult *result, gpointer ctx)
{
	struct lookup *lookup = ctx;
	GError *error = NULL;
	GList *plain = g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, &error);
	GList *addresses = NULL;
	bool is_over = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

	for (const GList *link = plain; link != NULL; link = link->next)
		addresses = g_list_append(
			addresses, g_inet_socket_address_new(link->data, lookup->port));
	g_resolver_free_addresses(plain);
	lookup->found(lookup->ctx, addresses, error != NULL && !is_over ? error->message : NULL);
	g_list_free_full(addresses, g_object_unref);
	g_clear_error(&error);
	g_free(lookup);
}

void vendor_address_find(
	const char *address, GCancellable *cancel, vendor_address_fn found, void *ctx)
{
	GSocketConnectable *named = g_network_address_parse(address, 0, NULL);
	GSocketAddress *literal;
	const char *host;
	guint16 port;

	if (named == NULL) {
		found(ctx, NULL, "not an address");
		return;
	}
	host = g_network_address_get_hostname(G_NETWORK_ADDRESS(named));
	port = g_network_address_get_port(G_NETWORK_ADDRESS(named));
	literal = g_inet_socket_address_new_from_string(host, port);
	if (literal != NULL) {
		const GList one = {.data = literal};

		found(ctx, &one, NULL);
		g_object_unref(literal);
	} else {
		struct lookup *lookup = g_new0(struct lookup, 1);
		GResolver *resolver = g_resolver_get_default();

		*lookup = (struct lookup){found, ctx, port};
		g_resolver_lookup_by_name_async(resolver, host, cancel, came_back, lookup);
		g_object_unref(resolver);
	}
	g_object_unref(named);
}
