// SPDX-License-Identifier: BSD-3-Clause
// The reference of a table, made from it and from the defaults as they really are.
#include "dataplane/options.h"
#include "dataplane/options_file.h"
#include "dataplane/options_table.h"

#include <string.h>

static void write_values(const struct config_option *option, FILE *out)
{
	char text[256];

	if (option->kind == OPTION_CHOICE) {
		for (const struct option_choice *c = option->choices; c->text != NULL; c++)
			(void)fprintf(out, "%s`%s`", c == option->choices ? "" : ", ", c->text);
		return;
	}
	(void)fprintf(out, "%s", option_describe(option, text, sizeof(text)));
	if (option->unit != NULL)
		(void)fprintf(out, ", %s", option->unit);
}

static void write_row(const struct config_option *option, const void *base, FILE *out)
{
	char text[512];

	(void)fprintf(out, "| `%s` | ", option->key);
	write_values(option, out);
	(void)option_render(option, base, text, sizeof(text));
	if (option->required)
		(void)fprintf(out, " | required | %s |\n", option->help);
	else if (text[0] == '\0')
		(void)fprintf(out, " | | %s |\n", option->help);
	else
		(void)fprintf(out, " | `%s` | %s |\n", text, option->help);
}

static void write_table(const struct config_option *table, const void *base, FILE *out)
{
	bool any = false;

	for (; table->key != NULL; table++) {
		if (table->kind == OPTION_SECTION || table->kind == OPTION_LIST)
			continue;
		if (!any)
			(void)fprintf(
				out, "| key | value | default | meaning |\n|---|---|---|---|\n");
		any = true;
		write_row(table, base, out);
	}
	if (any)
		(void)fputc('\n', out);
}

static void write_section(
	const char *path, const struct config_option *table, const void *base, FILE *out)
{
	for (; table->key != NULL; table++) {
		const uint8_t *at = (const uint8_t *)base + table->offset;
		char child[128];

		if (table->kind != OPTION_SECTION && table->kind != OPTION_LIST)
			continue;
		(void)snprintf(child, sizeof(child), "%s%s%s%s", path, path[0] != '\0' ? "." : "",
			table->key, table->kind == OPTION_LIST ? "[]" : "");
		(void)fprintf(out, "## `%s`\n\n%s\n\n", child, table->help);
		write_table(table->children, at, out);
		write_section(child, table->children, at, out);
	}
}

void options_file_reference(
	const char *name, const struct config_option *table, const void *base, FILE *out)
{
	(void)fprintf(out,
		"# Configuration of %s\n\n"
		"Made from the program's own table: `%s --config-reference`.\n\n"
		"The file is YAML. A key that is not named here, a value of the wrong type or out "
		"of range,\na key given twice and an alias are errors, told as `file:line: what`; "
		"`%s\n--check-config --config FILE` looks for them and does nothing "
		"else (exit status 0 or 2).\n\n",
		name, name, name);
	write_table(table, base, out);
	write_section("", table, base, out);
}

void options_write_reference(FILE *out)
{
	static struct options defaults;

	options_init(&defaults);
	options_file_reference("cordon-dataplane", options_table(), &defaults, out);
}
