// SPDX-License-Identifier: BSD-3-Clause
//
// Subsignatures that are words of every mail, as "http://" or "class", would be met all the time and tell
// nothing. Where each rule that has one depends on another that is rare, the word is not searched for:
// like what only Hyperscan can find it is deferred until the object has ended, and looked for only where
// a rule could hold otherwise. Of several parts the rarest is searched for, if it is rare.
#include "scan/ruleset_build.h"
#include "scan/ruleset_build_window.h"

#include <stdlib.h>

// Met at more places of text, an atom is common; what a rule depends on then must be this rare.
#define RARE 1e-6f

struct shared_atom {
	uint32_t number;
	float share;
};

// The rules of each atom.
struct common {
	struct build *build;
	uint32_t *first; // of each atom, in the rules
	uint32_t *rules;
	struct shared_atom *order; // those that are common, the commonest first
	size_t order_count;
};

static struct build_atom *atom_of(const struct build *build, uint32_t number)
{
	return (struct build_atom *)build->atoms.items + number;
}

bool build_is_text(uint32_t target)
{
	return target == FILETYPE_TARGET_ANY || target == FILETYPE_TARGET_HTML ||
	       target == FILETYPE_TARGET_MAIL || target == FILETYPE_TARGET_TEXT;
}

static float share_of(const struct build_atom *atom)
{
	switch (atom->way) {
	case BUILD_SEARCHED:
		return atom->share;
	case BUILD_TRIGGERED:
		return atom->trigger_share;
	case BUILD_BARE:
	case BUILD_EAGER:
		break;
	}
	return 0;
}

static void list_rules(struct common *common)
{
	const struct build *build = common->build;
	const uint32_t *members = build->members.items;

	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < build->rules.count; i++) {
			const struct ruleset_rule *rule =
				(const struct ruleset_rule *)build->rules.items + i;

			for (uint32_t k = rule->member; k < rule->member + rule->members_count;
				k++) {
				if ((members[k] & ~RULESET_MEMBER_NUMBER) != 0)
					continue;
				if (pass == 0)
					common->first[members[k] + 2]++;
				else
					common->rules[common->first[members[k] + 1]++] = i;
			}
		}
		for (size_t i = 0; i < build->atoms.count + 1 && pass == 0; i++)
			common->first[i + 1] += common->first[i];
	}
}

// Whether what the rule depends on is rare enough for the rest to be looked for afterwards.
static bool depends_on_rare(const struct build *build, uint32_t number)
{
	const struct ruleset_rule *rule = (const struct ruleset_rule *)build->rules.items + number;
	const uint32_t *members = build->members.items;
	uint64_t needs = build_needs(build, rule);
	float share = 0;

	for (uint64_t left = needs; left != 0; left &= left - 1) {
		const struct build_atom *atom =
			atom_of(build, members[rule->member + (uint32_t)__builtin_ctzll(left)]);

		// Hyperscan tells nothing of how often it finds it.
		share += atom->way == BUILD_EAGER ? 1 : share_of(atom);
	}
	return needs != 0 && share <= RARE;
}

static void try_atom(struct common *common, uint32_t number)
{
	struct build_atom *atom = atom_of(common->build, number);
	const enum build_way before = atom->way;

	if (before == BUILD_SEARCHED && atom->has_trigger && atom->trigger_share <= RARE) {
		atom->way = BUILD_TRIGGERED;
		return;
	}
	atom->way = BUILD_BARE;
	for (uint32_t i = common->first[number]; i < common->first[number + 1]; i++) {
		if (depends_on_rare(common->build, common->rules[i]))
			continue;
		atom->way = before;
		return;
	}
}

static int compare_shares(const void *a, const void *b)
{
	const struct shared_atom *left = a;
	const struct shared_atom *right = b;

	if (left->share != right->share)
		return left->share > right->share ? -1 : 1;
	return (left->number > right->number) - (left->number < right->number);
}

static void list_common(struct common *common)
{
	const struct build *build = common->build;

	for (uint32_t i = 0; i < build->atoms.count; i++) {
		const struct build_atom *atom = atom_of(build, i);

		if (build_is_text(atom->target) && atom->dropped == NULL && share_of(atom) > RARE)
			common->order[common->order_count++] =
				(struct shared_atom){i, share_of(atom)};
	}
	qsort(common->order, common->order_count, sizeof(*common->order), compare_shares);
}

void build_defer_common(struct build *build)
{
	struct common common = {.build = build};

	common.first = calloc(build->atoms.count + 3, sizeof(*common.first));
	common.rules = calloc(build->members.count + 1, sizeof(*common.rules));
	common.order = calloc(build->atoms.count + 1, sizeof(*common.order));
	if (common.first != NULL && common.rules != NULL && common.order != NULL) {
		list_rules(&common);
		list_common(&common);
		for (size_t i = 0; i < common.order_count; i++)
			try_atom(&common, common.order[i].number);
	} else {
		build->failed = true;
	}
	free(common.first);
	free(common.rules);
	free(common.order);
}
