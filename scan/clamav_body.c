// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 15    // of nested alternates
#define INLINE_GAP 128  // {n} below this is part of the pattern
#define MAX_NEGATED 255 // bytes of a negated alternate
#define MAX_BRACKET 32  // upper limit of [n-m]

struct parser {
	struct clamav_arena *arena;
	const char *at;
	const char *reason; // set once something is wrong
	struct clamav_pattern *pattern;
	struct clamav_part *part; // being read
};

// A gap as written: {..}, [..] or *.
struct gap {
	uint32_t min;
	uint32_t max;
	bool bracket;
	bool exact_inline; // {n}, short enough to be written as n times ??
};

unsigned int clamav_class_size(const struct clamav_class *set)
{
	unsigned int size = 0;

	for (unsigned int i = 0; i < 4; i++)
		size += (unsigned int)__builtin_popcountll(set->bits[i]);
	return size;
}

static void class_add(struct clamav_class *set, unsigned int byte)
{
	set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

static void class_invert(struct clamav_class *set)
{
	for (unsigned int i = 0; i < 4; i++)
		set->bits[i] = ~set->bits[i];
}

static bool is_alnum(unsigned int byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z');
}

void clamav_edge_class(enum clamav_edge_kind kind, bool left, struct clamav_class *out)
{
	const char *bytes = left ? " -./<@_" : "\n\r \"'-/=>_";

	memset(out, 0, sizeof(*out));
	switch (kind) {
	case CLAMAV_EDGE_NONE:
		class_invert(out);
		break;
	case CLAMAV_EDGE_BOUNDARY:
		for (; *bytes != '\0'; bytes++)
			class_add(out, (unsigned char)*bytes);
		break;
	case CLAMAV_EDGE_LINE:
		class_add(out, '\n');
		break;
	case CLAMAV_EDGE_WORD:
	case CLAMAV_EDGE_WIDE:
		for (unsigned int byte = 0; byte < 256; byte++)
			if (!is_alnum(byte))
				class_add(out, byte);
		break;
	}
}

static bool fail(struct parser *parser, const char *reason)
{
	if (parser->reason == NULL)
		parser->reason = reason;
	return false;
}

static struct clamav_node *append_node(struct parser *parser, struct clamav_sequence *sequence)
{
	struct clamav_node *node = clamav_alloc(parser->arena, sizeof(*node));

	if (node == NULL) {
		(void)fail(parser, "out of memory");
		return NULL;
	}
	if (sequence->last == NULL)
		sequence->first = node;
	else
		sequence->last->next = node;
	sequence->last = node;
	return node;
}

static bool append_class(struct parser *parser, struct clamav_sequence *sequence,
	const struct clamav_class *set, uint32_t count)
{
	struct clamav_node *node = sequence->last;

	if (node != NULL && node->branches == NULL && clamav_class_size(set) == 256 &&
		clamav_class_size(&node->set) == 256) {
		node->count += count;
		return true;
	}
	node = append_node(parser, sequence);
	if (node == NULL)
		return false;
	node->set = *set;
	node->count = count;
	return true;
}

// Two characters: hex digits or '?'.
static bool parse_byte(struct parser *parser, struct clamav_class *set)
{
	char digits[2] = {parser->at[0], '\0'};
	int high = clamav_hex_digit(digits[0]);
	int low;

	if (digits[0] != '\0')
		digits[1] = parser->at[1];
	low = clamav_hex_digit(digits[1]);
	memset(set, 0, sizeof(*set));
	if ((high < 0 && digits[0] != '?') || (low < 0 && digits[1] != '?'))
		return fail(parser, digits[1] == '\0' || high >= 0 || digits[0] == '?'
					    ? "odd number of hexadecimal digits or a bad digit"
					    : "bad character in the pattern");
	if (high >= 0 && low >= 0)
		class_add(set, (unsigned int)(high << 4 | low));
	for (unsigned int byte = 0; (high < 0 || low < 0) && byte < 256; byte++)
		if ((high < 0 || byte >> 4 == (unsigned int)high) &&
			(low < 0 || (byte & 15) == (unsigned int)low))
			class_add(set, byte);
	parser->at += 2;
	return true;
}

static bool parse_number(const char **at, uint32_t *out)
{
	uint64_t value = 0;
	const char *digit = *at;

	for (; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint64_t)(*digit - '0');
		if (value >= CLAMAV_NO_LIMIT)
			return false;
	}
	if (digit == *at)
		return false;
	*at = digit;
	*out = (uint32_t)value;
	return true;
}

