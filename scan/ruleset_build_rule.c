// SPDX-License-Identifier: BSD-3-Clause
// Logical signatures: their subsignatures become atoms, which rules share, their expressions become
// nodes.
#include "scan/match_regex.h"
#include "scan/ruleset_build.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_atom(const char *text, uint32_t target)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ target;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

static uint32_t *find_atom_bucket(struct build *build, const char *text, uint32_t target)
{
	const struct build_atom *atoms = build->atoms.items;
	size_t mask = build->atom_buckets_count - 1;
	size_t at = hash_atom(text, target) & mask;

	for (; build->atom_buckets[at] != 0; at = (at + 1) & mask) {
		const struct build_atom *atom = &atoms[build->atom_buckets[at] - 1];

		if (atom->target == target && strcmp(atom->text, text) == 0)
			break;
	}
	return &build->atom_buckets[at];
}

static bool grow_atom_buckets(struct build *build)
{
	const struct build_atom *atoms = build->atoms.items;
	size_t count = build->atom_buckets_count > 0 ? 2 * build->atom_buckets_count : 1024;
	uint32_t *buckets = calloc(count, sizeof(*buckets));

	if (buckets == NULL) {
		build->failed = true;
		return false;
	}
	free(build->atom_buckets);
	build->atom_buckets = buckets;
	build->atom_buckets_count = count;
	for (uint32_t i = 0; i < build->atoms.count; i++)
		*find_atom_bucket(build, atoms[i].text, atoms[i].target) = i + 1;
	return true;
}

// The number of the atom. The text stays where it is: in the file.
static uint32_t intern_atom(
	struct build *build, const char *text, const struct clamav_logical *logical)
{
	struct build_atom *atom;
	uint32_t *bucket;

	if (2 * (build->atoms.count + 1) > build->atom_buckets_count && !grow_atom_buckets(build))
		return 0;
	bucket = find_atom_bucket(build, text, logical->target);
	if (*bucket == 0) {
		atom = build_push(build, &build->atoms, sizeof(*atom));
		if (atom == NULL)
			return 0;
		*bucket = (uint32_t)build->atoms.count;
		atom->text = text;
		atom->target = logical->target;
	}
	((struct build_atom *)build->atoms.items)[*bucket - 1].rules_count++;
	return *bucket - 1;
}

// ---- expressions -------------------------------------------------------------------------------

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
static uint32_t add_nodes(struct build *build, const struct clamav_expression *expression)
{
	uint32_t at = (uint32_t)build->nodes.count;
	struct ruleset_node *node = build_push(build, &build->nodes, sizeof(*node));

	if (node == NULL)
		return 0;
	node->joint = (uint8_t)expression->joint;
	node->comparison = (uint8_t)expression->comparison.kind;
	node->index = (uint16_t)expression->index;
	node->value = expression->comparison.value;
	node->distinct = expression->comparison.distinct;
	if (expression->joint != 0) {
		(void)add_nodes(build, expression->left);
		(void)add_nodes(build, expression->right);
	}
	((struct ruleset_node *)build->nodes.items)[at].end = (uint32_t)build->nodes.count;
	return at;
}

// Whether a comparison tells more than "there" from "not there".
static bool reads_count(const struct clamav_comparison *comparison)
{
	switch (comparison->kind) {
	case '<':
		return comparison->value > 1;
	case '>':
	case '=':
		return comparison->value > 0;
	default:
		return false;
	}
}

// A comparison begins where the latest hit does.
static void mark_placed(struct build_atom *atom)
{
	atom->counted = true;
	atom->placed = true;
}

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
static void mark_counted(struct build *build, const struct clamav_expression *expression,
	uint32_t member, bool block)
{
	uint32_t number;

	block = block || reads_count(&expression->comparison);
	if (expression->joint != 0) {
		mark_counted(build, expression->left, member, block);
		mark_counted(build, expression->right, member, block);
		return;
	}
	number = ((uint32_t *)build->members.items)[member + expression->index];
	if (block && (number & ~RULESET_MEMBER_NUMBER) == 0)
		((struct build_atom *)build->atoms.items)[number].counted = true;
}

// ---- members -----------------------------------------------------------------------------------

