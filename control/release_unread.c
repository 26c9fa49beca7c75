// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_unread.h"

#include "control/control.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)

struct release_unread {
	struct control *control;
	GArray *ids;   // struct spool_id
	int64_t since; // steady time of the first of them
	bool is_told;
};

static int64_t pause_ns(const struct release_unread *unread)
{
	return unread->control->options.release.retry_seconds * NS_PER_S;
}

struct release_unread *release_unread_new(struct control *control)
{
	struct release_unread *unread = g_new0(struct release_unread, 1);

	unread->control = control;
	unread->ids = g_array_new(FALSE, FALSE, sizeof(struct spool_id));
	return unread;
}

void release_unread_free(struct release_unread *unread)
{
	if (unread == NULL)
		return;
	(void)g_array_free(unread->ids, TRUE);
	g_free(unread);
}

void release_unread_add(struct release_unread *unread, struct spool_id id, int err)
{
	char reason[128];

	if (!unread->is_told)
		control_events_write(unread->control->events, "fault",
			json_pack("{s:s, s:s}", "what", "a kept mail cannot be read", "why",
				strerror_r(-err, reason, sizeof(reason))));
	unread->is_told = true;
	if (unread->ids->len == 0)
		unread->since = control_steady_ns();
	(void)g_array_append_val(unread->ids, id);
}

void release_unread_turn(struct release_unread *unread)
{
	int64_t waited = control_steady_ns() - unread->since;

	if (unread->ids->len == 0 && waited > 2 * pause_ns(unread))
		unread->is_told = false;
	if (waited < pause_ns(unread))
		return;
	for (guint i = 0; i < unread->ids->len; i++)
		store_set_judged(
			unread->control->store, g_array_index(unread->ids, struct spool_id, i), "");
	(void)g_array_set_size(unread->ids, 0);
}
