// SPDX-License-Identifier: BSD-3-Clause
// Single values of the table: found by name, written, read and described.
#include "dataplane/options.h"
#include "dataplane/options_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct config_option *find_key(
	const struct config_option *table, const char *key, size_t n)
{
	for (; table != NULL && table->key != NULL; table++) {
		if (strlen(table->key) == n && memcmp(table->key, key, n) == 0)
			return table;
	}
	return NULL;
}

const struct config_option *option_find(const struct config_option *table, const char *path)
{
	const struct config_option *found = NULL;

	while (*path != '\0') {
		size_t n = strcspn(path, ".[");

		found = find_key(table, path, n);
		if (found == NULL)
			return NULL;
		table = found->children;
		path += n;
		if (*path == '[')
			path += strcspn(path, ".");
		if (*path == '.')
			path++;
	}
	return found;
}

// "a, b, c"; the spellings of yes and no are those of true and false.
static void list_choices(const struct config_option *option, char *out, size_t room)
{
	size_t at = 0;

	out[0] = '\0';
	for (const struct option_choice *c = option->choices; c->text != NULL && at < room; c++)
		at += (size_t)snprintf(
			out + at, room - at, "%s%s", c == option->choices ? "" : ", ", c->text);
}

const char *option_describe(const struct config_option *option, char *out, size_t room)
{
	char choices[160];

	switch (option->kind) {
	case OPTION_SECTION:
		(void)snprintf(out, room, "a mapping");
		break;
	case OPTION_LIST:
		(void)snprintf(out, room, "a list of at most %u mappings", option->room);
		break;
	case OPTION_UINT:
		(void)snprintf(out, room, "a number from %" PRIu64 " to %" PRIu64, option->min,
			option->max);
		break;
	case OPTION_BOOL:
		(void)snprintf(out, room, "true or false");
		break;
	case OPTION_CHOICE:
		list_choices(option, choices, sizeof(choices));
		(void)snprintf(out, room, "one of %s", choices);
		break;
	case OPTION_FLAGS:
		list_choices(option, choices, sizeof(choices));
		(void)snprintf(out, room, "a list of %s", choices);
		break;
	case OPTION_TEXT:
		(void)snprintf(out, room, "text of at most %" PRIu64 " bytes", option->max);
		break;
	case OPTION_UINTS:
		(void)snprintf(out, room,
			"a list of at most %u numbers from %" PRIu64 " to %" PRIu64, option->room,
			option->min, option->max);
		break;
	case OPTION_TEXTS:
		(void)snprintf(out, room, "a list of at most %u texts of at most %" PRIu64 " bytes",
			option->room, option->max);
		break;
	}
	return out;
}

int option_put_uint(const struct config_option *option, void *base, uint64_t value)
{
	uint8_t *at = (uint8_t *)base + option->offset;

	if (option->kind == OPTION_UINT && (value < option->min || value > option->max))
		return -ERANGE;
	// Little-endian machines only, as DPDK's x86 build: the low bytes come first.
	memcpy(at, &value, option->size);
	return 0;
}

static uint64_t get_uint(const struct config_option *option, const void *base)
{
	uint64_t value = 0;

	memcpy(&value, (const uint8_t *)base + option->offset, option->size);
	return value;
}

static int put_choice(const struct config_option *option, void *base, const char *text)
{
	for (const struct option_choice *c = option->choices; c->text != NULL; c++) {
		if (strcmp(c->text, text) == 0)
			return option_put_uint(option, base, (uint64_t)c->value);
	}
	return -EINVAL;
}

int option_put_text(const struct config_option *option, void *base, const char *text)
{
	char *end = NULL;
	uint64_t value;

	if (option->kind == OPTION_BOOL || option->kind == OPTION_CHOICE)
		return put_choice(option, base, text);
	if (option->kind == OPTION_TEXT) {
		if (strlen(text) > option->max)
			return -ERANGE;
		(void)snprintf((char *)base + option->offset, option->size, "%s", text);
		return 0;
	}
	if (option->kind != OPTION_UINT || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	return errno != 0 ? -ERANGE : option_put_uint(option, base, value);
}

static void render_list(
	const struct config_option *option, const void *base, char *out, size_t room)
{
	const uint8_t *bytes = base;
	uint32_t count;
	size_t at;

	memcpy(&count, bytes + option->count_offset, sizeof(count));
	at = (size_t)snprintf(out, room, "[");
	for (uint32_t i = 0; i < count && at < room; i++) {
		const uint8_t *entry = bytes + option->offset + (size_t)i * option->size;
		uint64_t value = 0;

		if (option->kind == OPTION_TEXTS) {
			at += (size_t)snprintf(out + at, room - at, "%s%s", i > 0 ? ", " : "",
				(const char *)entry);
			continue;
		}
		memcpy(&value, entry, option->size);
		at += (size_t)snprintf(out + at, room - at, "%s%" PRIu64, i > 0 ? ", " : "", value);
	}
	if (at < room)
		(void)snprintf(out + at, room - at, "]");
}

static void render_flags(const struct config_option *option, uint64_t value, char *out, size_t room)
{
	size_t at = (size_t)snprintf(out, room, "[");
	bool first = true;

	for (const struct option_choice *c = option->choices; c->text != NULL && at < room; c++) {
		if ((value & (uint64_t)c->value) == 0)
			continue;
		at += (size_t)snprintf(out + at, room - at, "%s%s", first ? "" : ", ", c->text);
		first = false;
	}
	if (at < room)
		(void)snprintf(out + at, room - at, "]");
}

static const char *choice_text(const struct config_option *option, uint64_t value)
{
	for (const struct option_choice *c = option->choices; c->text != NULL; c++) {
		if ((uint64_t)c->value == value)
			return c->text;
	}
	return "?";
}

const char *option_render(
	const struct config_option *option, const void *base, char *out, size_t room)
{
	out[0] = '\0';
	switch (option->kind) {
	case OPTION_SECTION:
	case OPTION_LIST:
		break;
	case OPTION_UINT:
		(void)snprintf(out, room, "%" PRIu64, get_uint(option, base));
		break;
	case OPTION_BOOL:
	case OPTION_CHOICE:
		(void)snprintf(out, room, "%s", choice_text(option, get_uint(option, base)));
		break;
	case OPTION_FLAGS:
		render_flags(option, get_uint(option, base), out, room);
		break;
	case OPTION_TEXT:
		(void)snprintf(out, room, "%s", (const char *)base + option->offset);
		break;
	case OPTION_UINTS:
	case OPTION_TEXTS:
		render_list(option, base, out, room);
		break;
	}
	return out;
}