static void add_regex(struct build *build, const struct clamav_regex *parsed)
{
	uint32_t trigger = add_nodes(build, parsed->trigger);
	uint32_t text = build_add_string(build, parsed->text);
	uint32_t letters = build_add_string(build, parsed->letters);
	struct ruleset_regex *regex = build_push(build, &build->regexes, sizeof(*regex));

	if (regex == NULL)
		return;
	regex->text = text;
	regex->letters = letters;
	regex->flags = ((parsed->flags & CLAMAV_REGEX_ROLLING) != 0 ? RULESET_REGEX_ROLLING : 0) |
		       ((parsed->flags & CLAMAV_REGEX_ENCLOSED) != 0 ? RULESET_REGEX_ENCLOSED : 0) |
		       ((parsed->flags & CLAMAV_REGEX_ALL) != 0 ? RULESET_REGEX_ALL : 0);
	regex->trigger = trigger;
	regex->offset_from = (uint32_t)parsed->offset.kind;
	regex->offset = parsed->offset.value;
	regex->shift = parsed->offset.shift;
	regex->section = parsed->offset.section;
	regex->flags |= parsed->offset.before ? RULESET_REGEX_BEFORE : 0;
}

static void add_compare(struct build *build, const struct clamav_compare *parsed)
{
	struct ruleset_compare *compare = build_push(build, &build->compares, sizeof(*compare));

	if (compare == NULL)
		return;
	compare->index = parsed->index;
	compare->offset = parsed->offset;
	compare->number = (uint32_t)parsed->number;
	compare->flags = (parsed->little_endian ? RULESET_COMPARE_LITTLE : 0) |
			 (parsed->exact ? RULESET_COMPARE_EXACT : 0);
	compare->bytes = parsed->never ? 0 : parsed->bytes;
	compare->count = parsed->count;
	for (uint32_t i = 0; i < parsed->count; i++) {
		compare->kinds[i] = (unsigned char)parsed->kinds[i];
		compare->values[i] = parsed->values[i];
	}
}

// What is wrong with a member that reads other members.
static enum clamav_result check_member(const struct clamav_subsignature *member, uint32_t index,
	const struct clamav_logical *logical, const char **reason)
{
	static _Thread_local char words[200];
	enum clamav_offset_kind offset = member->regex.offset.kind;

	if (member->kind == CLAMAV_SUBSIGNATURE_COMPARE && member->compare.index >= index) {
		*reason = "byte comparison beside a subsignature that does not come before it";
		return CLAMAV_MALFORMED;
	}
	if (member->kind != CLAMAV_SUBSIGNATURE_REGEX)
		return CLAMAV_TAKEN;
	if (clamav_expression_highest(member->regex.trigger) >= logical->subsignatures_count) {
		*reason = "the trigger names a subsignature that is not there";
		return CLAMAV_MALFORMED;
	}
	if (offset == CLAMAV_OFFSET_VERSION) {
		*reason = "regular expression at version information";
		return CLAMAV_SKIPPED;
	}
	match_regex_validate(member->regex.text, member->regex.letters, words, sizeof(words));
	*reason = words;
	return words[0] == '\0' ? CLAMAV_TAKEN : CLAMAV_SKIPPED;
}

static void add_members(struct build *build, const struct clamav_logical *logical,
	const struct clamav_subsignature *parsed)
{
	uint32_t first = (uint32_t)build->members.count;

	for (uint32_t i = 0; i < logical->subsignatures_count; i++) {
		uint32_t *member = build_push(build, &build->members, sizeof(*member));

		if (member == NULL)
			return;
		switch (parsed[i].kind) {
		case CLAMAV_SUBSIGNATURE_BODY:
			*member = intern_atom(build, logical->subsignatures[i], logical);
			break;
		case CLAMAV_SUBSIGNATURE_REGEX:
			add_regex(build, &parsed[i].regex);
			*member = ((uint32_t)build->regexes.count - 1) | RULESET_MEMBER_REGEX;
			break;
		case CLAMAV_SUBSIGNATURE_COMPARE:
			add_compare(build, &parsed[i].compare);
			*member = ((uint32_t)build->compares.count - 1) | RULESET_MEMBER_COMPARE;
			break;
		}
	}
	for (uint32_t i = 0; i < logical->subsignatures_count && !build->failed; i++) {
		const uint32_t *members = (const uint32_t *)build->members.items + first;
		uint32_t of = parsed[i].compare.index;

		if (parsed[i].kind == CLAMAV_SUBSIGNATURE_REGEX)
			mark_counted(build, parsed[i].regex.trigger, first, false);
		else if (parsed[i].kind == CLAMAV_SUBSIGNATURE_COMPARE &&
			 (members[of] & ~RULESET_MEMBER_NUMBER) == 0)
			mark_placed((struct build_atom *)build->atoms.items + members[of]);
	}
}

