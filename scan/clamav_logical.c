// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_logical.h"

#include "scan/filetype.h"

#include <limits.h>
#include <string.h>

#define FIELDS_BEFORE 3
#define MAX_FIELDS (FIELDS_BEFORE + CLAMAV_MAX_SUBSIGNATURES + 1)
#define MAX_ATTRIBUTES 16

// Cuts at the separator, but not inside of /regular expressions/ from the field `regex_from` on.
static size_t cut(char *text, char separator, size_t regex_from, char **fields, size_t max)
{
	size_t count = 0;
	bool inside = false;

	fields[count++] = text;
	for (char *at = text; *at != '\0'; at++) {
		if (*at == '/' && count > regex_from && (at == text || at[-1] != '\\')) {
			inside = !inside;
		} else if (*at == separator && !inside) {
			if (count == max)
				return max + 1;
			*at = '\0';
			fields[count++] = at + 1;
		}
	}
	return count;
}

// ---- attributes --------------------------------------------------------------------------------

static bool parse_range(char *text, struct clamav_range *out)
{
	char *dash = strchr(text, '-');
	uint64_t min;
	uint64_t max;

	if (dash == NULL)
		return false;
	*dash = '\0';
	if (!clamav_parse_number(text, UINT32_MAX, &min) ||
		!clamav_parse_number(dash + 1, LONG_MAX, &max))
		return false;
	*out = (struct clamav_range){(uint32_t)min, max < UINT32_MAX ? (uint32_t)max : UINT32_MAX};
	return true;
}

static enum clamav_result parse_engine(char *value, bool first, const char **reason)
{
	struct clamav_range levels;

	if (!first || !parse_range(value, &levels)) {
		*reason = first ? "bad range" : "Engine is not the first attribute";
		return CLAMAV_MALFORMED;
	}
	if (levels.min <= CLAMAV_LEVEL && levels.max >= CLAMAV_LEVEL)
		return CLAMAV_TAKEN;
	*reason = "for another functionality level";
	return CLAMAV_SKIPPED;
}

static enum clamav_result parse_container(
	const char *value, struct clamav_logical *out, const char **reason)
{
	const struct filetype_clamav *type = filetype_by_name(value);

	if (type == NULL) {
		*reason = "unknown type of a container";
		return CLAMAV_SKIPPED;
	}
	out->has_container = true;
	out->container = (uint32_t)type->container;
	return CLAMAV_TAKEN;
}

// The outermost first: "CL_TYPE_ZIP>CL_TYPE_ANY".
static enum clamav_result parse_outer(char *value, struct clamav_logical *out, const char **reason)
{
	char *items[CLAMAV_MAX_OUTER];
	size_t count = cut(value, '>', SIZE_MAX, items, CLAMAV_MAX_OUTER);

	if (count > CLAMAV_MAX_OUTER) {
		*reason = "too many intermediates";
		return CLAMAV_SKIPPED;
	}
	for (size_t i = 0; i < count; i++) {
		const struct filetype_clamav *type = filetype_by_name(items[i]);

		if (type == NULL) {
			*reason = "unknown type of an intermediate";
			return CLAMAV_SKIPPED;
		}
		out->outer[i] = (uint8_t)type->container;
	}
	out->outer_count = (uint32_t)count;
	return CLAMAV_TAKEN;
}

static enum clamav_result parse_handler(
	const char *value, struct clamav_logical *out, const char **reason)
{
	const struct filetype_clamav *type = filetype_by_name(value);

	if (type == NULL || strcmp(value, "CL_TYPE_IGNORED") == 0) {
		*reason = type == NULL ? "unknown type of a handler"
				       : "files of its HandlerType are not looked at";
		return CLAMAV_SKIPPED;
	}
	out->has_handler = true;
	out->handler = (uint32_t)type->type.target;
	return CLAMAV_TAKEN;
}

