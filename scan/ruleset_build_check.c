// SPDX-License-Identifier: BSD-3-Clause
//
// Parts of one length are compared byte by byte where the search has met some bytes of them. Most
// bytes are one value, or some bits of it; the others are classes.
#include "scan/ruleset_build.h"

#include <string.h>

#define LEAST_LITERAL 4  // fixed bytes of a part that is followed
#define LEAST_DISTINCT 3 // different ones among them

// Of a class that is not empty.
static unsigned int first_byte(const struct clamav_class *set)
{
	for (unsigned int i = 0; i < 4; i++)
		if (set->bits[i] != 0)
			return 64 * i + (unsigned int)__builtin_ctzll(set->bits[i]);
	return 0;
}

// The byte of a class that a literal can have: one byte, or a letter in both cases.
static bool is_literal_byte(const struct clamav_class *set, unsigned int *byte)
{
	unsigned int size = clamav_class_size(set);
	unsigned int first = first_byte(set);

	*byte = first;
	return size == 1 ||
	       (size == 2 && first >= 'A' && first <= 'Z' && clamav_class_has(set, first | 0x20));
}

bool build_is_literal(const struct clamav_part *part)
{
	unsigned int byte;

	if (part->left.kind != CLAMAV_EDGE_NONE || part->right.kind != CLAMAV_EDGE_NONE)
		return false;
	for (const struct clamav_node *node = part->body.first; node != NULL; node = node->next)
		if (node->branches != NULL || node->count != 1 ||
			!is_literal_byte(&node->set, &byte))
			return false;
	return true;
}

bool build_is_rare(const struct clamav_part *part)
{
	bool seen[256] = {0};
	uint32_t distinct = 0;
	uint32_t run = 0;
	uint32_t length = 0;
	bool rare = false;

	if (part->left.kind != CLAMAV_EDGE_NONE || part->right.kind != CLAMAV_EDGE_NONE)
		return false;
	for (const struct clamav_node *node = part->body.first; node != NULL; node = node->next) {
		unsigned int byte;

		if (node->branches != NULL || node->count > RULESET_MAX_CHECK - length)
			return false;
		length += node->count;
		if (node->count > 1 || !is_literal_byte(&node->set, &byte)) {
			run = 0;
			distinct = 0;
			memset(seen, 0, sizeof(seen));
			continue;
		}
		run++;
		distinct += !seen[byte];
		seen[byte] = true;
		rare = rare || (run >= LEAST_LITERAL && distinct >= LEAST_DISTINCT);
	}
	return rare;
}

void build_spell_class(struct build_spelling *spelling, const struct clamav_class *set)
{
	if (spelling->length < RULESET_MAX_CHECK)
		spelling->sets[spelling->length++] = *set;
}

// NOLINTNEXTLINE(misc-no-recursion): the parser bounds the depth
bool build_spell(struct build_spelling *spelling, const struct clamav_sequence *sequence)
{
	for (const struct clamav_node *node = sequence->first; node != NULL; node = node->next) {
		if (node->branches != NULL) {
			if (node->branches->next != NULL || !build_spell(spelling, node->branches))
				return false;
			continue;
		}
		if (node->count > RULESET_MAX_CHECK - spelling->length)
			return false;
		for (uint32_t i = 0; i < node->count; i++)
			build_spell_class(spelling, &node->set);
	}
	return true;
}

// The bits that all bytes of the class share, if the class is just what these bits say.
static bool as_mask(const struct clamav_class *set, uint8_t *value, uint8_t *mask)
{
	unsigned int all = 0xff;
	unsigned int any = 0;
	unsigned int byte;

	// Almost always.
	if (clamav_class_size(set) == 1) {
		*value = (uint8_t)first_byte(set);
		*mask = 0xff;
		return true;
	}
	for (byte = 0; byte < 256; byte++) {
		if (!clamav_class_has(set, byte))
			continue;
		all &= byte;
		any |= byte;
	}
	*mask = (uint8_t)(0xffu & ~(all ^ any));
	*value = (uint8_t)(all & *mask);
	return clamav_class_size(set) == 1u << (8 - (unsigned int)__builtin_popcount(*mask));
}

static uint32_t intern_class(struct build *build, const struct clamav_class *set)
{
	struct ruleset_class *classes = build->classes.items;
	struct ruleset_class *added;

	for (uint32_t i = 0; i < build->classes.count; i++)
		if (memcmp(classes[i].bits, set->bits, sizeof(set->bits)) == 0)
			return i;
	if (build->classes.count == RULESET_MAX_CLASSES) {
		build->failed = true;
		return 0;
	}
	added = build_push(build, &build->classes, sizeof(*added));
	if (added == NULL)
		return 0;
	memcpy(added->bits, set->bits, sizeof(set->bits));
	return (uint32_t)build->classes.count - 1;
}

static void append_byte(struct build *build, unsigned int byte)
{
	char c = (char)byte;

	build_append(build, &build->scratch, &c, 1);
}

void build_write_check(
	struct build *build, const struct build_spelling *spelling, struct build_expression *shape)
{
	uint8_t values[RULESET_MAX_CHECK];
	uint8_t masks[RULESET_MAX_CHECK];
	bool plain = true;
	bool masked = true;

	for (uint32_t i = 0; i < spelling->length; i++) {
		masked = as_mask(&spelling->sets[i], &values[i], &masks[i]) && masked;
		plain = plain && masked && masks[i] == 0xff;
	}
	for (uint32_t i = 0; i < spelling->length && !masked; i++) {
		uint32_t number = intern_class(build, &spelling->sets[i]);

		values[i] = (uint8_t)number;
		masks[i] = (uint8_t)(number >> 8);
	}
	build->scratch.bytes = 0;
	for (uint32_t i = 0; i < spelling->length; i++)
		append_byte(build, values[i]);
	for (uint32_t i = 0; i < spelling->length && !plain; i++)
		append_byte(build, masks[i]);
	shape->length = spelling->length;
	shape->check_kind = plain    ? RULESET_CHECK_PLAIN
			    : masked ? RULESET_CHECK_MASKED
				     : RULESET_CHECK_CLASSES;
}
