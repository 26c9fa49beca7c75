// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_sort.h"

#include "control/alert.h"
#include "control/envelope.h"

#include <stdint.h>

struct key {
	GBytes *line;
	int64_t issued_s;
	uint64_t epoch;
	uint64_t sequence;
	unsigned int role; // ROLES: it is no alert
};

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b ? 1 : 0;
}

static int by_sequence(gconstpointer a, gconstpointer b)
{
	const struct key *one = a;
	const struct key *other = b;
	int order = compare(one->role, other->role);

	if (order == 0)
		order = compare(one->epoch, other->epoch);
	return order != 0 ? order : compare(one->sequence, other->sequence);
}

// Root documents first: what follows may be signed by their keys.
static int by_issue(gconstpointer a, gconstpointer b)
{
	const struct key *one = a;
	const struct key *other = b;
	int order = compare(one->role != ROLE_ROOT, other->role != ROLE_ROOT);

	if (order == 0)
		order = compare(one->role == ROLES, other->role == ROLES);
	if (order == 0 && one->issued_s != other->issued_s)
		return one->issued_s < other->issued_s ? -1 : 1;
	return order != 0 ? order : by_sequence(a, b);
}

static void read_key(struct key *key)
{
	struct envelope *envelope = NULL;
	struct alert alert = {.payload = NULL};
	const char *why;
	char error[ALERT_WHY_BYTES];
	gsize bytes = 0;
	const void *text = g_bytes_get_data(key->line, &bytes);
	const char *payload;
	size_t length = 0;

	key->role = ROLES;
	if (envelope_parse(text, bytes, &envelope, &why) != 0)
		return;
	payload = envelope_payload(envelope, &length);
	if (alert_parse(payload, length, &alert, error, sizeof(error)) == 0) {
		key->role = alert.role;
		key->issued_s = alert.issued_s;
		key->epoch = alert.epoch;
		key->sequence = alert.sequence;
	}
	alert_clear(&alert);
	envelope_free(envelope);
}

void alert_sort(GPtrArray *lines)
{
	GArray *keys = g_array_new(FALSE, TRUE, sizeof(struct key));
	struct key *all;

	for (guint i = 0; i < lines->len; i++) {
		struct key key = {.line = lines->pdata[i]};

		read_key(&key);
		(void)g_array_append_val(keys, key);
	}
	all = (struct key *)(void *)keys->data;
	g_array_sort(keys, by_sequence);
	// Of one role the sequence counts, whatever the clock has said.
	for (guint i = 1; i < keys->len; i++) {
		if (all[i].role == all[i - 1].role && all[i].issued_s < all[i - 1].issued_s)
			all[i].issued_s = all[i - 1].issued_s;
	}
	g_array_sort(keys, by_issue);
	for (guint i = 0; i < keys->len; i++)
		lines->pdata[i] = all[i].line;
	g_array_unref(keys);
}
