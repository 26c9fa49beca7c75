// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_list.h"

#include "scan/scan_object.h"
#include "scan/scan_pool.h"

struct scan_part *scan_add_part(struct scan *scan)
{
	size_t count = scan->result.parts_count;
	struct scan_part *part;

	if (!scan_pool_grow_parts(scan))
		return NULL;
	part = &scan->table->parts[count];
	*part = (struct scan_part){
		.index = (uint32_t)count + 1,
		.content_type = "",
		.encoding = "",
		.filename = "",
		.disposition = "",
		.detected_type = "",
	};
	scan->result.parts_count++;
	return part;
}

// A part of another reading, or inside of one, is left out unless a match is in it.
static void choose(struct scan *scan)
{
	const struct scan_part *parts = scan->table->parts;
	struct part_order *order = scan->table->order;

	for (size_t i = 1; i <= scan->result.parts_count; i++) {
		const struct scan_part *part = &parts[i - 1];

		order[i] = (struct part_order){
			.is_left_out = part->is_reading || order[part->parent].is_left_out,
		};
	}
	for (size_t i = 0; i < scan->result.matches_count; i++)
		for (uint32_t at = scan->matches[i].part; at > 0; at = parts[at - 1].parent)
			order[at].is_left_out = false;
	for (size_t i = 0; i < scan->mime_parts; i++)
		order[scan->table->indexes[i]].is_mime = true;
}

// Counts for each part those that come with it, and of these what is inside of its own members.
static void weigh(struct scan *scan)
{
	struct part_order *order = scan->table->order;

	for (size_t i = scan->result.parts_count; i > 0; i--) {
		struct part_order *parent = &order[scan->table->parts[i - 1].parent];

		if (order[i].is_left_out)
			continue;
		order[i].weight++;
		parent->weight += order[i].weight;
		if (!order[i].is_mime)
			parent->next_mime += order[i].weight;
	}
}

// After each part what is in it: members in the order of the archive, then parts that the MIME parser
// found in it. What is left out comes last.
static void place(struct scan *scan)
{
	struct part_order *order = scan->table->order;
	uint32_t left_out = order[0].weight;

	order[0].next_member = 1;
	order[0].next_mime += 1;
	for (size_t i = 1; i <= scan->result.parts_count; i++) {
		struct part_order *parent = &order[scan->table->parts[i - 1].parent];
		uint32_t *next = order[i].is_mime ? &parent->next_mime : &parent->next_member;

		if (order[i].is_left_out) {
			order[i].place = ++left_out;
			continue;
		}
		order[i].place = *next;
		*next += order[i].weight;
		order[i].next_member = order[i].place + 1;
		order[i].next_mime += order[i].place + 1;
		order[i].depth = parent == &order[0] ? 0 : parent->depth + 1;
	}
}

// Matches of what is inside come before those of what is around it; the message's own are the last.
static uint32_t rank(const struct scan *scan, const struct scan_match *match)
{
	const struct part_order *order = &scan->table->order[match->part];

	return match->part == 0 ? UINT32_MAX : order->place + order->weight - order->depth;
}

// They are nearly in order: by insertion.
static void sort_matches(struct scan *scan)
{
	for (size_t i = 1; i < scan->result.matches_count; i++) {
		struct scan_match match = scan->matches[i];
		uint32_t own = rank(scan, &match);
		size_t at = i;

		for (; at > 0 && rank(scan, &scan->matches[at - 1]) > own; at--)
			scan->matches[at] = scan->matches[at - 1];
		scan->matches[at] = match;
	}
}

static void move(struct scan *scan)
{
	const struct part_order *order = scan->table->order;
	struct scan_part *parts = scan->table->parts;
	size_t count = scan->result.parts_count;

	for (size_t i = 0; i < scan->result.matches_count; i++)
		if (scan->matches[i].part > 0)
			scan->matches[i].part = order[scan->matches[i].part].place;
	for (size_t i = 0; i < count; i++) {
		parts[i].index = order[i + 1].place;
		parts[i].parent = parts[i].parent > 0 ? order[parts[i].parent].place : 0;
	}
	for (size_t i = 0; i < count; i++) {
		while (parts[i].index != i + 1) {
			struct scan_part part = parts[i];

			parts[i] = parts[part.index - 1];
			parts[part.index - 1] = part;
		}
	}
}

void scan_list(struct scan *scan)
{
	scan->table->order[0] = (struct part_order){0};
	choose(scan);
	weigh(scan);
	place(scan);
	sort_matches(scan);
	move(scan);
	scan->result.parts_count = scan->table->order[0].weight;
}

// In the order in which they began, without those that are left out.
void scan_list_known(struct scan *scan)
{
	const struct scan_part *parts = scan->table->parts;
	struct part_order *order = scan->table->order;
	size_t count = 0;

	order[0] = (struct part_order){0};
	choose(scan);
	for (size_t i = 0; i < scan->result.parts_count && count < SCAN_SMALL_PARTS; i++) {
		if (order[i + 1].is_left_out)
			continue;
		scan->small.parts[count] = parts[i];
		scan->small.parts[count].parent = order[parts[i].parent].place;
		count++;
		scan->small.parts[count - 1].index = (uint32_t)count;
		order[i + 1].place = (uint32_t)count;
	}
	scan->known.parts = scan->small.parts;
	scan->known.parts_count = count;
}
