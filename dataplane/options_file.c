// SPDX-License-Identifier: BSD-3-Clause
// A YAML file into a struct: positions first, then libcyaml by schema, then the caller's checks.
#include "dataplane/options_file.h"

#include "dataplane/options_lines.h"
#include "dataplane/options_schema.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES (1u << 20)

// The first mistake that libcyaml tells of; it stops there.
struct complaint {
	char what[256];
	uint32_t line;
	uint32_t column;
};

// libcyaml says what is wrong in one message and where in the next ones, innermost first.
static void __attribute__((format(printf, 3, 0)))
listen_to(cyaml_log_t level, void *ctx, const char *format, va_list arguments)
{
	struct complaint *complaint = ctx;
	const char *place;
	char text[256];

	(void)level;
	(void)vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	if (complaint->what[0] == '\0') {
		const char *from = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;

		(void)snprintf(complaint->what, sizeof(complaint->what), "%s", from);
		return;
	}
	place = strstr(text, "(line: ");
	if (complaint->line != 0 || place == NULL)
		return;
	complaint->line = (uint32_t)strtoul(place + strlen("(line: "), NULL, 10);
	place = strstr(place, "column: ");
	if (place != NULL)
		complaint->column = (uint32_t)strtoul(place + strlen("column: "), NULL, 10);
}

static void report(struct options_lines *lines, const struct complaint *complaint, cyaml_err_t err)
{
	const struct options_place *place =
		options_lines_at(lines, complaint->line, complaint->column);
	const struct config_option *option =
		place != NULL ? option_find(lines->table, place->path) : NULL;
	const char *what = complaint->what[0] != '\0' ? complaint->what : cyaml_strerror(err);
	uint32_t line = complaint->line != 0 ? complaint->line : 1;
	char expected[224];

	if (option == NULL)
		options_lines_mistake(lines, line, "%s", what);
	else
		options_lines_mistake(lines, line, "%s: must be %s (%s)", place->path,
			option_describe(option, expected, sizeof(expected)), what);
}

static int load(const char *text, size_t bytes, void *base, struct options_lines *lines)
{
	struct options_schema *schema = calloc(1, sizeof(*schema));
	struct complaint complaint = {.what = ""};
	cyaml_config_t config = {
		.log_fn = listen_to,
		.log_ctx = &complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	cyaml_data_t *slots = NULL;
	cyaml_err_t err;

	if (schema == NULL)
		return -ENOMEM;
	options_schema_build(schema, lines->table);
	err = cyaml_load_data((const uint8_t *)text, bytes, &config, &schema->top, &slots, NULL);
	if (err != CYAML_OK) {
		report(lines, &complaint, err);
	} else if (slots != NULL) {
		options_schema_fill(lines->table, slots, base, "", lines);
		(void)cyaml_free(&config, &schema->top, slots, 0);
	}
	free(schema);
	return 0;
}

// ---- what the caller's checks may ask -----------------------------------------------------------

void options_mistake_at(struct options_lines *lines, const char *path, const char *what)
{
	const struct options_place *place = options_lines_find(lines, path);

	options_lines_mistake(lines, place != NULL ? place->key_line : 1, "%s: %s", path, what);
}

bool options_is_given(const struct options_lines *lines, const char *path)
{
	const struct options_place *place = options_lines_find(lines, path);

	return place != NULL && strcmp(place->path, path) == 0;
}

void options_apply_presets(const struct config_option *table, void *base)
{
	for (; table->key != NULL; table++) {
		uint8_t *at = (uint8_t *)base + table->offset;
		int err = 0;

		if (table->kind == OPTION_SECTION)
			options_apply_presets(table->children, at);
		for (uint32_t i = 0; table->kind == OPTION_LIST && i < table->room; i++)
			options_apply_presets(table->children, at + (size_t)i * table->size);
		if (table->preset != NULL)
			err = option_put_text(table, base, table->preset);
		assert(err == 0);
	}
}

int options_file_read_text(const char *name, const char *text, size_t bytes,
	const struct options_form *form, void *base, FILE *errors)
{
	struct options_lines *lines = calloc(1, sizeof(*lines));
	int err;

	if (lines == NULL)
		return -ENOMEM;
	lines->file = name;
	lines->errors = errors;
	lines->table = form->table;
	err = options_lines_read(lines, text, bytes);
	if (err == 0 && lines->mistakes == 0)
		err = load(text, bytes, base, lines);
	if (err == 0 && lines->mistakes == 0)
		form->check(lines, base, form->ctx);
	if (err == 0 && lines->mistakes > 0)
		err = -EINVAL;
	free(lines);
	return err;
}

int options_file_read(const char *path, const struct options_form *form, void *base, FILE *errors)
{
	FILE *file = fopen(path, "rbe");
	int err = file == NULL ? -errno : 0;
	char *text = NULL;
	size_t bytes;

	if (file == NULL)
		goto out;
	text = malloc(MAX_FILE_BYTES + 1);
	if (text == NULL) {
		err = -ENOMEM;
		goto out;
	}
	bytes = fread(text, 1, MAX_FILE_BYTES + 1, file);
	if (ferror(file) != 0)
		err = -EIO;
	else if (bytes > MAX_FILE_BYTES)
		err = -EFBIG;
	else
		err = options_file_read_text(path, text, bytes, form, base, errors);
out:
	if (err != 0 && err != -EINVAL && errors != NULL) {
		char reason[128];

		(void)fprintf(errors, "%s: cannot be read: %s\n", path,
			strerror_r(-err, reason, sizeof(reason)));
	}
	free(text);
	if (file != NULL)
		(void)fclose(file);
	return err;
}
