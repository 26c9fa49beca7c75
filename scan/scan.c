// SPDX-License-Identifier: BSD-3-Clause
// One message or file: feeds the raw bytes and each decoded part to the matcher, collects what came
// of it. What goes wrong on the way is part of the verdict, never an error of a function.
#include "scan/scan.h"

#include "scan/scan_pool.h"

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
		.max_depth = 32,
		.max_parts = 1000,
		.max_header_bytes = 64 * 1024,
	};
}

static void scan_set_suspect(struct scan *scan, const char *why)
{
	if (scan->suspect == NULL)
		scan->suspect = why;
}

static void scan_set_unscannable(struct scan *scan, const char *why)
{
	if (scan->unscannable == NULL)
		scan->unscannable = why;
}

// ---- objects -----------------------------------------------------------------------------------

static bool scan_has_match(const struct scan *scan, const char *signature, uint32_t part)
{
	for (size_t i = scan->result.matches_count; i-- > 0;) {
		const struct scan_match *match = &scan->matches[i];

		if (match->part == part && strcmp(match->signature, signature) == 0)
			return true;
	}
	return false;
}

static void scan_add_match(struct scan *scan, const struct match_hit *hit, uint32_t part)
{
	scan->is_hit = true;
	if (scan->result.matches_count == scan->scanner->matches_room ||
		scan_has_match(scan, hit->signature, part))
		return;
	scan->matches[scan->result.matches_count++] = (struct scan_match){
		.signature = hit->signature,
		.virus_id = hit->virus_id != NULL ? hit->virus_id : "",
		.kind = hit->kind,
		.part = part,
	};
}

static struct match_object *object_begin(struct scan *scan, enum match_target target)
{
	struct match_object *object;

	if (match_begin(scan->scanner->matcher, target, &object) != 0) {
		scan_set_unscannable(scan, "memory");
		return NULL;
	}
	return object;
}

// Ends the object of part number part; info is filled in where that is a part.
static void object_end(
	struct scan *scan, struct match_object **object, uint32_t part, struct scan_part *info)
{
	struct scanner *scanner = scan->scanner;
	struct match_digests digests = {0};
	const char *type = "";
	size_t hits;

	if (*object == NULL)
		return;
	hits = match_end(*object, scanner->hits, scanner->matches_room, &digests, &type);
	*object = NULL;
	for (size_t i = 0; i < hits; i++)
		scan_add_match(scan, &scanner->hits[i], part);
	if (info == NULL)
		return;
	info->detected_type = type != NULL ? type : "";
	info->digests = digests.set;
	memcpy(info->md5, digests.md5, sizeof(info->md5));
	memcpy(info->sha1, digests.sha1, sizeof(info->sha1));
	memcpy(info->sha256, digests.sha256, sizeof(info->sha256));
}

// An object that the matcher fails on is given up; what it has hit until then still counts.
static void object_feed(struct scan *scan, struct match_object **object, uint32_t part,
	const struct mime_event *data)
{
	if (*object == NULL || data->bytes == 0)
		return;
	if (match_feed(*object, data->data, data->bytes) != 0) {
		scan_set_unscannable(scan, "scanner");
		object_end(scan, object, part, NULL);
	} else if (!scan->is_hit) {
		scan->is_hit = match_is_hit(*object);
	}
}

// ---- parts -------------------------------------------------------------------------------------

// Most parts of a message say the same: then they share the text.
static const char *part_text(struct scan *scan, const char *before, const char *text)
{
	if (before != NULL && text != NULL && strcmp(before, text) == 0)
		return before;
	return scan_pool_text(scan, text);
}

// A part that cannot be listed is not looked at: the message is unscannable then.
static void part_begin(struct scan *scan, const struct mime_part *mime)
{
	static const struct scan_part none;
	size_t count = scan->result.parts_count;
	const struct scan_part *before;
	struct scan_part *part;

	if (mime->number != count + 1 || !scan_pool_grow_parts(scan)) {
		scan_set_unscannable(scan, "memory");
		return;
	}
	before = count > 0 ? &scan->table->parts[count - 1] : &none;
	part = &scan->table->parts[count];
	*part = (struct scan_part){
		.index = mime->number,
		.parent = mime->parent,
		.content_type = part_text(scan, before->content_type, mime->content_type),
		.encoding = part_text(scan, before->encoding, mime->encoding),
		.filename = part_text(scan, before->filename, mime->filename),
		.disposition = part_text(scan, before->disposition, mime->disposition),
		.detected_type = "",
	};
	scan->table->objects[count] = object_begin(scan, MATCH_TARGET_ANY);
	scan->result.parts_count++;
}

