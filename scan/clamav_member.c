// SPDX-License-Identifier: BSD-3-Clause
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/clamav_member.h"

#include "scan/filetype.h"

#include <pcre2.h>

#include <string.h>

#define FIELDS 10
#define MAX_FIELDS 13
#define CASELESS "(?i)"

// "*", "n", "n-m". A second number of 0 is no limit, unless both are.
static bool parse_range(char *text, struct clamav_range *out)
{
	char *minus = strchr(text, '-');
	uint64_t min;
	uint64_t max;

	*out = (struct clamav_range){0, UINT32_MAX};
	if (strcmp(text, "*") == 0)
		return true;
	if (minus != NULL)
		*minus = '\0';
	if (!clamav_parse_decimal(text, UINT32_MAX, &min))
		return false;
	max = min;
	if (minus != NULL && !clamav_parse_decimal(minus + 1, UINT32_MAX, &max))
		return false;
	out->min = (uint32_t)min;
	out->max = max == 0 && min > 0 ? UINT32_MAX : (uint32_t)max;
	return true;
}

static bool compiles(const PCRE2_UCHAR *text)
{
	int error;
	PCRE2_SIZE at;
	pcre2_code *code = pcre2_compile(
		text, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &error, &at, NULL);

	pcre2_code_free(code);
	return code != NULL;
}

// An interval that does not end is an error there, and two characters to PCRE2.
static bool has_open_interval(const char *text)
{
	bool in_brackets = false;

	for (; *text != '\0'; text++) {
		if (*text == '\\' && !in_brackets && text[1] != '\0') {
			text++;
		} else if (*text == '[' && !in_brackets) {
			in_brackets = true;
			text += text[1] == '^';
			text += text[1] == ']';
		} else if (*text == ']') {
			in_brackets = false;
		} else if (*text == '{' && !in_brackets && strchr(text, '}') == NULL) {
			return true;
		}
	}
	return false;
}

static bool convert_name(
	struct clamav_arena *arena, const char *text, struct clamav_member_signature *out)
{
	PCRE2_UCHAR *converted = NULL;
	PCRE2_SIZE bytes = 0;
	char *kept = NULL;

	out->ignores_case = strncmp(text, CASELESS, strlen(CASELESS)) == 0;
	if (out->ignores_case)
		text += strlen(CASELESS);
	if (text[0] == '\0' || has_open_interval(text) ||
		pcre2_pattern_convert((PCRE2_SPTR)text, strlen(text), PCRE2_CONVERT_POSIX_EXTENDED,
			&converted, &bytes, NULL) != 0)
		return false;
	if (compiles(converted))
		kept = clamav_alloc(arena, bytes + 1);
	if (kept != NULL)
		memcpy(kept, converted, bytes + 1);
	pcre2_converted_pattern_free(converted);
	out->file_name = kept;
	return kept != NULL;
}

static const char *read_fields(
	struct clamav_arena *arena, char **fields, struct clamav_member_signature *out)
{
	const struct filetype_clamav *type = filetype_by_name(fields[1]);

	if (strcmp(fields[1], "*") != 0 && type == NULL)
		return "unknown container type";
	out->has_container =
		strcmp(fields[1], "*") != 0 && type->container != FILETYPE_CONTAINER_NONE;
	out->container = out->has_container ? type->container : 0;
	if (!parse_range(fields[2], &out->container_bytes) ||
		!parse_range(fields[4], &out->packed) || !parse_range(fields[5], &out->bytes) ||
		!parse_range(fields[7], &out->position))
		return "a size or position is not *, n or n-m";
	out->has_encrypted = strcmp(fields[6], "*") != 0;
	out->is_encrypted = strcmp(fields[6], "1") == 0;
	if (out->has_encrypted && !out->is_encrypted && strcmp(fields[6], "0") != 0)
		return "encryption is not *, 0 or 1";
	if (strcmp(fields[3], "*") != 0 && !convert_name(arena, fields[3], out))
		return "the file name is no extended regular expression";
	return NULL;
}

enum clamav_result clamav_parse_cdb(struct clamav_arena *arena, char *line,
	struct clamav_member_signature *out, const char **reason)
{
	char *fields[MAX_FIELDS];
	size_t count = clamav_split(line, fields, MAX_FIELDS);
	enum clamav_result result;

	memset(out, 0, sizeof(*out));
	if (count < FIELDS || count > FIELDS + 2 || fields[0][0] == '\0') {
		*reason = "not Name:Container:ContainerSize:FileName:PackedSize:Size:Encrypted:"
			  "Position:Res1:Res2[:MinFL[:MaxFL]]";
		return CLAMAV_MALFORMED;
	}
	out->name = fields[0];
	result = clamav_check_levels(fields + FIELDS, count - FIELDS, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	*reason = read_fields(arena, fields, out);
	return *reason == NULL ? CLAMAV_TAKEN : CLAMAV_MALFORMED;
}
