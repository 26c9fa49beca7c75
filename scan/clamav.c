// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav.h"

#include "scan/executable.h"
#include "scan/filetype.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536

struct clamav_chunk {
	struct clamav_chunk *next;
	size_t bytes;
	uint64_t data[];
};

void *clamav_alloc(struct clamav_arena *arena, size_t bytes)
{
	struct clamav_chunk *chunk = arena->chunks;
	void *memory;

	bytes = (bytes + 7) & ~(size_t)7;
	if (chunk == NULL || bytes > chunk->bytes - arena->used) {
		size_t chunk_bytes = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;

		chunk = calloc(1, sizeof(*chunk) + chunk_bytes);
		if (chunk == NULL)
			return NULL;
		chunk->bytes = chunk_bytes;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		arena->used = 0;
	}
	memory = (uint8_t *)chunk->data + arena->used;
	arena->used += bytes;
	return memory;
}

void clamav_reset(struct clamav_arena *arena)
{
	while (arena->chunks != NULL) {
		struct clamav_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
	arena->used = 0;
}

void clamav_sequence_lengths(
	const struct clamav_sequence *sequence, uint32_t *shortest, uint32_t *longest)
{
	uint64_t low = 0;
	uint64_t high = 0;

	for (const struct clamav_node *node = sequence->first; node != NULL; node = node->next) {
		uint32_t node_low = node->branches == NULL ? node->count : UINT32_MAX;
		uint32_t node_high = node->branches == NULL ? node->count : 0;

		for (const struct clamav_sequence *s = node->branches; s != NULL; s = s->next) {
			uint32_t branch_low;
			uint32_t branch_high;

			// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
			clamav_sequence_lengths(s, &branch_low, &branch_high);
			node_low = branch_low < node_low ? branch_low : node_low;
			node_high = branch_high > node_high ? branch_high : node_high;
		}
		low += node_low;
		high += node_high;
	}
	*shortest = (uint32_t)(low < CLAMAV_NO_LIMIT ? low : CLAMAV_NO_LIMIT - 1);
	*longest = (uint32_t)(high < CLAMAV_NO_LIMIT ? high : CLAMAV_NO_LIMIT - 1);
}

// ---- lines -------------------------------------------------------------------------------------

int clamav_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool clamav_parse_digest(const char *hex, size_t bytes, uint8_t *out)
{
	for (size_t i = 0; i < bytes; i++) {
		int high = clamav_hex_digit(hex[2 * i]);
		int low = high >= 0 ? clamav_hex_digit(hex[2 * i + 1]) : -1;

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return hex[2 * bytes] == '\0';
}

#define MAX_FIELDS 8

size_t clamav_split(char *line, char **fields, size_t max)
{
	size_t count = 0;

	fields[count++] = line;
	for (; *line != '\0' && count < max; line++) {
		if (*line == ':') {
			*line = '\0';
			fields[count++] = line + 1;
		}
	}
	return count;
}

bool clamav_parse_decimal(const char *text, uint64_t limit, uint64_t *out)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > limit)
			return false;
	}
	*out = value;
	return true;
}

bool clamav_parse_number(const char *text, uint64_t limit, uint64_t *out)
{
	*out = 0;
	return *text == '\0' || clamav_parse_decimal(text, limit, out);
}

static enum clamav_result check_range(uint64_t min, uint64_t max, const char **reason)
{
	if (min > CLAMAV_LEVEL || max < CLAMAV_LEVEL) {
		*reason = "for another functionality level";
		return CLAMAV_SKIPPED;
	}
	return CLAMAV_TAKEN;
}

enum clamav_result clamav_check_levels(char **fields, size_t count, const char **reason)
{
	uint64_t min = 0;
	uint64_t max = CLAMAV_LEVEL;

	if ((count > 0 && !clamav_parse_number(fields[0], UINT32_MAX, &min)) ||
		(count > 1 && !clamav_parse_number(fields[1], UINT32_MAX, &max))) {
		*reason = "bad functionality level";
		return CLAMAV_MALFORMED;
	}
	return check_range(min, max, reason);
}

// Of digests ClamAV takes whatever stands there, as far as it is a number.
static enum clamav_result check_hash_levels(char **fields, size_t count, const char **reason)
{
	return check_range(count > 0 ? strtoul(fields[0], NULL, 10) : 0,
		count > 1 ? strtoul(fields[1], NULL, 10) : CLAMAV_LEVEL, reason);
}