static void part_data(struct scan *scan, const struct mime_event *event)
{
	size_t i = (size_t)event->number - 1;

	if (i >= scan->result.parts_count)
		return;
	scan->table->parts[i].bytes += event->bytes;
	object_feed(scan, &scan->table->objects[i], event->number, event);
}

static void part_end(struct scan *scan, uint32_t number)
{
	size_t i = (size_t)number - 1;

	if (i < scan->result.parts_count)
		object_end(scan, &scan->table->objects[i], number, &scan->table->parts[i]);
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
		scan_set_suspect(scan, event->why);
		break;
	case MIME_NEED_INPUT:
	case MIME_END:
		break;
	}
}

// ---- the message -------------------------------------------------------------------------------

int scan_begin(struct scanner *scanner, enum scan_kind kind, struct scan **out)
{
	struct scan *scan = scan_pool_get(scanner);

	if (scan == NULL)
		return -ENOMEM;
	scan->mime = kind == SCAN_MESSAGE ? mime_init(scan->mime, &scanner->limits) : NULL;
	scan->object =
		object_begin(scan, kind == SCAN_MESSAGE ? MATCH_TARGET_MAIL : MATCH_TARGET_ANY);
	*out = scan;
	return 0;
}

void scan_feed(struct scan *scan, const uint8_t *data, size_t n)
{
	struct mime_event event = {.data = data, .bytes = n};

	scan->result.bytes += n;
	object_feed(scan, &scan->object, 0, &event);
	if (scan->mime == NULL || n == 0)
		return;
	do {
		size_t used = mime_next(scan->mime, data, n, &event);

		scan_event(scan, &event);
		data += used;
		n -= used;
	} while (event.type != MIME_NEED_INPUT || n > 0);
}

bool scan_is_decided(const struct scan *scan)
{
	return scan->is_hit || scan->suspect != NULL || scan->unscannable != NULL;
}

static void scan_judge(struct scan *scan)
{
	struct scan_result *result = &scan->result;

	result->verdict = VERDICT_CLEAN;
	result->reason = "";
	if (result->matches_count > 0) {
		result->verdict = VERDICT_INFECTED;
		result->reason = scan->matches[0].kind == MATCH_PATTERN
					 ? "signature"
					 : match_kind_name(scan->matches[0].kind);
	} else if (scan->suspect != NULL) {
		result->verdict = VERDICT_SUSPECT;
		result->reason = scan->suspect;
	} else if (scan->unscannable != NULL) {
		result->verdict = VERDICT_UNSCANNABLE;
		result->reason = scan->unscannable;
	}
}

const struct scan_result *scan_end(struct scan *scan)
{
	struct scan_result *result = &scan->result;
	struct mime_event event = {.type = MIME_NEED_INPUT};

	if (scan->is_ended)
		return result;
	scan->is_ended = true;
	while (scan->mime != NULL && event.type != MIME_END) {
		mime_finish(scan->mime, &event);
		scan_event(scan, &event);
	}
	for (size_t i = 0; i < result->parts_count; i++)
		object_end(scan, &scan->table->objects[i], (uint32_t)i + 1, &scan->table->parts[i]);
	object_end(scan, &scan->object, 0, NULL);

	result->matches = scan->matches;
	result->parts = scan->table->parts;
	result->subject = scan->mime != NULL ? scan_pool_text(scan, mime_subject(scan->mime)) : "";
	result->message_id =
		scan->mime != NULL ? scan_pool_text(scan, mime_message_id(scan->mime)) : "";
	scan_judge(scan);
	return result;
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	for (size_t i = 0; i < scan->result.parts_count; i++) {
		if (scan->table->objects[i] != NULL)
			match_abort(scan->table->objects[i]);
	}
	if (scan->object != NULL)
		match_abort(scan->object);
	scan_pool_put(scan);
}
