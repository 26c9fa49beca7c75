// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset.h"

#include <errno.h>

static int check_signatures(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->signatures_count; i++) {
		const struct ruleset_signature *signature = &ruleset->signatures[i];

		if (signature->name >= ruleset->strings_bytes ||
			signature->virus_id >= ruleset->strings_bytes ||
			signature->recipe >= ruleset->strings_bytes ||
			signature->kind > MATCH_HEURISTIC || signature->target >= FILETYPE_TARGETS)
			return -EBADMSG;
	}
	return 0;
}

static bool is_sink(const struct ruleset *ruleset, uint32_t sink)
{
	return (sink & RULESET_ATOM) != 0 ? (sink & RULESET_ATOM_NUMBER) < ruleset->atoms_count
					  : sink < ruleset->signatures_count;
}

static int check_uses(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->expressions_count; i++) {
		const struct ruleset_expression *expression = &ruleset->expressions[i];

		if (expression->use > ruleset->uses_count ||
			expression->uses_count > ruleset->uses_count - expression->use)
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < ruleset->uses_count; i++) {
		const struct ruleset_use *use = &ruleset->uses[i];

		if (!is_sink(ruleset, use->sink) ||
			(use->group != RULESET_NONE && use->group >= ruleset->groups_count))
			return -EBADMSG;
	}
	return 0;
}

static int check_groups(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->groups_count; i++) {
		const struct ruleset_group *group = &ruleset->groups[i];
		bool first = (group->flags & RULESET_GROUP_FIRST) != 0;
		bool last = (group->flags & RULESET_GROUP_LAST) != 0;

		if (!is_sink(ruleset, group->sink) || group->offset_from > RULESET_OFFSET_VERSION ||
			(i == 0 && !first) || group->ring_count > RULESET_MAX_RING ||
			group->moved > group->offset)
			return -EBADMSG;
		if (group->ring_count == 0 && (!last || group->offset_from == RULESET_OFFSET_END))
			return -EBADMSG;
		// What another group goes on from has a place to be kept.
		if (!first && ruleset->groups[i - 1].ring_count == 0)
			return -EBADMSG;
	}
	return 0;
}

static int check_check(const struct ruleset *ruleset, const struct ruleset_expression *expression)
{
	const uint8_t *bytes = ruleset->check_bytes + expression->check;
	uint32_t of_each = expression->check_kind == RULESET_CHECK_PLAIN ? 1 : 2;

	if (expression->check_kind == RULESET_CHECK_NONE)
		return 0;
	if (expression->check_kind > RULESET_CHECK_CLASSES || expression->length == 0 ||
		expression->length > RULESET_MAX_CHECK ||
		expression->check > ruleset->check_bytes_count ||
		of_each * expression->length > ruleset->check_bytes_count - expression->check)
		return -EBADMSG;
	if (expression->check_kind != RULESET_CHECK_CLASSES)
		return 0;
	for (uint32_t i = 0; i < expression->length; i++)
		if ((bytes[i] | (uint32_t)bytes[expression->length + i] << 8) >=
			ruleset->classes_count)
			return -EBADMSG;
	return 0;
}

static int check_searches(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->expressions_count; i++)
		if (check_check(ruleset, &ruleset->expressions[i]) != 0)
			return -EBADMSG;
	for (unsigned int i = 0; i < RULESET_ANCHOR_TABLES; i++)
		if (anchor_check(&ruleset->anchors[i], ruleset) != 0)
			return -EBADMSG;
	return 0;
}

// From the last on, so that both sides of a node are known to be sound.
static int check_nodes(const struct ruleset *ruleset)
{
	for (uint32_t i = ruleset->nodes_count; i-- > 0;) {
		const struct ruleset_node *node = &ruleset->nodes[i];
		uint32_t right;

		if (node->index >= RULESET_MAX_MEMBERS)
			return -EBADMSG;
		if (node->joint == 0) {
			if (node->end != i + 1)
				return -EBADMSG;
			continue;
		}
		if (i + 1 >= ruleset->nodes_count)
			return -EBADMSG;
		right = node[1].end;
		if (right >= ruleset->nodes_count || node->end != ruleset->nodes[right].end ||
			node->end - i > RULESET_MAX_NODES)
			return -EBADMSG;
	}
	return 0;
}

static bool is_string(const struct ruleset *ruleset, uint32_t at)
{
	return at < ruleset->strings_bytes;
}

