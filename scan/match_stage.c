// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_stage.h"

#include "scan/match_object.h"

#include <assert.h>
#include <string.h>

static_assert(MATCH_COPY_CHUNK >= MATCH_SEARCH_BYTES, "the first search does not cross a chunk");
static_assert(MATCH_COPY_LIMIT % MATCH_COPY_CHUNK == 0, "all of a chunk can be kept");
static_assert(MATCH_COPY_MARGIN >= ANCHOR_HISTORY && MATCH_COPY_MARGIN >= ANCHOR_PADDING,
	"what is looked at beside a chunk is there");
static_assert(sizeof(((struct match_object *)0)->own_stage) >= MATCH_SEARCH_BYTES + ANCHOR_PADDING,
	"what has come before the first search can be moved");

// What stands before the new bytes is at hand: so many of them.
static void lay(struct match_object *object, uint8_t *stage, size_t before, size_t end)
{
	object->stage = stage;
	object->stage_from = before;
	object->stage_to = before;
	object->stage_end = end;
}

void match_stage_begin(struct match_object *object)
{
	lay(object, object->own_stage, 0, 0);
	object->stages_in_copy = true;
}

void match_stage_again(struct match_object *object)
{
	lay(object, object->own_stage, 0, MATCH_STAGE_BYTES);
	object->stages_in_copy = false;
}

// Room for new bytes in the copy. False: there is none.
static bool next_in_copy(struct match_object *object)
{
	uint8_t *room = NULL;
	const size_t n = capture_room(&object->copy.capture, &room);

	if (n == 0)
		return false;
	if (n == MATCH_COPY_CHUNK) {
		const size_t before = object->bytes > 0 ? ANCHOR_HISTORY : 0;

		lay(object, room - before, before, before);
		if (object->drops_copy && object->bytes > MATCH_SHARE_BYTES)
			capture_drop_before(
				&object->copy.capture, object->bytes - MATCH_SHARE_BYTES);
	}
	// Behind the first search a chunk at once: each brings the tables for its kind of bytes into the nearest caches.
	object->stage_end +=
		object->bytes > 0 || object->share.log != NULL ? n : MATCH_SEARCH_BYTES;
	return true;
}

static void next(struct match_object *object)
{
	const size_t keep = object->stage_to < ANCHOR_HISTORY ? object->stage_to : ANCHOR_HISTORY;

	if (object->stages_in_copy && next_in_copy(object))
		return;
	object->stages_in_copy = false;
	memmove(object->own_stage, object->stage + object->stage_to - keep, keep);
	lay(object, object->own_stage, keep, MATCH_STAGE_BYTES);
}

size_t match_stage_take(struct match_object *object, const uint8_t *data, size_t n, size_t *kept)
{
	size_t room;

	if (object->stage_to == object->stage_end)
		next(object);
	room = object->stage_end - object->stage_to;
	room = room < n ? room : n;
	memcpy(object->stage + object->stage_to, data, room);
	object->stage_to += room;
	object->bytes += room;
	if (object->stages_in_copy) {
		match_copy_keep(&object->copy, room);
		*kept += room;
	}
	return room;
}

void match_stage_leave_copy(struct match_object *object)
{
	if (object->stages_in_copy) {
		if (object->stage != object->own_stage)
			memcpy(object->own_stage, object->stage, object->stage_to);
		object->stage = object->own_stage;
		object->stage_end = MATCH_STAGE_BYTES;
		object->stages_in_copy = false;
	}
	match_copy_release(&object->copy);
	match_copy_begin(&object->copy, NULL);
}
