// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_object.h"

#include "scan/match_late.h"
#include "scan/scan_container.h"
#include "scan/scan_copy.h"
#include "scan/scan_marks.h"
#include "scan/scan_member.h"
#include "scan/scan_pool.h"
#include "scan/scan_screen.h"
#include "scan/scan_whole.h"

#include <string.h>

void scan_set_suspect(struct scan *scan, const char *why)
{
	// Where there is anything else, that is what counts: for this alone there is a policy of its own.
	if (strcmp(why, SCAN_ENCRYPTED) == 0) {
		scan->is_encrypted = true;
		return;
	}
	if (scan->suspect != NULL && scan->suspect_origin <= scan->origin)
		return;
	scan->suspect = why;
	scan->suspect_origin = scan->origin;
}

void scan_set_unscannable(struct scan *scan, const char *why)
{
	if (scan->unscannable == NULL)
		scan->unscannable = why;
}

// ---- what the matcher says ---------------------------------------------------------------------

// Whether it may be gone before its digests are known: what is unpacked next is not where a list allows it.
static bool can_go(const struct scan *scan, const struct scan_object *object)
{
	return (object->whole == NULL && !object->is_attached) || !scan->scanner->can_allow;
}

static void matching_end(struct scan *scan, struct scan_object *object)
{
	struct scanner *scanner = scan->scanner;
	struct match_digests digests = {0};
	struct digest_late late = {0};
	struct screening_late screened;
	struct scan_part *info;
	const char *type = "";
	bool has_more;
	size_t hits;

	if (object->match == NULL)
		return;
	if (scan_screened_as(scan, object) == SCREENING_LINES)
		match_set_doubtful(object->match);
	hits = match_end_late(object->match, scanner->hits, scanner->matches_room, &digests, &type,
		can_go(scan, object) ? &late : NULL);
	object->match = NULL;
	has_more = hits > 0 && matcher_had_more(scanner->matcher);
	if (matcher_was_partial(scanner->matcher))
		scan_set_suspect(scan, "limit-matching");
	for (size_t i = 0; i < hits; i++)
		object_add_match(scan, &scanner->hits[i], object->part);
	if (has_more)
		scan->result.has_more_matches = true;
	if (object->is_listed) {
		info = &scan->table->parts[object->part - 1];
		info->detected_type = type != NULL ? type : "";
		info->digests = digests.set;
		memcpy(info->md5, digests.md5, sizeof(info->md5));
		memcpy(info->sha1, digests.sha1, sizeof(info->sha1));
		memcpy(info->sha256, digests.sha256, sizeof(info->sha256));
	}
	scan_screen_end(
		scan, object, type != NULL ? type : "", &screened, digest_late_is_any(&late));
	scan_gather_add(scan, object, &late, &screened);
	if (digests.allowed && object->is_attached) {
		scan_gather_settle(scan);
		object_allow_attached(scan, object);
	} else if (digests.allowed && !object->is_unlisted) {
		object->is_allowed = true;
		scan_gather_settle(scan);
		object_allow(scan, object->part);
	}
}

// An object that the matcher fails on is given up; what it has hit until then still counts.
static void matching_feed(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	if (object->match == NULL)
		return;
	if (match_feed(object->match, data, n) != 0) {
		scan_set_unscannable(scan, "scanner");
		matching_end(scan, object);
	} else if (!scan->is_hit) {
		scan->is_hit = match_is_hit(object->match);
	}
}

// ---- members -----------------------------------------------------------------------------------

static void unpacking_end(struct scan_object *object)
{
	if (object->unpack != NULL) {
		object->unsupported += unpack_unsupported(object->unpack);
		unpack_put(object->unpack);
	}
	object->unpack = NULL;
}

// What follows in the archive is not unpacked.
static void unpacking_stop(struct scan *scan, struct scan_object *object, const char *why)
{
	scan_set_suspect(scan, why);
	object->is_opaque = true;
}