enum clamav_result build_rule(struct build *build, const struct clamav_logical *logical,
	uint32_t signature, const char **reason)
{
	struct clamav_subsignature *parsed = clamav_alloc(
		&build->arena, logical->subsignatures_count * sizeof(struct clamav_subsignature));
	enum clamav_result result = CLAMAV_TAKEN;
	struct ruleset_rule *rule;
	const char *why = NULL;
	uint32_t node;

	for (uint32_t i = 0; parsed != NULL && i < logical->subsignatures_count; i++) {
		enum clamav_result one = clamav_parse_subsignature(&build->arena,
			logical->subsignatures[i], logical->target, &parsed[i], &why);

		if (one == CLAMAV_TAKEN)
			one = check_member(&parsed[i], i, logical, &why);
		if (one == CLAMAV_MALFORMED || (one == CLAMAV_SKIPPED && result == CLAMAV_TAKEN)) {
			*reason = why;
			result = one;
		}
		if (one == CLAMAV_MALFORMED)
			return one;
	}
	rule = result == CLAMAV_TAKEN ? build_push(build, &build->rules, sizeof(*rule)) : NULL;
	if (rule == NULL || parsed == NULL)
		return result;
	rule->signature = signature;
	rule->member = (uint32_t)build->members.count;
	rule->members_count = logical->subsignatures_count;
	rule->bytes_min = logical->file_bytes.min;
	rule->bytes_max = logical->file_bytes.max;
	rule->needs_file = logical->needs_file;
	rule->sections_min = logical->sections.min;
	rule->sections_max = logical->sections.max;
	rule->entry_min = logical->entry_point.min;
	rule->entry_max = logical->entry_point.max;
	rule->container = logical->has_container ? logical->container : RULESET_NONE;
	rule->handler = logical->has_handler ? logical->handler : RULESET_NONE;
	rule->outer_count = logical->outer_count;
	memcpy(rule->outer, logical->outer, sizeof(rule->outer));
	add_members(build, logical, parsed);
	node = add_nodes(build, logical->expression);
	rule->node = node;
	if (!build->failed)
		mark_counted(build, logical->expression, rule->member, false);
	return CLAMAV_TAKEN;
}

// ---- dropping ----------------------------------------------------------------------------------

bool build_is_dropped(const struct build *build, uint32_t sink)
{
	const struct build_atom *atoms = build->atoms.items;
	const struct build_signature *signatures = build->signatures.items;

	return (sink & RULESET_ATOM) != 0 ? atoms[sink & RULESET_ATOM_NUMBER].dropped != NULL
					  : signatures[sink].dropped;
}

void build_drop_sink(struct build *build, uint32_t sink, const char *why)
{
	struct build_signature *signature =
		(struct build_signature *)build->signatures.items + sink;

	if (build_is_dropped(build, sink))
		return;
	if ((sink & RULESET_ATOM) != 0) {
		struct build_atom *atom =
			(struct build_atom *)build->atoms.items + (sink & RULESET_ATOM_NUMBER);

		atom->dropped = strdup(why);
		build->failed = build->failed || atom->dropped == NULL;
		return;
	}
	build_report(build, signature->file, signature->line, false, why);
	signature->dropped = true;
}