// EP+n, EP-n, Sx+n, SL+n, SEx, VI.
static enum clamav_result parse_executable_offset(const char *text, uint32_t target, uint32_t shift,
	struct clamav_offset *out, const char **reason)
{
	char number[11] = "";
	const char *sign = strpbrk(text, "+-");
	uint64_t value = 0;

	if (!executable_is_format(target)) {
		*reason = "offset needs an executable as target";
		return CLAMAV_MALFORMED;
	}
	if (strncmp(text, "VI", 2) == 0) {
		out->kind = CLAMAV_OFFSET_VERSION;
		return CLAMAV_TAKEN;
	}
	out->shift = shift;
	if (strncmp(text, "SE", 2) == 0) {
		if (!clamav_parse_number(text + 2, UINT16_MAX, &value))
			return CLAMAV_MALFORMED;
		out->kind = CLAMAV_OFFSET_IN_SECTION;
		out->section = (uint32_t)value;
		return CLAMAV_TAKEN;
	}
	if (sign == NULL || !clamav_parse_number(sign + 1, UINT32_MAX - 1, &value))
		return CLAMAV_MALFORMED;
	out->value = (uint32_t)value;
	out->before = *sign == '-';
	if (strncmp(text, "EP", 2) == 0 && sign == text + 2) {
		out->kind = CLAMAV_OFFSET_ENTRY;
	} else if (strncmp(text, "SL", 2) == 0 && sign == text + 2 && !out->before) {
		out->kind = CLAMAV_OFFSET_LAST_SECTION;
	} else if (text[0] == 'S' && sign - text - 1 < (ptrdiff_t)sizeof(number) && !out->before) {
		memcpy(number, text + 1, (size_t)(sign - text) - 1);
		if (sign[1] == '\0' || !clamav_parse_decimal(number, UINT16_MAX, &value))
			return CLAMAV_MALFORMED;
		out->kind = CLAMAV_OFFSET_SECTION;
		out->section = (uint32_t)value;
	} else {
		return CLAMAV_MALFORMED;
	}
	return CLAMAV_TAKEN;
}

enum clamav_result clamav_parse_offset(
	char *text, uint32_t target, struct clamav_offset *out, const char **reason)
{
	char *comma = strchr(text, ',');
	uint64_t value;
	uint64_t shift = 0;

	memset(out, 0, sizeof(*out));
	*reason = "bad offset";
	if (strcmp(text, "*") == 0)
		return CLAMAV_TAKEN;
	if (text[0] == '$') {
		*reason = "offsets by macro group are not supported";
		return CLAMAV_SKIPPED;
	}
	if (comma != NULL) {
		*comma = '\0';
		if (!clamav_parse_number(comma + 1, UINT32_MAX - 1, &shift))
			return CLAMAV_MALFORMED;
	}
	if (strncmp(text, "EP", 2) == 0 || strncmp(text, "VI", 2) == 0 || text[0] == 'S')
		return parse_executable_offset(text, target, (uint32_t)shift, out, reason);
	out->kind = strncmp(text, "EOF-", 4) == 0 ? CLAMAV_OFFSET_END : CLAMAV_OFFSET_START;
	if (!clamav_parse_number(
		    out->kind == CLAMAV_OFFSET_END ? text + 4 : text, UINT32_MAX - 1, &value))
		return CLAMAV_MALFORMED;
	out->value = (uint32_t)value;
	out->shift = (uint32_t)shift;
	return CLAMAV_TAKEN;
}

enum clamav_result clamav_check_target(const char *text, uint32_t *target, const char **reason)
{
	uint64_t number;

	if (!clamav_parse_number(text, UINT32_MAX, &number)) {
		*reason = "bad target";
		return CLAMAV_MALFORMED;
	}
	*target = (uint32_t)number;
	switch (number) {
	case FILETYPE_TARGET_ANY:
	case FILETYPE_TARGET_PE:
	case FILETYPE_TARGET_OLE2:
	case FILETYPE_TARGET_HTML:
	case FILETYPE_TARGET_MAIL:
	case FILETYPE_TARGET_GRAPHICS:
	case FILETYPE_TARGET_ELF:
	case FILETYPE_TARGET_TEXT:
	case FILETYPE_TARGET_MACHO:
	case FILETYPE_TARGET_PDF:
	case FILETYPE_TARGET_FLASH:
	case FILETYPE_TARGET_JAVA:
		return CLAMAV_TAKEN;
	default:
		*reason = "unknown target";
		return CLAMAV_SKIPPED;
	}
}

