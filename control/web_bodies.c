// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_bodies.h"

#include "control/address_list.h"

#include <glib.h>

#include <string.h>

struct body {
	void *owner;
	size_t bytes;
	bool is_kept;
	char place[ADDRESS_BYTES];
};

struct web_bodies {
	GHashTable *all; // owner: struct body
	size_t bytes;
	size_t most;
};

struct web_bodies *web_bodies_new(size_t most)
{
	struct web_bodies *bodies = g_new0(struct web_bodies, 1);

	bodies->all = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	bodies->most = most;
	return bodies;
}

void web_bodies_free(struct web_bodies *bodies)
{
	if (bodies == NULL)
		return;
	g_hash_table_unref(bodies->all);
	g_free(bodies);
}

static size_t bytes_of_place(const struct web_bodies *bodies, const char *place)
{
	const struct body *body;
	GHashTableIter iter;
	gpointer value;
	size_t bytes = 0;

	g_hash_table_iter_init(&iter, bodies->all);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		body = value;
		if (strcmp(body->place, place) == 0)
			bytes += body->bytes;
	}
	return bytes;
}

// The longest of the place that has the most, if that is more than so much. They are few, and this is seldom.
static void *find_rival(const struct web_bodies *bodies, size_t most)
{
	const struct body *found = NULL;
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, bodies->all);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct body *body = value;
		size_t bytes = body->is_kept ? 0 : bytes_of_place(bodies, body->place);

		if (bytes < most ||
			(bytes == most && (found == NULL || body->bytes <= found->bytes)))
			continue;
		found = body;
		most = bytes;
	}
	return found != NULL ? found->owner : NULL;
}

bool web_bodies_add(
	struct web_bodies *bodies, void *owner, const char *address, size_t bytes, void **rival)
{
	struct body *body = g_hash_table_lookup(bodies->all, owner);
	char place[ADDRESS_BYTES];

	*rival = NULL;
	address_place(address, place);
	if (bytes > bodies->most - bodies->bytes) {
		*rival = find_rival(bodies, bytes_of_place(bodies, place) + bytes);
		return false;
	}
	if (body == NULL) {
		body = g_new0(struct body, 1);
		body->owner = owner;
		memcpy(body->place, place, sizeof(place));
		(void)g_hash_table_insert(bodies->all, owner, body);
	}
	body->bytes += bytes;
	bodies->bytes += bytes;
	return true;
}

void web_bodies_keep(struct web_bodies *bodies, const void *owner)
{
	struct body *body = g_hash_table_lookup(bodies->all, owner);

	if (body != NULL)
		body->is_kept = true;
}

void web_bodies_remove(struct web_bodies *bodies, const void *owner)
{
	const struct body *body = g_hash_table_lookup(bodies->all, owner);

	if (body == NULL)
		return;
	bodies->bytes -= body->bytes;
	(void)g_hash_table_remove(bodies->all, owner);
}
