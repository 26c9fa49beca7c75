// SPDX-License-Identifier: BSD-3-Clause
//
// How a pattern is searched for:
//
// - one part that has rare bytes, or whose place is known, is compared where the search of
//   scan/anchor.h meets it; alternates, and conditions on what stands beside it, are patterns of
//   their own;
// - parts that are all rare are matched in groups and followed by match_track, and so is what has a
//   place that only match_track can tell;
// - the rest is Hyperscan's: a pattern whose gaps it keeps cheaply becomes one expression, gaps
//   included; an offset from the start bounds where a match may end, one from the end becomes a gap
//   up to the end of the data: both need the length, so alternates of different length are sorted by it.
#include "scan/ruleset_build.h"
#include "scan/ruleset_build_ending.h"
#include "scan/ruleset_build_window.h"

#include <string.h>

#define MAX_JOINED_GAP 512    // longer ones cost Hyperscan more than following them costs us
#define MAX_JOINED_START 1024 // the same for an offset of a pattern with gaps
#define MAX_JOINED_END 2048   // and for one from the end
#define MAX_TRACKED_PARTS 64
#define MAX_PLACED_SHIFT 64 // a pattern may stand at so many more places

// The plan of one signature.
struct plan {
	struct build *build;
	struct build_goal *goal;
	const struct clamav_pattern *pattern;
	uint32_t expressions_count;
	uint32_t score; // of the poorest anchor
};

static struct build_text *begin_text(struct plan *plan)
{
	plan->build->scratch.bytes = 0;
	build_append(plan->build, &plan->build->scratch, "", 0);
	return &plan->build->scratch;
}

static void add(struct plan *plan, const struct build_expression *shape, struct ruleset_use use)
{
	struct build_expression wanted = *shape;

	plan->expressions_count++;
	plan->goal->regexes += wanted.check_kind == RULESET_CHECK_NONE;
	if (plan->goal->mode == BUILD_LOOK)
		return;
	if (plan->goal->mode == BUILD_DEFER)
		wanted.owner = (plan->goal->sink & ~RULESET_ATOM) + 1;
	wanted.text = plan->build->scratch.data;
	wanted.bytes = plan->build->scratch.bytes;
	wanted.target = plan->goal->target;
	use.sink = plan->goal->sink;
	build_use_expression(plan->build, &wanted, &use);
}

// ---- compared ----------------------------------------------------------------------------------

static void spell_ending(struct build_spelling *spelling, const struct ending *ending)
{
	for (uint32_t i = 0; i < ending->extra; i++) {
		struct clamav_class set = {{0}};

		for (const char *c = ending->looks[i].bytes; *c != '\0'; c++)
			set.bits[(unsigned char)*c >> 6] |= UINT64_C(1) << (*c & 63);
		for (unsigned int k = 0; k < 4 && ending->looks[i].negated; k++)
			set.bits[k] = ~set.bits[k];
		build_spell_class(spelling, &set);
	}
}

static void left_class(const struct clamav_edge *edge, struct clamav_class *out)
{
	clamav_edge_class(edge->kind, true, out);
	if (edge->negated)
		for (unsigned int i = 0; i < 4; i++)
			out->bits[i] = ~out->bits[i];
}

// One way that a part can stand.
struct standing {
	const struct clamav_sequence *body;
	const struct ending *ending;
	const struct clamav_edge *left;   // kind CLAMAV_EDGE_NONE: at the start, or anywhere
	const struct anchor_place *place; // NULL: anywhere
};

// Returns false when this cannot be found by comparing. add: it is added.
static bool plan_standing(
	struct plan *plan, const struct standing *standing, struct ruleset_use use, bool is_added)
{
	struct build_expression shape = {.max_end = UINT64_MAX};
	struct build_spelling *spelling = plan->build->spelling;
	struct build_anchor anchor = {.score = UINT32_MAX};
	struct clamav_class set;
	uint32_t before;