enum clamav_result clamav_parse_ndb(struct clamav_arena *arena, char *line,
	struct clamav_body_signature *out, const char **reason)
{
	char *fields[MAX_FIELDS];
	size_t count = clamav_split(line, fields, MAX_FIELDS);
	enum clamav_result target;
	enum clamav_result offset;
	enum clamav_result result;

	if (count < 4 || count > 6 || fields[0][0] == '\0') {
		*reason = "not Name:Target:Offset:Hex[:MinFL[:MaxFL]]";
		return CLAMAV_MALFORMED;
	}
	out->name = fields[0];
	// What the line is for comes before what is wrong with it.
	result = clamav_check_levels(fields + 4, count - 4, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	if (strcmp(fields[1], "*") == 0)
		fields[1][0] = '0';
	target = clamav_check_target(fields[1], &out->target, reason);
	if (target == CLAMAV_MALFORMED ||
		(target == CLAMAV_SKIPPED && out->target >= FILETYPE_TARGETS))
		return target;
	offset = clamav_parse_offset(fields[2], out->target, &out->pattern.offset, reason);
	if (offset == CLAMAV_MALFORMED)
		return offset;
	result = clamav_parse_body(arena, fields[3], &out->pattern, reason);
	if (result != CLAMAV_TAKEN)
		return result;
	if (target != CLAMAV_TAKEN)
		return clamav_check_target(fields[1], &out->target, reason);
	if (offset != CLAMAV_TAKEN)
		return clamav_parse_offset(fields[2], out->target, &out->pattern.offset, reason);
	return offset;
}

static bool parse_algorithm(const char *hex, struct clamav_hash_signature *out)
{
	size_t length = strlen(hex);

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		out->algorithm = (enum digest_algorithm)i;
		if (length == 2 * digest_bytes(out->algorithm)) {
			memset(out->digest, 0, sizeof(out->digest));
			return clamav_parse_digest(hex, length / 2, out->digest);
		}
	}
	return false;
}

// As strtoul() reads it: behind blanks and a sign.
static bool parse_size(const char *text, uint64_t *bytes)
{
	text += strspn(text, " \t");
	text += text[0] == '+';
	return clamav_parse_decimal(text, UINT32_MAX - 1, bytes) && *bytes > 0;
}

// Functionality level from which a size of "*" was understood: a line with one must ask for it.
#define ANY_SIZE_LEVEL 73

enum clamav_result clamav_parse_hash(char *line, enum clamav_hash_form form,
	struct clamav_hash_signature *out, const char **reason)
{
	char *fields[MAX_FIELDS];
	size_t count = clamav_split(line, fields, MAX_FIELDS);
	bool size_first = form == CLAMAV_HASH_SECTION;
	const char *hash;
	const char *size;

	if (count < 3 || count > 5 || fields[2][0] == '\0') {
		*reason = "not Hash:Size:Name[:MinFL[:MaxFL]]";
		return CLAMAV_MALFORMED;
	}
	hash = fields[size_first ? 1 : 0];
	size = fields[size_first ? 0 : 1];
	out->name = fields[2];
	out->bytes = 0;
	if (!parse_algorithm(hash, out)) {
		*reason = "not the digits of an MD5, SHA-1 or SHA-256";
		return CLAMAV_MALFORMED;
	}
	if (strcmp(size, "*") == 0) {
		if (form != CLAMAV_HASH_IMPORTS &&
			(count < 4 || strtoul(fields[3], NULL, 10) < ANY_SIZE_LEVEL)) {
			*reason = "size * needs a functionality level of at least 73";
			return CLAMAV_MALFORMED;
		}
	} else if (!parse_size(size, &out->bytes)) {
		*reason = "bad size";
		return CLAMAV_MALFORMED;
	}
	return check_hash_levels(fields + 3, count - 3, reason);
}
