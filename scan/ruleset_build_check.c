// SPDX-License-Identifier: BSD-3-Clause
//
// Most patterns with wildcards hold a literal that is rare enough. Hyperscan looks for that alone, among
// the other literals, which costs it far less than the pattern, and the rest is compared when it is
// found.
#include "scan/ruleset_build.h"

#include <string.h>

#define LEAST_LITERAL 4  // bytes of a literal that is looked for
#define LEAST_DISTINCT 3 // different bytes in it
#define MOST_LITERAL 24  // more of it would not be rarer

struct bytes {
	uint32_t length;
	uint8_t pairs[2 * RULESET_MAX_CHECK]; // value and mask
	bool fixed[RULESET_MAX_CHECK];
	bool folded[RULESET_MAX_CHECK];
};

bool build_literal_byte(const struct clamav_class *set, unsigned int *byte, bool *folded)
{
	unsigned int size = clamav_class_size(set);
	unsigned int first = 0;

	while (size > 0 && !clamav_class_has(set, first))
		first++;
	*byte = first;
	*folded = size == 2 && first >= 'A' && first <= 'Z' && clamav_class_has(set, first | 0x20);
	return size == 1 || *folded;
}

// The bits that all bytes of the class share, if the class is just what these bits say.
static bool as_mask(const struct clamav_class *set, uint8_t *pair)
{
	unsigned int all = 0xff;
	unsigned int any = 0;
	unsigned int mask;

	for (unsigned int byte = 0; byte < 256; byte++) {
		if (!clamav_class_has(set, byte))
			continue;
		all &= byte;
		any |= byte;
	}
	mask = 0xffu & ~(all ^ any);
	pair[0] = (uint8_t)(all & mask);
	pair[1] = (uint8_t)mask;
	return clamav_class_size(set) == 1u << (8 - (unsigned int)__builtin_popcount(mask));
}

static bool spell(const struct clamav_part *part, struct bytes *out)
{
	out->length = 0;
	for (const struct clamav_node *node = part->body.first; node != NULL; node = node->next) {
		uint8_t pair[2];
		unsigned int byte;
		bool folded;
		bool fixed;

		if (node->branches != NULL || node->count > RULESET_MAX_CHECK - out->length ||
			!as_mask(&node->set, pair))
			return false;
		fixed = build_literal_byte(&node->set, &byte, &folded);
		for (uint32_t i = 0; i < node->count; i++, out->length++) {
			memcpy(&out->pairs[(size_t)2 * out->length], pair, 2);
			out->fixed[out->length] = fixed;
			out->folded[out->length] = folded;
		}
	}
	return true;
}

static uint32_t count_distinct(const struct bytes *bytes, uint32_t from, uint32_t to)
{
	bool seen[256] = {0};
	uint32_t count = 0;

	for (uint32_t i = from; i < to; i++) {
		uint8_t byte = bytes->pairs[(size_t)2 * i];

		count += !seen[byte];
		seen[byte] = true;
	}
	return count;
}

// The run of fixed bytes with the most different ones among its first MOST_LITERAL.
static bool find_literal(const struct bytes *bytes, uint32_t *from, uint32_t *to)
{
	uint32_t best = 0;

	for (uint32_t start = 0; start < bytes->length;) {
		uint32_t end = start;
		uint32_t score;

		while (end < bytes->length && bytes->fixed[end] && end - start < MOST_LITERAL)
			end++;
		score = count_distinct(bytes, start, end);
		if (end - start >= LEAST_LITERAL && score >= LEAST_DISTINCT &&
			2 * score + (end - start) > best) {
			best = 2 * score + (end - start);
			*from = start;
			*to = end;
		}
		start = end + 1;
	}
	return best > 0;
}

bool build_is_rare(const struct clamav_part *part)
{
	struct bytes bytes;
	uint32_t from;
	uint32_t to;

	return part->left.kind == CLAMAV_EDGE_NONE && part->right.kind == CLAMAV_EDGE_NONE &&
	       spell(part, &bytes) && find_literal(&bytes, &from, &to);
}

bool build_check(struct build *build, const struct clamav_part *part,
	struct build_expression *shape, struct ruleset_use *use)
{
	struct bytes bytes;
	struct ruleset_check *check;
	uint32_t from;
	uint32_t to;

	if (!build_is_rare(part) || !spell(part, &bytes) || !find_literal(&bytes, &from, &to))
		return false;
	check = build_push(build, &build->checks, sizeof(*check));
	if (check == NULL)
		return false;
	check->at = (uint32_t)build->check_bytes.count;
	check->length = bytes.length;
	for (uint32_t i = 0; i < 2 * bytes.length; i++) {
		uint8_t *byte = build_push(build, &build->check_bytes, 1);

		if (byte == NULL)
			return false;
		*byte = bytes.pairs[i];
	}
	if (bytes.length > build->history_bytes)
		build->history_bytes = bytes.length;
	build->scratch.bytes = 0;
	shape->literal = true;
	for (uint32_t i = from; i < to; i++) {
		// Of a folded letter the value is that of upper case, and both cases are looked for.
		char c = (char)bytes.pairs[(size_t)2 * i];

		shape->caseless = shape->caseless || bytes.folded[i];
		build_append(build, &build->scratch, &c, 1);
	}
	use->check = (uint32_t)build->checks.count - 1;
	use->length = bytes.length;
	use->after = bytes.length - to;
	return true;
}
