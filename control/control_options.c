// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_options.h"

#include "control/api.h"
#include "dataplane/dataplane.h"

#include <string.h>

#define MEMBER(member)                                                                             \
	.offset = offsetof(struct control_options, member),                                        \
	.size = sizeof(((struct control_options *)0)->member)
#define TEXT(member)                                                                               \
	.kind = OPTION_TEXT, MEMBER(member),                                                       \
	.max = sizeof(((struct control_options *)0)->member) - 1
#define UINT(member, low, high) .kind = OPTION_UINT, MEMBER(member), .min = (low), .max = (high)
#define TEXTS(member, count)                                                                       \
	.kind = OPTION_TEXTS, .offset = offsetof(struct control_options, member),                  \
	.size = sizeof(((struct control_options *)0)->member[0]),                                  \
	.count_offset = offsetof(struct control_options, count), .room = CONTROL_MAX_TEXTS,        \
	.max = CONTROL_TEXT_BYTES - 1
// The members of a section lie in the struct of the whole file.
#define SECTION(table)                                                                             \
	.kind = OPTION_SECTION, .offset = 0, .size = sizeof(struct control_options),               \
	.children = (table)
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

static const struct config_option rules_table[] = {
	{.key = "sources",
		TEXTS(rules.sources, rules.sources_count),
		.help = "Signature files and folders of them that are compiled together."},
	{.key = "image",
		TEXT(rules.image),
		.preset = "/var/lib/cordon/rules.image",
		.help = "Where the image goes; the dataplane's `rules`."},
	{.key = "compiler",
		TEXT(rules.compiler),
		.help = "The program that compiles; empty: the `cordonctl` beside this program."},
	{.key = "compile_seconds",
		UINT(rules.compile_seconds, 1, 86400),
		.unit = "seconds",
		.preset = "600",
		.help = "After which it is given up."},
	{.key = "compile_memory_mb",
		UINT(rules.compile_memory_mb, 64, 1 << 20),
		.unit = "MiB",
		.preset = "4096",
		.help = "That it may use."},
	END,
};

static const struct config_option seals_table[] = {
	{.key = "file",
		TEXT(seals.file),
		.preset = "/var/lib/cordon/seals.json",
		.help = "Where the open seals are kept; the dataplane's `seals`."},
	{.key = "max_seconds",
		UINT(seals.max_seconds, 60, 31536000),
		.unit = "seconds",
		.preset = "604800",
		.help = "The longest that a seal may last, whatever it says itself."},
	END,
};

static const struct config_option top_table[] = {
	{.key = "gateway",
		TEXT(gateway),
		.preset = "cordon",
		.help = "Name of this gateway in events; the dataplane's `gateway`."},
	{.key = "socket",
		TEXT(socket),
		.preset = CONTROL_SOCKET,
		.help = "Socket that `cordonctl` asks, for the owner and group of the process."},
	{.key = "dataplane",
		TEXT(dataplane),
		.preset = DATAPLANE_SOCKET,
		.help = "The dataplane's `command`."},
	{.key = "state",
		TEXT(state),
		.preset = "/var/lib/cordon",
		.help = "Folder of what has to outlive the process."},
	{.key = "events",
		TEXT(events),
		.preset = "-",
		.help = "File that JSON lines are appended to (opened again on SIGHUP); `-` is "
			"standard output. May be the dataplane's."},
	{.key = "rules", SECTION(rules_table), .help = "The ruleset."},
	{.key = "seals", SECTION(seals_table), .help = "Seals."},
	END,
};

void control_options_init(struct control_options *options)
{
	memset(options, 0, sizeof(*options));
	options_apply_presets(top_table, options);
}

static void check_all(struct options_lines *lines, const void *base, const void *ctx)
{
	const struct control_options *options = base;
	const struct {
		const char *key;
		const char *value;
	} needed[] = {{"gateway", options->gateway}, {"socket", options->socket},
		{"dataplane", options->dataplane}, {"state", options->state},
		{"events", options->events}, {"rules.image", options->rules.image},
		{"seals.file", options->seals.file}};

	(void)ctx;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (needed[i].value[0] == '\0')
			options_mistake_at(lines, needed[i].key, "must not be empty");
	}
}

int control_options_load(const char *path, struct control_options *options, FILE *errors)
{
	const struct options_form form = {top_table, check_all, NULL};

	control_options_init(options);
	return options_file_read(path, &form, options, errors);
}

void control_options_write_reference(FILE *out)
{
	static struct control_options defaults;

	control_options_init(&defaults);
	options_file_reference("cordon-control", top_table, &defaults, out);
}