	spelling->length = 0;
	if (standing->left->kind != CLAMAV_EDGE_NONE) {
		left_class(standing->left, &set);
		build_spell_class(spelling, &set);
	}
	before = spelling->length;
	if (!build_spell(spelling, standing->body) || spelling->length == before ||
		spelling->length + standing->ending->extra > RULESET_MAX_CHECK)
		return false;
	use.length = spelling->length - before;
	use.extra = standing->ending->extra;
	spell_ending(spelling, standing->ending);
	if (!is_added && standing->place == NULL && !build_find_anchor(spelling, &anchor))
		return false;
	plan->score = anchor.score < plan->score ? anchor.score : plan->score;
	if (!is_added)
		return true;
	if (plan->goal->windows != NULL && standing->place == NULL)
		plan->goal->share += build_windows_share(plan->goal->windows, spelling);
	shape.flags = standing->ending->at_end ? RULESET_EXPRESSION_AT_END : 0;
	if (standing->place != NULL)
		shape.place = *standing->place;
	if (shape.place.offset_from == RULESET_OFFSET_END && shape.place.offset < spelling->length)
		return true;
	if (plan->goal->mode != BUILD_LOOK)
		build_write_check(plan->build, spelling, &shape);
	else
		shape.check_kind = RULESET_CHECK_PLAIN;
	add(plan, &shape, use);
	return true;
}

// Of a part with a condition on its left side the start of the object is a place of its own.
static bool plan_standings(struct plan *plan, const struct clamav_part *part,
	struct standing *standing, struct ruleset_use use, bool is_added)
{
	static const struct clamav_edge edge_none = {CLAMAV_EDGE_NONE, false};
	static const struct anchor_place start = {.offset_from = RULESET_OFFSET_START};
	const struct anchor_place *place = standing->place;

	standing->left = &part->left;
	if (!plan_standing(plan, standing, use, is_added))
		return false;
	if (part->left.kind == CLAMAV_EDGE_NONE || part->left.negated)
		return true;
	standing->left = &edge_none;
	standing->place = &start;
	if (!plan_standing(plan, standing, use, is_added))
		return false;
	standing->place = place;
	return true;
}

// Adds the comparisons of a part, or returns false. place: NULL where the part may stand anywhere.
static bool plan_checks(struct plan *plan, const struct clamav_part *part, uint32_t group,
	const struct anchor_place *place)
{
	const struct endings *endings = build_right_endings(&part->right);
	const struct clamav_sequence *bodies = build_fixed_lengths(plan->build, &part->body, true);
	const struct ruleset_use use = {.group = group};

	if (plan->goal->mode == BUILD_DEFER || bodies == NULL ||
		part->left.kind == CLAMAV_EDGE_WIDE || part->right.kind == CLAMAV_EDGE_WIDE ||
		(place != NULL && part->left.kind != CLAMAV_EDGE_NONE))
		return false;
	// First whether all can be compared.
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (const struct clamav_sequence *body = bodies; body != NULL; body = body->next) {
			for (size_t i = 0; i < endings->count; i++) {
				struct standing standing = {
					.body = body, .ending = &endings->items[i], .place = place};

				if (!plan_standings(plan, part, &standing, use, pass == 1))
					return false;
			}
		}
	}
	return true;
}

// Whether a part with this offset is compared at its place: only as far as the bytes are at hand.
static bool has_place(const struct clamav_offset *offset, struct anchor_place *out)
{
	*out = (struct anchor_place){.offset_from = (uint32_t)offset->kind,
		.before = offset->before,
		.offset = offset->value,
		.shift = offset->shift,
		.section = offset->section};
	// In a section there are many places, and none is before it.
	if (offset->kind == CLAMAV_OFFSET_IN_SECTION || offset->kind == CLAMAV_OFFSET_VERSION ||
		(offset->before && offset->kind != CLAMAV_OFFSET_ENTRY))
		return false;
	return offset->kind != CLAMAV_OFFSET_ANY && offset->shift <= MAX_PLACED_SHIFT &&
	       (offset->kind != CLAMAV_OFFSET_END || offset->value <= ANCHOR_HISTORY);
}

