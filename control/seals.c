// SPDX-License-Identifier: BSD-3-Clause
#include "control/seals.h"

#include "control/clock.h"
#include "control/durable.h"
#include "control/seals_inside.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (1u << 20)
#define LIFTED_MOST 1000 // while it is not known what the dataplane has

json_t *seals_list_of(const struct seals *seals)
{
	return json_object_get(seals->root, "seals");
}

uint64_t seals_generation(const struct seals *seals)
{
	return (uint64_t)json_integer_value(json_object_get(seals->root, "generation"));
}

size_t seals_count(const struct seals *seals)
{
	return json_array_size(seals_list_of(seals));
}

const json_t *seals_list(const struct seals *seals)
{
	return seals_list_of(seals);
}

char *seals_text(const struct seals *seals)
{
	return json_dumps(seals->root, JSON_COMPACT);
}

// What it was when it was heard last, by the process before as a rule.
static void read_since(struct seals *seals)
{
	const json_t *since = json_object_get(seals->root, "since");

	seals->since = json_is_integer(since) ? (uint64_t)json_integer_value(since)
					      : seals_generation(seals);
}

static int load(struct seals *seals, char *error, size_t error_bytes)
{
	struct engine_seals *parsed = NULL;
	size_t bytes = 0;
	char *text = NULL;
	int err = durable_read(seals->path, FILE_BYTES, &text, &bytes);

	if (err == -ENOENT) {
		seals->root = json_pack("{s:i, s:[]}", "generation", 0, "seals");
		return seals->root != NULL ? 0 : -ENOMEM;
	}
	if (err != 0)
		return err;
	err = seals_parse(text, bytes, &parsed, error, error_bytes);
	free(parsed);
	if (err == 0) {
		seals->root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
		err = seals->root != NULL ? 0 : -EBADMSG;
	}
	free(text);
	return err == -EINVAL ? -EBADMSG : err;
}

int seals_open(
	const char *path, uint32_t max_seconds, struct seals **out, char *error, size_t error_bytes)
{
	struct seals *seals = calloc(1, sizeof(*seals));
	int err = -ENOMEM;

	if (seals == NULL)
		return -ENOMEM;
	seals->max_seconds = max_seconds;
	seals->path = strdup(path);
	if (seals->path != NULL)
		err = load(seals, error, error_bytes);
	if (err != 0) {
		seals_close(seals);
		return err;
	}
	read_since(seals);
	durable_make_room(path);
	*out = seals;
	return 0;
}

void seals_close(struct seals *seals)
{
	if (seals == NULL)
		return;
	json_decref(seals->before);
	json_decref(seals->root);
	free(seals->path);
	free(seals);
}

int seals_stage_as(
	struct seals *seals, uint64_t generation, json_t *list, char *error, size_t error_bytes)
{
	json_t *root = json_pack("{s:I, s:o}", "generation", (json_int_t)generation, "seals", list);
	char *text = json_dumps(root, JSON_COMPACT);
	struct engine_seals *parsed = NULL;
	int err = -ENOMEM;

	if (!seals->is_heard) {
		(void)json_object_set_new(root, "since", json_integer((json_int_t)seals->since));
		(void)json_object_set_new(
			root, "lifted", json_copy(json_object_get(seals->root, "lifted")));
	}
	if (text != NULL)
		err = seals_parse(text, strlen(text), &parsed, error, error_bytes);
	free(parsed);
	free(text);
	if (err != 0) {
		json_decref(root);
		return err;
	}
	seals->before = seals->root;
	seals->root = root;
	return 0;
}

static int stage(struct seals *seals, json_t *list, char *error, size_t error_bytes)
{
	return seals_stage_as(seals, seals_generation(seals) + 1, list, error, error_bytes);
}

int seals_write_file(struct seals *seals)
{
	char *text = seals_text(seals);
	int err = -ENOMEM;

	if (text != NULL) {
		if (seals->barrier != NULL)
			seals->barrier(seals->barrier_ctx);
		err = durable_write_in_room(seals->path, text, strlen(text));
	}
	free(text);
	if (err == 0)
		seals->is_behind = false;
	return err;
}

int seals_settle(struct seals *seals)
{
	int err = seals_write_file(seals);

	if (err != 0) {
		json_decref(seals->root);
		seals->root = seals->before;
	} else {
		json_decref(seals->before);
	}
	seals->before = NULL;
	return err;
}

// ---- beside the main loop -----------------------------------------------------------------------

struct seals_write {
	char *text;
	uint64_t generation;
	char path[];
};

struct seals_write *seals_settle_later(struct seals *seals)
{
	size_t bytes = strlen(seals->path) + 1;
	struct seals_write *write = malloc(sizeof(*write) + bytes);
	char *text = seals_text(seals);

	json_decref(seals->before);
	seals->before = NULL;
	if (write == NULL || text == NULL) {
		free(write);
		free(text);
		seals->is_behind = true;
		return NULL;
	}
	write->text = text;
	write->generation = seals_generation(seals);
	memcpy(write->path, seals->path, bytes);
	return write;
}

