// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build.h"

#include <hs.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What Hyperscan is given: parallel arrays over the expressions of one database.
struct batch {
	struct build *build;
	uint32_t base; // expressions are numbered from here on
	unsigned int count;
	const char **texts;
	unsigned int *flags;
	unsigned int *ids;
	hs_expr_ext_t *exts;
	const hs_expr_ext_t **ext_pointers;
};

static void free_batch(struct batch *batch)
{
	free(batch->texts);
	free(batch->flags);
	free(batch->ids);
	free(batch->exts);
	free(batch->ext_pointers);
}

static bool new_batch(struct batch *batch, size_t capacity)
{
	batch->texts = calloc(capacity, sizeof(char *));
	batch->flags = calloc(capacity, sizeof(*batch->flags));
	batch->ids = calloc(capacity, sizeof(*batch->ids));
	batch->exts = calloc(capacity, sizeof(*batch->exts));
	batch->ext_pointers = calloc(capacity, sizeof(void *));
	return batch->texts != NULL && batch->flags != NULL && batch->ids != NULL &&
	       batch->exts != NULL && batch->ext_pointers != NULL;
}

bool build_is_used(const struct build *build, const struct build_expression *expression)
{
	const struct build_use *uses = build->uses.items;

	for (uint32_t i = expression->first_use; i != RULESET_NONE; i = uses[i].next)
		if (!build_is_dropped(build, uses[i].use.sink))
			return true;
	return false;
}

// Past any object.
#define NOWHERE (UINT64_C(1) << 62)

// Whether it ends too early to be there at all: in front of the first byte stands none that is no boundary. Hyperscan refuses
// such, but a rule may ask for something else besides, or for its absence.
static bool is_nowhere(const struct build_expression *expression, unsigned int flags)
{
	hs_compile_error_t *error = NULL;
	hs_expr_info_t *info = NULL;
	bool nowhere = false;

	if (expression->max_end == UINT64_MAX)
		return false;
	if (hs_expression_info(expression->text, flags, &info, &error) == HS_SUCCESS)
		nowhere = expression->max_end < info->min_width;
	else
		(void)hs_free_compile_error(error);
	free(info);
	return nowhere;
}

static void add_to_batch(
	struct batch *batch, const struct build_expression *expression, uint32_t id)
{
	unsigned int at = batch->count++;
	hs_expr_ext_t *ext = &batch->exts[at];

	batch->texts[at] = expression->text;
	batch->ids[at] = id - batch->base;
	batch->flags[at] = HS_FLAG_DOTALL | (expression->tracked ? 0 : HS_FLAG_SINGLEMATCH);
	if (expression->min_end > 0)
		ext->flags |= HS_EXT_FLAG_MIN_OFFSET;
	if (expression->max_end != UINT64_MAX)
		ext->flags |= HS_EXT_FLAG_MAX_OFFSET;
	ext->min_offset = expression->min_end;
	ext->max_offset = expression->max_end;
	if (is_nowhere(expression, batch->flags[at])) {
		ext->flags = HS_EXT_FLAG_MIN_OFFSET;
		ext->min_offset = NOWHERE;
	}
	batch->ext_pointers[at] = ext->flags != 0 ? ext : NULL;
}

// Returns NULL, or Hyperscan's words; culprit is the number in the batch or negative.
static hs_database_t *compile_range(
	const struct batch *batch, unsigned int from, unsigned int count, char *why, int *culprit)
{
	hs_compile_error_t *error = NULL;
	hs_database_t *db = NULL;
	hs_error_t status;

	status = hs_compile_ext_multi(batch->texts + from, batch->flags + from, batch->ids + from,
		batch->ext_pointers + from, count, HS_MODE_STREAM, NULL, &db, &error);
	*culprit = -1;
	if (status == HS_SUCCESS)
		return db;
	(void)snprintf(why, 256, "Hyperscan refuses the pattern: %s",
		error != NULL && error->message != NULL ? error->message : "unknown error");
	if (error != NULL && error->expression >= 0 && (unsigned int)error->expression < count)
		*culprit = error->expression + (int)from;
	(void)hs_free_compile_error(error);
	return NULL;
}

// Drops the signatures of a refused expression.
static void refuse(struct batch *batch, unsigned int at, const char *why)
{
	struct build *build = batch->build;
	const struct build_use *uses = build->uses.items;
	struct build_expression *expression =
		(struct build_expression *)build->expressions.items + batch->base + batch->ids[at];

	expression->refused = true;
	for (uint32_t i = expression->first_use; i != RULESET_NONE; i = uses[i].next)
		build_drop_sink(build, uses[i].use.sink, why);
	batch->count--;
	memmove(batch->texts + at, batch->texts + at + 1, (batch->count - at) * sizeof(char *));
	memmove(batch->flags + at, batch->flags + at + 1,
		(batch->count - at) * sizeof(*batch->flags));
	memmove(batch->ids + at, batch->ids + at + 1, (batch->count - at) * sizeof(*batch->ids));
	memmove(batch->ext_pointers + at, batch->ext_pointers + at + 1,
		(batch->count - at) * sizeof(void *));
}