// ---- Hyperscan's -------------------------------------------------------------------------------

static void render_left(struct build *build, const struct clamav_edge *edge)
{
	struct clamav_class set;

	if (edge->kind == CLAMAV_EDGE_NONE)
		return;
	if (edge->kind == CLAMAV_EDGE_WIDE) {
		static const char word[] = "[0-9A-Za-z]\\x00";
		static const char other[] = "(?:^|^\\x00|[^\\x00]|[^0-9A-Za-z]\\x00)";

		build_append(build, &build->scratch, edge->negated ? word : other,
			strlen(edge->negated ? word : other));
		return;
	}
	left_class(edge, &set);
	if (!edge->negated)
		build_append(build, &build->scratch, "(?:^|", 5);
	build_render_class(build, &set);
	if (!edge->negated)
		build_append(build, &build->scratch, ")", 1);
}

static void render_gap(struct build *build, uint32_t min, uint32_t max)
{
	if (max == CLAMAV_NO_LIMIT && min == 0)
		build_append(build, &build->scratch, ".*", 2);
	else if (max == CLAMAV_NO_LIMIT)
		build_format(build, &build->scratch, ".{%u,}", min);
	else if (max > 0)
		build_format(build, &build->scratch, ".{%u,%u}", min, max);
}

// ---- one expression ----------------------------------------------------------------------------

// Interior conditions overlap with what follows, so they cannot be written into one expression.
static bool can_join(const struct clamav_pattern *pattern)
{
	const struct clamav_offset *offset = &pattern->offset;

	if (offset->kind == CLAMAV_OFFSET_END)
		return false;
	if (offset->kind == CLAMAV_OFFSET_START &&
		(pattern->parts->left.kind != CLAMAV_EDGE_NONE ||
			(uint64_t)offset->value + offset->shift > MAX_JOINED_START))
		return false;
	for (const struct clamav_part *part = pattern->parts->next; part != NULL; part = part->next)
		if (part->gap_min > MAX_JOINED_GAP ||
			(part->gap_max > MAX_JOINED_GAP && part->gap_max != CLAMAV_NO_LIMIT) ||
			part->left.kind != CLAMAV_EDGE_NONE)
			return false;
	for (const struct clamav_part *part = pattern->parts; part->next != NULL; part = part->next)
		if (part->right.kind != CLAMAV_EDGE_NONE)
			return false;
	return true;
}

static const struct clamav_part *last_part(const struct clamav_pattern *pattern)
{
	const struct clamav_part *last = pattern->parts;

	while (last->next != NULL)
		last = last->next;
	return last;
}

// Cuts the part behind as many nodes as can be compared in one piece. Returns false when it must not be.
static bool cut_part(struct build *build, struct clamav_part *part)
{
	struct clamav_node *last = NULL;
	uint32_t length = 0;

	for (struct clamav_node *node = part->body.first; node != NULL; node = node->next) {
		struct clamav_part *rest;

		if (node->branches != NULL || node->count > RULESET_MAX_CHECK)
			return false;
		length += node->count;
		if (length <= RULESET_MAX_CHECK) {
			last = node;
			continue;
		}
		rest = clamav_alloc(&build->arena, sizeof(*rest));
		if (rest == NULL)
			return false;
		rest->body.first = node;
		rest->body.last = part->body.last;
		rest->right = part->right;
		rest->next = part->next;
		part->right = (struct clamav_edge){CLAMAV_EDGE_NONE, false};
		part->body.last = last;
		part->next = rest;
		last->next = NULL;
		return true;
	}
	return false;
}

