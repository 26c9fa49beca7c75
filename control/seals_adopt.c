// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane has, and what of it is taken over.
#include "control/seals_inside.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool seals_may_lack(const struct seals *seals, uint64_t generation)
{
	return generation > (seals->is_heard ? seals_generation(seals) : seals->since);
}

void seals_stand(struct seals *seals)
{
	json_decref(seals->before);
	seals->before = NULL;
	if (seals_write_file(seals) != 0)
		seals->is_behind = true;
}

static void hear(struct seals *seals)
{
	seals->is_heard = true;
	(void)json_object_del(seals->root, "since");
	(void)json_object_del(seals->root, "lifted");
}

// What was lifted may be sealed anew from now on: the next process must not take that for what is over.
void seals_heard(struct seals *seals)
{
	const bool has_lifted = json_object_get(seals->root, "lifted") != NULL;

	hear(seals);
	if (has_lifted)
		seals_stand(seals);
}

void seals_doubt(struct seals *seals)
{
	if (seals->is_heard)
		seals->since = seals_generation(seals);
	seals->is_heard = false;
}

bool seals_is_heard(const struct seals *seals)
{
	return seals->is_heard;
}

// Nobody's seal lasts longer than ours would. What began before the clock was set back is set back by what looks for that.
static json_t *adopt_one(const struct seals *seals, const json_t *seal, int64_t now_s)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)seal);
	int64_t expires = json_integer_value(json_object_get(copy, "expires"));
	int64_t begun = json_integer_value(json_object_get(copy, "begun"));
	int64_t most = (begun > now_s ? begun : now_s) + seals->max_seconds;

	if (expires <= 0 || expires > most)
		expires = most;
	(void)json_object_set_new(copy, "expires", json_integer(expires));
	if (!json_is_integer(json_object_get(copy, "begun")))
		(void)json_object_set_new(copy, "begun", json_integer(now_s));
	if (!json_is_string(json_object_get(copy, "origin")))
		(void)json_object_set_new(copy, "origin", json_string("dataplane"));
	return copy;
}

// What is here of its virus id is the same, or has come since.
static bool is_known(const struct seals *seals, const json_t *seal)
{
	const json_t *begun = json_object_get(seal, "begun");
	json_t *own;
	size_t i;

	json_array_foreach(seals_list_of(seals), i, own)
	{
		if (json_equal(json_object_get(own, "virus_id"), json_object_get(seal, "virus_id")))
			return json_equal(own, seal) ||
			       (json_is_integer(begun) &&
				       json_integer_value(json_object_get(own, "begun")) >
					       json_integer_value(begun));
	}
	return false;
}

// It was ended since: nothing has been told from then on.
static bool is_lifted(const struct seals *seals, const json_t *seal)
{
	json_t *lifted;
	size_t i;

	json_array_foreach(json_object_get(seals->root, "lifted"), i, lifted)
	{
		if (json_is_null(lifted) || json_equal(lifted, json_object_get(seal, "virus_id")))
			return true;
	}
	return false;
}

// All that is here, and those of theirs that are listed.
static json_t *list_with(
	const struct seals *seals, const json_t *theirs, int64_t now_s, const json_t *adopted)
{
	json_t *list = json_array();
	json_t *seal;
	size_t i;

	json_array_foreach(theirs, i, seal)
	{
		if (seals_is_listed(seal, adopted))
			(void)json_array_append_new(list, adopt_one(seals, seal, now_s));
	}
	json_array_foreach(seals_list_of(seals), i, seal)
	{
		if (!seals_is_listed(seal, adopted))
			(void)json_array_append(list, seal);
	}
	return list;
}

// Takes list. Returns 0 if the dataplane will understand it.
static int try_list(json_t *list)
{
	json_t *root = json_pack("{s:i, s:o}", "generation", 0, "seals", list);
	char *text = json_dumps(root, JSON_COMPACT);
	struct engine_seals *parsed = NULL;
	char error[128];
	int err = text != NULL ? seals_parse(text, strlen(text), &parsed, error, sizeof(error))
			       : -ENOMEM;

	free(parsed);
	free(text);
	json_decref(root);
	return err;
}

// Ours stay, and must be told: of theirs come as many as there is room for, the newest first. What does not goes to missed.
static int choose(
	const struct seals *seals, const json_t *theirs, int64_t now_s, json_t *ids, json_t *missed)
{
	int err = try_list(list_with(seals, theirs, now_s, ids));
	json_t *all = err == -EINVAL ? json_copy(ids) : NULL;

	if (all == NULL)
		return err;
	(void)json_array_clear(ids);
	err = 0;
	for (size_t i = json_array_size(all); i-- > 0 && err != -ENOMEM;) {
		(void)json_array_append(ids, json_array_get(all, i));
		err = try_list(list_with(seals, theirs, now_s, ids));
		if (err == 0)
			continue;
		(void)json_array_remove(ids, json_array_size(ids) - 1);
		(void)json_array_append(missed, json_array_get(all, i));
	}
	json_decref(all);
	return err == -ENOMEM ? err : 0;
}

static json_t *list_new(const struct seals *seals, const json_t *theirs)
{
	json_t *ids = json_array();
	json_t *seal;
	size_t i;

	json_array_foreach(theirs, i, seal)
	{
		if (!is_known(seals, seal) && !is_lifted(seals, seal))
			(void)json_array_append(ids, json_object_get(seal, "virus_id"));
	}
	return ids;
}

int seals_adopt(
	struct seals *seals, const json_t *other, int64_t now_s, json_t **adopted, json_t **missed)
{
	const json_t *theirs = json_object_get(other, "seals");
	uint64_t generation = (uint64_t)json_integer_value(json_object_get(other, "generation"));
	uint64_t ours = seals_generation(seals);
	json_t *ids = list_new(seals, theirs);
	json_t *left = json_array();
	char error[128];
	int err = choose(seals, theirs, now_s, ids, left);

	// One generation is one list.
	if (err == 0 &&
		(json_array_size(ids) > 0 || generation > ours ||
			(generation == ours && !json_equal(theirs, seals_list_of(seals))))) {
		err = seals_stage_as(seals, (generation > ours ? generation : ours) + 1,
			list_with(seals, theirs, now_s, ids), error, sizeof(error));
		if (err == 0) {
			hear(seals);
			seals_stand(seals);
		}
	}
	if (err != 0) {
		json_decref(ids);
		json_decref(left);
		return err;
	}
	seals_heard(seals);
	*adopted = ids;
	*missed = left;
	return 0;
}
