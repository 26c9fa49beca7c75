// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_object.h"

// Begins anew what is known of the object, but for what has hit.
static void begin_again(struct track *track)
{
	const struct track_hits hits = track->hits;
	const struct executable *executable = track->executable;
	const struct pe_versions *versions = track->versions;
	struct track *over = track->over;
	const bool lost = track->lost;

	track_release(track);
	track_begin(track, track->ruleset, track->pool);
	track->hits = hits;
	track->lost = lost;
	track->executable = executable;
	track->versions = versions;
	track->over = over;
}

void match_again(struct match_object *object, unsigned int target)
{
	const struct capture *capture = &object->copy.capture;
	const uint64_t bytes = object->bytes;
	const uint8_t *data = NULL;
	size_t n;

	for (struct track *at = &object->track; at != NULL; at = at->over)
		begin_again(at);
	object->track.lost = object->track.lost || capture->bytes < bytes;
	object->own_target = target;
	object->is_again = true;
	object->is_searched = false;
	object->stage_from = 0;
	object->stage_to = 0;
	object->bytes = 0;
	for (uint64_t at = 0; (n = capture_piece(capture, at, &data)) > 0; at += n)
		if (match_pass(object, data, n) != 0)
			break;
	match_finish(object);
	object->bytes = bytes;
}

bool match_retype(struct match_object *object)
{
	const struct executable_source source = match_source(object);
	uint32_t target = FILETYPE_TARGET_ANY;

	for (const struct track *at = &object->track; at != NULL; at = at->over)
		if (at->handler != FILETYPE_TARGET_ANY)
			target = at->handler;
	if (target == FILETYPE_TARGET_ANY || target == object->own_target ||
		object->target != MATCH_TARGET_ANY || object->failed)
		return false;
	if (executable_is_format(target) && executable_parse((enum filetype_target)target, &source,
						    &object->executable) == EXECUTABLE_TAKEN)
		for (struct track *at = &object->track; at != NULL; at = at->over)
			at->executable = &object->executable;
	object->has_hashed = true;
	match_again(object, target);
	return true;
}

static bool has_missed(const struct match_object *object)
{
	for (const struct track *at = &object->track; at != NULL; at = at->over)
		if (at->missed)
			return true;
	return false;
}

// Returns whether more is known than before.
static bool read_late(struct match_object *object)
{
	struct matcher *matcher = object->matcher;
	struct track *track = &object->track;
	struct executable *file = &object->executable;
	const struct executable_source source = match_source(object);
	const bool was_known = file->has_sections;
	const struct executable before = *file;

	if (!was_known && executable_parse((enum filetype_target)object->own_target, &source,
				  file) == EXECUTABLE_MORE) {
		*file = before;
		track->lost = true;
	}
	if (file->format != FILETYPE_TARGET_PE || file->resources_address == 0 ||
		!has_missed(object))
		return !was_known && (file->has_sections || file->has_entry_point);
	pe_versions_read(file, &source, &matcher->versions);
	track->lost = track->lost || matcher->versions.is_cut;
	for (; track != NULL; track = track->over)
		track->versions = &matcher->versions;
	return true;
}

void match_complete(struct match_object *object)
{
	struct matcher *matcher = object->matcher;
	const bool has_asked = has_missed(object);
	bool is_new;

	if (object->failed || !object->track.is_open ||
		!(matcher->asks_files || matcher->hashes_sections || matcher->hashes_imports != 0))
		return;
	// Of headers that were read the version information alone may be asked for.
	if (object->executable.has_sections && !has_asked)
		return;
	object->has_hashed = object->executable.has_sections;
	is_new = read_late(object);
	for (struct track *at = &object->track; at != NULL; at = at->over)
		at->is_open = false;
	if (is_new && (has_asked || matcher->compares_places || matcher->hashes_sections))
		match_again(object, object->own_target);
}
