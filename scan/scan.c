// SPDX-License-Identifier: BSD-3-Clause
// One message or file: feeds the raw bytes and each decoded part to the matcher, collects what came
// of it. What goes wrong on the way is part of the verdict, never an error of a function.
#include "scan/scan.h"

#include "scan/decode.h"
#include "scan/scan_attached.h"
#include "scan/scan_list.h"
#include "scan/scan_member.h"
#include "scan/scan_object.h"
#include "scan/scan_pool.h"
#include "scan/scan_screen.h"
#include "scan/scan_whole.h"

#include <errno.h>
#include <string.h>

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_CLEAN:
		return "clean";
	case VERDICT_INFECTED:
		return "infected";
	case VERDICT_SUSPECT:
		return "suspect";
	case VERDICT_UNSCANNABLE:
		return "unscannable";
	case VERDICT_INCOMPLETE:
		return "incomplete";
	}
	return "";
}

enum verdict scan_finding_verdict(enum scan_finding finding)
{
	switch (finding) {
	case SCAN_FINDING_SIGNATURE:
		return VERDICT_INFECTED;
	case SCAN_FINDING_CHECKSUM:
	case SCAN_FINDING_SUSPECT:
	case SCAN_FINDING_ENCRYPTED:
		return VERDICT_SUSPECT;
	case SCAN_FINDING_UNSCANNABLE:
		return VERDICT_UNSCANNABLE;
	case SCAN_FINDINGS:
		break;
	}
	return VERDICT_CLEAN;
}

const char *match_kind_name(enum match_kind kind)
{
	switch (kind) {
	case MATCH_PATTERN:
		return "pattern";
	case MATCH_HASH:
		return "hash";
	case MATCH_CHECKSUM:
		return "checksum";
	case MATCH_HEURISTIC:
		return "heuristic";
	}
	return "";
}

void scan_options_init(struct scan_options *options)
{
	*options = (struct scan_options){
		.max_messages = 1024,
		.helper_messages = 32,
		.max_depth = 32,
		.max_parts = 1000,
		.max_header_bytes = 64 * 1024,
		.max_archive_depth = 8,
		.max_members = 10000,
		.max_unpacked_bytes = 256u << 20,
		.max_ratio = 250,
		.max_captured_bytes = 64u << 20,
		.max_all_captured_bytes = 256u << 20,
	};
}

// ---- parts -------------------------------------------------------------------------------------

// Most parts of a message say the same: then they share the text.
static const char *part_text(struct scan *scan, const char *before, const char *text)
{
	if (before != NULL && text != NULL && strcmp(before, text) == 0)
		return before;
	return scan_pool_text(scan, text);
}

// The MIME parser counts parts of its own; members of archives come between them in the list.
static struct scan_object *part_object(const struct scan *scan, uint32_t number)
{
	struct scan_object *object = scan->open;

	while (object != NULL && object->number != number)
		object = object->next;
	return object;
}

// The index of the part that began last.
static uint32_t last_part(const struct scan *scan)
{
	return scan->mime_parts > 0 ? scan->table->indexes[scan->mime_parts - 1] : 0;
}

// A part that cannot be listed is not looked at: past the limit, or the message is unscannable.
static void part_begin(struct scan *scan, const struct mime_part *mime)
{
	static const struct scan_part none = {.filename = ""};
	const struct scan_part *before = &none;
	struct scan_object *object;
	struct scan_part *part;

	scan->origin = last_part(scan);
	if (scan->result.parts_count >= scan->scanner->parts_room) {
		scan_set_suspect(scan, "limit-parts");
		return;
	}
	part = mime->number == scan->mime_parts + 1 ? scan_add_part(scan) : NULL;
	if (part == NULL) {
		scan_set_unscannable(scan, "memory");
		return;
	}
	if (last_part(scan) > 0)
		before = &scan->table->parts[last_part(scan) - 1];
	if (mime->parent > 0 && mime->parent <= scan->mime_parts)
		part->parent = scan->table->indexes[mime->parent - 1];
	part->is_reading = mime->reading != MIME_READING_FIRST;
	part->content_type = part_text(scan, before->content_type, mime->content_type);
	part->encoding = part_text(scan, before->encoding, mime->encoding);
	part->filename = part_text(scan, before->filename, mime->filename);
	part->disposition = part_text(scan, before->disposition, mime->disposition);
	scan->table->indexes[scan->mime_parts++] = part->index;
	object = object_begin(scan, NULL, FILETYPE_CONTAINER_MAIL, part->index);
	if (object == NULL)
		return;
	object->number = mime->number;
	object->origin = part->index;
	// Where it is not encoded, it is what follows there.
	if (object->match != NULL && scan->object != NULL && scan->object->match != NULL)
		match_share(object->match, scan->object->match, scan->read_bytes);
}