// "n", "-m", "n-", "n-m" up to the closing bracket, and in braces "" and "-", where both are 0. An upper limit of 0
// means no limit there; "n-" in square brackets is "n", as ClamAV reads it.
static bool parse_range(const char **at, char closing, struct gap *gap)
{
	bool has_min = parse_number(at, &gap->min);
	bool has_max = false;

	if (**at == '-') {
		(*at)++;
		has_max = parse_number(at, &gap->max);
		if (!has_max)
			gap->max = closing == ']' ? gap->min : CLAMAV_NO_LIMIT;
	} else {
		gap->max = gap->min;
		gap->exact_inline = gap->min > 0 && gap->min < INLINE_GAP;
	}
	if ((!has_min && !has_max && closing != '}') || **at != closing)
		return false;
	(*at)++;
	if (gap->max == 0 && closing == '}')
		gap->max = CLAMAV_NO_LIMIT;
	return gap->min <= gap->max;
}

// Whether a gap begins at parser->at; if so it is consumed.
static bool parse_gap(struct parser *parser, struct gap *gap)
{
	const char opening = *parser->at;

	memset(gap, 0, sizeof(*gap));
	if (opening == '*') {
		gap->max = CLAMAV_NO_LIMIT;
		parser->at++;
		return true;
	}
	if (opening != '{' && opening != '[')
		return false;
	parser->at++;
	gap->bracket = opening == '[';
	if (!parse_range(&parser->at, gap->bracket ? ']' : '}', gap))
		return fail(parser, "bad gap");
	if (gap->bracket && (gap->max > MAX_BRACKET || parser->at[-1] != ']'))
		return fail(parser, "a gap in square brackets is longer than 32 bytes");
	if (gap->bracket)
		gap->exact_inline = false;
	return true;
}

static enum clamav_edge_kind edge_kind(const char *at)
{
	if (at[0] != '(' || at[1] == '\0' || at[2] != ')')
		return CLAMAV_EDGE_NONE;
	if (at[1] == 'B')
		return CLAMAV_EDGE_BOUNDARY;
	if (at[1] == 'L')
		return CLAMAV_EDGE_LINE;
	return at[1] == 'W' ? CLAMAV_EDGE_WORD : CLAMAV_EDGE_NONE;
}

// Whether the part ends here: at the end, or before a gap that splits.
static bool at_part_end(const struct parser *parser)
{
	struct parser ahead = *parser;
	struct gap gap;

	if (*ahead.at == '\0')
		return true;
	return parse_gap(&ahead, &gap) && !gap.exact_inline;
}

static bool parse_alternates(
	struct parser *parser, struct clamav_sequence *sequence, unsigned int depth);

static bool append_line_end(struct parser *parser, struct clamav_sequence *sequence)
{
	const char *after = parser->at;
	bool taken;

	parser->at = "(0a|0d0a)";
	taken = parse_alternates(parser, sequence, 1);
	parser->at = after;
	return taken;
}

// (B), (L) or (W) at the start or end of a part is a condition; elsewhere it is a byte, and a line
// end one or two.
static bool parse_edge(struct parser *parser, enum clamav_edge_kind kind, bool negated)
{
	struct clamav_part *part = parser->part;
	struct clamav_class left;
	struct clamav_class right;

	parser->at += 3;
	if (part->body.first == NULL && part->left.kind == CLAMAV_EDGE_NONE) {
		part->left = (struct clamav_edge){kind, negated};
		return true;
	}
	if (at_part_end(parser)) {
		part->right = (struct clamav_edge){kind, negated};
		return true;
	}
	if (kind == CLAMAV_EDGE_LINE && !negated)
		return append_line_end(parser, &part->body);
	clamav_edge_class(kind, true, &left);
	clamav_edge_class(kind, false, &right);
	for (unsigned int i = 0; i < 4; i++)
		left.bits[i] |= right.bits[i];
	if (negated)
		class_invert(&left);
	return append_class(parser, &part->body, &left, 1);
}

// One branch, up to '|' or ')'. Fixed gaps stand inside, splitting ones may not.
static bool parse_branch(struct parser *parser, struct clamav_sequence *branch, unsigned int depth)
{
	while (*parser->at != '|' && *parser->at != ')') {
		struct clamav_class set;
		struct gap gap;

		if (*parser->at == '\0')
			return fail(parser, "bracket not closed");
		if (*parser->at == '(') {
			if (!parse_alternates(parser, branch, depth + 1))
				return false;
		} else if (parse_gap(parser, &gap)) {
			if (!gap.exact_inline)
				return fail(parser, "a gap of variable length inside alternates");
			memset(&set, 0xff, sizeof(set));
			if (!append_class(parser, branch, &set, gap.min))
				return false;
		} else if (parser->reason != NULL || !parse_byte(parser, &set) ||
			   !append_class(parser, branch, &set, 1)) {
			return false;
		}
	}
	return true;
}

