// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_schema.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

static_assert(sizeof(struct option_choice) == sizeof(cyaml_strval_t), "the same two members");

static uint32_t count_fields(const struct config_option *table)
{
	uint32_t n = 0;

	while (table[n].key != NULL)
		n++;
	return n;
}

static const cyaml_strval_t *share_choices(
	struct options_schema *schema, const struct option_choice *choices, uint32_t *count)
{
	cyaml_strval_t *row = schema->choices[schema->choices_count];

	assert(schema->choices_count < SCHEMA_MAX_TABLES);
	for (*count = 0; choices[*count].text != NULL; ++*count) {
		assert(*count < SCHEMA_MAX_CHOICES);
		row[*count].str = choices[*count].text;
		row[*count].val = choices[*count].value;
	}
	// The same list follows the same list often enough: reuse the row.
	for (uint32_t i = 0; i < schema->choices_count; i++) {
		if (memcmp(schema->choices[i], row, sizeof(schema->choices[0])) == 0) {
			memset(row, 0, sizeof(schema->choices[0]));
			return schema->choices[i];
		}
	}
	schema->choices_count++;
	return row;
}

static const cyaml_schema_field_t *build_table(
	struct options_schema *schema, const struct config_option *table);

static void build_mapping(struct options_schema *schema, const struct config_option *table,
	cyaml_schema_value_t *value)
{
	value->type = CYAML_MAPPING;
	value->data_size = count_fields(table) * (uint32_t)sizeof(struct options_slot);
	value->mapping.fields = build_table(schema, table);
}

static void build_sequence(const cyaml_schema_value_t *entry, const struct config_option *option,
	cyaml_schema_value_t *value)
{
	value->type = CYAML_SEQUENCE;
	value->data_size =
		entry->flags & CYAML_FLAG_POINTER ? (uint32_t)sizeof(void *) : entry->data_size;
	value->sequence.entry = entry;
	value->sequence.min = 0;
	value->sequence.max = option->room;
}

static void build_value(struct options_schema *schema, const struct config_option *option,
	cyaml_schema_value_t *value)
{
	value->flags = (enum cyaml_flag)(CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER);
	value->data_size = sizeof(uint64_t);
	switch (option->kind) {
	case OPTION_SECTION:
		build_mapping(schema, option->children, value);
		break;
	case OPTION_LIST: {
		cyaml_schema_value_t *entry = &schema->entries[schema->tables_count];

		build_mapping(schema, option->children, entry);
		build_sequence(entry, option, value);
		break;
	}
	case OPTION_UINT:
		value->type = CYAML_UINT;
		break;
	case OPTION_BOOL:
	case OPTION_CHOICE:
	case OPTION_FLAGS:
		value->type = option->kind == OPTION_FLAGS ? CYAML_FLAGS : CYAML_ENUM;
		value->flags = (enum cyaml_flag)(value->flags | CYAML_FLAG_STRICT);
		value->enumeration.strings =
			share_choices(schema, option->choices, &value->enumeration.count);
		break;
	case OPTION_TEXT:
		value->type = CYAML_STRING;
		value->data_size = sizeof(char);
		value->string.min = 0;
		value->string.max = (uint32_t)option->max;
		break;
	case OPTION_UINTS:
		build_sequence(&schema->uints, option, value);
		break;
	case OPTION_TEXTS:
		build_sequence(&schema->texts, option, value);
		break;
	}
}

static const cyaml_schema_field_t *build_table(
	struct options_schema *schema, const struct config_option *table)
{
	uint32_t n = count_fields(table);
	cyaml_schema_field_t *fields;

	assert(schema->tables_count < SCHEMA_MAX_TABLES && n < SCHEMA_MAX_FIELDS);
	fields = schema->fields[schema->tables_count++];
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i * (uint32_t)sizeof(struct options_slot);

		fields[i].key = table[i].key;
		fields[i].data_offset = at + (uint32_t)offsetof(struct options_slot, value);
		fields[i].count_offset = at + (uint32_t)offsetof(struct options_slot, count);
		fields[i].count_size = sizeof(uint64_t);
		build_value(schema, &table[i], &fields[i].value);
	}
	return fields;
}

