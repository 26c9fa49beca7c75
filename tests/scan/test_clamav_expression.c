// SPDX-License-Identifier: BSD-3-Clause
// Expressions of logical signatures: through the parser, an image and the evaluation, against an
// evaluator that reads the text anew each time, for random expressions and counts.
#include "scan/clamav_expression.h"
#include "scan/match_rule.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 6
#define ROUNDS 40000
#define MAX_NODES 600
#define MAX_TEXT 4096

// ---- the model: by the text ------------------------------------------------------------------

struct model {
	const uint32_t *counts;
};

struct result {
	bool holds;
	uint64_t count;
	uint64_t members;
};

static char kind_at(const char *text)
{
	if (text[0] == '<' || text[0] == '>' || text[0] == '=')
		return text[0];
	return 0;
}

static bool compare(char kind, uint64_t a, uint64_t b)
{
	return kind == '=' ? a == b : (kind == '<' ? a < b : a > b);
}

// Where the bracket that opens at `at` closes.
static size_t closing(const char *text, size_t at)
{
	unsigned int depth = 0;

	for (;; at++) {
		depth += text[at] == '(';
		depth -= text[at] == ')';
		if (depth == 0)
			return at;
	}
}

static struct result join(char joint, struct result left, struct result right)
{
	if (joint == '&' ? !left.holds || !right.holds : !left.holds && !right.holds)
		return (struct result){0};
	return (struct result){true, left.count + right.count, left.members | right.members};
}

// The first joint outside of brackets, or the last; n: there is none.
static size_t find_joint(const char *text, size_t n, bool last)
{
	size_t found = n;

	for (size_t at = 0; at < n && (last || found == n); at++) {
		if (text[at] == '(')
			at = closing(text, at);
		else if (text[at] == '&' || text[at] == '|')
			found = at;
	}
	return found;
}

// NOLINTNEXTLINE(misc-no-recursion): of a bounded depth
static struct result evaluate(const struct model *model, const char *text, size_t n);

// NOLINTNEXTLINE(misc-no-recursion): of a bounded depth
static struct result evaluate_at(const struct model *model, const char *text, size_t n, size_t at)
{
	return join(
		text[at], evaluate(model, text, at), evaluate(model, text + at + 1, n - at - 1));
}

// NOLINTNEXTLINE(misc-no-recursion): of a bounded depth
static struct result evaluate(const struct model *model, const char *text, size_t n)
{
	struct result out = {0};
	size_t at = find_joint(text, n, false);
	char kind = 0;
	unsigned long value;
	unsigned long distinct;
	unsigned long index;
	char *rest;

	if (at < n)
		return evaluate_at(model, text, n, at);
	if (text[0] == '(') {
		size_t end = closing(text, 0);

		// Directly inside of brackets it is the last joint that divides.
		out = evaluate_at(model, text + 1, end - 1, find_joint(text + 1, end - 1, true));
		if (end + 1 < n)
			kind = kind_at(text + end + 1);
		if (kind == '\0')
			return out;
		value = strtoul(text + end + 2, &rest, 10);
		distinct = *rest == ',' ? strtoul(rest + 1, NULL, 10) : 0;
		if (!out.holds)
			out = (struct result){0};
		out.holds = compare(kind, out.count, value) &&
			    (unsigned long)__builtin_popcountll(out.members) >= distinct;
		out.count = out.holds ? out.count : 0;
		out.members = 0;
		return out;
	}
	index = strtoul(text, &rest, 10);
	if ((size_t)(rest - text) < n)
		kind = kind_at(rest);
	if (kind == '\0')
		out.holds = model->counts[index] > 0;
	else
		out.holds = compare(kind, model->counts[index], strtoul(rest + 1, NULL, 10));
	out.count = out.holds ? model->counts[index] : 0;
	out.members = out.holds ? UINT64_C(1) << index : 0;
	return out;
}

// ---- random expressions ------------------------------------------------------------------------

static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned int below(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)((seed >> 16) % n);
}

static void append(char *out, const char *text)
{
	size_t n = strlen(out);

	(void)snprintf(out + n, MAX_TEXT - n, "%s", text);
}

static void write_comparison(char *out, bool block)
{
	static const char kinds[] = "<>=";
	char *end = out + strlen(out);

	if (block && below(2) == 0)
		(void)snprintf(end, 16, "%c%u,%u", kinds[below(3)], below(4), below(4));
	else
		(void)snprintf(end, 16, "%c%u", kinds[below(3)], below(5));
}

