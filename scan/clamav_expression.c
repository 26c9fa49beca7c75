// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_expression.h"

#include <string.h>

// Bounds the recursion and the quadratic search for operators; the longest in use has 700 bytes.
#define MAX_BYTES 4096
#define MAX_NODES 512

struct reader {
	struct clamav_arena *arena;
	const char *reason;
	unsigned int nodes;
};

// Where the expression is to be divided.
struct cut {
	char joint; // '&' or '|' outside of brackets, 0: none
	size_t at;
	char inner; // of the block that the expression is
	size_t inner_at;
	size_t block_end;
	struct clamav_comparison block;
};

static struct clamav_expression *fail(struct reader *reader, const char *reason)
{
	if (reader->reason == NULL)
		reader->reason = reason;
	return NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_comparison(char c)
{
	return c == '<' || c == '>' || c == '=';
}

// Digits at text[*at], if there are any before the end.
static bool read_number(const char *text, size_t length, size_t *at, uint32_t *out)
{
	uint64_t value = 0;
	size_t from = *at;

	for (; *at < length && is_digit(text[*at]); (*at)++) {
		value = value * 10 + (uint64_t)(text[*at] - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*out = (uint32_t)value;
	return *at > from;
}

// ">X" or ">X,Y" behind a block. ClamAV passes over whatever digits and commas follow.
static bool read_comparison(
	const char *text, size_t length, size_t *at, struct clamav_comparison *out)
{
	out->kind = text[(*at)++];
	out->distinct = 0;
	if (!read_number(text, length, at, &out->value))
		return false;
	if (*at + 1 < length && text[*at] == ',' && is_digit(text[*at + 1])) {
		(*at)++;
		if (!read_number(text, length, at, &out->distinct))
			return false;
	}
	while (*at < length && (is_digit(text[*at]) || text[*at] == ','))
		(*at)++;
	return true;
}

// Of a single subsignature ClamAV looks for the last sign of comparison, reads the number behind it
// and passes over all else: "0==2" is "0=2", "0=2," too, and published rules have both.
static bool read_loose_comparison(
	const char *text, size_t length, size_t at, struct clamav_comparison *out)
{
	size_t sign = length;

	for (; at < length; at++) {
		if (text[at] == '(' || text[at] == ')')
			return false;
		if (is_comparison(text[at]))
			sign = at;
	}
	if (sign == length)
		return true;
	out->kind = text[sign++];
	return read_number(text, length, &sign, &out->value);
}

// ClamAV divides at the first operator outside of brackets. Where there is none, the whole is a block
// and is divided at the last operator directly inside it.
static bool find_cut(struct reader *reader, const char *text, size_t length, struct cut *cut)
{
	unsigned int depth = 0;

	for (size_t i = 0; i < length && cut->joint == 0; i++) {
		char c = text[i];

		if (c == '(') {
			depth++;
		} else if (c == ')') {
			if (depth == 0)
				return fail(reader, "bracket not opened in the expression") != NULL;
			depth--;
		}
		if ((c == '&' || c == '|') && depth == 0) {
			cut->joint = c;
			cut->at = i;
		} else if ((c == '&' || c == '|') && depth == 1) {
			cut->inner = c;
			cut->inner_at = i;
		}
		if (cut->joint != 0 || cut->inner == 0 || depth > 0)
			continue;
		cut->block_end = i;
		if (i + 1 < length && is_comparison(text[i + 1])) {
			size_t at = i + 1;

			if (!read_comparison(text, length, &at, &cut->block))
				return fail(reader, "comparison without a number") != NULL;
			i = at - 1;
		}
		if (i + 1 == length)
			break;
		cut->block.kind = 0;
	}
	return depth == 0 || fail(reader, "bracket not closed in the expression") != NULL;
}

static struct clamav_expression *new_node(struct reader *reader)
{
	struct clamav_expression *node = clamav_alloc(reader->arena, sizeof(*node));

	if (++reader->nodes > MAX_NODES)
		return fail(reader, "expression too long");
	return node != NULL ? node : fail(reader, "out of memory");
}

static struct clamav_expression *read_index(struct reader *reader, const char *text, size_t length)
{
	struct clamav_expression *node = new_node(reader);
	size_t at = 0;

	if (node == NULL)
		return NULL;
	if (!read_number(text, length, &at, &node->index))
		return fail(reader, "bad subsignature number in the expression");
	return read_loose_comparison(text, length, at, &node->comparison)
		       ? node
		       : fail(reader, "comparison without a number");
}

// NOLINTNEXTLINE(misc-no-recursion): MAX_NODES bounds the depth
static struct clamav_expression *read_part(struct reader *reader, const char *text, size_t length)
{
	struct clamav_expression *node;
	const char *left = text;
	const char *end = text + length;
	struct cut cut = {0};

	if (length == 0)
		return fail(reader, "nothing beside an operator in the expression");
	if (!find_cut(reader, text, length, &cut))
		return NULL;
	if (cut.joint == 0 && cut.inner == 0) {
		if (text[0] != '(')
			return read_index(reader, text, length);
		if (++reader->nodes > MAX_NODES)
			return fail(reader, "expression too long");
		return length > 1 ? read_part(reader, text + 1, length - 2)
				  : fail(reader, "bad brackets in the expression");
	}
	if (cut.joint == 0) {
		if (text[0] != '(')
			return fail(reader, "bad brackets in the expression");
		cut.joint = cut.inner;
		cut.at = cut.inner_at;
		left++;
		end = text + cut.block_end;
	}
	node = new_node(reader);
	if (node == NULL)
		return NULL;
	node->joint = cut.joint;
	node->comparison = cut.block;
	if (text + cut.at < left || text + cut.at + 1 > end)
		return fail(reader, "nothing beside an operator in the expression");
	node->left = read_part(reader, left, (size_t)(text + cut.at - left));
	node->right = node->left != NULL ? read_part(reader, text + cut.at + 1,
						   (size_t)(end - (text + cut.at + 1)))
					 : NULL;
	return node->right != NULL ? node : NULL;
}

struct clamav_expression *clamav_parse_expression(
	struct clamav_arena *arena, const char *text, const char **reason)
{
	struct reader reader = {.arena = arena};
	size_t length = strlen(text);
	struct clamav_expression *expression = NULL;

	if (strspn(text, "0123456789&|()<>=,") != length)
		(void)fail(&reader, "bad character in the expression");
	else if (length > MAX_BYTES)
		(void)fail(&reader, "expression too long");
	else
		expression = read_part(&reader, text, length);
	*reason = reader.reason;
	return expression;
}

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
uint32_t clamav_expression_highest(const struct clamav_expression *expression)
{
	uint32_t left;
	uint32_t right;

	if (expression->joint == 0)
		return expression->index;
	left = clamav_expression_highest(expression->left);
	right = clamav_expression_highest(expression->right);
	return left > right ? left : right;
}
