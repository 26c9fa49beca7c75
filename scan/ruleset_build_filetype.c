// SPDX-License-Identifier: BSD-3-Clause
// Tables of file types (.ftm). Their body patterns become regular expressions, which are searched for in
// the first bytes of an object alone.
#include "scan/clamav_filetype.h"
#include "scan/ruleset_build.h"
#include "scan/ruleset_build_files.h"

#include <string.h>

// Returns NULL or why it cannot be written as one.
static const char *write_pattern(struct build *build, const struct clamav_pattern *pattern)
{
	const struct clamav_offset *offset = &pattern->offset;

	build->scratch.bytes = 0;
	if (offset->kind == CLAMAV_OFFSET_START)
		build_format(build, &build->scratch, "\\A.{%u,%llu}", offset->value,
			(unsigned long long)offset->value + offset->shift);
	if (offset->kind == CLAMAV_OFFSET_START &&
		(uint64_t)offset->value + offset->shift > UINT16_MAX)
		return "file type at an offset that is not looked at";
	for (const struct clamav_part *part = pattern->parts; part != NULL; part = part->next) {
		if (part->left.kind != CLAMAV_EDGE_NONE || part->right.kind != CLAMAV_EDGE_NONE)
			return "file type with a boundary";
		if (part->gap_min > FILETYPE_BYTES)
			return "file type with a gap that is longer than what is looked at";
		if (part != pattern->parts && part->gap_max >= FILETYPE_BYTES)
			build_format(build, &build->scratch, ".{%u,}?", part->gap_min);
		else if (part != pattern->parts)
			build_format(
				build, &build->scratch, ".{%u,%u}?", part->gap_min, part->gap_max);
		build_render(build, &part->body);
	}
	return NULL;
}

static enum clamav_result take_line(
	struct build *build, char *line, size_t length, const char **reason)
{
	struct clamav_filetype parsed = {0};
	struct ruleset_filetype *type;
	enum clamav_result result;

	if (length == 0 || length >= CLAMAV_MAX_LINE || strlen(line) != length) {
		*reason = length == 0 ? "blank line" : "line too long, or NUL byte in the line";
		return CLAMAV_MALFORMED;
	}
	result = clamav_parse_ftm(&build->arena, line, &parsed, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	if (parsed.magic == CLAMAV_MAGIC_PATTERN) {
		*reason = write_pattern(build, &parsed.pattern);
		if (*reason != NULL)
			return CLAMAV_SKIPPED;
	}
	type = build_push(build, &build->filetypes, sizeof(*type));
	if (type == NULL)
		return CLAMAV_TAKEN;
	type->number = (uint32_t)filetype_number(parsed.type);
	type->required = (uint32_t)filetype_number(parsed.required);
	type->offset = parsed.offset;
	type->length = parsed.length;
	memcpy(type->bytes, parsed.bytes, parsed.length);
	if (parsed.magic == CLAMAV_MAGIC_PATTERN)
		type->pattern = build_add_string(build, build->scratch.data);
	return CLAMAV_TAKEN;
}

void build_read_filetypes(struct build *build, uint32_t file_number)
{
	struct build_file *file = (struct build_file *)build->files.items + file_number;
	uint32_t number = 0;
	size_t at = 0;
	size_t length;
	char *line;

	while (!build->failed && (line = build_next_line(file, &at, &length)) != NULL) {
		const char *reason = NULL;
		enum clamav_result result;

		number++;
		if (line[0] == '#')
			continue;
		build->stats->lines++;
		clamav_reset(&build->arena);
		result = take_line(build, line, length, &reason);
		if (result != CLAMAV_TAKEN)
			build_report(
				build, file_number, number, result == CLAMAV_MALFORMED, reason);
	}
}
