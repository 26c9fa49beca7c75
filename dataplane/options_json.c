// SPDX-License-Identifier: BSD-3-Clause
// A configuration as it is in force, as JSON.
#include "dataplane/options.h"
#include "dataplane/options_file.h"

#include <jansson.h>

#include <string.h>

#define VALUE_BYTES 16384 // of a list of many texts
#define PATH_BYTES 160

// base: of the mapping's struct; defaults: the same, as it would be, NULL in a list.
static void add_value(json_t *out, const char *path, const struct config_option *option,
	const void *base, const void *defaults)
{
	char value[VALUE_BYTES];
	char preset[VALUE_BYTES] = "";

	if (defaults != NULL)
		(void)option_render(option, defaults, preset, sizeof(preset));
	(void)json_array_append_new(out,
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "key", path, "value",
			option_render(option, base, value, sizeof(value)), "default", preset,
			"unit", option->unit != NULL ? option->unit : "", "help", option->help));
}

static uint32_t entries_of(const struct config_option *option, const void *base)
{
	uint32_t count = 1;

	if (option->kind == OPTION_LIST)
		memcpy(&count, (const uint8_t *)base + option->count_offset, sizeof(count));
	return count;
}

static void add_table(json_t *out, const char *path, const struct config_option *table,
	const void *base, const void *defaults)
{
	for (; table->key != NULL; table++) {
		bool is_list = table->kind == OPTION_LIST;
		uint32_t count = entries_of(table, base);
		char child[PATH_BYTES];
		size_t n = (size_t)snprintf(child, sizeof(child), "%s%s%s", path,
			path[0] != '\0' ? "." : "", table->key);

		if (table->kind != OPTION_SECTION && !is_list) {
			add_value(out, child, table, base, defaults);
			continue;
		}
		for (uint32_t i = 0; i < count; i++) {
			size_t at = table->offset + (is_list ? (size_t)i * table->size : 0);

			if (is_list && n < sizeof(child))
				(void)snprintf(child + n, sizeof(child) - n, "[%u]", i);
			// NOLINTNEXTLINE(misc-no-recursion): as deep as the table
			add_table(out, child, table->children, (const uint8_t *)base + at,
				is_list || defaults == NULL ? NULL
							    : (const uint8_t *)defaults + at);
		}
	}
}

char *options_file_json(const struct config_option *table, const void *base, const void *defaults)
{
	json_t *out = json_array();
	char *text;

	add_table(out, "", table, base, defaults);
	text = json_dumps(out, JSON_COMPACT);
	json_decref(out);
	return text;
}

char *options_json(const struct options *options)
{
	static struct options defaults;

	options_init(&defaults);
	return options_file_json(options_table(), options, &defaults);
}