// Alternates of one byte each are one class.
static bool merge_single_bytes(const struct clamav_node *node, struct clamav_class *out)
{
	memset(out, 0, sizeof(*out));
	for (const struct clamav_sequence *branch = node->branches; branch != NULL;
		branch = branch->next) {
		if (branch->first == NULL || branch->first != branch->last ||
			branch->first->branches != NULL || branch->first->count != 1)
			return false;
		for (unsigned int i = 0; i < 4; i++)
			out->bits[i] |= branch->first->set.bits[i];
	}
	return true;
}

static bool parse_alternates(
	struct parser *parser, struct clamav_sequence *sequence, unsigned int depth)
{
	struct clamav_sequence **link;
	struct clamav_node *node;
	struct clamav_class set;

	if (depth > MAX_DEPTH)
		return fail(parser, "alternates nested too deeply");
	node = append_node(parser, sequence);
	if (node == NULL)
		return false;
	link = &node->branches;
	do {
		parser->at++; // '(' or '|'
		*link = clamav_alloc(parser->arena, sizeof(**link));
		if (*link == NULL)
			return fail(parser, "out of memory");
		if (!parse_branch(parser, *link, depth))
			return false;
		// As ClamAV takes it: only a later one may be empty.
		if (*link == node->branches && (*link)->first == NULL)
			return fail(parser, "empty alternate");
		link = &(*link)->next;
	} while (*parser->at == '|');
	parser->at++;
	if (merge_single_bytes(node, &set)) {
		node->branches = NULL;
		node->set = set;
		node->count = 1;
	}
	return true;
}

// The fixed strings of negated alternates, all of one length.
struct strings {
	const uint8_t *bytes;
	size_t length;
	size_t count;
};

// Appends what matches `length` bytes that are none of the strings: a first byte that none begins
// with and anything after it, or a first byte of some and then none of their rests.
static bool append_none_of(struct parser *parser, struct clamav_sequence *sequence,
	const struct strings *strings, size_t depth)
{
	struct clamav_sequence **link;
	struct clamav_class others = {{0}};
	struct clamav_class all;
	struct clamav_node *node;
	size_t rest = strings->length - depth - 1;

	memset(&all, 0xff, sizeof(all));
	for (size_t i = 0; i < strings->count; i++)
		class_add(&others, strings->bytes[i * strings->length + depth]);
	class_invert(&others);
	if (rest == 0)
		return append_class(parser, sequence, &others, 1);
	node = append_node(parser, sequence);
	if (node == NULL)
		return false;
	link = &node->branches;
	*link = clamav_alloc(parser->arena, sizeof(**link));
	if (*link == NULL || !append_class(parser, *link, &others, 1) ||
		!append_class(parser, *link, &all, (uint32_t)rest))
		return fail(parser, "out of memory");
	// The strings are sorted: those with the same byte here stand together.
	for (size_t from = 0; from < strings->count;) {
		uint8_t byte = strings->bytes[from * strings->length + depth];
		struct strings same = {strings->bytes + from * strings->length, strings->length, 0};
		struct clamav_class one = {{0}};

		while (from < strings->count &&
			strings->bytes[from * strings->length + depth] == byte) {
			from++;
			same.count++;
		}
		class_add(&one, byte);
		link = &(*link)->next;
		*link = clamav_alloc(parser->arena, sizeof(**link));
		if (*link == NULL || !append_class(parser, *link, &one, 1) ||
			!append_none_of(parser, *link, &same, depth + 1))
			return fail(parser, "out of memory");
	}
	return true;
}

static int compare_strings(const void *a, const void *b, void *length)
{
	return memcmp(a, b, *(const size_t *)length);
}

// The branches of a node as fixed strings of one length.
static bool collect_strings(
	struct parser *parser, const struct clamav_node *node, struct strings *strings)
{
	uint32_t shortest;
	uint32_t longest;
	uint8_t *bytes;

	clamav_sequence_lengths(node->branches, &shortest, &longest);
	strings->length = shortest;
	if (shortest == 0)
		return fail(parser, "empty alternate");
	if (strings->length > MAX_NEGATED)
		return fail(parser, "negated alternates too long");
	for (const struct clamav_sequence *s = node->branches; s != NULL; s = s->next)
		strings->count++;
	bytes = clamav_alloc(parser->arena, strings->count * strings->length);
	if (bytes == NULL)
		return fail(parser, "out of memory");
	strings->bytes = bytes;
	for (const struct clamav_sequence *s = node->branches; s != NULL; s = s->next) {
		clamav_sequence_lengths(s, &shortest, &longest);
		if (shortest != strings->length || longest != strings->length)
			return fail(parser, "negated alternates of different length");
		for (const struct clamav_node *n = s->first; n != NULL; n = n->next) {
			unsigned int byte = 0;

			if (n->branches != NULL || clamav_class_size(&n->set) != 1)
				return fail(parser, "negated alternates with wildcards");
			while (!clamav_class_has(&n->set, byte))
				byte++;
			*bytes++ = (uint8_t)byte;
		}
	}
	bytes -= strings->count * strings->length;
	qsort_r(bytes, strings->count, strings->length, compare_strings, &strings->length);
	return true;
}

