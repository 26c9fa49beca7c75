// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_rule.h"

#include "scan/match_compare.h"
#include "scan/match_deferred.h"
#include "scan/match_regex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct match_rules {
	const struct ruleset *ruleset;
	struct match_regexes *regexes;
	struct match_deferral *deferral;
	uint32_t *stamps; // of each rule: the object that it was last decided for
	uint32_t stamp;
};

int match_rules_new(const struct ruleset *ruleset, struct match_rules **out)
{
	struct match_rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return -ENOMEM;
	rules->ruleset = ruleset;
	rules->stamps = calloc((size_t)ruleset->rules_count + 1, sizeof(*rules->stamps));
	if (rules->stamps == NULL || match_regexes_new(ruleset, &rules->regexes) != 0 ||
		match_deferral_new(ruleset, &rules->deferral) != 0) {
		match_rules_free(rules);
		return -ENOMEM;
	}
	*out = rules;
	return 0;
}

void match_rules_free(struct match_rules *rules)
{
	if (rules == NULL)
		return;
	match_regexes_free(rules->regexes);
	match_deferral_free(rules->deferral);
	free(rules->stamps);
	free(rules);
}

// ---- expressions -------------------------------------------------------------------------------

// What an expression came to: hits of its true members, and which these are.
struct sum {
	uint64_t count;
	uint64_t members;
};

static bool compare(uint8_t kind, uint64_t value, uint64_t wanted)
{
	if (kind == '=')
		return value == wanted;
	return kind == '<' ? value < wanted : value > wanted;
}

static bool hold_member(const struct ruleset_node *node, const uint32_t *counts, struct sum *sum)
{
	uint32_t count = counts[node->index];

	if (node->comparison != 0 ? !compare(node->comparison, count, node->value) : count == 0)
		return false;
	sum->count += count;
	sum->members |= UINT64_C(1) << node->index;
	return true;
}

// NOLINTNEXTLINE(misc-no-recursion): ruleset_check bounds the depth
static bool hold(
	const struct ruleset_node *nodes, uint32_t at, const uint32_t *counts, struct sum *sum)
{
	const struct ruleset_node *node = &nodes[at];
	struct sum block = {0};
	bool left;
	bool right;
	bool is_true;

	if (node->joint == 0)
		return hold_member(node, counts, sum);
	left = hold(nodes, at + 1, counts, &block);
	right = hold(nodes, node[1].end, counts, &block);
	is_true = node->joint == '&' ? left && right : left || right;
	if (node->comparison == 0) {
		if (!is_true)
			return false;
		sum->count += block.count;
		sum->members |= block.members;
		return true;
	}
	if (!is_true)
		block = (struct sum){0};
	if (!compare(node->comparison, block.count, node->value))
		return false;
	if (node->distinct != 0 && (uint32_t)__builtin_popcountll(block.members) < node->distinct)
		return false;
	sum->count += block.count;
	return true;
}

bool match_rule_holds(const struct ruleset_node *nodes, uint32_t node, const uint32_t *counts)
{
	struct sum sum = {0};

	return hold(nodes, node, counts, &sum);
}

// ---- comparisons of bytes ----------------------------------------------------------------------

static bool compare_holds(const struct ruleset_compare *item, const struct track_entry *entry,
	const struct match_facts *facts, bool *partial)
{
	const struct match_copy *copy = facts->copy;
	int64_t from;

	if (entry == NULL || entry->count == 0)
		return false;
	from = (int64_t)entry->of.atom.begin + item->offset;
	// ClamAV takes the first byte of an object for one before it.
	if (from <= 0 || (uint64_t)from + item->bytes > facts->bytes)
		return false;
	if (facts->from + (uint64_t)from + item->bytes > copy->bytes) {
		*partial = true;
		return false;
	}
	return match_compare_holds(item, match_copy_join(copy) + facts->from + from);
}

// ---- rules -------------------------------------------------------------------------------------

static bool lies_between(uint64_t value, uint32_t min, uint32_t max)
{
	return value >= min && (max == UINT32_MAX || value <= max);
}

// From the innermost on; what may be any takes none of those that the object lies in, as in ClamAV.
static bool outer_fits(const struct ruleset_rule *rule, const struct match_facts *facts)
{
	uint32_t at = 0;

	if (rule->outer_count > facts->outer_count)
		return false;
	for (uint32_t i = rule->outer_count; i-- > 0;)
		if (rule->outer[i] != FILETYPE_CONTAINER_NONE &&
			rule->outer[i] != facts->outer[at++])
			return false;
	return true;
}

