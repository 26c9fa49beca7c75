// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_repeat.h"

#include <glib.h>

#define MOST_S 14400 // that a pause grows to
#define FORGET_AT 65536

struct vendor_repeat {
	GHashTable *entries; // gateway and digest
	gint64 first_us;
};

struct entry {
	gint64 due_us;
	gint64 pause_us;
	unsigned int times;
};

struct vendor_repeat *vendor_repeat_new(unsigned int first_s)
{
	struct vendor_repeat *repeat = g_new0(struct vendor_repeat, 1);

	repeat->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	repeat->first_us = (gint64)first_s * G_USEC_PER_SEC;
	return repeat;
}

void vendor_repeat_free(struct vendor_repeat *repeat)
{
	if (repeat == NULL)
		return;
	g_hash_table_unref(repeat->entries);
	g_free(repeat);
}

// Whoever waited for it would have asked again long ago.
static gboolean is_forgotten(gpointer key, gpointer value, gpointer ctx)
{
	const struct entry *entry = value;
	const gint64 *now_us = ctx;

	(void)key;
	return entry->due_us + entry->pause_us < *now_us;
}

bool vendor_repeat_may(struct vendor_repeat *repeat, const char *gateway, const char *digest,
	int64_t now_us, unsigned int *times)
{
	char *name = g_strconcat(gateway, "\n", digest, NULL);
	struct entry *entry = g_hash_table_lookup(repeat->entries, name);

	if (entry != NULL && entry->due_us > now_us) {
		g_free(name);
		return false;
	}
	if (entry == NULL) {
		if (g_hash_table_size(repeat->entries) % FORGET_AT == FORGET_AT - 1)
			(void)g_hash_table_foreach_remove(repeat->entries, is_forgotten, &now_us);
		entry = g_new0(struct entry, 1);
		entry->pause_us = repeat->first_us;
		(void)g_hash_table_insert(repeat->entries, g_steal_pointer(&name), entry);
	}
	g_free(name);
	*times = entry->times++;
	entry->due_us = now_us + entry->pause_us;
	entry->pause_us =
		MAX(repeat->first_us, MIN(entry->pause_us * 2, (gint64)MOST_S * G_USEC_PER_SEC));
	return true;
}

void vendor_repeat_forget(struct vendor_repeat *repeat, const char *gateway, const char *digest)
{
	char *name = g_strconcat(gateway, "\n", digest, NULL);

	(void)g_hash_table_remove(repeat->entries, name);
	g_free(name);
}