// A part that is too long to be compared, or to be given to Hyperscan, becomes several in a row.
static void cut_parts(struct build *build, struct clamav_pattern *pattern)
{
	for (struct clamav_part *part = pattern->parts; part != NULL; part = part->next)
		if (cut_part(build, part))
			pattern->parts_count++;
}

// Parts that are all rare are better followed one by one: Hyperscan keeps no state for the gaps.
static bool should_follow(const struct clamav_pattern *pattern)
{
	for (const struct clamav_part *part = pattern->parts; part != NULL; part = part->next)
		if (!build_is_rare(part))
			return false;
	return pattern->parts_count > 1 && pattern->parts_count <= MAX_TRACKED_PARTS;
}

// In one expression the starts of the last part can be told by the ends, but not where it all began.
static bool can_count_joined(const struct plan *plan)
{
	const struct clamav_pattern *pattern = plan->pattern;
	const struct clamav_part *last = last_part(pattern);
	uint32_t shortest;
	uint32_t longest;

	clamav_sequence_lengths(&last->body, &shortest, &longest);
	return !plan->goal->placed && shortest == longest && last->right.kind == CLAMAV_EDGE_NONE &&
	       pattern->parts_count > 1 && pattern->offset.kind == CLAMAV_OFFSET_ANY;
}

static const char *plan_joined(struct plan *plan)
{
	const struct clamav_pattern *pattern = plan->pattern;
	const struct build_expression shape = {
		.max_end = UINT64_MAX, .tracked = plan->goal->counted};
	struct ruleset_use use = {.group = RULESET_NONE};
	const struct clamav_part *last = last_part(pattern);
	struct build *build = plan->build;
	const struct endings *endings;
	uint32_t shortest;

	// What is counted are the starts of the last part.
	if (plan->goal->counted)
		clamav_sequence_lengths(&last->body, &shortest, &use.length);
	endings = build_right_endings(&last->right);
	for (size_t i = 0; i < endings->count; i++) {
		struct build_text *text = begin_text(plan);

		if (pattern->offset.kind == CLAMAV_OFFSET_START) {
			build_append(build, text, "^", 1);
			render_gap(build, pattern->offset.value,
				pattern->offset.value + pattern->offset.shift);
		}
		for (const struct clamav_part *part = pattern->parts; part != NULL;
			part = part->next) {
			if (part != pattern->parts)
				render_gap(build, part->gap_min, part->gap_max);
			render_left(build, &part->left);
			build_render(build, &part->body);
		}
		build_append(build, text, endings->items[i].text, strlen(endings->items[i].text));
		add(plan, &shape, use);
	}
	return NULL;
}

// ---- one part with an offset -------------------------------------------------------------------

static void render_part(struct plan *plan, const struct clamav_part *part,
	const struct clamav_sequence *body, const struct ending *ending)
{
	(void)begin_text(plan);
	render_left(plan->build, &part->left);
	build_render(plan->build, body);
	build_append(plan->build, &plan->build->scratch, ending->text, strlen(ending->text));
}

static void bound_start(struct build_expression *shape, const struct clamav_offset *offset,
	uint32_t length, uint32_t extra)
{
	shape->min_end = (uint64_t)offset->value + length + extra;
	shape->max_end = shape->min_end + offset->shift;
}

// Between the part's end and the end of the data there must be low to high bytes; those that the
// ending looks at are among them.
static void plan_part_from_end(struct plan *plan, const struct clamav_part *part,
	const struct clamav_sequence *body, const struct ending *ending)
{
	const struct clamav_offset *offset = &plan->pattern->offset;
	struct build_expression shape = {
		.min_end = offset->value - offset->moved, .max_end = UINT64_MAX};
	struct ruleset_use use = {.group = RULESET_NONE};
	uint32_t shortest;
	uint32_t length;
	uint32_t high;
	uint32_t low;

	clamav_sequence_lengths(body, &shortest, &length);
	if (offset->value < length + ending->extra)
		return;
	high = offset->value - length - ending->extra;
	low = offset->shift < high ? high - offset->shift : 0;
	render_part(plan, part, body, ending);
	if (!ending->at_end) {
		render_gap(plan->build, low, high);
		build_append(plan->build, &plan->build->scratch, "\\z", 2);
	} else if (low > 0) {
		return;
	}
	add(plan, &shape, use);
}