// An ordinary PDF has thousands of streams: many of them take no room from what else is listed.
static bool is_member_listed(const struct scan *scan, const struct scan_object *object)
{
	const bool is_pdf = object->container == FILETYPE_CONTAINER_PDF ||
			    object->second.container == FILETYPE_CONTAINER_PDF;

	return !is_pdf || scan->result.parts_count < scan->scanner->options.max_members / 2;
}

static void member_begin(
	struct scan *scan, struct scan_object *object, const struct unpack_event *event)
{
	struct scan_part *part;

	if (!is_member_listed(scan, object)) {
		object->member = object_begin(scan, object, object->container, object->part);
		if (object->member == NULL)
			return;
		object->member->is_listed = false;
		object->member->is_unlisted = true;
		object->member->kind = event->kind;
		scan_member_seen(scan, object, object->part, event);
		return;
	}
	if (scan->result.parts_count >= scan->scanner->options.max_members) {
		unpacking_stop(scan, object, "limit-members");
		return;
	}
	part = scan_whole_listed(scan, object, event->name);
	if (part == NULL)
		part = scan_add_part(scan);
	if (part == NULL) {
		scan_set_unscannable(scan, "memory");
		object->is_opaque = true;
		return;
	}
	part->parent = object->part;
	part->is_reading = object->unpack != NULL && scan_whole_is_other(object);
	part->filename = scan_pool_text(scan, event->name);
	container_see_member(object, event->name);
	object->member = object_begin(scan, object, object->container, part->index);
	if (object->member != NULL) {
		object->member->kind = event->kind;
		object->member->is_entity = scan_whole_holds_entity(object);
		object->member->has_other_name = event->has_other_name;
	}
	scan_member_seen(scan, object, part->index, event);
}

struct scan_object *object_begin_inline(
	struct scan *scan, const struct scan_object *object, const char *type)
{
	const struct scan_options *options = &scan->scanner->options;
	struct scan_part *part;

	if (object->depth >= options->max_archive_depth) {
		scan_set_suspect(scan, "limit-archive-depth");
		return NULL;
	}
	if (scan->result.parts_count >= options->max_members) {
		scan_set_suspect(scan, "limit-members");
		return NULL;
	}
	part = scan_add_part(scan);
	if (part == NULL) {
		scan_set_unscannable(scan, "memory");
		return NULL;
	}
	part->parent = object->part;
	part->content_type = scan_pool_text(scan, type);
	// As ClamAV, which makes a mail of it.
	return object_begin(scan, object, FILETYPE_CONTAINER_MAIL, part->index);
}

bool object_feed_inline(
	struct scan *scan, struct scan_object *member, const uint8_t *data, size_t n)
{
	uint64_t room = scan->scanner->options.max_unpacked_bytes - scan->unpacked_bytes;
	size_t fed = n < room ? n : (size_t)room;

	scan->unpacked_bytes += fed;
	object_feed(scan, member, data, fed);
	return fed == n;
}

static void member_data(
	struct scan *scan, struct scan_object *object, const struct unpack_event *event)
{
	if (event->is_behind)
		scan_may_end(object->member);
	if (!object_feed_inline(scan, object->member, event->data, event->bytes))
		unpacking_stop(scan, object, "limit-unpacked-bytes");
}

static void member_end(
	struct scan *scan, struct scan_object *object, const struct unpack_event *event)
{
	struct scan_object *member = object->member;
	const char *name = event != NULL ? event->name : "";
	struct scan_part *part;

	object->member = NULL;
	if (member == NULL)
		return;
	if (member->is_listed) {
		part = &scan->table->parts[member->part - 1];
		if (part->filename[0] == '\0')
			part->filename = scan_pool_text(scan, name);
	}
	if (event != NULL)
		scan_member_seen(scan, object, member->part, event);
	if (member->lies_in == FILETYPE_CONTAINER_TNEF)
		scan_member_named(scan, object, member, name);
	object_end(scan, member);
}

