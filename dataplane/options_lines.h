// SPDX-License-Identifier: BSD-3-Clause
// Where each key and value of a YAML file stands, so that a message can name its line. It also refuses
// what the schema loader would swallow: keys that no option has, keys given twice, aliases, control
// characters, deep nesting, a second document.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct config_option;

#define OPTIONS_MAX_VALUES 2048
#define OPTIONS_PATH_BYTES 128

struct options_place {
	char path[OPTIONS_PATH_BYTES]; // "links[0].outside.interface"
	uint32_t key_line;             // of the key, or of the list entry; from 1
	uint32_t line;                 // of the value
	uint32_t column;
};

struct options_lines {
	const char *file;
	const struct config_option *table;
	FILE *errors;
	uint32_t mistakes;
	uint32_t count;
	struct options_place places[OPTIONS_MAX_VALUES];
};

// Reads the text. Mistakes are written and counted. Returns 0 or -ENOMEM.
int options_lines_read(struct options_lines *lines, const char *text, size_t bytes)
	__attribute__((warn_unused_result));
// The place of a path, or the nearest that contains it; NULL in an empty file.
const struct options_place *options_lines_find(const struct options_lines *lines, const char *path);
// The place of the value at line and column, or NULL.
const struct options_place *options_lines_at(
	const struct options_lines *lines, uint32_t line, uint32_t column);
// Writes "file:line: what".
void options_lines_mistake(struct options_lines *lines, uint32_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