void build_drop_rules(struct build *build)
{
	struct build_signature *signatures = build->signatures.items;
	const struct ruleset_rule *rules = build->rules.items;
	const struct build_atom *atoms = build->atoms.items;
	const uint32_t *members = build->members.items;

	for (size_t i = 0; i < build->rules.count; i++) {
		struct build_signature *signature = &signatures[rules[i].signature];

		for (uint32_t k = 0; k < rules[i].members_count && !signature->dropped; k++) {
			uint32_t member = members[rules[i].member + k];

			if ((member & ~RULESET_MEMBER_NUMBER) != 0 || atoms[member].dropped == NULL)
				continue;
			build_report(build, signature->file, signature->line, false,
				atoms[member].dropped);
			signature->dropped = true;
		}
	}
}

// ---- keys --------------------------------------------------------------------------------------

// Each member is looked at once: regular expressions are triggered by others, and by themselves.
struct needs {
	const struct build *build;
	const struct ruleset_rule *rule;
	uint64_t begun; // members; what is asked of one that has not ended is 0
	uint64_t members[CLAMAV_MAX_SUBSIGNATURES];
};

static uint64_t needs_of_node(struct needs *needs, uint32_t at);
static uint64_t needs_of_member(struct needs *needs, uint32_t index);

static uint64_t find_needs_of_member(struct needs *needs, uint32_t index)
{
	const struct build *build = needs->build;
	uint32_t member = ((const uint32_t *)build->members.items)[needs->rule->member + index];
	uint32_t number = member & RULESET_MEMBER_NUMBER;

	if ((member & RULESET_MEMBER_REGEX) != 0)
		return needs_of_node(needs,
			((const struct ruleset_regex *)build->regexes.items)[number].trigger);
	if ((member & RULESET_MEMBER_COMPARE) != 0)
		return needs_of_member(needs,
			((const struct ruleset_compare *)build->compares.items)[number].index);
	if (!build->needs_bare &&
		((const struct build_atom *)build->atoms.items)[number].way == BUILD_BARE)
		return 0;
	return UINT64_C(1) << index;
}

// NOLINTNEXTLINE(misc-no-recursion): no member is looked at twice
static uint64_t needs_of_member(struct needs *needs, uint32_t index)
{
	if ((needs->begun >> index & 1) == 0) {
		needs->begun |= UINT64_C(1) << index;
		needs->members[index] = find_needs_of_member(needs, index);
	}
	return needs->members[index];
}

#define DEFERRED_WEIGHT 1024

// How many rules would have to be decided where one of the atoms is.
static uint64_t weight_of(
	const struct build *build, const struct ruleset_rule *rule, uint64_t needs)
{
	uint64_t weight = 0;

	for (uint32_t i = 0; i < rule->members_count; i++) {
		const struct build_atom *atom;
		size_t length;

		if ((needs >> i & 1) == 0)
			continue;
		atom = (const struct build_atom *)build->atoms.items +
		       ((const uint32_t *)build->members.items)[rule->member + i];
		length = strlen(atom->text);
		weight += atom->rules_count + (length < 32 ? (32 - length) * (32 - length) : 0);
		weight += atom->way != BUILD_SEARCHED ? DEFERRED_WEIGHT : 0;
	}
	return weight;
}

static bool can_be_true_without(const struct ruleset_node *node)
{
	switch (node->comparison) {
	case '<':
		return true;
	case '=':
		return node->value == 0;
	default:
		return false;
	}
}

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
static uint64_t needs_of_node(struct needs *needs, uint32_t at)
{
	const struct ruleset_node *nodes = needs->build->nodes.items;
	uint64_t left;
	uint64_t right;

	if (can_be_true_without(&nodes[at]))
		return 0;
	if (nodes[at].joint == 0)
		return needs_of_member(needs, nodes[at].index);
	left = needs_of_node(needs, at + 1);
	right = needs_of_node(needs, nodes[at + 1].end);
	if (nodes[at].joint == '|')
		return left != 0 && right != 0 ? left | right : 0;
	if (left == 0 || right == 0)
		return left | right;
	return weight_of(needs->build, needs->rule, left) <=
			       weight_of(needs->build, needs->rule, right)
		       ? left
		       : right;
}

uint64_t build_needs(const struct build *build, const struct ruleset_rule *rule)
{
	struct needs needs = {.build = build, .rule = rule};

	return needs_of_node(&needs, rule->node);
}
