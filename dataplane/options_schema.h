// SPDX-License-Identifier: BSD-3-Clause
// The option table as a libcyaml schema, and what it loads back into the caller's struct.
//
// Every value is loaded through a pointer, so that one that was not given leaves the default alone. A
// mapping becomes an array of slots, one for each option of its table, in order.
#pragma once

#include "dataplane/options_lines.h"
#include "dataplane/options_table.h"

#include <cyaml/cyaml.h>

#include <stdint.h>

#define SCHEMA_MAX_FIELDS 32
#define SCHEMA_MAX_TABLES 32
#define SCHEMA_MAX_CHOICES 16

struct options_slot {
	void *value; // NULL: not given
	uint64_t count;
};

struct options_schema {
	cyaml_schema_value_t top;
	cyaml_schema_value_t uints;
	cyaml_schema_value_t texts;
	cyaml_schema_field_t fields[SCHEMA_MAX_TABLES][SCHEMA_MAX_FIELDS];
	cyaml_schema_value_t entries[SCHEMA_MAX_TABLES];
	cyaml_strval_t choices[SCHEMA_MAX_TABLES][SCHEMA_MAX_CHOICES];
	uint32_t tables_count;
	uint32_t choices_count;
};

void options_schema_build(struct options_schema *schema, const struct config_option *table);
// Copies what was given into base; values out of range are mistakes of lines.
void options_schema_fill(const struct config_option *table, const struct options_slot *slots,
	void *base, const char *path, struct options_lines *lines);