int seals_write(const struct seals_write *write)
{
	return durable_write_in_room(write->path, write->text, strlen(write->text));
}

void seals_write_end(struct seals *seals, struct seals_write *write, int err)
{
	// A later one holds what this one did.
	if (err != 0)
		seals->is_behind = true;
	else if (write->generation == seals_generation(seals))
		seals->is_behind = false;
	free(write->text);
	free(write);
}

void seals_set_barrier(struct seals *seals, void (*barrier)(void *ctx), void *ctx)
{
	seals->barrier = barrier;
	seals->barrier_ctx = ctx;
}

int seals_catch_up(struct seals *seals)
{
	return seals->is_behind ? seals_write_file(seals) : 0;
}

// ---- changes ------------------------------------------------------------------------------------

// The same, durably.
static int replace(struct seals *seals, json_t *list, char *error, size_t error_bytes)
{
	int err = stage(seals, list, error, error_bytes);

	return err == 0 ? seals_settle(seals) : err;
}

static bool is_of(const json_t *seal, const char *virus_id)
{
	const char *id = json_string_value(json_object_get(seal, "virus_id"));

	return id != NULL && strcmp(id, virus_id) == 0;
}

bool seals_is_listed(const json_t *seal, const json_t *virus_ids)
{
	json_t *id;
	size_t i;

	json_array_foreach(virus_ids, i, id)
	{
		if (json_is_string(id) && is_of(seal, json_string_value(id)))
			return true;
	}
	return false;
}

// The present list without the seal of this virus id.
static json_t *list_without(const struct seals *seals, const char *virus_id)
{
	json_t *list = json_array();
	json_t *seal;
	size_t i;

	json_array_foreach(seals_list_of(seals), i, seal)
	{
		if (!is_of(seal, virus_id))
			(void)json_array_append(list, seal);
	}
	return list;
}

static int64_t seconds_of(const struct seals *seals, const json_t *seal)
{
	int64_t seconds = json_integer_value(json_object_get(seal, "max_seconds"));

	return seconds > 0 && seconds < seals->max_seconds ? seconds : seals->max_seconds;
}