static const char *plan_offset(struct plan *plan)
{
	const struct clamav_part *part = plan->pattern->parts;
	const struct endings *endings = build_right_endings(&part->right);
	const struct clamav_sequence *body = build_fixed_lengths(plan->build, &part->body, false);

	if (body == NULL)
		return "too many alternates of different length with an offset";
	for (; body != NULL; body = body->next) {
		for (size_t i = 0; i < endings->count; i++) {
			const struct ending *ending = &endings->items[i];
			struct build_expression shape = {0};
			struct ruleset_use use = {.group = RULESET_NONE};
			uint32_t shortest;
			uint32_t length;

			if (plan->pattern->offset.kind == CLAMAV_OFFSET_END) {
				plan_part_from_end(plan, part, body, ending);
				continue;
			}
			clamav_sequence_lengths(body, &shortest, &length);
			bound_start(&shape, &plan->pattern->offset, length, ending->extra);
			render_part(plan, part, body, ending);
			add(plan, &shape, use);
		}
	}
	return NULL;
}

// ---- groups ------------------------------------------------------------------------------------

static const char *plan_group(struct plan *plan, const struct clamav_part *part, uint32_t group)
{
	const struct clamav_offset *offset = &plan->pattern->offset;
	bool bounded = part == plan->pattern->parts && offset->kind == CLAMAV_OFFSET_START;
	const struct endings *endings = build_right_endings(&part->right);
	const struct clamav_sequence *body;
	struct anchor_place place;
	bool is_placed = has_place(offset, &place);

	if (offset->kind != CLAMAV_OFFSET_START || !is_placed || part != plan->pattern->parts)
		if (plan_checks(plan, part, group, NULL))
			return NULL;
	if (part == plan->pattern->parts && is_placed && offset->kind != CLAMAV_OFFSET_END &&
		plan_checks(plan, part, group, &place))
		return NULL;
	body = build_fixed_lengths(plan->build, &part->body, false);
	if (body == NULL)
		return "too many alternates of different length beside a long gap";
	for (; body != NULL; body = body->next) {
		struct build_expression shape = {.max_end = UINT64_MAX, .tracked = true};
		struct ruleset_use use = {.group = group};
		uint32_t shortest;

		clamav_sequence_lengths(body, &shortest, &use.length);
		for (size_t i = 0; i < endings->count; i++) {
			use.extra = endings->items[i].extra;
			if (bounded)
				bound_start(&shape, offset, use.length, use.extra);
			render_part(plan, part, body, &endings->items[i]);
			add(plan, &shape, use);
		}
	}
	return NULL;
}

static uint32_t ring_size(const struct clamav_part *part, const struct clamav_offset *offset)
{
	bool from_end = offset->kind == CLAMAV_OFFSET_END;

	if (part->next == NULL)
		return from_end ? RULESET_MAX_RING : 0;
	return part->next->gap_max == CLAMAV_NO_LIMIT && !from_end ? 1 : RULESET_MAX_RING;
}

