// SPDX-License-Identifier: BSD-3-Clause
// Lines of signature files: the first byte chooses the format. What is taken is taken alike with its
// hexadecimal digits in the other case.
#include "scan/clamav.h"
#include "scan/clamav_filetype.h"
#include "scan/clamav_logical.h"
#include "scan/clamav_member.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// (b) is half a byte, (B) a boundary: that letter stays as it is.
static void swap_case(char *text)
{
	for (char before = '\0'; *text != '\0'; before = *text++) {
		if (before == '(' && text[1] == ')')
			continue;
		if (*text >= 'a' && *text <= 'f')
			*text = (char)(*text - 'a' + 'A');
		else if (*text >= 'A' && *text <= 'F' && *text != 'B')
			*text = (char)(*text - 'A' + 'a');
	}
}

static void check_body(char *hex)
{
	struct clamav_arena arena = {0};
	struct clamav_pattern one = {0};
	struct clamav_pattern two = {0};
	const char *reason = NULL;
	enum clamav_result result = clamav_parse_body(&arena, hex, &one, &reason);
	const struct clamav_part *other;

	if ((result == CLAMAV_TAKEN) != (reason == NULL))
		abort();
	swap_case(hex);
	if (clamav_parse_body(&arena, hex, &two, &reason) != result)
		abort();
	if (result == CLAMAV_TAKEN && one.parts_count != two.parts_count)
		abort();
	other = two.parts;
	for (const struct clamav_part *part = one.parts; result == CLAMAV_TAKEN && part != NULL;
		part = part->next, other = other->next) {
		uint32_t lengths[4];

		clamav_sequence_lengths(&part->body, &lengths[0], &lengths[1]);
		clamav_sequence_lengths(&other->body, &lengths[2], &lengths[3]);
		if (lengths[0] == 0 || lengths[0] > lengths[1] || lengths[0] != lengths[2] ||
			lengths[1] != lengths[3] || part->gap_min > part->gap_max)
			abort();
	}
	clamav_reset(&arena);
}

static void check_logical(struct clamav_arena *arena, char *line)
{
	struct clamav_logical rule;
	const char *reason = NULL;

	if (clamav_parse_logical(arena, line, &rule, &reason) != CLAMAV_TAKEN)
		return;
	if (clamav_expression_highest(rule.expression) + 1 != rule.subsignatures_count)
		abort();
	for (uint32_t i = 0; i < rule.subsignatures_count; i++) {
		struct clamav_subsignature one;

		if ((clamav_parse_subsignature(arena, rule.subsignatures[i], rule.target, &one,
			     &reason) == CLAMAV_TAKEN) != (reason == NULL))
			abort();
	}
}

static void check_member(struct clamav_arena *arena, char *line)
{
	struct clamav_member_signature parsed;
	const char *reason = NULL;

	if ((clamav_parse_cdb(arena, line, &parsed, &reason) == CLAMAV_TAKEN) != (reason == NULL))
		abort();
}

// What is taken fits into what there is of it.
static void check_filetype(struct clamav_arena *arena, char *line)
{
	struct clamav_filetype parsed = {0};
	const char *reason = NULL;

	if (clamav_parse_ftm(arena, line, &parsed, &reason) != CLAMAV_TAKEN) {
		if (reason == NULL)
			abort();
		return;
	}
	if (parsed.length > CLAMAV_MAX_MAGIC || parsed.type == NULL || parsed.required == NULL ||
		filetype_by_number(filetype_number(parsed.type)) != parsed.type ||
		(parsed.magic == CLAMAV_MAGIC_PATTERN && parsed.pattern.parts == NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct clamav_body_signature body = {0};
	struct clamav_hash_signature hash;
	struct clamav_arena arena = {0};
	const char *reason = NULL;
	char line[CLAMAV_MAX_LINE];

	if (n == 0 || n >= sizeof(line))
		return 0;
	memcpy(line, data + 1, n - 1);
	line[n - 1] = '\0';
	if (data[0] == 0xff)
		check_member(&arena, line);
	else if (data[0] == 0xfe)
		check_filetype(&arena, line);
	else if (data[0] % 4 == 3)
		check_logical(&arena, line);
	else if (data[0] % 4 == 0)
		check_body(line);
	else if (data[0] % 4 == 1)
		(void)clamav_parse_ndb(&arena, line, &body, &reason);
	else if (clamav_parse_hash(line, (enum clamav_hash_form)(data[0] / 4 % 3), &hash,
			 &reason) == CLAMAV_TAKEN &&
		 reason != NULL)
		abort();
	clamav_reset(&arena);
	return 0;
}