static bool facts_fit(
	const struct ruleset_rule *rule, const struct track *track, const struct match_facts *facts)
{
	const struct executable *file = track->executable;

	if (!lies_between(facts->file_bytes, rule->bytes_min, rule->bytes_max) ||
		(rule->container != RULESET_NONE && rule->container != facts->container) ||
		!outer_fits(rule, facts))
		return false;
	if (rule->needs_file == 0)
		return true;
	return file != NULL && file->has_sections &&
	       lies_between(file->sections_count, rule->sections_min, rule->sections_max) &&
	       ((rule->entry_min == 0 && rule->entry_max == UINT32_MAX) ||
		       (file->has_entry_point &&
			       lies_between(file->entry_point, rule->entry_min, rule->entry_max)));
}

// Fills in the counts of the atoms. Returns whether there are members of other kinds.
static bool count_atoms(const struct ruleset *ruleset, const struct ruleset_rule *rule,
	const struct track *track, uint32_t *counts)
{
	bool others = false;

	for (uint32_t i = 0; i < rule->members_count; i++) {
		uint32_t member = ruleset->members[rule->member + i];
		const struct track_entry *entry;

		if ((member & ~RULESET_MEMBER_NUMBER) != 0) {
			others = true;
			continue;
		}
		entry = track_find_atom(track, member);
		counts[i] = entry != NULL ? entry->count : 0;
	}
	return others;
}

// The atom of a member, or NULL.
static const struct track_entry *entry_of(const struct ruleset *ruleset,
	const struct ruleset_rule *rule, const struct track *track, uint32_t index)
{
	uint32_t member;

	if (index >= rule->members_count)
		return NULL;
	member = ruleset->members[rule->member + index];
	return (member & ~RULESET_MEMBER_NUMBER) == 0 ? track_find_atom(track, member) : NULL;
}

static void count_others(const struct match_rules *rules, const struct ruleset_rule *rule,
	struct track *track, const struct match_facts *facts, uint32_t *counts)
{
	const struct ruleset *ruleset = rules->ruleset;
	const struct match_regex_object object = {
		facts->copy, facts->from, facts->bytes, track->executable};

	for (uint32_t i = 0; i < rule->members_count; i++) {
		uint32_t member = ruleset->members[rule->member + i];
		const struct ruleset_compare *item;

		if ((member & RULESET_MEMBER_COMPARE) == 0)
			continue;
		item = &ruleset->compares[member & RULESET_MEMBER_NUMBER];
		counts[i] = compare_holds(
			item, entry_of(ruleset, rule, track, item->index), facts, &track->lost);
	}
	for (uint32_t i = 0; i < rule->members_count; i++) {
		uint32_t member = ruleset->members[rule->member + i];
		uint32_t number = member & RULESET_MEMBER_NUMBER;

		if ((member & RULESET_MEMBER_REGEX) != 0 &&
			match_rule_holds(ruleset->nodes, ruleset->regexes[number].trigger, counts))
			counts[i] =
				match_regex_count(rules->regexes, number, &object, &track->lost);
	}
}

// More than any count, and small enough to be added up.
#define MANY (1u << 24)

// Whether more of some member can make the expression false.
static bool is_contrary(const struct ruleset *ruleset, uint32_t expression)
{
	const struct ruleset_node *root = &ruleset->nodes[expression];

	for (const struct ruleset_node *node = root; node < ruleset->nodes + root->end; node++)
		if (node->comparison == '<' || node->comparison == '=')
			return true;
	return false;
}

// Whether the expression could hold with so many of each member or fewer.
static bool could_be_true(const struct ruleset *ruleset, uint32_t expression, const uint32_t *most)
{
	return is_contrary(ruleset, expression) ||
	       match_rule_holds(ruleset->nodes, expression, most);
}