void options_schema_build(struct options_schema *schema, const struct config_option *table)
{
	memset(schema, 0, sizeof(*schema));
	schema->uints.type = CYAML_UINT;
	schema->uints.data_size = sizeof(uint64_t);
	schema->texts.type = CYAML_STRING;
	schema->texts.flags = CYAML_FLAG_POINTER;
	schema->texts.data_size = sizeof(char);
	schema->texts.string.max = CYAML_UNLIMITED;
	schema->top.flags = CYAML_FLAG_POINTER;
	build_mapping(schema, table, &schema->top);
}

// ---- loaded values into the struct --------------------------------------------------------------

static bool is_given(const struct options_lines *lines, const char *path)
{
	const struct options_place *place = options_lines_find(lines, path);

	return place != NULL && strcmp(place->path, path) == 0;
}

static void out_of_range(
	const struct config_option *option, const char *path, struct options_lines *lines)
{
	const struct options_place *place = options_lines_find(lines, path);
	char expected[224];

	options_lines_mistake(lines, place != NULL ? place->line : 1, "%s: must be %s", path,
		option_describe(option, expected, sizeof(expected)));
}

static void fill_entry(const struct config_option *option, const struct options_slot *slot,
	uint64_t i, uint8_t *entry, const char *path, struct options_lines *lines)
{
	char child[OPTIONS_PATH_BYTES + 24];

	(void)snprintf(child, sizeof(child), "%s[%" PRIu64 "]", path, i);
	if (option->kind == OPTION_LIST) {
		const struct options_slot *slots = slot->value;

		options_schema_fill(option->children, slots + i * count_fields(option->children),
			entry, child, lines);
	} else if (option->kind == OPTION_UINTS) {
		uint64_t number = ((const uint64_t *)slot->value)[i];

		if (number < option->min || number > option->max)
			out_of_range(option, child, lines);
		memcpy(entry, &number, option->size);
	} else {
		const char *text = ((char *const *)slot->value)[i];

		if (strlen(text) > option->max)
			out_of_range(option, child, lines);
		(void)snprintf((char *)entry, option->size, "%s", text);
	}
}

static void fill_list(const struct config_option *option, const struct options_slot *slot,
	void *base, const char *path, struct options_lines *lines)
{
	uint8_t *bytes = base;
	uint32_t count = slot->count < option->room ? (uint32_t)slot->count : option->room;

	for (uint32_t i = 0; i < count; i++)
		fill_entry(option, slot, i, bytes + option->offset + (size_t)i * option->size, path,
			lines);
	memcpy(bytes + option->count_offset, &count, sizeof(count));
}

void options_schema_fill(const struct config_option *table, const struct options_slot *slots,
	void *base, const char *path, struct options_lines *lines)
{
	for (uint32_t i = 0; table[i].key != NULL; i++) {
		const struct config_option *option = &table[i];
		const struct options_slot *slot = &slots[i];
		char child[OPTIONS_PATH_BYTES];

		(void)snprintf(child, sizeof(child), "%s%s%s", path, path[0] != '\0' ? "." : "",
			option->key);
		if (slot->value == NULL) {
			// An empty list has no array, but it was given: the default is gone.
			if (option->room > 0 && is_given(lines, child))
				memset((uint8_t *)base + option->count_offset, 0, sizeof(uint32_t));
			continue;
		}
		switch (option->kind) {
		case OPTION_SECTION:
			options_schema_fill(option->children, slot->value,
				(uint8_t *)base + option->offset, child, lines);
			break;
		case OPTION_LIST:
		case OPTION_UINTS:
		case OPTION_TEXTS:
			fill_list(option, slot, base, child, lines);
			break;
		case OPTION_TEXT:
			if (option_put_text(option, base, slot->value) != 0)
				out_of_range(option, child, lines);
			break;
		case OPTION_UINT:
		case OPTION_BOOL:
		case OPTION_CHOICE:
		case OPTION_FLAGS:
			if (option_put_uint(option, base, *(const uint64_t *)slot->value) != 0)
				out_of_range(option, child, lines);
			break;
		}
	}
}
