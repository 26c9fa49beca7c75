// SPDX-License-Identifier: BSD-3-Clause
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/member_rule.h"

#include <pcre2.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_LIMIT 100000 // steps of one search
#define STACK_FIRST 32768
#define STACK_LAST 524288

struct member_rules {
	const struct ruleset *ruleset;
	pcre2_code **names;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

// Compiled to machine code they search without taking memory.
static int compile_names(struct member_rules *rules)
{
	const struct ruleset *ruleset = rules->ruleset;

	for (uint32_t i = 0; i < ruleset->member_rules_count; i++) {
		const struct ruleset_member_rule *rule = &ruleset->member_rules[i];
		uint32_t options =
			PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
		PCRE2_SIZE at;
		int error;

		if (rule->name == 0)
			continue;
		if ((rule->flags & RULESET_MEMBER_CASELESS) != 0)
			options |= PCRE2_CASELESS;
		rules->names[i] = pcre2_compile((PCRE2_SPTR)(ruleset->strings + rule->name),
			PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
		if (rules->names[i] == NULL)
			return -ENOMEM;
		(void)pcre2_jit_compile(rules->names[i], PCRE2_JIT_COMPLETE);
	}
	return 0;
}

int member_rules_new(const struct ruleset *ruleset, struct member_rules **out)
{
	struct member_rules *rules;

	*out = NULL;
	if (ruleset->member_rules_count == 0)
		return 0;
	rules = calloc(1, sizeof(*rules));
	if (rules == NULL)
		return -ENOMEM;
	rules->ruleset = ruleset;
	rules->names = calloc(ruleset->member_rules_count, sizeof(pcre2_code *));
	rules->data = pcre2_match_data_create(1, NULL);
	rules->context = pcre2_match_context_create(NULL);
	rules->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_LAST, NULL);
	if (rules->names == NULL || rules->data == NULL || rules->context == NULL ||
		rules->stack == NULL || compile_names(rules) != 0) {
		member_rules_free(rules);
		return -ENOMEM;
	}
	(void)pcre2_set_match_limit(rules->context, MATCH_LIMIT);
	pcre2_jit_stack_assign(rules->context, NULL, rules->stack);
	*out = rules;
	return 0;
}

void member_rules_free(struct member_rules *rules)
{
	if (rules == NULL)
		return;
	for (uint32_t i = 0; rules->names != NULL && i < rules->ruleset->member_rules_count; i++)
		pcre2_code_free(rules->names[i]);
	pcre2_jit_stack_free(rules->stack);
	pcre2_match_context_free(rules->context);
	pcre2_match_data_free(rules->data);
	free(rules->names);
	free(rules);
}

static bool is_in(const struct ruleset_range *range, uint64_t value)
{
	return value >= range->min && (value <= range->max || range->max == UINT32_MAX);
}

static bool fits(const struct ruleset_member_rule *rule, const struct member_facts *facts)
{
	if (rule->container != RULESET_NONE && rule->container != (uint32_t)facts->container)
		return false;
	if (rule->encrypted != RULESET_NONE && (rule->encrypted != 0) != facts->is_encrypted)
		return false;
	return is_in(&rule->packed, facts->packed) && is_in(&rule->bytes, facts->bytes) &&
	       is_in(&rule->position, facts->position);
}

static bool is_named(
	const struct member_rules *rules, uint32_t number, const char *name, bool *partial)
{
	int found;

	if (rules->names[number] == NULL)
		return true;
	found = pcre2_match(rules->names[number], (PCRE2_SPTR)name, strlen(name), 0, 0, rules->data,
		rules->context);
	if (found < 0 && found != PCRE2_ERROR_NOMATCH)
		*partial = true;
	return found >= 0;
}

uint32_t member_rules_next(const struct member_rules *rules, uint32_t from,
	const struct member_facts *facts, bool *partial)
{
	for (; from < rules->ruleset->member_rules_count; from++)
		if (fits(&rules->ruleset->member_rules[from], facts) &&
			is_named(rules, from, facts->name, partial))
			return from;
	return RULESET_NONE;
}

bool member_rule_asks(const struct ruleset_member_rule *rule)
{
	return rule->container_bytes.min > 0 || rule->container_bytes.max != UINT32_MAX;
}

bool member_rule_takes(const struct ruleset_member_rule *rule, uint64_t container_bytes)
{
	return is_in(&rule->container_bytes, container_bytes);
}
