// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_lines.h"

#include "dataplane/options_table.h"

#include <yaml.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define MAX_DEPTH 8

// A mapping or list that is open.
struct level {
	bool mapping;
	bool has_key;    // of a mapping: the next event is its value
	uint32_t index;  // of a list: the next entry
	size_t path_end; // of the path that names this mapping or list
};

struct walk {
	struct options_lines *lines;
	struct level levels[MAX_DEPTH];
	uint32_t depth;
	uint32_t documents;
	char path[OPTIONS_PATH_BYTES];
	size_t path_end;
	uint32_t key_line;
	bool stop; // what follows cannot be made sense of
};

void options_lines_mistake(struct options_lines *lines, uint32_t line, const char *format, ...)
{
	va_list arguments;

	lines->mistakes++;
	if (lines->errors == NULL)
		return;
	(void)fprintf(lines->errors, "%s:%u: ", lines->file, line);
	va_start(arguments, format);
	(void)vfprintf(lines->errors, format, arguments);
	va_end(arguments);
	(void)fputc('\n', lines->errors);
}

static uint32_t line_of(const yaml_event_t *event)
{
	return (uint32_t)event->start_mark.line + 1;
}

static void give_up(struct walk *walk, uint32_t line, const char *why)
{
	options_lines_mistake(walk->lines, line, "%s", why);
	walk->stop = true;
}

// A text that can stand in a path: what is printed in messages stays on its line.
static bool is_plain(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return true;
}

static bool append(struct walk *walk, const char *format, const char *text, uint32_t index)
{
	size_t room = sizeof(walk->path) - walk->path_end;
	int n = text != NULL ? snprintf(walk->path + walk->path_end, room, "%s%s", format, text)
			     : snprintf(walk->path + walk->path_end, room, "[%u]", index);

	if (n < 0 || (size_t)n >= room)
		return false;
	walk->path_end += (size_t)n;
	return true;
}

static void take_key(struct walk *walk, struct level *level, const yaml_event_t *event)
{
	const char *key = (const char *)event->data.scalar.value;
	uint32_t line = line_of(event);
	const struct config_option *option;

	if (!is_plain(key, event->data.scalar.length)) {
		give_up(walk, line, "control character in a key");
		return;
	}
	walk->path_end = level->path_end;
	if (!append(walk, walk->path_end > 0 ? "." : "", key, 0)) {
		give_up(walk, line, "key too long");
		return;
	}
	option = option_find(walk->lines->table, walk->path);
	if (strpbrk(key, ".[") != NULL || key[0] == '\0' || option == NULL)
		options_lines_mistake(walk->lines, line, "unknown key '%s'", walk->path);
	walk->key_line = line;
	level->has_key = true;
}

static bool given_before(const struct options_lines *lines, const char *path)
{
	for (uint32_t i = 0; i < lines->count; i++) {
		if (strcmp(lines->places[i].path, path) == 0)
			return true;
	}
	return false;
}

// Notes where the value that begins with this event stands.
static void note_value(struct walk *walk, const yaml_event_t *event)
{
	struct options_lines *lines = walk->lines;
	struct options_place *place;

	if (walk->depth > 0 && !walk->levels[walk->depth - 1].mapping) {
		struct level *list = &walk->levels[walk->depth - 1];

		walk->path_end = list->path_end;
		if (!append(walk, "", NULL, list->index)) {
			give_up(walk, line_of(event), "nested too deep");
			return;
		}
		walk->key_line = line_of(event);
	}
	if (lines->count == OPTIONS_MAX_VALUES) {
		give_up(walk, line_of(event), "too many values");
		return;
	}
	if (given_before(lines, walk->path))
		options_lines_mistake(lines, walk->key_line, "'%s' is given twice", walk->path);
	place = &lines->places[lines->count++];
	memcpy(place->path, walk->path, sizeof(place->path));
	place->key_line = walk->key_line;
	place->line = line_of(event);
	place->column = (uint32_t)event->start_mark.column + 1;
}

