// SPDX-License-Identifier: BSD-3-Clause
//
// Atoms are planned when all rules are read: how one is found depends on who needs it.
#include "scan/ruleset_build.h"
#include "scan/ruleset_build_ready.h"
#include "scan/ruleset_build_window.h"

#include <stdlib.h>
#include <string.h>

// What was found out about an atom.
struct outcome {
	uint32_t regexes;
	bool has_triggers;
	float share;
	float trigger_share;
};

static const char *plan_atom(struct build *build, uint32_t number, enum build_mode mode,
	const struct build_windows *windows, struct outcome *out)
{
	const struct build_atom *atom = (struct build_atom *)build->atoms.items + number;
	struct build_goal goal = {.sink = number | RULESET_ATOM,
		.target = atom->target,
		.counted = atom->counted,
		.placed = atom->placed,
		.mode = mode,
		.windows = windows};
	struct build_goal trigger = {.sink = number | RULESET_TRIGGER,
		.target = atom->target,
		.mode = mode,
		.windows = windows};
	struct clamav_subsignature parsed;
	const char *reason = NULL;

	if (clamav_parse_subsignature(&build->arena, atom->text, atom->target, &parsed, &reason) !=
		CLAMAV_TAKEN)
		return reason;
	out->has_triggers = true;
	for (uint32_t i = 0; i < parsed.patterns_count && reason == NULL; i++) {
		bool literal;

		parsed.patterns[i].offset = parsed.patterns[0].offset;
		// Where a part is rare, or the way is known already.
		trigger.mode = mode == BUILD_DEFER ? BUILD_SEARCH : BUILD_LOOK;
		if (mode != BUILD_SEARCH &&
			!(mode == BUILD_DEFER && atom->way != BUILD_TRIGGERED) &&
			!build_plan_trigger(build, &trigger, &parsed.patterns[i]))
			out->has_triggers = false;
		reason = build_pattern(build, &goal, &parsed.patterns[i], &literal);
		// Of a subsignature that is nowhere the rule may still ask for its absence.
		if (reason != NULL && strncmp(reason, BUILD_NEVER, strlen(BUILD_NEVER)) == 0)
			reason = NULL;
	}
	out->regexes = goal.regexes;
	out->share = goal.share;
	out->trigger_share = trigger.share;
	return reason;
}

// How each atom can be found.
static void choose_ways(struct build *build, const struct build_windows *windows)
{
	for (uint32_t i = 0; i < build->atoms.count && !build->failed; i++) {
		struct outcome found = {0};
		struct build_atom *atom = (struct build_atom *)build->atoms.items + i;
		const char *reason = plan_atom(
			build, i, BUILD_LOOK, build_is_text(atom->target) ? windows : NULL, &found);

		atom->share = found.share;
		atom->trigger_share = found.trigger_share;
		atom->has_trigger = found.has_triggers;

		if (reason != NULL)
			build_drop_sink(build, i | RULESET_ATOM, reason);
		else if (found.regexes > 0)
			atom->way = found.has_triggers ? BUILD_TRIGGERED : BUILD_BARE;
		clamav_reset(&build->arena);
	}
}

// A rule that depends on nothing else has its bare atoms searched for.
static void choose_eager(struct build *build)
{
	struct build_atom *atoms = build->atoms.items;
	const uint32_t *members = build->members.items;

	for (size_t i = 0; i < build->rules.count && !build->failed; i++) {
		const struct ruleset_rule *rule =
			(const struct ruleset_rule *)build->rules.items + i;
		uint64_t needs;

		if (build_needs(build, rule) != 0)
			continue;
		build->needs_bare = true;
		needs = build_needs(build, rule);
		build->needs_bare = false;
		for (uint32_t k = 0; k < rule->members_count; k++)
			if ((needs >> k & 1) != 0 &&
				atoms[members[rule->member + k]].way == BUILD_BARE)
				atoms[members[rule->member + k]].way = BUILD_EAGER;
	}
}

void build_plan_atoms(struct build *build)
{
	struct build_windows *windows =
		build_ready_windows(build->ready, FILETYPE_TARGET_MAIL, ANCHOR_TEXT, 1);

	if (windows == NULL) {
		build->failed = true;
		return;
	}
	choose_ways(build, windows);
	build_windows_free(windows);
	choose_eager(build);
	build_defer_common(build);
	for (uint32_t i = 0; i < build->atoms.count && !build->failed; i++) {
		struct build_atom *atom = (struct build_atom *)build->atoms.items + i;
		bool deferred = atom->way == BUILD_TRIGGERED || atom->way == BUILD_BARE;
		uint32_t first = (uint32_t)build->expressions.count;
		struct outcome found = {0};
		const char *reason = NULL;

		if (atom->dropped == NULL)
			reason = plan_atom(
				build, i, deferred ? BUILD_DEFER : BUILD_SEARCH, NULL, &found);
		if (reason != NULL)
			build_drop_sink(build, i | RULESET_ATOM, reason);
		atom->first_expression = first;
		atom->expressions_count = deferred ? (uint32_t)build->expressions.count - first : 0;
		clamav_reset(&build->arena);
	}
}

enum clamav_result build_rule_alone(
	struct build *build, const char *text, uint32_t target, uint32_t signature)
{
	struct clamav_expression expression = {0};
	struct clamav_logical logical = {
		.target = target, .expression = &expression, .subsignatures_count = 1};
	char *copy = strdup(text);
	char **kept = build_push(build, &build->texts, sizeof(*kept));
	const char *reason = NULL;

	logical.file_bytes.max = UINT32_MAX;
	logical.sections.max = UINT32_MAX;
	logical.entry_point.max = UINT32_MAX;
	if (copy == NULL || kept == NULL) {
		free(copy);
		build->failed = true;
		return CLAMAV_SKIPPED;
	}
	*kept = copy;
	logical.subsignatures[0] = copy;
	return build_rule(build, &logical, signature, &reason) == CLAMAV_TAKEN ? CLAMAV_TAKEN
									       : CLAMAV_SKIPPED;
}