// Where Hyperscan names no culprit: the smallest number so that as many from the start do not
// compile; the last of these spoils them.
static unsigned int find_culprit(const struct batch *batch, char *why)
{
	unsigned int good = 0;
	unsigned int bad = batch->count;

	while (bad - good > 1) {
		unsigned int middle = good + (bad - good) / 2;
		int culprit;
		hs_database_t *db = compile_range(batch, 0, middle, why, &culprit);

		if (db != NULL)
			good = middle;
		else
			bad = middle;
		(void)hs_free_database(db);
	}
	return bad - 1;
}

static hs_database_t *compile_batch(struct batch *batch)
{
	while (batch->count > 0) {
		char why[256];
		int culprit;
		hs_database_t *db = compile_range(batch, 0, batch->count, why, &culprit);

		if (db != NULL)
			return db;
		refuse(batch, culprit >= 0 ? (unsigned int)culprit : find_culprit(batch, why), why);
	}
	return NULL;
}

static int compile_target(struct build *build, uint32_t target, hs_database_t **out)
{
	const struct build_expression *expressions = build->expressions.items;
	struct batch batch = {.build = build};

	if (build->expressions.count == 0)
		return 0;
	if (!new_batch(&batch, build->expressions.count)) {
		free_batch(&batch);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < build->expressions.count; i++)
		if (expressions[i].target == target &&
			expressions[i].check_kind == RULESET_CHECK_NONE &&
			expressions[i].owner == 0 && build_is_used(build, &expressions[i]))
			add_to_batch(&batch, &expressions[i], i);
	*out = compile_batch(&batch);
	free_batch(&batch);
	return 0;
}

// Not more than so many bytes are worth being looked at apart.
#define MOST_REACH 65536

// How many bytes the expression takes at most, with the gaps before it; RULESET_NONE: any number, or its place matters.
static uint32_t width_of(
	const struct batch *batch, unsigned int at, const struct build_expression *expression)
{
	const struct build_use *uses = batch->build->uses.items;
	const struct ruleset_group *groups = batch->build->groups.items;
	hs_compile_error_t *error = NULL;
	hs_expr_info_t *info = NULL;
	uint64_t width = MOST_REACH;

	if (hs_expression_info(batch->texts[at], batch->flags[at], &info, &error) == HS_SUCCESS)
		width = info->max_width;
	free(info);
	(void)hs_free_compile_error(error);
	for (uint32_t i = expression->first_use; i != RULESET_NONE; i = uses[i].next) {
		const uint32_t group = uses[i].use.group;

		if (group == RULESET_NONE)
			continue;
		width += groups[group].gap_max;
		if (groups[group].offset_from != RULESET_OFFSET_ANY)
			return RULESET_NONE;
	}
	return batch->ext_pointers[at] == NULL && width < MOST_REACH ? (uint32_t)width
								     : RULESET_NONE;
}

// What no match is longer than, with a byte that a condition at its start may look at.
static uint32_t reach_of(const struct batch *batch)
{
	const struct build_expression *expressions = batch->build->expressions.items;
	uint32_t reach = 1;

	for (unsigned int i = 0; i < batch->count; i++) {
		uint32_t width = width_of(batch, i, &expressions[batch->base + batch->ids[i]]);

		if (width > MOST_REACH - reach)
			return RULESET_NONE;
		reach += width;
	}
	return reach;
}

// Of parts that Hyperscan searches for only the first place is told.
static void forget_reach(struct build *build)
{
	const struct build_expression *expressions = build->expressions.items;
	const struct build_use *uses = build->uses.items;
	struct build_atom *atoms = build->atoms.items;

	for (size_t i = 0; i < build->expressions.count; i++) {
		if (expressions[i].check_kind != RULESET_CHECK_NONE || expressions[i].owner != 0)
			continue;
		for (uint32_t k = expressions[i].first_use; k != RULESET_NONE; k = uses[k].next)
			if ((uses[k].use.sink & RULESET_TRIGGER) == RULESET_TRIGGER)
				atoms[uses[k].use.sink & RULESET_ATOM_NUMBER].reach = RULESET_NONE;
	}
}

static int compile_deferred(struct build *build, struct build_atom *atom)
{
	const struct build_expression *expressions = build->expressions.items;
	struct batch batch = {.build = build, .base = atom->first_expression};

	if (!new_batch(&batch, atom->expressions_count)) {
		free_batch(&batch);
		return -ENOMEM;
	}
	for (uint32_t i = batch.base; i < batch.base + atom->expressions_count; i++)
		if (expressions[i].owner != 0 && build_is_used(build, &expressions[i]))
			add_to_batch(&batch, &expressions[i], i);
	atom->reach = atom->way == BUILD_TRIGGERED ? reach_of(&batch) : 0;
	atom->db = compile_batch(&batch);
	free_batch(&batch);
	return 0;
}

int build_compile(struct build *build)
{
	for (uint32_t target = 0; target < FILETYPE_TARGETS; target++) {
		int err = compile_target(build, target, &build->patterns[target]);

		if (err != 0)
			return err;
	}
	for (size_t i = 0; i < build->atoms.count; i++) {
		struct build_atom *atom = (struct build_atom *)build->atoms.items + i;
		int err = atom->expressions_count > 0 ? compile_deferred(build, atom) : 0;

		if (err != 0)
			return err;
	}
	forget_reach(build);
	return build_anchors(build);
}
