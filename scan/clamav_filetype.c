// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_filetype.h"

#include <string.h>

#define MAX_FIELDS 9

static enum clamav_result parse_bytes(
	const char *offset, const char *hex, struct clamav_filetype *out, const char **reason)
{
	size_t digits = strlen(hex);
	uint64_t value;

	*reason = "bad magic bytes";
	if (digits == 0 || digits % 2 != 0 || !clamav_parse_number(offset, UINT32_MAX - 1, &value))
		return CLAMAV_MALFORMED;
	if (digits / 2 > CLAMAV_MAX_MAGIC) {
		*reason = "more than 128 magic bytes";
		return CLAMAV_SKIPPED;
	}
	out->magic = CLAMAV_MAGIC_BYTES;
	out->offset = (uint32_t)value;
	out->length = (uint32_t)(digits / 2);
	return clamav_parse_digest(hex, out->length, out->bytes) ? CLAMAV_TAKEN : CLAMAV_MALFORMED;
}

static enum clamav_result parse_pattern(struct clamav_arena *arena, char *offset, const char *hex,
	struct clamav_filetype *out, const char **reason)
{
	enum clamav_result result =
		clamav_parse_offset(offset, FILETYPE_TARGET_ANY, &out->pattern.offset, reason);

	out->magic = CLAMAV_MAGIC_PATTERN;
	if (result == CLAMAV_TAKEN)
		result = clamav_parse_body(arena, hex, &out->pattern, reason);
	if (result != CLAMAV_TAKEN || out->pattern.offset.kind != CLAMAV_OFFSET_END)
		return result;
	*reason = "what stands at the end of a file does not tell its type";
	return CLAMAV_SKIPPED;
}

enum clamav_result clamav_parse_ftm(
	struct clamav_arena *arena, char *line, struct clamav_filetype *out, const char **reason)
{
	char *fields[MAX_FIELDS];
	size_t count = clamav_split(line, fields, MAX_FIELDS);
	uint64_t magic;
	enum clamav_result result;

	if (count < 6 || count > 8 || !clamav_parse_number(fields[0], UINT32_MAX, &magic)) {
		*reason = "not Magic:Offset:Hex:Name:RequiredType:Type[:MinFL[:MaxFL]]";
		return CLAMAV_MALFORMED;
	}
	result = clamav_check_levels(fields + 6, count - 6, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	out->required = filetype_by_name(fields[4]);
	out->type = filetype_by_name(fields[5]);
	if (out->required == NULL || out->type == NULL) {
		*reason = "unknown file type";
		return CLAMAV_MALFORMED;
	}
	if (magic == 0)
		return parse_bytes(fields[1], fields[2], out, reason);
	if (magic == 1)
		return parse_pattern(arena, fields[1], fields[2], out, reason);
	*reason = magic == 4 ? "types of partitions are not looked for" : "unknown kind of magic";
	return CLAMAV_SKIPPED;
}