static int check_members(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->members_count; i++) {
		uint32_t number = ruleset->members[i] & RULESET_MEMBER_NUMBER;
		uint32_t count = ruleset->atoms_count;

		if ((ruleset->members[i] & RULESET_MEMBER_REGEX) != 0)
			count = ruleset->regexes_count;
		else if ((ruleset->members[i] & RULESET_MEMBER_COMPARE) != 0)
			count = ruleset->compares_count;
		if (number >= count || ruleset->members[i] >> 30 == 3)
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < ruleset->regexes_count; i++) {
		const struct ruleset_regex *regex = &ruleset->regexes[i];

		if (!is_string(ruleset, regex->text) || !is_string(ruleset, regex->letters) ||
			regex->trigger >= ruleset->nodes_count ||
			regex->offset_from > RULESET_OFFSET_VERSION)
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < ruleset->compares_count; i++) {
		const struct ruleset_compare *compare = &ruleset->compares[i];

		if (compare->index >= RULESET_MAX_MEMBERS || compare->bytes > RULESET_MAX_COMPARE ||
			compare->count > 2 || compare->number > RULESET_NUMBER_RAW)
			return -EBADMSG;
	}
	return 0;
}

static bool are_rules(const struct ruleset *ruleset, const uint32_t *rules, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (rules[i] >= ruleset->rules_count)
			return false;
	return true;
}

static int check_rules(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->rules_count; i++) {
		const struct ruleset_rule *rule = &ruleset->rules[i];

		if (rule->signature >= ruleset->signatures_count ||
			rule->node >= ruleset->nodes_count ||
			rule->members_count > RULESET_MAX_MEMBERS ||
			rule->member > ruleset->members_count ||
			rule->members_count > ruleset->members_count - rule->member ||
			rule->outer_count > RULESET_MAX_OUTER ||
			(rule->handler != RULESET_NONE && rule->handler >= FILETYPE_TARGETS))
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < ruleset->atoms_count; i++) {
		const struct ruleset_atom *atom = &ruleset->atoms[i];

		if (atom->keyed > ruleset->keyed_count ||
			atom->keyed_count > ruleset->keyed_count - atom->keyed ||
			(atom->deferred != RULESET_NONE &&
				atom->deferred >= ruleset->deferred_count))
			return -EBADMSG;
	}
	return are_rules(ruleset, ruleset->keyed, ruleset->keyed_count) &&
			       are_rules(ruleset, ruleset->unkeyed, ruleset->unkeyed_count)
		       ? 0
		       : -EBADMSG;
}

static int check_deferred(const struct ruleset *ruleset)
{
	if (ruleset->deferred_count > 0 && ruleset->databases == NULL)
		return -EBADMSG;
	for (uint32_t i = 0; i < ruleset->deferred_count; i++) {
		const struct ruleset_deferred *deferred = &ruleset->deferred[i];

		if (deferred->atom >= ruleset->atoms_count ||
			deferred->expression > ruleset->expressions_count ||
			deferred->expressions_count >
				ruleset->expressions_count - deferred->expression)
			return -EBADMSG;
	}
	return 0;
}

static int check_filetypes(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->filetypes_count; i++) {
		const struct ruleset_filetype *type = &ruleset->filetypes[i];

		if (filetype_by_number(type->number) == NULL ||
			filetype_by_number(type->required) == NULL ||
			!is_string(ruleset, type->pattern) || type->length > RULESET_MAX_MAGIC)
			return -EBADMSG;
	}
	return 0;
}

static int check_member_rules(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->member_rules_count; i++) {
		const struct ruleset_member_rule *rule = &ruleset->member_rules[i];

		if (rule->signature >= ruleset->signatures_count || !is_string(ruleset, rule->name))
			return -EBADMSG;
	}
	return 0;
}

static int check_delta(const struct ruleset *ruleset)
{
	const struct ruleset_base *base = ruleset->base;

	if (base == NULL)
		return ruleset->removed_count == 0 && ruleset->ranks_count == 0 ? 0 : -EBADMSG;
	if (ruleset->ranks_count != ruleset->signatures_count)
		return -EBADMSG;
	for (uint32_t i = 0; i < ruleset->removed_count; i++)
		if (ruleset->removed[i] >= base->signatures ||
			(i > 0 && ruleset->removed[i] <= ruleset->removed[i - 1]))
			return -EBADMSG;
	for (uint32_t i = 0; i < ruleset->ranks_count; i++)
		if (ruleset->ranks[i] > base->signatures ||
			(i > 0 && ruleset->ranks[i] < ruleset->ranks[i - 1]))
			return -EBADMSG;
	return 0;
}

int ruleset_check(const struct ruleset *ruleset)
{
	int (*const checks[])(const struct ruleset *) = {check_signatures, check_searches,
		check_uses, check_groups, check_nodes, check_members, check_rules, check_deferred,
		check_member_rules, check_filetypes, check_delta};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int err = checks[i](ruleset);

		if (err != 0)
			return err;
	}
	return 0;
}