// Whether the helper, which is given the whole object, will say it better.
static bool is_left_to_helper(struct scan_object *object, const char *why)
{
	if (strcmp(why, "encrypted-archive") == 0)
		return scan_whole_takes_encrypted(object);
	if (strcmp(why, "ambiguous-archive") == 0 || strcmp(why, "broken-archive") == 0)
		return object->unpack != NULL && scan_whole_is_interrupted(object);
	return strcmp(why, "unsupported-method") == 0 && scan_whole_takes_rest(object);
}

static void warning(struct scan *scan, struct scan_object *object, const char *why)
{
	if (strcmp(why, "memory") == 0)
		scan_set_unscannable(scan, why);
	else if (!is_left_to_helper(object, why))
		scan_set_suspect(scan, why);
}

bool object_unpacked(
	struct scan *scan, struct scan_object *object, const struct unpack_event *event)
{
	switch (event->type) {
	case UNPACK_NEED_INPUT:
		break;
	case UNPACK_MEMBER_BEGIN:
		member_begin(scan, object, event);
		break;
	case UNPACK_MEMBER_DATA:
		member_data(scan, object, event);
		break;
	case UNPACK_MEMBER_END:
		member_end(scan, object, event);
		break;
	case UNPACK_WARNING:
		warning(scan, object, event->why);
		break;
	case UNPACK_END:
		member_end(scan, object, NULL);
		return true;
	}
	if (object->is_opaque)
		member_end(scan, object, NULL);
	return object->is_opaque;
}

// Returns how many bytes were consumed: all, unless the archive ended.
static size_t unpacking_feed(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	struct unpack_event event;
	size_t used = 0;

	do {
		used += unpack_next(object->unpack, data + used, n - used, &event);
		if (object_unpacked(scan, object, &event)) {
			unpacking_end(object);
			return used;
		}
	} while (event.type != UNPACK_NEED_INPUT || used < n);
	return used;
}

// ---- what an object is -------------------------------------------------------------------------

static void unpacking_begin(
	struct scan *scan, struct scan_object *object, enum unpack_kind kind, uint64_t offset)
{
	const struct scan_options *options = &scan->scanner->options;

	if (object->depth >= options->max_archive_depth) {
		if (options->max_archive_depth > 0)
			scan_set_suspect(scan, "limit-archive-depth");
		object->is_opaque = true;
	} else if (unpack_begin(scan->scanner->unpacks, kind, offset, &object->unpack) != 0) {
		object->unpack = NULL;
		object->is_opaque = true;
		scan_set_unscannable(scan, "memory");
	}
	container_begin(object, kind);
}

#define MAGIC_BYTES 4 // of unpack_find_zip

// Bytes that are none of an archive's: a zip may begin anywhere. Returns how many were looked at.
static size_t search_zip(
	struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	const bool is_inside = (object->marks & SCAN_MARK_ZIP) != 0;
	const uint8_t *magic = NULL;
	size_t found = unpack_find_zip(&object->zip_search, data, n, is_inside, &magic);

	if (found == 0)
		return n;
	object->zip_search = 0;
	unpacking_begin(scan, object, UNPACK_ZIP_INSIDE, object->bytes + found - MAGIC_BYTES);
	if (object->unpack != NULL)
		(void)unpacking_feed(scan, object, magic, MAGIC_BYTES);
	return found;
}

static void look(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	while (n > 0 && !object->is_opaque) {
		const bool is_archive = object->unpack != NULL;
		size_t used = is_archive ? unpacking_feed(scan, object, data, n)
					 : search_zip(scan, object, data, n);

		if (is_archive && !object->is_opaque)
			scan_whole_look_behind(scan, object, data, n, used);
		object->bytes += used;
		data += used;
		n -= used;
	}
}

static void change_view(struct scan_object *object)
{
	struct scan_view view = object->second;

	object->second = (struct scan_view){object->unpack, object->member, object->bytes,
		object->container, object->is_inside};
	object->unpack = view.unpack;
	object->member = view.member;
	object->bytes = view.bytes;
	object->container = view.container;
	object->is_inside = view.is_inside;
}

