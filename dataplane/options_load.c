// SPDX-License-Identifier: BSD-3-Clause
// A YAML file into struct options: positions first, then libcyaml by schema, then checks across options.
#include "dataplane/options.h"
#include "dataplane/options_lines.h"
#include "dataplane/options_schema.h"

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
	const struct option *option = place != NULL ? option_find(place->path) : NULL;
	const char *what = complaint->what[0] != '\0' ? complaint->what : cyaml_strerror(err);
	uint32_t line = complaint->line != 0 ? complaint->line : 1;
	char expected[224];

	if (option == NULL)
		options_lines_mistake(lines, line, "%s", what);
	else
		options_lines_mistake(lines, line, "%s: must be %s (%s)", place->path,
			option_describe(option, expected, sizeof(expected)), what);
}

static int load(
	const char *text, size_t bytes, struct options *options, struct options_lines *lines)
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
	options_schema_build(schema, options_table());
	err = cyaml_load_data((const uint8_t *)text, bytes, &config, &schema->top, &slots, NULL);
	if (err != CYAML_OK) {
		report(lines, &complaint, err);
	} else if (slots != NULL) {
		options_schema_fill(options_table(), slots, options, "", lines);
		(void)cyaml_free(&config, &schema->top, slots, 0);
	}
	free(schema);
	return 0;
}

// ---- what one value cannot tell -----------------------------------------------------------------

static void mistake_at(struct options_lines *lines, const char *path, const char *what)
{
	const struct options_place *place = options_lines_find(lines, path);

	options_lines_mistake(lines, place != NULL ? place->key_line : 1, "%s: %s", path, what);
}

static bool is_given(const struct options_lines *lines, const char *path)
{
	const struct options_place *place = options_lines_find(lines, path);

	return place != NULL && strcmp(place->path, path) == 0;
}

static void check_port(
	struct options_lines *lines, const struct options_port *port, const char *path)
{
	bool device = port->device[0] != '\0';
	bool interface = port->interface[0] != '\0';

	if (device == interface)
		mistake_at(lines, path, "give either a device or an interface");
	if (device && strpbrk(port->device, " \t") != NULL)
		mistake_at(lines, path, "a device has no spaces");
	if (interface && strpbrk(port->interface, " \t,/=") != NULL)
		mistake_at(lines, path, "not the name of an interface");
}

static const char *port_name(const struct options_port *port)
{
	return port->device[0] != '\0' ? port->device : port->interface;
}

// A device can be one port only.
static void check_unique(struct options_lines *lines, const struct options *options, uint32_t link,
	enum link_side side, const char *path)
{
	const struct options_port *port = &options->links[link].side[side];

	for (uint32_t i = 0; i < link * 2 + (uint32_t)side; i++) {
		const struct options_port *other = &options->links[i / 2].side[i % 2];

		if (port_name(port)[0] != '\0' && strcmp(port_name(port), port_name(other)) == 0)
			mistake_at(lines, path, "is a port already");
	}
}

static void check_link(struct options_lines *lines, const struct options *options, uint32_t link)
{
	static const char *const sides[] = {[LINK_OUTSIDE] = "outside", [LINK_INSIDE] = "inside"};
	static const char *const keys[] = {"name", "outside", "inside"};
	const struct options_link *this = &options->links[link];
	char path[OPTIONS_PATH_BYTES];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		(void)snprintf(path, sizeof(path), "links[%u].%s", link, keys[i]);
		if (!is_given(lines, path) || (i == 0 && this->name[0] == '\0'))
			mistake_at(lines, path, "is missing");
		else if (i > 0)
			check_port(lines, &this->side[i - 1], path);
	}
	for (int side = LINK_OUTSIDE; side <= LINK_INSIDE; side++) {
		(void)snprintf(path, sizeof(path), "links[%u].%s", link, sides[side]);
		check_unique(lines, options, link, (enum link_side)side, path);
	}
	(void)snprintf(path, sizeof(path), "links[%u].name", link);
	for (uint32_t i = 0; i < link; i++) {
		if (strcmp(options->links[i].name, this->name) == 0)
			mistake_at(lines, path, "is the name of another link");
	}
}

static void check_all(
	struct options_lines *lines, const struct options *options, enum options_purpose purpose)
{
	const struct engine_options *engine = &options->engine;

	for (uint32_t i = 0; i < options->links_count; i++)
		check_link(lines, options, i);
	if (engine->smtp_ports_count == 0)
		mistake_at(lines, "smtp.ports", "at least one is needed");
	if (engine->max_half_open > engine->max_connections)
		mistake_at(lines,
			is_given(lines, "limits.max_half_open") ? "limits.max_half_open"
								: "limits.max_connections",
			"max_half_open is more than max_connections");
	if (options->command[0] != '\0' && strlen(options->command) > 107)
		mistake_at(lines, "command", "a socket path has at most 107 bytes");
	if (engine->name[0] == '\0')
		mistake_at(lines, "gateway", "must not be empty");
	if (options->events[0] == '\0')
		mistake_at(lines, "events", "must not be empty");
	if (purpose != OPTIONS_DAEMON)
		return;
	if (options->links_count == 0)
		mistake_at(lines, "links", "at least one is needed");
	if (options->rules[0] == '\0')
		mistake_at(lines, "rules", "is missing");
}

int options_load_text(const char *name, const char *text, size_t bytes,
	enum options_purpose purpose, struct options *options, FILE *errors)
{
	struct options_lines *lines = calloc(1, sizeof(*lines));
	int err;

	options_init(options);
	if (lines == NULL)
		return -ENOMEM;
	lines->file = name;
	lines->errors = errors;
	err = options_lines_read(lines, text, bytes);
	if (err == 0 && lines->mistakes == 0)
		err = load(text, bytes, options, lines);
	if (err == 0 && lines->mistakes == 0)
		check_all(lines, options, purpose);
	options_derive(&options->engine);
	if (err == 0 && lines->mistakes > 0)
		err = -EINVAL;
	free(lines);
	return err;
}

int options_load(
	const char *path, enum options_purpose purpose, struct options *options, FILE *errors)
{
	FILE *file = fopen(path, "rbe");
	int err = file == NULL ? -errno : 0;
	char *text = NULL;
	size_t bytes;

	options_init(options);
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
		err = options_load_text(path, text, bytes, purpose, options, errors);
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
