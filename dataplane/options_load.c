// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's file, and what has to hold across its options.
#include "dataplane/options.h"
#include "dataplane/options_file.h"
#include "dataplane/options_lines.h"
#include "dataplane/options_table.h"

#include <string.h>

static void check_port(
	struct options_lines *lines, const struct options_port *port, const char *path)
{
	bool device = port->device[0] != '\0';
	bool interface = port->interface[0] != '\0';

	if (device == interface)
		options_mistake_at(lines, path, "give either a device or an interface");
	if (device && strpbrk(port->device, " \t") != NULL)
		options_mistake_at(lines, path, "a device has no spaces");
	if (interface && strpbrk(port->interface, " \t,/=") != NULL)
		options_mistake_at(lines, path, "not the name of an interface");
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
			options_mistake_at(lines, path, "is a port already");
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
		if (!options_is_given(lines, path) || (i == 0 && this->name[0] == '\0'))
			options_mistake_at(lines, path, "is missing");
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
			options_mistake_at(lines, path, "is the name of another link");
	}
}

static void check_all(struct options_lines *lines, const void *base, const void *ctx)
{
	const struct options *options = base;
	const enum options_purpose *purpose = ctx;
	const struct engine_options *engine = &options->engine;

	for (uint32_t i = 0; i < options->links_count; i++)
		check_link(lines, options, i);
	if (engine->smtp_ports_count == 0)
		options_mistake_at(lines, "smtp.ports", "at least one is needed");
	if (engine->max_half_open > engine->max_connections)
		options_mistake_at(lines,
			options_is_given(lines, "limits.max_half_open") ? "limits.max_half_open"
									: "limits.max_connections",
			"max_half_open is more than max_connections");
	if (options->command[0] != '\0' && strlen(options->command) > 107)
		options_mistake_at(lines, "command", "a socket path has at most 107 bytes");
	if (engine->name[0] == '\0')
		options_mistake_at(lines, "gateway", "must not be empty");
	if (options->events[0] == '\0')
		options_mistake_at(lines, "events", "must not be empty");
	if (*purpose != OPTIONS_DAEMON)
		return;
	if (options->links_count == 0)
		options_mistake_at(lines, "links", "at least one is needed");
	if (options->rules[0] == '\0')
		options_mistake_at(lines, "rules", "is missing");
}

int options_load_text(const char *name, const char *text, size_t bytes,
	enum options_purpose purpose, struct options *options, FILE *errors)
{
	const struct options_form form = {options_table(), check_all, &purpose};
	int err;

	options_init(options);
	err = options_file_read_text(name, text, bytes, &form, options, errors);
	options_derive(&options->engine);
	return err;
}

int options_load(
	const char *path, enum options_purpose purpose, struct options *options, FILE *errors)
{
	const struct options_form form = {options_table(), check_all, &purpose};
	int err;

	options_init(options);
	err = options_file_read(path, &form, options, errors);
	options_derive(&options->engine);
	return err;
}