static const char *plan_groups(struct plan *plan)
{
	const struct clamav_offset *offset = &plan->pattern->offset;
	struct build *build = plan->build;

	if (plan->pattern->parts_count > MAX_TRACKED_PARTS)
		return "too many parts beside long gaps";
	for (const struct clamav_part *part = plan->pattern->parts; part != NULL;
		part = part->next) {
		struct ruleset_group unwanted = {0};
		struct ruleset_group *group =
			plan->goal->mode != BUILD_LOOK
				? build_push(build, &build->groups, sizeof(*group))
				: &unwanted;
		const char *reason;

		if (group == NULL)
			return "out of memory";
		group->sink = plan->goal->sink;
		group->flags = (part == plan->pattern->parts ? RULESET_GROUP_FIRST : 0) |
			       (part->next == NULL ? RULESET_GROUP_LAST : 0) |
			       (offset->before ? RULESET_GROUP_BEFORE : 0);
		group->gap_min = part->gap_min;
		group->gap_max = part->gap_max == CLAMAV_NO_LIMIT ? RULESET_GAP_ANY : part->gap_max;
		group->offset_from = (uint32_t)offset->kind;
		group->offset = offset->value;
		group->shift = offset->shift;
		group->section = offset->section;
		group->moved = offset->moved;
		group->ring_count = ring_size(part, offset);
		reason = plan_group(plan, part, (uint32_t)build->groups.count - 1);
		if (reason != NULL)
			return reason;
	}
	return NULL;
}

static bool is_in_file(const struct clamav_offset *offset)
{
	return offset->kind == CLAMAV_OFFSET_START || offset->kind == CLAMAV_OFFSET_END;
}

// One part that may stand anywhere, or whose place needs no group.
static bool plan_alone(struct plan *plan)
{
	const struct clamav_part *part = plan->pattern->parts;
	const struct clamav_offset *offset = &plan->pattern->offset;
	struct anchor_place place;

	if (offset->kind == CLAMAV_OFFSET_ANY)
		return plan_checks(plan, part, RULESET_NONE, NULL);
	return is_in_file(offset) && has_place(offset, &place) &&
	       plan_checks(plan, part, RULESET_NONE, &place);
}

// An offset that Hyperscan can check.
static bool is_near(const struct clamav_offset *offset)
{
	return offset->kind == CLAMAV_OFFSET_START ||
	       (offset->kind == CLAMAV_OFFSET_END && offset->value <= MAX_JOINED_END);
}

bool build_plan_trigger(
	struct build *build, struct build_goal *goal, const struct clamav_pattern *pattern)
{
	struct plan plan = {.build = build, .goal = goal, .pattern = pattern};
	const enum build_mode mode = goal->mode;
	const float share = goal->share;
	const struct clamav_part *best = NULL;
	uint32_t score = 0;

	goal->mode = BUILD_LOOK;
	for (const struct clamav_part *part = pattern->parts; part != NULL; part = part->next) {
		plan.score = UINT32_MAX;
		if (!plan_checks(&plan, part, RULESET_NONE, NULL) || plan.score <= score)
			continue;
		score = plan.score;
		best = part;
	}
	goal->mode = mode;
	goal->share = share;
	return best != NULL && plan_checks(&plan, best, RULESET_NONE, NULL);
}

const char *build_plan(
	struct build *build, struct build_goal *goal, struct clamav_pattern *pattern, bool *literal)
{
	struct plan plan = {.build = build, .goal = goal, .pattern = pattern};
	const struct clamav_offset *offset = &pattern->offset;
	bool follow;
	bool alone;
	const char *reason;

	*literal = pattern->parts_count == 1 && offset->kind == CLAMAV_OFFSET_ANY &&
		   build_is_literal(pattern->parts);
	cut_parts(build, pattern);
	alone = pattern->parts_count == 1;
	if (alone && plan_alone(&plan) && plan.expressions_count > 0)
		return NULL;
	// Entry points and sections are known only when the file is there.
	follow = (offset->kind != CLAMAV_OFFSET_ANY && !is_in_file(offset)) ||
		 should_follow(pattern);
	if (!follow && alone && !goal->counted && is_near(offset))
		reason = plan_offset(&plan);
	else if (!follow && can_join(pattern) && (!goal->counted || can_count_joined(&plan)))
		reason = plan_joined(&plan);
	else
		reason = plan_groups(&plan);
	if (reason == NULL && plan.expressions_count == 0)
		reason = BUILD_NEVER ": its offset from the end is shorter than it is";
	return reason;
}