// '!' and what follows.
static bool parse_negated(struct parser *parser)
{
	struct clamav_sequence read = {0};
	struct strings strings = {0};
	enum clamav_edge_kind edge;

	parser->at++;
	if (*parser->at != '(')
		return fail(parser, "'!' without alternates");
	edge = edge_kind(parser->at);
	if (edge != CLAMAV_EDGE_NONE)
		return parse_edge(parser, edge, true);
	if (!parse_alternates(parser, &read, 1))
		return false;
	if (read.first->branches == NULL) {
		class_invert(&read.first->set);
		return append_class(parser, &parser->part->body, &read.first->set, 1);
	}
	return collect_strings(parser, read.first, &strings) &&
	       append_none_of(parser, &parser->part->body, &strings, 0);
}

static bool begin_part(struct parser *parser, const struct gap *gap)
{
	struct clamav_part *part = clamav_alloc(parser->arena, sizeof(*part));

	if (part == NULL)
		return fail(parser, "out of memory");
	part->gap_min = gap->min;
	part->gap_max = gap->max;
	part->bracket = gap->bracket;
	if (parser->part == NULL)
		parser->pattern->parts = part;
	else
		parser->part->next = part;
	parser->part = part;
	parser->pattern->parts_count++;
	return true;
}

static bool parse_token(struct parser *parser)
{
	enum clamav_edge_kind edge = edge_kind(parser->at);
	struct clamav_sequence *body = &parser->part->body;
	struct clamav_class set;
	struct gap gap;

	if (edge != CLAMAV_EDGE_NONE)
		return parse_edge(parser, edge, false);
	if (*parser->at == '(')
		return parse_alternates(parser, body, 1);
	if (*parser->at == '!')
		return parse_negated(parser);
	if (parse_gap(parser, &gap)) {
		if (!gap.exact_inline)
			return parser->reason == NULL && begin_part(parser, &gap);
		memset(&set, 0xff, sizeof(set));
		return append_class(parser, body, &set, gap.min);
	}
	return parser->reason == NULL && parse_byte(parser, &set) &&
	       append_class(parser, body, &set, 1);
}

static bool has_fixed_pair(const struct clamav_part *part)
{
	bool before = false;

	for (const struct clamav_node *node = part->body.first; node != NULL; node = node->next) {
		bool fixed = node->branches == NULL && clamav_class_size(&node->set) == 1;

		if (fixed && before)
			return true;
		before = fixed;
	}
	return false;
}

static bool is_single_byte(const struct clamav_part *part)
{
	uint32_t shortest;
	uint32_t longest;

	clamav_sequence_lengths(&part->body, &shortest, &longest);
	return shortest == 1 && longest == 1;
}

// ClamAV refuses parts that its filter could not use: each must have two fixed bytes side by side.
// A gap in square brackets has a single byte on its one side, as an appendix of the other.
static bool check_parts(struct parser *parser)
{
	const struct clamav_part *before = NULL;

	for (const struct clamav_part *part = parser->pattern->parts; part != NULL;
		part = part->next) {
		const struct clamav_part *next = part->next;
		bool left = part->bracket;
		bool right = next != NULL && next->bracket;

		if (part->body.first == NULL)
			return fail(parser, "empty part of a pattern");
		if (is_single_byte(part) && left != right) {
			const struct clamav_part *body = left ? before : next;

			if (is_single_byte(body))
				return fail(parser, "bad gap in square brackets");
		} else if (!has_fixed_pair(part)) {
			return fail(
				parser, "a part of the pattern has no two fixed bytes in a row");
		}
		if (left && !is_single_byte(part) && !is_single_byte(before))
			return fail(parser, "bad gap in square brackets");
		before = part;
	}
	return true;
}

enum clamav_result clamav_parse_body(struct clamav_arena *arena, const char *hex,
	struct clamav_pattern *out, const char **reason)
{
	const struct gap none = {0};
	struct parser parser = {.arena = arena, .at = hex, .pattern = out};

	out->parts = NULL;
	out->parts_count = 0;
	if (strchr(hex, '$') != NULL) {
		*reason = "macros are not supported";
		return CLAMAV_SKIPPED;
	}
	if (begin_part(&parser, &none)) {
		while (*parser.at != '\0' && parse_token(&parser))
			;
		if (parser.reason == NULL)
			(void)check_parts(&parser);
	}
	*reason = parser.reason;
	return parser.reason == NULL ? CLAMAV_TAKEN : CLAMAV_MALFORMED;
}
