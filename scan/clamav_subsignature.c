// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_logical.h"
#include "scan/filetype.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS 5
#define MAX_HEX_TEXT 18 // digits of a hexadecimal number: what ClamAV allows

struct reader {
	struct clamav_arena *arena;
	uint32_t target;
	const char *reason;
};

static char *copy_text(struct reader *reader, const char *text, size_t length)
{
	char *copy = clamav_alloc(reader->arena, length + 1);

	if (copy != NULL)
		memcpy(copy, text, length);
	else
		reader->reason = "out of memory";
	return copy;
}

static enum clamav_result malformed(struct reader *reader, const char *reason)
{
	reader->reason = reason;
	return CLAMAV_MALFORMED;
}

// ---- hexadecimal patterns ----------------------------------------------------------------------

struct modifiers {
	bool fold;
	bool wide;
	bool ascii;
	bool words;
};

static bool parse_modifiers(const char *letters, struct modifiers *out)
{
	for (; *letters != '\0'; letters++) {
		switch (*letters) {
		case 'i':
			out->fold = true;
			break;
		case 'w':
			out->wide = true;
			break;
		case 'a':
			out->ascii = true;
			break;
		case 'f':
			out->words = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

// Gaps in square brackets become plain ones: what is beside them is no longer a single byte.
static void free_gaps(char *hex)
{
	for (; *hex != '\0'; hex++) {
		if (*hex == '[')
			*hex = '{';
		else if (*hex == ']')
			*hex = '}';
	}
}

static const char *bound_words(struct reader *reader, const char *hex)
{
	size_t length = strlen(hex);
	char *out = clamav_alloc(reader->arena, length + 7);

	if (out == NULL) {
		reader->reason = "out of memory";
		return NULL;
	}
	(void)snprintf(out, length + 7, "(W)%s(W)", hex);
	free_gaps(out);
	return out;
}

// Writes a zero behind every byte. Gaps and zero-width conditions stay as they are.
static const char *widen(struct reader *reader, const char *hex)
{
	size_t length = strlen(hex);
	char *out = clamav_alloc(reader->arena, 2 * length + 1);
	size_t n = 0;

	if (out == NULL) {
		reader->reason = "out of memory";
		return NULL;
	}
	for (size_t i = 0; i < length; i++) {
		char c = hex[i];

		if (c == '{' || c == '[') {
			while (i < length && hex[i] != '}' && hex[i] != ']')
				out[n++] = hex[i++];
			if (i < length)
				out[n++] = hex[i];
		} else if (c == '(' && i + 2 < length && strchr("BLW", hex[i + 1]) != NULL) {
			memcpy(out + n, hex + i, 3);
			n += 3;
			i += 2;
		} else if (strchr("*|()!", c) != NULL || i + 1 == length) {
			out[n++] = c;
		} else {
			out[n++] = c;
			out[n++] = hex[++i];
			out[n++] = '0';
			out[n++] = '0';
		}
	}
	free_gaps(out);
	return out;
}

static void widen_edges(struct clamav_pattern *pattern)
{
	for (struct clamav_part *part = pattern->parts; part != NULL; part = part->next) {
		if (part->left.kind == CLAMAV_EDGE_WORD)
			part->left.kind = CLAMAV_EDGE_WIDE;
		if (part->right.kind == CLAMAV_EDGE_WORD)
			part->right.kind = CLAMAV_EDGE_WIDE;
	}
}

static enum clamav_result add_pattern(
	struct reader *reader, const char *hex, bool fold, struct clamav_subsignature *out)
{
	struct clamav_pattern *pattern = &out->patterns[out->patterns_count];
	enum clamav_result result;

	if (hex == NULL)
		return CLAMAV_MALFORMED;
	pattern->offset = out->patterns[0].offset;
	result = clamav_parse_body(reader->arena, hex, pattern, &reader->reason);
	if (result != CLAMAV_TAKEN)
		return result;
	if (fold)
		clamav_fold_case(pattern);
	out->patterns_count++;
	return CLAMAV_TAKEN;
}

static enum clamav_result parse_hex(
	struct reader *reader, char *text, struct clamav_subsignature *out)
{
	char *fields[MAX_FIELDS];
	size_t count = clamav_split(text, fields, MAX_FIELDS);
	struct modifiers modifiers = {0};
	enum clamav_result offset = CLAMAV_TAKEN;
	enum clamav_result result = CLAMAV_TAKEN;
	bool has_offset = count % 2 == 0;
	const char *hex = fields[has_offset ? 1 : 0];

	out->kind = CLAMAV_SUBSIGNATURE_BODY;
	// ClamAV takes what has more fields for digits alone, and a published rule is written so.
	if (count > 4) {
		count = 1;
		has_offset = false;
		hex = fields[0];
	}
	if (has_offset)
		offset = clamav_parse_offset(
			fields[0], reader->target, &out->patterns[0].offset, &reader->reason);
	if (offset == CLAMAV_MALFORMED)
		return offset;
	if (count > 2 && !parse_modifiers(fields[count - 1], &modifiers))
		return malformed(reader, "unknown modifier");
	if (modifiers.words)
		hex = bound_words(reader, hex);
	if (modifiers.wide && hex != NULL)
		result = add_pattern(reader, widen(reader, hex), modifiers.fold, out);
	if (modifiers.wide && result == CLAMAV_TAKEN)
		widen_edges(&out->patterns[0]);
	if (result == CLAMAV_TAKEN && (!modifiers.wide || modifiers.ascii))
		result = add_pattern(reader, hex, modifiers.fold, out);
	if (result == CLAMAV_TAKEN && offset != CLAMAV_TAKEN)
		(void)clamav_parse_offset(
			fields[0], reader->target, &out->patterns[0].offset, &reader->reason);
	return result != CLAMAV_TAKEN ? result : offset;
}

// ---- regular expressions -----------------------------------------------------------------------

static bool parse_flags(const char *letters, struct clamav_regex *out)
{
	for (; *letters != '\0'; letters++) {
		switch (*letters) {
		case 'r':
			out->flags |= CLAMAV_REGEX_ROLLING;
			break;
		case 'e':
			out->flags |= CLAMAV_REGEX_ENCLOSED;
			break;
		case 'g':
			out->flags |= CLAMAV_REGEX_ALL;
			break;
		default:
			if (strchr("ismxAEU", *letters) == NULL)
				return false;
		}
	}
	return true;
}

static enum clamav_result parse_regex(
	struct reader *reader, char *text, struct clamav_subsignature *out)
{
	char *start = strchr(text, '/');
	char *end = strrchr(text, '/');
	char *trigger = text;
	char *colon;

	out->kind = CLAMAV_SUBSIGNATURE_REGEX;
	if (start == end || start == text)
		return malformed(reader, "not [Offset:]Trigger/Regex/[Flags]");
	*start = '\0';
	*end = '\0';
	out->regex.text = start + 1;
	out->regex.letters = end + 1;
	if (!parse_flags(end + 1, &out->regex))
		return malformed(reader, "unknown flag of a regular expression");
	colon = strchr(text, ':');
	if (colon != NULL) {
		enum clamav_result offset;

		*colon = '\0';
		trigger = colon + 1;
		offset = clamav_parse_offset(
			text, reader->target, &out->regex.offset, &reader->reason);
		if (offset != CLAMAV_TAKEN)
			return offset;
	}
	out->regex.trigger = clamav_parse_expression(reader->arena, trigger, &reader->reason);
	return out->regex.trigger != NULL ? CLAMAV_TAKEN : CLAMAV_MALFORMED;
}

// ---- comparisons of bytes ----------------------------------------------------------------------

// A number as C writes it, decimal, octal or hexadecimal, up to one of the ends.
static bool parse_number(
	char **text, const char *ends, long long min, long long max, long long *out)
{
	char *end = *text;

	if (strchr(" \t\n\v\f\r", **text) != NULL && **text != '\0')
		return false;
	errno = 0;
	*out = strtoll(*text, &end, 0);
	if (strchr(ends, *end) == NULL || *out < min || *out > max)
		return false;
	*text = end;
	return true;
}

// One of "hdai", one of "lb" and "e", in any order and as often as one likes.
static bool parse_letters(char **text, struct clamav_compare *out)
{
	static const char numbers[] = "hdai"; // as enum clamav_number
	char number = '\0';
	char order = '\0';

	for (; **text != '\0' && strchr("hdailbe", **text) != NULL; (*text)++) {
		char letter = **text;
		char *one = letter == 'l' || letter == 'b' ? &order : &number;

		if (letter == 'e') {
			out->exact = true;
			continue;
		}
		if (*one != '\0' && *one != letter)
			return false;
		*one = letter;
		if (number == 'd' && order == 'l')
			return false;
	}
	if (number == 'd')
		order = 'b';
	// ClamAV takes what has no kind or no order, and never finds it true.
	out->never = number == '\0' || order == '\0';
	out->number = number != '\0' ? (enum clamav_number)(strchr(numbers, number) - numbers)
				     : CLAMAV_NUMBER_AUTO;
	out->little_endian = order == 'l';
	return true;
}

static bool parse_options(char *text, struct clamav_compare *out)
{
	long long bytes;

	if (!parse_letters(&text, out) || !parse_number(&text, "", 1, INT32_MAX, &bytes))
		return false;
	out->bytes = (uint32_t)bytes;
	if (out->number == CLAMAV_NUMBER_RAW)
		return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
	return out->number != CLAMAV_NUMBER_HEX || bytes <= MAX_HEX_TEXT;
}

static bool parse_comparisons(char *text, struct clamav_compare *out)
{
	while (out->count < CLAMAV_MAX_COMPARISONS) {
		long long value;

		if (text[0] == '\0' || strchr("<>=", text[0]) == NULL)
			return false;
		out->kinds[out->count] = *text++;
		if (!parse_number(&text, ",", INT64_MIN, INT64_MAX, &value))
			return false;
		out->values[out->count++] = value;
		if (*text == '\0')
			return true;
		text++;
	}
	return false;
}

static enum clamav_result parse_compare(
	struct reader *reader, char *text, struct clamav_subsignature *out)
{
	struct clamav_compare *compare = &out->compare;
	char *open = strchr(text, '(');
	char *options = strchr(text, '#');
	char *comparisons = strrchr(text, '#');
	char *closing = strrchr(text, ')');
	uint64_t index;
	long long offset = 0;
	bool before;

	out->kind = CLAMAV_SUBSIGNATURE_COMPARE;
	// What follows it ClamAV does not look at; a number or a direction that is not there is 0, or forward.
	if (open > options || closing == NULL || closing < comparisons)
		return malformed(reader, "bad byte comparison");
	*open++ = *options++ = *comparisons++ = *closing = '\0';
	if (!clamav_parse_number(text, CLAMAV_MAX_SUBSIGNATURES - 1, &index))
		return malformed(reader, "bad byte comparison");
	compare->index = (uint32_t)index;
	before = strncmp(open, "<<", 2) == 0;
	if (before || strncmp(open, ">>", 2) == 0)
		open += 2;
	else if (*open != '\0' && strcmp(open, "0") != 0)
		return malformed(reader, "bad byte comparison");
	if (!parse_number(&open, "", -INT32_MAX, INT32_MAX, &offset))
		return malformed(reader, "bad byte comparison");
	compare->offset = before ? -(int32_t)offset : (int32_t)offset;
	if (!parse_options(options, compare) || !parse_comparisons(comparisons, compare))
		return malformed(reader, "bad byte comparison");
	if (compare->bytes <= CLAMAV_MAX_COMPARE_BYTES)
		return CLAMAV_TAKEN;
	reader->reason = "byte comparison of more than 255 bytes";
	return CLAMAV_SKIPPED;
}

static enum clamav_result parse(struct reader *reader, char *text, struct clamav_subsignature *out)
{
	const char *hash = strchr(text, '#');

	if (strncmp(text, "${", 2) == 0) {
		reader->reason = "macros are not supported";
		return CLAMAV_SKIPPED;
	}
	if (strncmp(text, "fuzzy_img#", 10) == 0) {
		reader->reason = "fuzzy image hashes are not supported";
		return CLAMAV_SKIPPED;
	}
	if (strchr(text, '/') != NULL)
		return parse_regex(reader, text, out);
	if (strchr(text, '(') != NULL && hash != NULL && strrchr(text, '#') != hash)
		return parse_compare(reader, text, out);
	return parse_hex(reader, text, out);
}

enum clamav_result clamav_parse_subsignature(struct clamav_arena *arena, const char *text,
	uint32_t target, struct clamav_subsignature *out, const char **reason)
{
	struct reader reader = {.arena = arena, .target = target};
	char *copy = copy_text(&reader, text, strlen(text));
	enum clamav_result result;

	memset(out, 0, sizeof(*out));
	result = copy != NULL ? parse(&reader, copy, out) : CLAMAV_MALFORMED;
	*reason = result != CLAMAV_TAKEN ? reader.reason : NULL;
	return result;
}
