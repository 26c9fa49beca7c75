// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens_rules.h"

#include "control/screens_inside.h"

#include <errno.h>
#include <string.h>

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

// ---- what the vendor takes back -----------------------------------------------------------------

typedef int (*choice_fn)(struct screens *screening, const struct screen_store_choice *choice);

static int each_text(
	struct screens *screening, const struct alert *alert, const char *member, choice_fn fn)
{
	const bool is_digest = strcmp(member, "digests") == 0;
	json_t *value;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(alert->body, member), i, value)
	{
		struct screen_store_choice choice = {.since = {alert->issued_s, alert->came_us}};

		*(is_digest ? &choice.digest : &choice.name) = json_string_value(value);
		if (err == 0)
			err = fn(screening, &choice);
	}
	return err;
}

static int each_choice(struct screens *screening, const struct alert *alert, choice_fn fn)
{
	const struct screen_store_choice all = {
		.virus_id = alert->virus_id, .since = {alert->issued_s, alert->came_us}};
	int err = alert->virus_id[0] != '\0' ? fn(screening, &all) : 0;

	if (err == 0)
		err = each_text(screening, alert, "digests", fn);
	return err == 0 ? each_text(screening, alert, "signatures", fn) : err;
}

static int lift(struct screens *screening, const struct screen_store_choice *choice)
{
	return screen_store_lift(screens_store(screening), choice);
}

static int end(struct screens *screening, const struct screen_store_choice *choice)
{
	return screens_end(screening, choice, SCREENS_CLEARED) < 0 ? -EIO : 0;
}

int screens_clear(struct screens *screening, const struct alert *alert)
{
	struct screen_store *store = screens_store(screening);
	int err;

	if (json_is_true(json_object_get(alert->body, "undo")))
		return 0;
	err = screen_store_begin(store);
	if (err == 0)
		err = screen_store_end(store, each_choice(screening, alert, lift));
	if (err != 0)
		screens_fault(screening, "what is lifted cannot be written down");
	return err == 0 ? each_choice(screening, alert, end) : err;
}