// Whether the rule could hold if all that is not counted yet were there. A regular expression is not searched for where
// what triggers it cannot hold.
static bool could_hold(const struct match_rules *rules, const struct ruleset_rule *rule,
	const struct track *track, const uint32_t *counts)
{
	const struct ruleset *ruleset = rules->ruleset;
	uint32_t most[RULESET_MAX_MEMBERS] = {0};

	if (is_contrary(ruleset, rule->node))
		return true;
	for (uint32_t i = 0; i < rule->members_count; i++) {
		uint32_t member = ruleset->members[rule->member + i];
		bool is_open = (member & ~RULESET_MEMBER_NUMBER) != 0 ||
			       match_deferral_is_open(rules->deferral, track, member);

		most[i] = is_open ? MANY : counts[i];
	}
	for (uint32_t i = 0; i < rule->members_count; i++) {
		const uint32_t member = ruleset->members[rule->member + i];
		const uint32_t number = member & RULESET_MEMBER_NUMBER;

		if ((member & RULESET_MEMBER_REGEX) != 0 &&
			!could_be_true(ruleset, ruleset->regexes[number].trigger, most))
			most[i] = 0;
	}
	return match_rule_holds(ruleset->nodes, rule->node, most);
}

// Counts the deferred atoms, where that can matter. Returns false when the rule cannot hold.
static bool count_deferred(struct match_rules *rules, const struct ruleset_rule *rule,
	struct track *track, const struct match_facts *facts, uint32_t *counts)
{
	const struct ruleset *ruleset = rules->ruleset;

	for (uint32_t i = 0; i < rule->members_count; i++) {
		uint32_t member = ruleset->members[rule->member + i];

		if ((member & ~RULESET_MEMBER_NUMBER) != 0 ||
			!match_deferral_is_open(rules->deferral, track, member))
			continue;
		if (!could_hold(rules, rule, track, counts))
			return false;
		match_deferral_run(rules->deferral, track, facts, member);
		// A rule may name the same one several times.
		(void)count_atoms(ruleset, rule, track, counts);
	}
	return true;
}

static void decide(struct match_rules *rules, uint32_t number, struct track *track,
	const struct match_facts *facts)
{
	const struct ruleset *ruleset = rules->ruleset;
	const struct ruleset_rule *rule = &ruleset->rules[number];
	uint32_t counts[RULESET_MAX_MEMBERS] = {0};
	bool others;

	if (rules->stamps[number] == rules->stamp)
		return;
	rules->stamps[number] = rules->stamp;
	if (ruleset_is_removed(ruleset->removed_bits, rule->signature))
		return;
	if (!facts_fit(rule, track, facts))
		return;
	others = count_atoms(ruleset, rule, track, counts);
	if (!count_deferred(rules, rule, track, facts, counts))
		return;
	if (others)
		count_others(rules, rule, track, facts, counts);
	if (!match_rule_holds(ruleset->nodes, rule->node, counts))
		return;
	track_hit(&track->hits, rule->signature);
	if (rule->handler != RULESET_NONE)
		track->handler = rule->handler;
}

// The rules that the atoms of the object make possible.
static void decide_keyed(
	struct match_rules *rules, struct track *track, const struct match_facts *facts)
{
	const struct ruleset *ruleset = rules->ruleset;

	for (uint32_t i = track_next_entry(track, 0); i < track->entries_room;
		i = track_next_entry(track, i + 1)) {
		uint32_t number = track_atom_of(&track->entries[i]);
		const struct ruleset_atom *atom;

		if (number == RULESET_NONE)
			continue;
		atom = &ruleset->atoms[number];
		for (uint32_t k = 0; k < atom->keyed_count; k++)
			decide(rules, ruleset->keyed[atom->keyed + k], track, facts);
	}
}

void match_rules_decide(
	struct match_rules *rules, struct track *track, const struct match_facts *facts)
{
	const struct ruleset *ruleset = rules->ruleset;
	uint32_t known;

	if (++rules->stamp == 0) {
		memset(rules->stamps, 0, ruleset->rules_count * sizeof(*rules->stamps));
		rules->stamp = 1;
	}
	match_deferral_begin(rules->deferral);
	match_regexes_begin(rules->regexes);
	for (uint32_t i = 0; i < ruleset->unkeyed_count; i++) {
		const struct ruleset_rule *rule = &ruleset->rules[ruleset->unkeyed[i]];
		uint32_t target = ruleset->signatures[rule->signature].target;

		if (target == FILETYPE_TARGET_ANY || target == facts->target)
			decide(rules, ruleset->unkeyed[i], track, facts);
	}
	// What is deferred may add to the table, or move it; no rule is decided twice.
	do {
		known = track->entries_count;
		decide_keyed(rules, track, facts);
	} while (track->entries_count != known);
}
