// SPDX-License-Identifier: BSD-3-Clause
#include "control/update_plan.h"

#include "control/alert_body.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	}
	return false;
}

int update_version_check(const char *version)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
	size_t n = strlen(version);

	if (n == 0 || n >= UPDATE_VERSION_BYTES || strspn(version, letters) != n ||
		g_ascii_ispunct(version[0]) || g_str_has_suffix(version, ".new"))
		return -EINVAL;
	return 0;
}

static int take_version(const struct alert_reader *reader, const json_t *body, const char *member,
	char out[UPDATE_VERSION_BYTES])
{
	const char *text = json_string_value(json_object_get(body, member));

	if (text == NULL || update_version_check(text) != 0)
		return alert_refuse(reader, "%s: not a name of at most %d letters, digits and ._+-",
			member, UPDATE_VERSION_BYTES - 1);
	(void)snprintf(out, UPDATE_VERSION_BYTES, "%s", text);
	return 0;
}

static int take_file(const struct alert_reader *reader, const json_t *file, struct update_file *out)
{
	*out = (struct update_file){
		.name = json_string_value(json_object_get(file, "name")),
		.url = json_string_value(json_object_get(file, "url")),
		.sha256 = json_string_value(json_object_get(file, "sha256")),
		.bytes = (uint64_t)json_integer_value(json_object_get(file, "bytes")),
	};
	if (strlen(out->name) > UPDATE_NAME_MOST)
		return alert_refuse(reader, "files: a name is longer than %d", UPDATE_NAME_MOST);
	if (!g_str_has_prefix(out->url, "http://") && !g_str_has_prefix(out->url, "https://"))
		return alert_refuse(reader, "url: neither http nor https");
	return 0;
}

static int take_files(const struct alert_reader *reader, const json_t *files, uint64_t most_bytes,
	struct update_plan *plan)
{
	GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
	int err = 0;
	json_t *file;
	size_t i;

	json_array_foreach(files, i, file)
	{
		struct update_file *out = &plan->files[i];

		err = take_file(reader, file, out);
		if (err == 0 && !g_hash_table_add(names, (gpointer)(uintptr_t)out->name))
			err = alert_refuse(reader, "files: %s is there twice", out->name);
		if (err == 0 && out->bytes > most_bytes - plan->bytes)
			err = alert_refuse(
				reader, "files: more than %" PRIu64 " bytes", most_bytes);
		if (err != 0)
			break;
		plan->bytes += out->bytes;
		plan->files_count++;
	}
	g_hash_table_unref(names);
	return err;
}

static int take_covers(const struct alert_reader *reader, const json_t *list, const char *virus_id,
	struct update_plan *plan)
{
	json_t *id;
	size_t i;

	json_array_foreach(list, i, id)
	{
		const char *text = json_string_value(id);

		if (strlen(text) >= ALERT_NAME_BYTES || has_control(text))
			return alert_refuse(reader, "covers: not a virus id");
		(void)json_array_append(plan->covers, id);
		if (strcmp(text, virus_id) == 0)
			virus_id = "";
	}
	if (virus_id[0] != '\0')
		(void)json_array_append_new(plan->covers, json_string(virus_id));
	return 0;
}

int update_plan_make(const json_t *body, const char *virus_id, uint64_t most_bytes,
	struct update_plan *out, char *why, size_t why_bytes)
{
	const struct alert_reader reader = {why, why_bytes};
	struct update_plan plan = {.covers = json_array()};
	const json_t *files = json_object_get(body, "files");
	int err = alert_check_update(&reader, body);

	plan.body = json_incref((json_t *)(uintptr_t)body);
	plan.files = calloc(json_array_size(files) + 1, sizeof(*plan.files));
	if (plan.files == NULL || plan.covers == NULL)
		err = -ENOMEM;
	if (err == 0)
		err = take_version(&reader, body, "version", plan.version);
	if (err == 0 && json_object_get(body, "delta_from") != NULL)
		err = take_version(&reader, body, "delta_from", plan.delta_from);
	if (err == 0 && strcmp(plan.version, plan.delta_from) == 0)
		err = alert_refuse(&reader, "delta_from: is the version itself");
	if (err == 0)
		err = take_covers(&reader, json_object_get(body, "covers"), virus_id, &plan);
	if (err == 0)
		err = take_files(&reader, files, most_bytes, &plan);
	if (err != 0) {
		update_plan_fini(&plan);
		return err;
	}
	*out = plan;
	return 0;
}

void update_plan_fini(struct update_plan *plan)
{
	json_decref(plan->covers);
	json_decref(plan->body);
	free(plan->files);
	memset(plan, 0, sizeof(*plan));
}