static enum clamav_result parse_attribute(
	char *key, char *value, bool first, struct clamav_logical *out, const char **reason)
{
	static const struct {
		const char *key;
		size_t offset;
		bool needs_file;
	} ranges[] = {
		{"FileSize", offsetof(struct clamav_logical, file_bytes), false},
		{"NumberOfSections", offsetof(struct clamav_logical, sections), true},
		{"EntryPoint", offsetof(struct clamav_logical, entry_point), true},
	};

	if (strcmp(key, "Engine") == 0)
		return parse_engine(value, first, reason);
	if (strcmp(key, "Target") == 0)
		return clamav_check_target(value, &out->target, reason);
	if (strcmp(key, "Container") == 0)
		return parse_container(value, out, reason);
	if (strcmp(key, "Intermediates") == 0)
		return parse_outer(value, out, reason);
	if (strcmp(key, "HandlerType") == 0)
		return parse_handler(value, out, reason);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (strcmp(key, ranges[i].key) != 0)
			continue;
		*reason = "bad range";
		out->needs_file = out->needs_file || ranges[i].needs_file;
		return parse_range(value, (void *)((char *)out + ranges[i].offset))
			       ? CLAMAV_TAKEN
			       : CLAMAV_MALFORMED;
	}
	*reason = "attribute is not known";
	if (strncmp(key, "IconGroup", 9) == 0)
		*reason = "icons are not supported";
	return CLAMAV_SKIPPED;
}

static enum clamav_result parse_attributes(
	char *text, struct clamav_logical *out, const char **reason)
{
	char *items[MAX_ATTRIBUTES];
	size_t count = cut(text, ',', SIZE_MAX, items, MAX_ATTRIBUTES);
	enum clamav_result result = CLAMAV_TAKEN;
	bool has_target = false;

	if (count > MAX_ATTRIBUTES) {
		*reason = "too many attributes";
		return CLAMAV_MALFORMED;
	}
	for (size_t i = 0; i < count; i++) {
		char *value = strchr(items[i], ':');
		const char *why = NULL;
		enum clamav_result one;

		// ClamAV takes a target that is nothing at all for 0.
		if (value == NULL || (value[1] == '\0' && strncmp(items[i], "Target:", 7) != 0)) {
			*reason = "attribute without a value";
			return CLAMAV_MALFORMED;
		}
		*value++ = '\0';
		one = parse_attribute(items[i], value, i == 0, out, &why);
		has_target = has_target || strcmp(items[i], "Target") == 0;
		if (one == CLAMAV_MALFORMED || (one == CLAMAV_SKIPPED && result == CLAMAV_TAKEN)) {
			*reason = why;
			result = one;
		}
		if (one == CLAMAV_MALFORMED)
			return one;
	}
	if (!has_target && result == CLAMAV_TAKEN) {
		*reason = "no Target";
		return CLAMAV_MALFORMED;
	}
	return result;
}

static void drop_blanks(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++)
		if (*text != ' ')
			*out++ = *text;
	*out = '\0';
}

enum clamav_result clamav_parse_logical(
	struct clamav_arena *arena, char *line, struct clamav_logical *out, const char **reason)
{
	char *fields[MAX_FIELDS];
	size_t count = cut(line, ';', 3, fields, MAX_FIELDS);
	enum clamav_result result;

	memset(out, 0, sizeof(*out));
	out->file_bytes.max = UINT32_MAX;
	out->sections.max = UINT32_MAX;
	out->entry_point.max = UINT32_MAX;
	if (count < FIELDS_BEFORE + 1 || fields[0][0] == '\0') {
		*reason = "not Name;Attributes;Expression;Subsignature;...";
		return CLAMAV_MALFORMED;
	}
	out->name = fields[0];
	if (count >= MAX_FIELDS) {
		*reason = "more than 64 subsignatures";
		return CLAMAV_MALFORMED;
	}
	// What the line is for comes before what is wrong with it.
	result = parse_attributes(fields[1], out, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	drop_blanks(fields[2]);
	out->expression = clamav_parse_expression(arena, fields[2], reason);
	if (out->expression == NULL)
		return CLAMAV_MALFORMED;
	out->subsignatures_count = (uint32_t)(count - FIELDS_BEFORE);
	if (clamav_expression_highest(out->expression) + 1 != out->subsignatures_count) {
		*reason = "the expression does not name the subsignatures that there are";
		return CLAMAV_MALFORMED;
	}
	memcpy(out->subsignatures, fields + FIELDS_BEFORE,
		out->subsignatures_count * sizeof(fields[0]));
	return CLAMAV_TAKEN;
}
