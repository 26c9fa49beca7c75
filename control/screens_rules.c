// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens_rules.h"

#include "control/screens.h"

#include <errno.h>

static int64_t switch_on(struct screen_store *store, const json_t *ids, int64_t now_s)
{
	int64_t count = 0;
	json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
	{
		int64_t more = screen_store_on(store, json_string_value(id), now_s);

		if (more < 0)
			return more;
		count += more;
	}
	return count;
}

int64_t screens_rules_uncover(
	struct screen_store *store, const struct ruleset *ruleset, int64_t now_s, json_t *ids)
{
	json_t *covered = screen_store_covered(store, now_s);
	int64_t count = 0;
	json_t *id;
	size_t i;
	int err;

	json_array_foreach(covered, i, id)
	{
		if (ruleset == NULL || !ruleset_has_virus_id(ruleset, json_string_value(id)))
			(void)json_array_append(ids, id);
	}
	json_decref(covered);
	if (json_array_size(ids) == 0)
		return 0;
	err = screen_store_begin(store);
	if (err != 0)
		return err;
	count = switch_on(store, ids, now_s);
	err = screen_store_end(store, count < 0 ? (int)count : 0);
	return err != 0 ? err : count;
}

void screens_revoke(struct screens *screening, const struct alert *alert)
{
	struct screen_store_choice choice = {.virus_id = alert->virus_id};
	json_t *value;
	size_t i;

	if (json_is_true(json_object_get(alert->body, "undo")))
		return;
	if (alert->virus_id[0] != '\0')
		(void)screens_end(screening, &choice, SCREENS_CLEARED);
	json_array_foreach(json_object_get(alert->body, "digests"), i, value)
	{
		choice = (struct screen_store_choice){.digest = json_string_value(value)};
		(void)screens_end(screening, &choice, SCREENS_CLEARED);
	}
	json_array_foreach(json_object_get(alert->body, "signatures"), i, value)
	{
		choice = (struct screen_store_choice){.name = json_string_value(value)};
		(void)screens_end(screening, &choice, SCREENS_CLEARED);
	}
}
