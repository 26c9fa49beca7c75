// SPDX-License-Identifier: BSD-3-Clause
// Receipts are gathered in a transaction. What a disk or a lock refuses of it is undone, all at once and perhaps by somebody
// else's flush: those who had answered are asked again then, and who posted a receipt is told to do so again.
#include "control/vendor_fanout_inside.h"

#include <stdlib.h>

struct poster {
	fanout_kept_fn tell;
	void *ctx;
	uint64_t token;
};

void fanout_kept_init(struct fanout *fanout)
{
	fanout->unkept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	fanout->posters = g_array_new(FALSE, FALSE, sizeof(struct poster));
	fanout->lost = database_lost(fanout->options.database);
}

void fanout_kept_fini(struct fanout *fanout)
{
	g_hash_table_unref(fanout->unkept);
	(void)g_array_free(fanout->posters, TRUE);
}

void fanout_kept_note(struct fanout *fanout, const char *id)
{
	// What was undone before it came is not its loss.
	if (g_hash_table_size(fanout->unkept) == 0)
		fanout->lost = database_lost(fanout->options.database);
	(void)g_hash_table_add(fanout->unkept, g_strdup(id));
}

void fanout_when_kept(struct fanout *fanout, fanout_kept_fn tell, void *ctx, uint64_t token)
{
	const struct poster poster = {tell, ctx, token};

	(void)g_array_append_val(fanout->posters, poster);
}

static void ask_again(struct fanout *fanout)
{
	GHashTableIter iter;
	gpointer id;

	g_hash_table_iter_init(&iter, fanout->unkept);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		struct gateway *gateway = g_hash_table_lookup(fanout->gateways, id);

		if (gateway == NULL)
			continue;
		fanout_fill_queue(fanout, gateway);
		gateway->sent = 0;
		gateway->due_us = g_get_monotonic_time() + fanout_pause_us(fanout, fanout->losses);
	}
	fanout->losses++;
}

static void tell_posters(struct fanout *fanout, bool is_kept)
{
	GArray *posters = fanout->posters;

	if (posters->len == 0)
		return;
	fanout->posters = g_array_new(FALSE, FALSE, sizeof(struct poster));
	for (guint i = 0; i < posters->len; i++) {
		const struct poster *poster = &g_array_index(posters, struct poster, i);

		poster->tell(poster->ctx, poster->token, is_kept);
	}
	(void)g_array_free(posters, TRUE);
}

void fanout_keep(struct fanout *fanout)
{
	bool is_kept = database_flush(fanout->options.database) == 0 && !fanout->is_refused &&
		       database_lost(fanout->options.database) == fanout->lost;

	fanout->lost = database_lost(fanout->options.database);
	fanout->is_refused = false;
	if (!is_kept && fanout->losses == 0)
		fanout->options.event(fanout->options.ctx, "fault",
			json_pack("{s:s, s:s}", "what", "database", "why",
				"receipts could not be kept"));
	if (!is_kept)
		ask_again(fanout);
	else if (g_hash_table_size(fanout->unkept) > 0)
		fanout->losses = 0;
	g_hash_table_remove_all(fanout->unkept);
	tell_posters(fanout, is_kept);
}
