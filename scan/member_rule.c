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

struct item {
	const struct ruleset_member_rule *rule;
	const struct ruleset *ruleset; // that has it: a delta, or what it is laid on
	pcre2_code *name;
};

// In the order of their signatures.
struct member_rules {
	struct item *items;
	uint32_t count;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

// Compiled to machine code they search without taking memory.
static int compile_names(struct member_rules *rules)
{
	for (uint32_t i = 0; i < rules->count; i++) {
		struct item *item = &rules->items[i];
		const struct ruleset_member_rule *rule = item->rule;
		uint32_t options =
			PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY;
		PCRE2_SIZE at;
		int error;

		if (rule->name == 0)
			continue;
		if ((rule->flags & RULESET_MEMBER_CASELESS) != 0)
			options |= PCRE2_CASELESS;
		item->name = pcre2_compile((PCRE2_SPTR)(item->ruleset->strings + rule->name),
			PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
		if (item->name == NULL)
			return -ENOMEM;
		(void)pcre2_jit_compile(item->name, PCRE2_JIT_COMPLETE);
	}
	return 0;
}

static void add_item(struct member_rules *rules, const struct ruleset *ruleset, uint32_t number)
{
	rules->items[rules->count++] = (struct item){&ruleset->member_rules[number], ruleset, NULL};
}

// Those of the ruleset that count, and those of a delta on it.
static void list_items(struct member_rules *rules, const struct ruleset *ruleset)
{
	const struct ruleset *delta = ruleset->delta;
	uint32_t of_delta = 0;

	for (uint32_t i = 0; i < ruleset->member_rules_count; i++) {
		uint32_t signature = ruleset->member_rules[i].signature;

		for (; delta != NULL && of_delta < delta->member_rules_count &&
			ruleset_precedes(delta, delta->member_rules[of_delta].signature, signature);
			of_delta++)
			add_item(rules, delta, of_delta);
		if (!ruleset_is_removed(ruleset->removed_bits, signature))
			add_item(rules, ruleset, i);
	}
	for (; delta != NULL && of_delta < delta->member_rules_count; of_delta++)
		add_item(rules, delta, of_delta);
}

int member_rules_new(const struct ruleset *ruleset, struct member_rules **out)
{
	struct member_rules *rules;
	size_t room = ruleset->member_rules_count;

	*out = NULL;
	if (ruleset->delta != NULL)
		room += ruleset->delta->member_rules_count;
	if (room == 0)
		return 0;
	rules = calloc(1, sizeof(*rules));
	if (rules == NULL)
		return -ENOMEM;
	rules->items = calloc(room, sizeof(*rules->items));
	rules->data = pcre2_match_data_create(1, NULL);
	rules->context = pcre2_match_context_create(NULL);
	rules->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_LAST, NULL);
	if (rules->items != NULL)
		list_items(rules, ruleset);
	if (rules->items == NULL || rules->data == NULL || rules->context == NULL ||
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
	for (uint32_t i = 0; rules->items != NULL && i < rules->count; i++)
		pcre2_code_free(rules->items[i].name);
	pcre2_jit_stack_free(rules->stack);
	pcre2_match_context_free(rules->context);
	pcre2_match_data_free(rules->data);
	free(rules->items);
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

	if (rules->items[number].name == NULL)
		return true;
	found = pcre2_match(rules->items[number].name, (PCRE2_SPTR)name, strlen(name), 0, 0,
		rules->data, rules->context);
	if (found < 0 && found != PCRE2_ERROR_NOMATCH)
		*partial = true;
	return found >= 0;
}

uint32_t member_rules_next(const struct member_rules *rules, uint32_t from,
	const struct member_facts *facts, bool *partial)
{
	for (; from < rules->count; from++)
		if (fits(rules->items[from].rule, facts) &&
			is_named(rules, from, facts->name, partial))
			return from;
	return RULESET_NONE;
}

const struct ruleset_member_rule *member_rules_get(
	const struct member_rules *rules, uint32_t number, const struct ruleset **ruleset)
{
	*ruleset = rules->items[number].ruleset;
	return rules->items[number].rule;
}

bool member_rule_asks(const struct ruleset_member_rule *rule)
{
	return rule->container_bytes.min > 0 || rule->container_bytes.max != UINT32_MAX;
}

bool member_rule_takes(const struct ruleset_member_rule *rule, uint64_t container_bytes)
{
	return is_in(&rule->container_bytes, container_bytes);
}
