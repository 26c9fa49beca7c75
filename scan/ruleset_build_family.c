// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_family.h"

#include <stdlib.h>
#include <string.h>

// Fewer entries are compared one by one, and so are those of a bucket that have no place in common with some more.
#define LEAST_ENTRIES 6u
#define LEAST_MEMBERS 3u
#define MOST_FAMILIES 12u
// Looking one up takes as long as comparing so many entries.
#define COST_FAMILY 3u
// A key has so many bytes beside the window that are not zero: in wide strings every other one is.
#define LEAST_TELLING 2
// Keys are taken without regard to case.
#define FOLD 0xdfu
#define MOST_SLOTS_LOG 20u

// Which bytes a key has: bits, from that place of the span on.
struct shape {
	uint32_t at;
	uint32_t bytes;
};

// A pattern may end, or have a gap, in the midst of eight bytes.
static const uint32_t shapes[] = {0xff, 0x3f, 0x0f};

void build_families_note(const struct build_spelling *spelling, struct build_waiting *waiting)
{
	struct build_span span;

	build_read_span(spelling, waiting->entry.at, &span);
	memcpy(waiting->values, span.values, sizeof(waiting->values));
	waiting->known = 0;
	waiting->telling = 0;
	for (uint32_t i = 0; i < BUILD_SPAN; i++) {
		if ((span.masks[i] & FOLD) != FOLD)
			continue;
		waiting->known |= 1u << i;
		if ((span.values[i] & FOLD) != 0)
			waiting->telling |= 1u << i;
	}
	waiting->telling &= ~(((1u << ANCHOR_WINDOW_BYTES) - 1) << ANCHOR_PIECE_BEFORE);
}

static uint32_t telling(const struct build_waiting *waiting, const struct shape *shape)
{
	const uint32_t bytes = shape->bytes << shape->at;

	return (waiting->known & bytes) == bytes
		       ? (uint32_t)__builtin_popcount(waiting->telling & bytes)
		       : 0;
}

static uint64_t mask_of(uint32_t bytes)
{
	uint64_t mask = 0;

	for (unsigned int i = 0; i < ANCHOR_PIECE_BYTES; i++)
		if ((bytes >> i & 1) != 0)
			mask |= (uint64_t)FOLD << 8 * i;
	return mask;
}

// How many slots n entries have.
static uint32_t slots_log_for(uint32_t n)
{
	uint32_t log = 1;

	while (log < MOST_SLOTS_LOG && 1u << log < 2 * n)
		log++;
	return log;
}

static struct anchor_family family_of(const struct shape *shape, uint32_t slots_log)
{
	return (struct anchor_family){.mask = mask_of(shape->bytes),
		.key_at = (int8_t)((int)shape->at - ANCHOR_PIECE_BEFORE),
		.shift = (uint8_t)(64 - slots_log)};
}

static uint32_t slot_of(const struct anchor_family *family, const struct build_waiting *waiting)
{
	uint64_t bytes;

	memcpy(&bytes, waiting->values + ANCHOR_PIECE_BEFORE + family->key_at, sizeof(bytes));
	return anchor_family_slot(family, bytes);
}

// How many of the entries need not be compared where one of those that have the shape is there.
static float spared_by(struct build_families *families, const uint32_t *order, uint32_t n,
	const struct shape *shape, uint32_t *members)
{
	const uint32_t log = slots_log_for(n);
	const struct anchor_family family = family_of(shape, log);
	uint32_t *counts = families->scratch.items;
	float met = 0;

	*members = 0;
	memset(counts, 0, sizeof(*counts) << log);
	for (uint32_t i = 0; i < n; i++) {
		const struct build_waiting *waiting = &families->waiting[order[i]];

		if (telling(waiting, shape) < LEAST_TELLING)
			continue;
		++*members;
		met += 2 * (float)counts[slot_of(&family, waiting)]++ + 1;
	}
	return *members > 0 ? (float)*members - met / (float)*members : 0;
}