static void look_into(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	look(scan, object, data, n);
	if (!object->has_second)
		return;
	change_view(object);
	look(scan, object, data, n);
	change_view(object);
}

static void look_finish(struct scan *scan, struct scan_object *object)
{
	struct unpack_event event;

	while (object->unpack != NULL) {
		unpack_finish(object->unpack, &event);
		if (object_unpacked(scan, object, &event))
			unpacking_end(object);
	}
}

// The MIME parser finds what is uuencoded in all parts but such as are base64 and no text.
static bool is_read_by_mime(const struct scan *scan, const struct scan_object *object)
{
	const struct scan_part *part =
		object->number > 0 ? &scan->table->parts[object->part - 1] : NULL;

	return part != NULL && (strcmp(part->encoding, "base64") != 0 ||
				       strncmp(part->content_type, "text/", 5) == 0);
}

// As another archive, and as the PDF that its first bytes say that it is as well. A zip behind them is not searched for then.
static void begin_second(struct scan *scan, struct scan_object *object)
{
	if (object->has_second)
		scan_set_suspect(scan, "ambiguous-archive");
	object->has_second = true;
	change_view(object);
	unpacking_begin(scan, object, UNPACK_PDF, 0);
	change_view(object);
}

static void detect(struct scan *scan, struct scan_object *object)
{
	const unsigned int marks = object->marks; // of the bytes that came last
	const bool is_called_pdf = scan_whole_is_called_pdf(scan, object);
	enum unpack_kind kind = object->kind;

	if (kind == UNPACK_NONE)
		kind = scan_whole_kind(scan, object);
	if (kind == UNPACK_UU && is_read_by_mime(scan, object))
		kind = UNPACK_NONE;
	if (kind == UNPACK_NONE && is_called_pdf)
		kind = UNPACK_PDF;
	object->has_second = unpack_is_partial(kind);
	object->is_detected = true;
	object->marks = scan_marks(object->prefix, object->prefix_bytes);
	if (kind != UNPACK_NONE)
		unpacking_begin(scan, object, kind, 0);
	if (kind != UNPACK_PDF && is_called_pdf &&
		memmem(object->prefix, object->prefix_bytes, "%PDF-", 5) != NULL)
		begin_second(scan, object);
	scan_whole_detect(scan, object, kind);
	scan_whole_feed(scan, object, object->prefix, object->prefix_bytes);
	look_into(scan, object, object->prefix, object->prefix_bytes);
	object->marks = marks;
}

// ---- objects -----------------------------------------------------------------------------------

// NULL: there is no memory.
static struct scan_object *take(struct scan *scan, uint32_t part, enum filetype_container container)
{
	struct scan_object *object = scan_pool_get_object(scan->scanner);

	if (object == NULL) {
		scan_set_unscannable(scan, "memory");
		return NULL;
	}
	object->owner = scan->scanner;
	object->next = scan->open;
	object->link = &scan->open;
	if (scan->open != NULL)
		scan->open->link = &object->next;
	scan->open = object;
	object->part = part;
	object->lies_in = container;
	return object;
}

static void matching_begin(struct scan *scan, struct scan_object *object, enum match_target target)
{
	if (match_begin(scan->scanner->matcher, target, &object->match) != 0) {
		scan_set_unscannable(scan, "memory");
		object->match = NULL;
	} else {
		match_set_container(object->match, object->lies_in);
		match_set_outer(object->match, object->outer, object->outer_count);
	}
}

struct scan_object *object_begin(struct scan *scan, const struct scan_object *parent,
	enum filetype_container container, uint32_t part)
{
	enum match_target target =
		part == 0 && scan->is_message ? MATCH_TARGET_MAIL : MATCH_TARGET_ANY;
	struct scan_object *object = take(scan, part, container);