static void part_data(struct scan *scan, const struct mime_event *event)
{
	if (event->is_behind)
		scan_may_end(part_object(scan, event->number));
	object_feed(scan, part_object(scan, event->number), event->data, event->bytes);
}

static void part_end(struct scan *scan, uint32_t number)
{
	struct scan_object *object = part_object(scan, number);

	scan_member_of_mail(scan, object);
	object_end(scan, object);
}

static void scan_event(struct scan *scan, const struct mime_event *event)
{
	switch (event->type) {
	case MIME_PART_BEGIN:
		part_begin(scan, event->part);
		break;
	case MIME_PART_DATA:
		part_data(scan, event);
		break;
	case MIME_PART_END:
		part_end(scan, event->number);
		break;
	case MIME_SUSPICIOUS:
		scan->origin = last_part(scan);
		scan_set_suspect(scan, event->why);
		break;
	case MIME_NO_MEMORY:
		scan_set_unscannable(scan, "memory");
		break;
	case MIME_MESSAGE_BEGIN:
	case MIME_MESSAGE_END:
	case MIME_MESSAGE_DATA:
	case MIME_MESSAGE_DATA_END:
		scan_attached_event(scan, event);
		break;
	case MIME_NEED_INPUT:
	case MIME_END:
		break;
	}
}

// ---- the message -------------------------------------------------------------------------------

int scan_begin(struct scanner *scanner, enum scan_kind kind, struct scan **out)
{
	struct scan *scan = scan_pool_get(scanner, kind == SCAN_MESSAGE);

	if (scan == NULL)
		return -ENOMEM;
	*out = scan;
	return 0;
}

// Only now: what is opened for a message whose bytes are still on their way is out of the caches until they come.
static void open_scan(struct scan *scan)
{
	if (scan->is_open)
		return;
	scan_pool_open(scan);
	scan->object = object_begin(scan, NULL, FILETYPE_CONTAINER_NONE, 0);
	scan_attached_begin(scan);
}

static void step_feed(struct scan *scan, const uint8_t *data, size_t n)
{
	struct mime_event event;

	object_feed(scan, scan->object, data, n);
	if (scan->mime == NULL || n == 0)
		return;
	scan_attached_step(scan, data, n);
	do {
		size_t used = mime_next(scan->mime, data, n, &event);

		scan->read_bytes += used;
		scan_event(scan, &event);
		data += used;
		n -= used;
	} while (event.type != MIME_NEED_INPUT || n > 0);
	scan_attached_feed(scan);
}

void scan_feed(struct scan *scan, const uint8_t *data, size_t n)
{
	open_scan(scan);
	scan->result.bytes += n;
	while (n > 0) {
		size_t room = SCAN_STEP_BYTES - scan->step_bytes;
		size_t take = n < room ? n : room;

		if (take == SCAN_STEP_BYTES) {
			step_feed(scan, data, take);
		} else {
			memcpy(scan->step + scan->step_bytes, data, take);
			scan->step_bytes += take;
		}
		if (scan->step_bytes == SCAN_STEP_BYTES) {
			scan->step_bytes = 0;
			step_feed(scan, scan->step, SCAN_STEP_BYTES);
		}
		data += take;
		n -= take;
	}
}

bool scan_is_decided(const struct scan *scan)
{
	return scan->is_open && (scan->is_hit || scan->suspect != NULL ||
					scan->unscannable != NULL || scan->is_encrypted);
}

static const struct scan_match *find_leading(const struct scan_match *matches, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (matches[i].kind != MATCH_CHECKSUM)
			return &matches[i];
	return count > 0 ? matches : NULL;
}

const struct scan_match *scan_leading_match(const struct scan_result *result)
{
	return find_leading(result->matches, result->matches_count);
}

// What is kept could be looked at still.
enum screen_action scan_screen_action(const struct scan_result *result, bool default_passes)
{
	const unsigned int asked = result->screen_actions;

	if ((asked & 1u << SCREEN_ACTION_QUARANTINE) != 0)
		return SCREEN_ACTION_QUARANTINE;
	if ((asked & 1u << SCREEN_ACTION_DISCARD) != 0 &&
		(default_passes || (asked & 1u << SCREEN_ACTION_DEFAULT) == 0))
		return SCREEN_ACTION_DISCARD;
	return SCREEN_ACTION_DEFAULT;
}

static void note_matches(const struct scan *scan, struct scan_result *result)
{
	for (size_t i = 0; i < result->matches_count; i++) {
		const struct scan_match *match = &scan->matches[i];

		if (match->kind == MATCH_CHECKSUM) {
			result->findings[SCAN_FINDING_CHECKSUM] = match_kind_name(match->kind);
			result->screen_actions |= 1u << match->action;
		} else if (result->findings[SCAN_FINDING_SIGNATURE] == NULL) {
			result->findings[SCAN_FINDING_SIGNATURE] =
				match->kind == MATCH_PATTERN ? "signature"
							     : match_kind_name(match->kind);
		}
	}
}

