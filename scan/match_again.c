// SPDX-License-Identifier: BSD-3-Clause
#include "scan/find_four.h"
#include "scan/match_object.h"

#include <endian.h>
#include <string.h>

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
	const uint64_t from = object->from;
	const uint8_t *data = NULL;
	size_t n;

	for (struct track *at = &object->track; at != NULL; at = at->over)
		begin_again(at);
	object->track.lost = object->track.lost || capture->bytes < bytes;
	object->own_target = target;
	object->is_again = true;
	object->is_searched = false;
	match_stage_again(object);
	object->bytes = 0;
	for (uint64_t at = from; !object->failed && (n = capture_piece(capture, at, &data)) > 0;
		at += n)
		(void)match_pass(object, data, n);
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

// ---- programs inside of others -----------------------------------------------------------------

#define SIGNATURE "PE\0\0"
#define SIGNATURE_BYTES 4
#define HEADER_AT 60    // where a DOS header tells the place of the PE header
#define HEADER_MOST 304 // of these, as ClamAV looks for them: "MZ", 60 to 300 bytes, "PE\0\0"

// Whether a DOS header stands before the PE header that begins there, and where.
static bool has_header(const struct capture *capture, uint64_t at, uint64_t *from)
{
	uint8_t before[HEADER_MOST];
	size_t n = at < sizeof(before) ? (size_t)at : sizeof(before);

	if (n < HEADER_AT + 4 || capture_read(capture, at - n, before, n) != n)
		return false;
	for (size_t i = 0; i + HEADER_AT + 4 <= n; i++) {
		uint32_t far;

		memcpy(&far, before + i + HEADER_AT, sizeof(far));
		if (before[i] == 'M' && before[i + 1] == 'Z' && le32toh(far) == n - i) {
			*from = at - n + i;
			return true;
		}
	}
	return false;
}

// Where the next PE header begins, from there on. A piece of the capture may cut one.
static bool find_signature(const struct capture *capture, uint64_t *at)
{
	const uint8_t *data = NULL;
	size_t n;

	while ((n = capture_piece(capture, *at, &data)) > 0) {
		const size_t place = find_four(data, n, 0, (const uint8_t *)SIGNATURE);
		uint8_t seam[2 * SIGNATURE_BYTES - 2];
		const uint8_t *found;
		size_t left = n < SIGNATURE_BYTES - 1 ? n : SIGNATURE_BYTES - 1;
		size_t seam_bytes;

		if (place < n) {
			*at += place;
			return true;
		}
		seam_bytes = capture_read(capture, *at + n - left, seam, sizeof(seam));
		found = memmem(seam, seam_bytes, SIGNATURE, SIGNATURE_BYTES);
		*at += n - left;
		if (found != NULL) {
			*at += (uint64_t)(found - seam);
			return true;
		}
		*at += left;
	}
	return false;
}

// What is unpacked anyway has its programs among its members.
static bool may_hold_programs(const struct match_object *object)
{
	enum filetype_container container;

	if (object->target != MATCH_TARGET_ANY || object->type == NULL || object->failed)
		return false;
	if (object->type->target == FILETYPE_TARGET_TEXT)
		return true; // of no container that is unpacked
	container = filetype_container_of(object->type->name);
	return container == FILETYPE_CONTAINER_OTHER || container == FILETYPE_CONTAINER_OLE2 ||
	       container == FILETYPE_CONTAINER_PE || container == FILETYPE_CONTAINER_PDF ||
	       container == FILETYPE_CONTAINER_HTML || container == FILETYPE_CONTAINER_RTF;
}

// They are looked for in the copy when the object has ended: there is none without a NUL.
bool match_may_find_programs(const struct match_object *object, bool is_last)
{
	return object->matcher->finds_programs && may_hold_programs(object) &&
	       !(is_last && memchr(object->stage, '\0', object->stage_to) == NULL);
}

static void search_program(struct match_object *object, const struct executable_source *source)
{
	struct matcher *matcher = object->matcher;
	const struct pe_versions *versions = NULL;

	if (matcher->asks_files && object->executable.resources_address != 0) {
		pe_versions_read(&object->executable, source, &matcher->versions);
		versions = &matcher->versions;
	}
	for (struct track *track = &object->track; track != NULL; track = track->over) {
		track->executable = &object->executable;
		track->versions = versions;
	}
	object->from = source->from;
	object->has_hashed = false;
	match_sections_begin(&object->sections);
	match_again(object, FILETYPE_TARGET_PE);
}

bool match_next_program(struct match_object *object, struct match_programs *programs)
{
	const struct capture *capture = &object->copy.capture;
	struct executable_source source = {.capture = capture};

	if (!object->matcher->finds_programs || programs->left == 0 || !may_hold_programs(object))
		return false;
	while (find_signature(capture, &programs->at)) {
		uint64_t at = programs->at++;

		// What the object itself begins with was searched.
		if (!has_header(capture, at, &source.from) || source.from == 0)
			continue;
		source.bytes = object->bytes - source.from;
		if (executable_parse(FILETYPE_TARGET_PE, &source, &object->executable) !=
			EXECUTABLE_TAKEN)
			continue;
		programs->left--;
		if (source.bytes > programs->bytes_left) {
			object->track.lost = true;
			return false;
		}
		programs->bytes_left -= source.bytes;
		search_program(object, &source);
		return true;
	}
	return false;
}