	if (object == NULL)
		return NULL;
	object->is_listed = part > 0;
	object->origin = part == 0 && scan->is_message ? UINT32_MAX : scan->origin;
	object->depth = parent != NULL ? parent->depth + 1 : 0;
	object->is_opaque = target == MATCH_TARGET_MAIL;
	container_note_outer(object, parent);
	object->screening = screening_begin(&scan->scanner->screenings,
		(size_t)(object - scan->scanner->objects), scan_screened_as(scan, object));
	if (target == MATCH_TARGET_ANY)
		scan_copy_begin(scan, object);
	matching_begin(scan, object, target);
	return object;
}

struct scan_object *object_begin_mail(struct scan *scan, const struct scan_object *file)
{
	struct scan_object *object = take(scan, file != NULL ? file->part : 0,
		file != NULL ? file->lies_in : FILETYPE_CONTAINER_MAIL);

	if (object == NULL)
		return NULL;
	object->origin = file != NULL ? file->origin : UINT32_MAX;
	object->is_mail = true;
	object->is_attached = file == NULL;
	object->parts_before = (uint32_t)scan->result.parts_count;
	object->matches_before = (uint32_t)scan->result.matches_count;
	object->is_unlisted = true;
	object->is_opaque = true;
	if (file != NULL) {
		object->outer_count = file->outer_count;
		memcpy(object->outer, file->outer, sizeof(object->outer));
	}
	matching_begin(scan, object, MATCH_TARGET_MAIL);
	return object;
}

void object_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n)
{
	if (object == NULL || n == 0)
		return;
	scan->origin = object->origin;
	object->fed += n;
	matching_feed(scan, object, data, n);
	if (object->is_mail)
		return;
	screening_feed(object->screening, data, n);
	scan_copy_feed(scan, object, data, n);
	if (object->part > 0 || !scan->is_message) {
		object->marks = scan_marks(data, n);
		scan_script_feed(scan, object, data, n);
	}
	if (object->is_listed)
		scan->table->parts[object->part - 1].bytes += n;
	if (object->is_opaque && !object->is_captured && !object->is_watched)
		return;
	if (!object->is_detected) {
		size_t take = sizeof(object->prefix) - object->prefix_bytes;

		take = take < n ? take : n;
		memcpy(object->prefix + object->prefix_bytes, data, take);
		object->prefix_bytes = (uint16_t)(object->prefix_bytes + take);
		data += take;
		n -= take;
		if (object->prefix_bytes < sizeof(object->prefix))
			return;
		detect(scan, object);
	}
	scan_whole_feed(scan, object, data, n);
	look_into(scan, object, data, n);
}

void object_unlink(struct scan_object *object)
{
	*object->link = object->next;
	if (object->next != NULL)
		object->next->link = object->link;
	object->next = NULL;
	object->link = NULL;
}

static void object_put(struct scan_object *object)
{
	object_unlink(object);
	capture_free(&object->capture);
	scan_pool_put_object(object->owner, object);
}

void object_end(struct scan *scan, struct scan_object *object)
{
	if (object == NULL)
		return;
	scan->origin = object->origin;
	if (!object->is_detected && !object->is_opaque)
		detect(scan, object);
	look_finish(scan, object);
	change_view(object);
	look_finish(scan, object);
	scan_script_end(scan, object);
	scan_copy_end(scan, object);
	scan_member_settle(scan, object);
	matching_end(scan, object);
	if (object->screening != NULL) {
		const struct digest_late none = {0};
		struct screening_late screened;

		scan_screen_end(scan, object, "", &screened, false);
		scan_gather_add(scan, object, &none, &screened);
	}
	if (!scan_whole_defer(scan, object))
		object_put(object);
}

void object_drop(struct scan *scan, struct scan_object *object)
{
	if (object == NULL)
		return;
	unpacking_end(object);
	change_view(object);
	unpacking_end(object);
	scan_copy_drop(object);
	if (object->match != NULL)
		match_abort(object->match);
	screening_drop(object->screening);
	scan->captured_bytes -= object->capture.bytes;
	object_put(object);
}