static void scan_judge(struct scan *scan)
{
	struct scan_result *result = &scan->result;

	memset((void *)result->findings, 0, sizeof(result->findings));
	result->screen_actions = 0;
	note_matches(scan, result);
	result->findings[SCAN_FINDING_SUSPECT] = scan->suspect;
	result->findings[SCAN_FINDING_UNSCANNABLE] = scan->unscannable;
	if (scan->is_encrypted)
		result->findings[SCAN_FINDING_ENCRYPTED] = SCAN_ENCRYPTED;
	result->verdict = VERDICT_CLEAN;
	result->reason = "";
	for (unsigned int i = SCAN_FINDINGS; i-- > 0;) {
		if (result->findings[i] == NULL)
			continue;
		result->verdict = scan_finding_verdict((enum scan_finding)i);
		result->reason = result->findings[i];
	}
}

static void note_texts(struct scan *scan)
{
	struct scan_result *result = &scan->result;

	result->subject = scan->mime != NULL ? scan_pool_text(scan, mime_subject(scan->mime)) : "";
	result->unclear_subject = scan->mime != NULL && mime_has_unclear_subject(scan->mime);
	result->unclear_names = scan->mime != NULL && mime_has_unclear_name(scan->mime);
	result->message_id =
		scan->mime != NULL ? scan_pool_text(scan, mime_message_id(scan->mime)) : "";
}

static bool is_infected(const struct scan *scan)
{
	const struct scan_match *match = find_leading(scan->matches, scan->result.matches_count);

	return match != NULL && match->kind != MATCH_CHECKSUM;
}

// Matches are not told: of signatures there are some only where all is looked at, of checksums the actions are noted.
static void note_known(struct scan *scan)
{
	scan_judge(scan);
	scan->known = scan->result;
	scan->known.matches = NULL;
	scan->known.matches_count = 0;
	scan->known.parts_count = 0;
	if (scan->table != &scan->small)
		scan_list_known(scan);
}

const struct scan_result *scan_get_known(const struct scan *scan)
{
	return &scan->known;
}

void scan_feed_end(struct scan *scan)
{
	struct mime_event event = {.type = MIME_NEED_INPUT};

	open_scan(scan);
	if (scan->is_finished)
		return;
	scan->is_finished = true;
	step_feed(scan, scan->step, scan->step_bytes);
	while (scan->mime != NULL && event.type != MIME_END) {
		mime_finish(scan->mime, &event);
		scan_event(scan, &event);
	}
	scan_attached_end(scan);
	object_end(scan, scan->object);
	scan->object = NULL;
	note_texts(scan);
	// Others need it while this one waits for digests, or for the server.
	scan_pool_leave_desk(scan);
	// What was put off may turn out to be allowed, or to have been found already.
	if (scan->deferred != NULL)
		scan_gather_settle(scan);
}

bool scan_finish(struct scan *scan, bool all)
{
	scan_feed_end(scan);
	// What follows could only add to what was found, unless that is a checksum alone.
	if (!all && is_infected(scan))
		scan_whole_drop(scan, 0);
	if (scan->deferred == NULL)
		return true;
	if (scan->home->helper == NULL || scan_pool_reserve(scan)) {
		note_known(scan);
		return false;
	}
	scan_set_unscannable(scan, "memory");
	scan_whole_drop(scan, 0);
	return true;
}

void scan_work(struct scan *scan)
{
	// Relaxed: a hint for scan_cancel.
	atomic_store_explicit(&scan->is_working, true, memory_order_relaxed);
	if (scan->home->helper != NULL)
		scan->scanner = scan->home->helper;
	scan_whole_work(scan);
	scan_gather_settle(scan);
	scan->scanner = scan->home;
}

bool scan_cancel(struct scan *scan)
{
	atomic_store_explicit(&scan->cancelled, true, memory_order_relaxed);
	return atomic_load_explicit(&scan->is_working, memory_order_relaxed);
}

const struct scan_result *scan_end(struct scan *scan)
{
	struct scan_result *result = &scan->result;

	open_scan(scan);
	if (scan->is_ended)
		return result;
	scan->is_ended = true;
	scan_feed_end(scan);
	scan_whole_work(scan);
	scan_gather_settle(scan);
	scan_whole_free(scan);

	scan_list(scan);
	result->matches = scan->matches;
	result->parts = scan->table->parts;
	scan_judge(scan);
	return result;
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	if (scan->is_open) {
		while (scan->open != NULL)
			object_drop(scan, scan->open);
		scan_gather_drop(scan);
		scan_attached_drop(scan);
		scan_whole_drop(scan, 0);
		scan_whole_free(scan);
	}
	scan_pool_put(scan);
}

const uint8_t *scan_find_line(const uint8_t *data, size_t n, uint8_t first)
{
	return find_line_with(data, n, first);
}