int seals_stage(struct seals *seals, const json_t *seal, const char *origin, int64_t now_s,
	char *error, size_t error_bytes)
{
	static const char *const taken[] = {"virus_id", "mode", "directions", "scope", "why"};
	const char *virus_id = json_string_value(json_object_get(seal, "virus_id"));
	json_t *kept = json_object();
	json_t *list = list_without(seals, virus_id != NULL ? virus_id : "");
	json_t *seconds = json_object_get(seal, "max_seconds");

	if (seconds != NULL && (!json_is_integer(seconds) || json_integer_value(seconds) <= 0)) {
		(void)snprintf(error, error_bytes, "max_seconds: must be a number over 0");
		json_decref(kept);
		json_decref(list);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		(void)json_object_set(kept, taken[i], json_object_get(seal, taken[i]));
	(void)json_object_set_new(kept, "origin", json_string(origin));
	(void)json_object_set_new(kept, "begun", json_integer(now_s));
	(void)json_object_set_new(kept, "expires", json_integer(now_s + seconds_of(seals, seal)));
	(void)json_array_append_new(list, kept);
	return stage(seals, list, error, error_bytes);
}

int seals_set(struct seals *seals, const json_t *seal, const char *origin, int64_t now_s,
	char *error, size_t error_bytes)
{
	int err = seals_stage(seals, seal, origin, now_s, error, error_bytes);

	if (err == 0)
		seals_stand(seals);
	return err;
}

bool seals_is_behind(const struct seals *seals)
{
	return seals->is_behind;
}

// ---- their ends ---------------------------------------------------------------------------------

// Of what is staged. The dataplane may have it still, or have it alone.
static void lift(struct seals *seals, json_t *virus_id)
{
	json_t *lifted = json_object_get(seals->root, "lifted");

	if (!seals->is_heard && lifted == NULL) {
		lifted = json_array();
		(void)json_object_set_new(seals->root, "lifted", lifted);
	}
	if (!seals->is_heard)
		(void)json_array_append(lifted, virus_id);
	if (json_array_size(lifted) > LIFTED_MOST)
		(void)json_array_remove(lifted, 0);
}

int seals_end(struct seals *seals, const char *virus_id)
{
	json_t *list = virus_id != NULL ? list_without(seals, virus_id) : json_array();
	size_t ended = seals_count(seals) - json_array_size(list);
	json_t *id = virus_id != NULL ? json_string(virus_id) : json_null();
	char error[128];
	int err = 0;

	if (ended == 0 && seals->is_heard)
		json_decref(list);
	else
		err = stage(seals, list, error, sizeof(error));
	if (err == 0 && (ended > 0 || !seals->is_heard)) {
		lift(seals, id);
		err = seals_settle(seals);
	}
	json_decref(id);
	return err == 0 ? (int)ended : err;
}

int seals_expire(struct seals *seals, int64_t now_s, json_t **ended)
{
	json_t *list = json_array();
	char error[128];
	json_t *seal;
	size_t i;
	int err = 0;

	*ended = json_array();
	json_array_foreach(seals_list_of(seals), i, seal)
	{
		if (json_integer_value(json_object_get(seal, "expires")) <= now_s)
			(void)json_array_append(*ended, json_object_get(seal, "virus_id"));
		else
			(void)json_array_append(list, seal);
	}
	if (json_array_size(*ended) > 0)
		err = replace(seals, list, error, sizeof(error));
	else
		json_decref(list);
	if (err != 0)
		(void)json_array_clear(*ended);
	return err;
}

// As if it had begun then.
static void move(json_t *seal, int64_t begun_s)
{
	int64_t later_s = begun_s - json_integer_value(json_object_get(seal, "begun"));
	int64_t expires_s = json_integer_value(json_object_get(seal, "expires"));

	(void)json_object_set_new(seal, "begun", json_integer(begun_s));
	(void)json_object_set_new(seal, "expires", json_integer(expires_s + later_s));
}

static bool set_one_back(json_t *seal, int64_t now_s)
{
	json_t *begun = json_object_get(seal, "begun");

	if (json_integer_value(begun) <= now_s)
		return false;
	if (json_object_get(seal, "set_back") == NULL)
		(void)json_object_set(seal, "set_back", begun);
	move(seal, now_s);
	return true;
}

static bool set_one_forth(json_t *seal, int64_t now_s)
{
	const json_t *begun = json_object_get(seal, "set_back");

	const bool is_back = json_is_integer(begun) && json_integer_value(begun) <= now_s;
	int64_t as_if_s;

	if (is_back) {
		move(seal, json_integer_value(begun));
		(void)json_object_del(seal, "set_back");
	}
	as_if_s = clock_begun_s(json_integer_value(json_object_get(seal, "begun")), now_s);
	if (as_if_s == json_integer_value(json_object_get(seal, "begun")))
		return is_back;
	move(seal, as_if_s);
	return true;
}

static int set_each(struct seals *seals, int64_t now_s, bool (*set)(json_t *seal, int64_t now_s))
{
	json_t *list = json_array();
	char error[128];
	int count = 0;
	json_t *seal;
	size_t i;
	int err;

	json_array_foreach(seals_list_of(seals), i, seal)
	{
		json_t *copy = json_copy(seal);

		count += set(copy, now_s) ? 1 : 0;
		(void)json_array_append_new(list, copy);
	}
	if (count == 0) {
		json_decref(list);
		return 0;
	}
	err = stage(seals, list, error, sizeof(error));
	if (err == 0)
		seals_stand(seals);
	return err == 0 ? count : err;
}

int seals_set_back(struct seals *seals, int64_t now_s)
{
	return set_each(seals, now_s, set_one_back);
}

int seals_set_forth(struct seals *seals, int64_t now_s)
{
	return set_each(seals, now_s, set_one_forth);
}

// ---- closing ------------------------------------------------------------------------------------

static bool is_closing(const json_t *seal)
{
	return json_is_true(json_object_get(seal, "closing"));
}

int seals_begin_closing(struct seals *seals, const json_t *virus_ids)
{
	json_t *list = json_array();
	char error[128];
	int count = 0;
	json_t *seal;
	size_t i;
	int err;

	json_array_foreach(seals_list_of(seals), i, seal)
	{
		json_t *copy = json_copy(seal);

		if (seals_is_listed(seal, virus_ids) && !is_closing(seal)) {
			(void)json_object_set_new(copy, "closing", json_true());
			count++;
		}
		(void)json_array_append_new(list, copy);
	}
	if (count == 0) {
		json_decref(list);
		return 0;
	}
	err = replace(seals, list, error, sizeof(error));
	return err == 0 ? count : err;
}

// The list without them.
static json_t *list_open(const struct seals *seals, json_t *closing)
{
	json_t *list = json_array();
	json_t *seal;
	size_t i;

	json_array_foreach(seals_list_of(seals), i, seal)
	{
		if (!is_closing(seal))
			(void)json_array_append(list, seal);
		else if (closing != NULL)
			(void)json_array_append(closing, json_object_get(seal, "virus_id"));
	}
	return list;
}

int seals_end_closing(struct seals *seals, json_t **ended)
{
	json_t *closing = json_array();
	json_t *list = list_open(seals, closing);
	char error[128];
	int err = 0;

	if (json_array_size(closing) > 0)
		err = stage(seals, list, error, sizeof(error));
	else
		json_decref(list);
	if (err == 0 && json_array_size(closing) > 0) {
		for (size_t i = 0; i < json_array_size(closing); i++)
			lift(seals, json_array_get(closing, i));
		err = seals_settle(seals);
	}
	if (err != 0) {
		json_decref(closing);
		return err;
	}
	*ended = closing;
	return (int)json_array_size(closing);
}

char *seals_release_text(const struct seals *seals)
{
	json_t *root = json_pack("{s:I, s:o}", "generation", (json_int_t)seals_generation(seals),
		"seals", list_open(seals, NULL));
	char *text = json_dumps(root, JSON_COMPACT);

	json_decref(root);
	return text;
}