// NOLINTNEXTLINE(misc-no-recursion): of a bounded depth
static void write_expression(char *out, unsigned int depth)
{
	unsigned int terms = 1 + below(3);

	// A block has at least one joint.
	if (depth > 0 && terms == 1)
		terms = 2;
	for (unsigned int i = 0; i < terms; i++) {
		if (i > 0)
			append(out, below(2) == 0 ? "&" : "|");
		if (depth < 3 && below(3) == 0) {
			append(out, "(");
			write_expression(out, depth + 1);
			append(out, ")");
			if (below(2) == 0)
				write_comparison(out, true);
		} else {
			(void)snprintf(out + strlen(out), 4, "%u", below(MEMBERS));
			if (below(4) == 0)
				write_comparison(out, false);
		}
	}
}

// NOLINTNEXTLINE(misc-no-recursion): of a bounded depth
static uint32_t flatten(
	const struct clamav_expression *expression, struct ruleset_node *nodes, uint32_t at)
{
	struct ruleset_node *node = &nodes[at];

	assert_true(at < MAX_NODES);
	*node = (struct ruleset_node){
		.joint = (uint8_t)expression->joint,
		.comparison = (uint8_t)expression->comparison.kind,
		.index = (uint16_t)expression->index,
		.value = expression->comparison.value,
		.distinct = expression->comparison.distinct,
	};
	node->end = at + 1;
	if (expression->joint != 0) {
		node->end = flatten(expression->left, nodes, at + 1);
		node->end = flatten(expression->right, nodes, node->end);
	}
	return node->end;
}

static void any_expression_holds_as_its_text_says(void **state)
{
	static struct ruleset_node nodes[MAX_NODES];
	unsigned int held = 0;

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		char text[MAX_TEXT] = "";
		struct clamav_arena arena = {0};
		struct clamav_expression *expression;
		uint32_t counts[RULESET_MAX_MEMBERS] = {0};
		const struct model model = {counts};
		const char *reason;
		bool holds;

		write_expression(text, 0);
		for (unsigned int i = 0; i < MEMBERS; i++)
			counts[i] = below(2) * below(5);
		expression = clamav_parse_expression(&arena, text, &reason);
		if (expression == NULL)
			fail_msg("%s: %s", text, reason);
		(void)flatten(expression, nodes, 0);
		holds = match_rule_holds(nodes, 0, counts);
		if (holds != evaluate(&model, text, strlen(text)).holds)
			fail_msg("%s: %d", text, holds);
		held += holds;
		clamav_reset(&arena);
	}
	assert_true(held > ROUNDS / 10 && held < ROUNDS - ROUNDS / 10);
}

static void malformed_expressions_are_refused(void **state)
{
	static const char *const texts[] = {"", "&", "0&", "&0", "0|", "(", ")", "()", "(0", "0)",
		"x", "0x", "0>", "0>,1", "(0|1)>", "(0&)", "0 & 1", "(0)>5", "0&(1|)", "-1",
		"99999999999", "(0|1)x", "0>1>", "0(1|2)", "0(1)", "(0|1)==2", "(0=|1)"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct clamav_arena arena = {0};
		const char *reason = NULL;

		if (clamav_parse_expression(&arena, texts[i], &reason) != NULL)
			fail_msg("taken: %s", texts[i]);
		assert_non_null(reason);
		clamav_reset(&arena);
	}
}

// As ClamAV 1.4.6 takes them, seen by what it finds; such expressions are in published rules.
static void a_comparison_is_read_as_loosely_as_by_clamav(void **state)
{
	static const struct {
		const char *text;
		const char *plain;
	} cases[] = {
		{"0==2", "0=2"},
		{"0=2,", "0=2"},
		{"0=2,&1", "0=2&1"},
		{"(0>3)&(1==2)", "(0>3)&(1=2)"},
		{"0>1=1", "0=1"},
		{"0>1,2", "0>1"},
		{"0,", "0"},
		{"(0|1)>1,", "(0|1)>1"},
		{"(0|1)>1,2,", "(0|1)>1,2"},
	};
	static struct ruleset_node nodes[2][MAX_NODES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clamav_arena arena = {0};
		const char *reason = NULL;
		const struct clamav_expression *loose =
			clamav_parse_expression(&arena, cases[i].text, &reason);
		const struct clamav_expression *plain =
			clamav_parse_expression(&arena, cases[i].plain, &reason);

		if (loose == NULL || plain == NULL) {
			fail_msg("%s: %s", cases[i].text, reason);
			return;
		}
		for (uint32_t counts = 0; counts < 25; counts++) {
			const uint32_t both[RULESET_MAX_MEMBERS] = {counts % 5, counts / 5};

			(void)flatten(loose, nodes[0], 0);
			(void)flatten(plain, nodes[1], 0);
			assert_int_equal(match_rule_holds(nodes[0], 0, both),
				match_rule_holds(nodes[1], 0, both));
		}
		clamav_reset(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_expression_holds_as_its_text_says),
		cmocka_unit_test(malformed_expressions_are_refused),
		cmocka_unit_test(a_comparison_is_read_as_loosely_as_by_clamav),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
