// SPDX-License-Identifier: BSD-3-Clause
// Matches of one message.
#include "scan/scan_object.h"
#include "scan/scan_pool.h"
#include "scan/scan_whole.h"

#include <string.h>

static bool has_match(const struct scan *scan, const char *signature, uint64_t entry, uint32_t part)
{
	for (size_t i = scan->result.matches_count; i-- > 0;) {
		const struct scan_match *match = &scan->matches[i];

		if (match->part == part && match->entry == entry &&
			strcmp(match->signature, signature) == 0)
			return true;
	}
	return false;
}

// What tells matches apart that policies go by.
static unsigned int rank(const struct scan_match *match)
{
	if (match->kind != MATCH_CHECKSUM)
		return SCREEN_ACTIONS_COUNT;
	return match->action;
}

// Where there is no room any more: the last of what is listed gives way to what has not its like there, so that no
// number of hits hides a graver one. NULL: it has.
static struct scan_match *find_place(const struct scan *scan, const struct scan_match *match)
{
	const size_t count = scan->result.matches_count;
	size_t counts[SCREEN_ACTIONS_COUNT + 1] = {0};

	for (size_t i = 0; i < count; i++)
		counts[rank(&scan->matches[i])]++;
	for (size_t i = count; counts[rank(match)] == 0 && i-- > 0;) {
		if (counts[rank(&scan->matches[i])] > 1)
			return &scan->matches[i];
	}
	return NULL;
}

void object_add(struct scan *scan, const struct scan_match *match)
{
	struct scan_match *place;

	scan_gather_settle(scan);
	// An allow list may still name an object around this one.
	scan->is_hit = scan->is_hit || !scan->scanner->can_allow;
	if (has_match(scan, match->signature, match->entry, match->part))
		return;
	if (scan->result.matches_count == scan->scanner->matches_room) {
		scan->result.has_more_matches = scan->scanner->options.all_matches;
		place = find_place(scan, match);
		if (place != NULL)
			*place = *match;
		return;
	}
	scan->matches[scan->result.matches_count++] = *match;
}

void object_add_match(struct scan *scan, const struct match_hit *hit, uint32_t part)
{
	const struct scan_match match = {
		.signature = hit->signature,
		.virus_id = hit->virus_id != NULL ? hit->virus_id : "",
		.recipe = hit->recipe != NULL ? hit->recipe : "",
		.kind = hit->kind,
		.part = part,
	};

	object_add(scan, &match);
}

bool object_is_inside(const struct scan *scan, uint32_t part, uint32_t outer)
{
	while (part > outer)
		part = scan->table->parts[part - 1].parent;
	return part == outer;
}

static void drop_matches(struct scan *scan, uint32_t outer)
{
	size_t count = scan->result.matches_count;

	scan->result.matches_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!object_is_inside(scan, scan->matches[i].part, outer))
			scan->matches[scan->result.matches_count++] = scan->matches[i];
	}
}

void object_allow(struct scan *scan, uint32_t part)
{
	drop_matches(scan, part);
	scan_whole_drop(scan, part);
}

static bool is_open(const struct scan *scan, uint32_t part)
{
	const struct scan_object *object = scan->open;

	while (object != NULL && object->part != part)
		object = object->next;
	return object != NULL;
}

// Of part 0 while an attached message is open are those in it alone: the message itself tells its own when it ends.
static void drop_attached(struct scan *scan, size_t matches_before)
{
	size_t count = scan->result.matches_count;

	if (matches_before >= count)
		return;
	scan->result.matches_count = matches_before;
	for (size_t i = matches_before; i < count; i++)
		if (scan->matches[i].part > 0)
			scan->matches[scan->result.matches_count++] = scan->matches[i];
}

// A part that is read on has bytes that are not the attached message's.
void object_allow_attached(struct scan *scan, const struct scan_object *object)
{
	drop_attached(scan, object->matches_before);
	for (uint32_t part = object->parts_before + 1; part <= scan->result.parts_count; part++) {
		const bool has_any = scan->result.matches_count > 0 || scan->deferred != NULL;

		if (has_any && scan->table->parts[part - 1].parent == 0 && !is_open(scan, part))
			object_allow(scan, part);
	}
}
