// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build.h"

#define MAX_VARIANTS 64   // of one part, each alone
#define MAX_JOINED 2048   // before those of one length are put together
#define MAX_REPEAT 32767u // Hyperscan's

// Short where it can be: Hyperscan limits the length of an expression.
static void render_byte(struct build *build, unsigned int byte)
{
	char c = (char)byte;

	if ((byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z')) {
		build_append(build, &build->scratch, &c, 1);
		return;
	}
	build_format(build, &build->scratch, "\\x%02x", byte);
}

void build_render_class(struct build *build, const struct clamav_class *set)
{
	unsigned int size = clamav_class_size(set);

	if (size == 256) {
		build_append(build, &build->scratch, ".", 1);
		return;
	}
	if (size != 1)
		build_append(build, &build->scratch, "[", 1);
	for (unsigned int byte = 0; byte < 256; byte++) {
		unsigned int last = byte;

		if (!clamav_class_has(set, byte))
			continue;
		while (last < 255 && clamav_class_has(set, last + 1))
			last++;
		render_byte(build, byte);
		if (last > byte) {
			build_append(build, &build->scratch, "-", 1);
			render_byte(build, last);
		}
		byte = last;
	}
	if (size != 1)
		build_append(build, &build->scratch, "]", 1);
}

static void render_repeated(struct build *build, const struct clamav_node *node)
{
	uint32_t left = node->count;

	while (left > 0) {
		uint32_t count = left < MAX_REPEAT ? left : MAX_REPEAT;

		build_render_class(build, &node->set);
		if (count > 1)
			build_format(build, &build->scratch, "{%u}", count);
		left -= count;
	}
}

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
void build_render(struct build *build, const struct clamav_sequence *sequence)
{
	for (const struct clamav_node *node = sequence->first; node != NULL; node = node->next) {
		if (node->branches == NULL) {
			render_repeated(build, node);
			continue;
		}
		build_append(build, &build->scratch, "(?:", 3);
		for (const struct clamav_sequence *branch = node->branches; branch != NULL;
			branch = branch->next) {
			if (branch != node->branches)
				build_append(build, &build->scratch, "|", 1);
			build_render(build, branch);
		}
		build_append(build, &build->scratch, ")", 1);
	}
}

static uint32_t length_of(const struct clamav_sequence *sequence)
{
	uint32_t shortest;
	uint32_t longest;

	clamav_sequence_lengths(sequence, &shortest, &longest);
	return shortest;
}

// A copy of `head` with the node behind it. Nodes are shared between sequences only by value.
static struct clamav_sequence *extend(
	struct build *build, const struct clamav_sequence *head, const struct clamav_node *tail)
{
	struct clamav_sequence *copy = clamav_alloc(&build->arena, sizeof(*copy));

	for (const struct clamav_node *node = head->first;; node = node->next) {
		const struct clamav_node *from = node != NULL ? node : tail;
		struct clamav_node *item = clamav_alloc(&build->arena, sizeof(*item));

		if (copy == NULL || item == NULL)
			return NULL;
		*item = *from;
		item->next = NULL;
		if (copy->last == NULL)
			copy->first = item;
		else
			copy->last->next = item;
		copy->last = item;
		if (node == NULL)
			return copy;
	}
}

// The alternation's branches, sorted by length into one alternation each, or each alone; linked by
// `next`.
// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
static struct clamav_node *split_node(struct build *build, const struct clamav_node *node, bool all)
{
	struct clamav_node *result = NULL;

	for (const struct clamav_sequence *branch = node->branches; branch != NULL;
		branch = branch->next) {
		struct clamav_sequence *fixed = build_fixed_lengths(build, branch, all);

		if (fixed == NULL)
			return NULL;
		while (fixed != NULL) {
			struct clamav_sequence *next = fixed->next;
			struct clamav_node *same = all ? NULL : result;

			while (same != NULL && length_of(same->branches) != length_of(fixed))
				same = same->next;
			if (same == NULL) {
				same = clamav_alloc(&build->arena, sizeof(*same));
				if (same == NULL)
					return NULL;
				same->next = result;
				result = same;
			}
			fixed->next = same->branches;
			same->branches = fixed;
			fixed = next;
		}
	}
	return result;
}

static bool has_one_length(const struct clamav_node *node)
{
	const struct clamav_sequence alone = {
		.first = (struct clamav_node[1]){
			{.branches = node->branches, .count = node->count}}};
	uint32_t shortest;
	uint32_t longest;

	clamav_sequence_lengths(&alone, &shortest, &longest);
	return shortest == longest;
}

// Every sequence of the list with every node of the alternatives behind it.
static struct clamav_sequence *multiply(struct build *build, const struct clamav_sequence *list,
	const struct clamav_node *alternatives, unsigned int max)
{
	struct clamav_sequence *result = NULL;
	unsigned int count = 0;

	for (; list != NULL; list = list->next) {
		for (const struct clamav_node *node = alternatives; node != NULL;
			node = node->next) {
			struct clamav_sequence *longer = extend(build, list, node);

			if (longer == NULL || ++count > max)
				return NULL;
			longer->next = result;
			result = longer;
		}
	}
	return result;
}

// Those of one length become the alternatives of one sequence. NULL: no memory.
// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
static struct clamav_sequence *join_lengths(struct build *build, struct clamav_sequence *list)
{
	const struct clamav_node together = {.branches = list};
	struct clamav_sequence *result = NULL;
	struct clamav_node *node = split_node(build, &together, false);

	while (node != NULL) {
		struct clamav_sequence *joined = clamav_alloc(&build->arena, sizeof(*joined));
		struct clamav_node *next = node->next;

		if (joined == NULL)
			return NULL;
		node->next = NULL;
		joined->first = joined->last = node;
		joined->next = result;
		result = joined;
		node = next;
	}
	return result;
}

static bool has_choice(const struct clamav_sequence *sequence, bool all)
{
	for (const struct clamav_node *node = sequence->first; node != NULL; node = node->next)
		if (!has_one_length(node) || (all && node->branches != NULL))
			return true;
	return false;
}

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
struct clamav_sequence *build_fixed_lengths(
	struct build *build, const struct clamav_sequence *sequence, bool all)
{
	struct clamav_sequence *result = clamav_alloc(&build->arena, sizeof(*result));

	// Most are just what is asked for.
	if (result != NULL && !has_choice(sequence, all)) {
		result->first = sequence->first;
		result->last = sequence->last;
		return result;
	}
	for (const struct clamav_node *node = sequence->first; node != NULL && result != NULL;
		node = node->next) {
		struct clamav_node alone = *node;
		const struct clamav_node *alternatives = &alone;

		alone.next = NULL;
		if (!has_one_length(node) || (all && node->branches != NULL))
			alternatives = split_node(build, node, all);
		result = alternatives != NULL ? multiply(build, result, alternatives,
							all ? MAX_VARIANTS : MAX_JOINED)
					      : NULL;
	}
	return !all && result != NULL && result->next != NULL ? join_lengths(build, result)
							      : result;
}
