// SPDX-License-Identifier: BSD-3-Clause
// Alerts as SNMP notifications (docs/CORDON-MIB.txt), in pieces where a datagram is too short: informs, each
// repeated until the gateway has confirmed it, or traps. Version 3 with authentication and privacy, or 2c. The
// receipt is asked for by GET until it is there.
//
// A gateway's engine is known by the gateway's name (snmp_library_engine), so nothing that is not
// authenticated has to be believed; the clock of its engine comes with the library's first, authenticated
// exchange. Traps are sent by our own engine, which is known by the vendor's name.
#include "control/vendor_address.h"
#include "control/vendor_send.h"
#include "control/vendor_talk.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KIND "snmp"
#define TURN_MS 100

struct way {
	struct vendor_sink sink;
	struct talk_identity identity;
	GHashTable *talks; // by gateway and alert: struct entry
	GCancellable *cancel;
	guint timer;
	guint at_once;
};

struct entry {
	struct way *way;
	struct talk *talk; // NULL: its name is looked up
	struct talk_about about;
	char *name; // in talks
	char *gateway;
	char *envelope;
	char *digest;
	char *user;
};

static void free_entry(gpointer data)
{
	struct entry *entry = data;

	talk_free(entry->talk);
	g_free(entry->name);
	g_free(entry->gateway);
	g_free(entry->envelope);
	g_free(entry->digest);
	g_free(entry->user);
	g_free(entry);
}

// ---- a talk -------------------------------------------------------------------------------------

static void take_receipt(void *ctx, const void *receipt, size_t bytes)
{
	const struct entry *entry = ctx;
	const struct vendor_sink *sink = &entry->way->sink;

	if (!sink->receipt(sink->ctx, KIND, receipt, bytes, NULL))
		sink->failed(sink->ctx, entry->gateway, KIND, "no receipt of this gateway");
}

static void fail(void *ctx, const char *why)
{
	const struct entry *entry = ctx;
	const struct vendor_sink *sink = &entry->way->sink;

	sink->failed(sink->ctx, entry->gateway, KIND, why);
}

static gboolean is_over(gpointer key, gpointer value, gpointer ctx)
{
	const struct entry *entry = value;

	(void)key;
	(void)ctx;
	return entry->talk != NULL && talk_turn(entry->talk);
}

static gboolean turn(gpointer ctx)
{
	struct way *way = ctx;

	(void)g_hash_table_foreach_remove(way->talks, is_over, NULL);
	return G_SOURCE_CONTINUE;
}

static void found(void *ctx, const GList *addresses, const char *why)
{
	struct entry *entry = ctx;
	const struct talk_owner owner = {take_receipt, fail, entry};
	char *address;

	if (addresses == NULL && why == NULL) {
		// It was stolen from the table before the lookup was cancelled.
		free_entry(entry);
		return;
	}
	if (addresses == NULL) {
		fail(entry, why);
		(void)g_hash_table_remove(entry->way->talks, entry->name);
		return;
	}
	address = g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(addresses->data));
	entry->talk = talk_new(&entry->way->identity, &entry->about, address, &owner);
	if (entry->talk == NULL || talk_turn(entry->talk))
		(void)g_hash_table_remove(entry->way->talks, entry->name);
	g_free(address);
}

static int send_snmp(void *ctx, const struct vendor_try *try)
{
	struct way *way = ctx;
	const char *version = json_string_value(json_object_get(try->channel, "version"));
	const char *notify = json_string_value(json_object_get(try->channel, "notify"));
	char *name = g_strconcat(try->gateway, "\n", try->digest, NULL);
	struct entry *entry;

	if (g_hash_table_contains(way->talks, name) ||
		g_hash_table_size(way->talks) >= way->at_once) {
		bool is_there = g_hash_table_contains(way->talks, name);

		g_free(name);
		return is_there ? -EALREADY : -EAGAIN;
	}
	entry = g_new0(struct entry, 1);
	entry->way = way;
	entry->name = name;
	entry->gateway = g_strdup(try->gateway);
	entry->envelope = g_strndup(try->envelope, try->bytes);
	entry->digest = g_strdup(try->digest);
	entry->user = g_strdup(json_string_value(json_object_get(try->channel, "user")));
	entry->about = (struct talk_about){.gateway = entry->gateway,
		.digest = entry->digest,
		.envelope = entry->envelope,
		.bytes = try->bytes,
		.user = entry->user,
		.is_community = version != NULL ? strcmp(version, "2c") == 0
						: !talk_has_users(&way->identity),
		.is_trap = notify != NULL && strcmp(notify, "trap") == 0};
	(void)g_hash_table_insert(way->talks, entry->name, entry);
	vendor_address_find(json_string_value(json_object_get(try->channel, "address")),
		way->cancel, found, entry);
	return 0;
}

// ---- members of a channel -----------------------------------------------------------------------

static int check_choice(const char *value, const char *const *choices, char *why, size_t why_bytes)
{
	if (strcmp(value, choices[0]) == 0 || strcmp(value, choices[1]) == 0)
		return 0;
	(void)snprintf(why, why_bytes, "channels: \"%.32s\" must be %s or %s", value, choices[0],
		choices[1]);
	return -EINVAL;
}

static int check_version(const char *value, char *why, size_t why_bytes)
{
	static const char *const choices[] = {"3", "2c"};

	return check_choice(value, choices, why, why_bytes);
}

static int check_notify(const char *value, char *why, size_t why_bytes)
{
	static const char *const choices[] = {"inform", "trap"};

	return check_choice(value, choices, why, why_bytes);
}

// ---- start and stop -----------------------------------------------------------------------------

// Those whose names are looked up come back once more, and free themselves.
static gboolean is_looked_up(gpointer key, gpointer value, gpointer ctx)
{
	const struct entry *entry = value;

	(void)key;
	(void)ctx;
	return entry->talk == NULL;
}

static void close_snmp(void *ctx)
{
	struct way *way = ctx;

	if (way->timer != 0)
		(void)g_source_remove(way->timer);
	(void)g_hash_table_foreach_steal(way->talks, is_looked_up, NULL);
	g_cancellable_cancel(way->cancel);
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_hash_table_unref(way->talks);
	talk_identity_fini(&way->identity);
	g_object_unref(way->cancel);
	free(way);
}

static int open_snmp(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	struct way *way;
	int err;

	if (options->snmp.users[0] == '\0' && options->snmp.community[0] == '\0')
		return 0;
	way = calloc(1, sizeof(*way));
	if (way == NULL)
		return -ENOMEM;
	way->sink = *sink;
	way->at_once = options->snmp.at_once;
	way->talks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_entry);
	way->cancel = g_cancellable_new();
	err = talk_identity_init(&way->identity, options, sink->vendor, error, error_bytes);
	if (err != 0) {
		close_snmp(way);
		return err;
	}
	way->timer = g_timeout_add(TURN_MS, turn, way);
	*out = way;
	return 0;
}

const struct vendor_way vendor_way_snmp = {.kind = KIND,
	.members = {{"address", true, vendor_address_check}, {"version", false, check_version},
		{"user", false, NULL}, {"notify", false, check_notify}},
	.open = open_snmp,
	.close = close_snmp,
	.send = send_snmp};