static void end_value(struct walk *walk)
{
	struct level *level;

	if (walk->depth == 0)
		return;
	level = &walk->levels[walk->depth - 1];
	level->has_key = false;
	level->index++;
	walk->path_end = level->path_end;
	walk->path[walk->path_end] = '\0';
}

static bool wants_key(const struct walk *walk)
{
	return walk->depth > 0 && walk->levels[walk->depth - 1].mapping &&
	       !walk->levels[walk->depth - 1].has_key;
}

// libcyaml reads "1.5" as 1 and "010" as 8: only digits are a number here.
static void check_number(struct walk *walk, const yaml_event_t *event)
{
	const struct config_option *option = option_find(walk->lines->table, walk->path);
	const char *text = (const char *)event->data.scalar.value;
	size_t digits = strspn(text, "0123456789");
	char expected[224];

	if (option == NULL || (option->kind != OPTION_UINT && option->kind != OPTION_UINTS))
		return;
	if (digits == 0 || text[digits] != '\0' || (digits > 1 && text[0] == '0'))
		options_lines_mistake(walk->lines, line_of(event), "%s: must be %s", walk->path,
			option_describe(option, expected, sizeof(expected)));
}

static void take_scalar(struct walk *walk, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	if (wants_key(walk)) {
		take_key(walk, &walk->levels[walk->depth - 1], event);
		return;
	}
	note_value(walk, event);
	if (!is_plain(text, event->data.scalar.length))
		options_lines_mistake(walk->lines, line_of(event), "%s: control character",
			walk->path_end > 0 ? walk->path : "the file");
	else
		check_number(walk, event);
	end_value(walk);
}

static void open_level(struct walk *walk, const yaml_event_t *event, bool mapping)
{
	if (wants_key(walk)) {
		give_up(walk, line_of(event), "a key must be a word");
		return;
	}
	if (walk->depth == MAX_DEPTH) {
		give_up(walk, line_of(event), "nested too deep");
		return;
	}
	if (walk->depth > 0)
		note_value(walk, event);
	walk->levels[walk->depth++] =
		(struct level){.mapping = mapping, .path_end = walk->path_end};
}

static void take_event(struct walk *walk, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++walk->documents > 1)
			give_up(walk, line_of(event), "a second document");
		break;
	case YAML_SCALAR_EVENT:
		take_scalar(walk, event);
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		open_level(walk, event, event->type == YAML_MAPPING_START_EVENT);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		walk->depth--;
		end_value(walk);
		break;
	case YAML_ALIAS_EVENT:
		give_up(walk, line_of(event), "aliases are not supported");
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
}

int options_lines_read(struct options_lines *lines, const char *text, size_t bytes)
{
	struct walk walk = {.lines = lines};
	yaml_parser_t parser;
	yaml_event_t event;
	bool ended = false;

	if (yaml_parser_initialize(&parser) == 0)
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
	while (!walk.stop && !ended) {
		if (yaml_parser_parse(&parser, &event) == 0) {
			options_lines_mistake(lines, (uint32_t)parser.problem_mark.line + 1,
				"not YAML: %s",
				parser.problem != NULL ? parser.problem : "cannot be read");
			break;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		take_event(&walk, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return 0;
}

const struct options_place *options_lines_find(const struct options_lines *lines, const char *path)
{
	const struct options_place *best = NULL;
	size_t best_bytes = 0;

	for (uint32_t i = 0; i < lines->count; i++) {
		size_t n = strlen(lines->places[i].path);

		if (strncmp(lines->places[i].path, path, n) != 0 || n < best_bytes ||
			(path[n] != '\0' && path[n] != '.' && path[n] != '['))
			continue;
		best = &lines->places[i];
		best_bytes = n;
	}
	return best;
}

const struct options_place *options_lines_at(
	const struct options_lines *lines, uint32_t line, uint32_t column)
{
	for (uint32_t i = 0; i < lines->count; i++) {
		if (lines->places[i].line == line && lines->places[i].column == column)
			return &lines->places[i];
	}
	return NULL;
}