// The shape that spares most. Returns how many entries have it.
static uint32_t choose_shape(
	struct build_families *families, const uint32_t *order, uint32_t n, struct shape *out)
{
	float most = 0;
	uint32_t result = 0;

	for (uint32_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (uint32_t at = 0; at <= BUILD_SPAN - ANCHOR_PIECE_BYTES; at++) {
			const struct shape shape = {at, shapes[i]};
			uint32_t members;
			float spared = spared_by(families, order, n, &shape, &members);

			if (spared <= most)
				continue;
			most = spared;
			result = members;
			*out = shape;
		}
	}
	return result;
}

// Puts those that have the shape in front.
static void part(
	const struct build_waiting *waiting, uint32_t *order, uint32_t n, const struct shape *shape)
{
	uint32_t to = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t number = order[i];

		if (telling(&waiting[number], shape) < LEAST_TELLING)
			continue;
		order[i] = order[to];
		order[to++] = number;
	}
}

// Makes a family of n entries, whose order becomes that of their slots.
static void add_family(struct build_families *families, uint32_t *order, uint32_t first, uint32_t n,
	const struct shape *shape)
{
	const uint32_t start = (uint32_t)families->slots.count;
	struct anchor_family *family =
		build_push(families->build, &families->families, sizeof(*family));
	const uint32_t log = shape->bytes != 0 ? slots_log_for(n) : 1;
	uint32_t *moved = families->scratch.items;
	uint32_t *slots;

	for (uint32_t i = 0; i <= 1u << log; i++)
		build_push(families->build, &families->slots, sizeof(uint32_t));
	if (families->build->failed)
		return;
	*family = family_of(shape, log);
	family->slot = start;
	slots = (uint32_t *)families->slots.items + start;
	for (uint32_t i = 0; i < n; i++)
		slots[slot_of(family, &families->waiting[order[i]]) + 1]++;
	slots[0] = first;
	for (uint32_t i = 0; i < 1u << log; i++)
		slots[i + 1] += slots[i];
	// Filled from its end, each number becomes the first of its slot.
	for (uint32_t i = n; i-- > 0;)
		moved[--slots[slot_of(family, &families->waiting[order[i]]) + 1] - first] =
			order[i];
	for (uint32_t i = 0; i < 1u << log; i++)
		slots[i] = slots[i + 1];
	slots[1u << log] = first + n;
	memcpy(order, moved, n * sizeof(*order));
}

static bool make_scratch(struct build_families *families, uint32_t n)
{
	while (families->scratch.count < 1u << slots_log_for(n) || families->scratch.count < n)
		if (build_push(families->build, &families->scratch, sizeof(uint32_t)) == NULL)
			return false;
	return true;
}

uint32_t build_families_add(
	struct build_families *families, uint32_t *order, uint32_t first, uint32_t n)
{
	struct shape found[MOST_FAMILIES + 1];
	uint32_t members[MOST_FAMILIES + 1];
	const uint32_t number = (uint32_t)families->families.count;
	uint32_t at = first;
	uint32_t left = n;
	uint32_t count = 0;

	if (n < LEAST_ENTRIES || !make_scratch(families, n))
		return first;
	for (; count < MOST_FAMILIES; count++) {
		members[count] = choose_shape(families, order + n - left, left, &found[count]);
		if (members[count] < LEAST_MEMBERS)
			break;
		part(families->waiting, order + n - left, left, &found[count]);
		left -= members[count];
	}
	if (COST_FAMILY * count + left >= n)
		return first;
	// Any bytes go with the rest.
	if (left > 0) {
		found[count] = (struct shape){ANCHOR_PIECE_BEFORE, 0};
		members[count++] = left;
	}
	for (uint32_t i = 0; i < count && !families->build->failed; i++) {
		add_family(families, order, at, members[i], &found[i]);
		order += members[i];
		at += members[i];
	}
	if (!families->build->failed)
		((struct anchor_family *)families->families.items)[families->families.count - 1]
			.is_last = 1;
	return number | ANCHOR_FAMILIES;
}

void build_families_free(struct build_families *families)
{
	free(families->families.items);
	free(families->slots.items);
	free(families->scratch.items);
}
