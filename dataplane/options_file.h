// SPDX-License-Identifier: BSD-3-Clause
// A YAML file into a struct by a table of options: what every program of Cordon reads its configuration
// with.
#pragma once

#include "dataplane/options_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct options_lines;

struct options_form {
	const struct config_option *table;
	// Looks for what one value cannot tell; what it finds goes to options_mistake_at.
	void (*check)(struct options_lines *lines, const void *base, const void *ctx);
	const void *ctx;
};

// Reads the file over what stands in base. Returns 0, -EINVAL when something is wrong in it, or -errno
// of the file; each mistake is one line "file:line: what" on errors (NULL: nowhere).
int options_file_read(const char *path, const struct options_form *form, void *base, FILE *errors)
	__attribute__((warn_unused_result));
// The same for text in memory; name stands for the file in messages.
int options_file_read_text(const char *name, const char *text, size_t bytes,
	const struct options_form *form, void *base, FILE *errors)
	__attribute__((warn_unused_result));
// The table's defaults into base.
void options_apply_presets(const struct config_option *table, void *base);
// All of the table with what stands in base, as Markdown; name is the program's.
void options_file_reference(
	const char *name, const struct config_option *table, const void *base, FILE *out);

// [{"key": "spool.key", "value", "default", "unit", "help"}]: all of the table with what stands in base, and in
// defaults; freed by the caller, NULL: no memory. What a value names (a file) is not read.
char *options_file_json(const struct config_option *table, const void *base, const void *defaults);

// For checks: writes "file:line: path: what"; whether the file has this key.
void options_mistake_at(struct options_lines *lines, const char *path, const char *what);
bool options_is_given(const struct options_lines *lines, const char *path);
