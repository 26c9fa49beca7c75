// SPDX-License-Identifier: BSD-3-Clause
// Patterns with a single byte beside a gap in square brackets: aa[n-m]HEX, HEX[n-m]aa.
//
// ClamAV takes the single byte for a condition on HEX: the offset is that of HEX, and what is counted
// are the places where HEX begins. So a pattern for which that matters is planned once for each length
// of the gap, with the gap fixed.
#include "scan/ruleset_build.h"

struct expansion {
	struct build *build;
	struct build_goal *goal;
	bool *literal;
	const char *reason;
	uint32_t planned;
};

// Moves the offset by so many bytes. False: the pattern would begin before the object.
static bool move_offset(struct clamav_offset *offset, uint32_t bytes)
{
	uint32_t missing;

	switch (offset->kind) {
	case CLAMAV_OFFSET_ANY:
		return true;
	case CLAMAV_OFFSET_END:
		offset->value += bytes;
		offset->moved = bytes;
		return true;
	case CLAMAV_OFFSET_START:
		if (offset->value >= bytes) {
			offset->value -= bytes;
			return true;
		}
		missing = bytes - offset->value;
		offset->value = 0;
		if (offset->shift < missing)
			return false;
		offset->shift -= missing;
		return true;
	case CLAMAV_OFFSET_ENTRY:
	case CLAMAV_OFFSET_SECTION:
	case CLAMAV_OFFSET_LAST_SECTION:
	case CLAMAV_OFFSET_VERSION:
		break;
	case CLAMAV_OFFSET_IN_SECTION: // to the end of the section: its start is moved with it
		offset->before = true;
		offset->value = bytes;
		return true;
	}
	if (offset->before) {
		offset->value += bytes;
	} else {
		offset->before = offset->value < bytes;
		offset->value = offset->before ? bytes - offset->value : offset->value - bytes;
	}
	return true;
}

// A copy that shares nothing with the pattern that planning changes.
static bool copy_parts(struct build *build, struct clamav_pattern *pattern)
{
	struct clamav_part **end = &pattern->parts;

	for (const struct clamav_part *part = pattern->parts; part != NULL; part = part->next) {
		struct clamav_part *copy = clamav_alloc(&build->arena, sizeof(*copy));
		struct clamav_node **last;

		if (copy == NULL)
			return false;
		*copy = *part;
		last = &copy->body.first;
		for (const struct clamav_node *node = part->body.first; node != NULL;
			node = node->next) {
			struct clamav_node *same = clamav_alloc(&build->arena, sizeof(*same));

			if (same == NULL)
				return false;
			*same = *node;
			*last = same;
			copy->body.last = same;
			last = &same->next;
		}
		*end = copy;
		end = &copy->next;
	}
	return true;
}

// HEX, the gap and the byte become one part.
static bool join_last(struct build *build, struct clamav_pattern *pattern, uint32_t gap)
{
	struct clamav_node *any = clamav_alloc(&build->arena, sizeof(*any));
	struct clamav_part *body = pattern->parts;
	struct clamav_part *byte;

	if (any == NULL)
		return false;
	while (body->next->next != NULL)
		body = body->next;
	byte = body->next;
	any->count = gap;
	for (unsigned int i = 0; i < 4; i++)
		any->set.bits[i] = UINT64_MAX;
	any->next = byte->body.first;
	body->body.last->next = gap > 0 ? any : byte->body.first;
	body->body.last = byte->body.last;
	body->right = byte->right;
	body->next = NULL;
	pattern->parts_count--;
	return true;
}

#define NO_GAP UINT32_MAX

// last_gap: what the last gap is fixed to.
static void plan_one(
	struct expansion *expansion, const struct clamav_pattern *pattern, uint32_t last_gap)
{
	struct clamav_pattern copy = *pattern;

	if (expansion->reason != NULL)
		return;
	expansion->planned++;
	expansion->reason = "out of memory";
	if (!copy_parts(expansion->build, &copy) ||
		(last_gap != NO_GAP && !join_last(expansion->build, &copy, last_gap)))
		return;
	expansion->reason =
		build_plan(expansion->build, expansion->goal, &copy, expansion->literal);
}

static void expand_last(struct expansion *expansion, const struct clamav_pattern *pattern)
{
	const struct clamav_part *last = pattern->parts;
	uint32_t shortest;
	uint32_t longest;

	while (last->next != NULL)
		last = last->next;
	clamav_sequence_lengths(&last->body, &shortest, &longest);
	if (!expansion->goal->counted || !last->bracket || longest > 1) {
		plan_one(expansion, pattern, NO_GAP);
		return;
	}
	for (uint32_t gap = last->gap_min; gap <= last->gap_max; gap++)
		plan_one(expansion, pattern, gap);
}

static void expand_first(struct expansion *expansion, const struct clamav_pattern *pattern)
{
	const struct clamav_part *first = pattern->parts;
	const struct clamav_part *second = first->next;
	uint32_t shortest;
	uint32_t longest;

	clamav_sequence_lengths(&first->body, &shortest, &longest);
	if (second == NULL || !second->bracket || longest > 1 ||
		pattern->offset.kind == CLAMAV_OFFSET_ANY) {
		expand_last(expansion, pattern);
		return;
	}
	for (uint32_t gap = second->gap_min; gap <= second->gap_max; gap++) {
		struct clamav_pattern copy = *pattern;
		struct clamav_part parts[2] = {*first, *second};

		copy.parts = &parts[0];
		parts[0].next = &parts[1];
		parts[1].gap_min = parts[1].gap_max = gap;
		if (move_offset(&copy.offset, gap + 1))
			expand_last(expansion, &copy);
	}
}

static bool has_bracket(const struct clamav_pattern *pattern)
{
	for (const struct clamav_part *part = pattern->parts; part != NULL; part = part->next)
		if (part->bracket)
			return true;
	return false;
}

const char *build_pattern(
	struct build *build, struct build_goal *goal, struct clamav_pattern *pattern, bool *literal)
{
	struct expansion expansion = {build, goal, literal, NULL, 0};

	if (!has_bracket(pattern))
		return build_plan(build, goal, pattern, literal);
	*literal = false;
	expand_first(&expansion, pattern);
	if (expansion.planned == 0)
		return BUILD_NEVER ": it would begin before the object";
	return expansion.reason;
}
