// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_attached.h"

#include "scan/scan_object.h"
#include "scan/scan_screen.h"

// So long can be what the parser has read and not told of yet: a field of a header, a line.
#define MOST_LATE (SCAN_LATE_CHUNK / 4 * (uint64_t)SCAN_LATE_CHUNK)

void scan_attached_begin(struct scan *scan)
{
	if (scan->mime != NULL)
		mime_tell_messages(scan->mime);
}

static bool open_one(struct scan *scan, struct scan_attached *attached, uint64_t offset)
{
	struct screenings *screenings = &scan->scanner->screenings;
	size_t first = (size_t)(screenings->spare - screenings->all) + 1;

	*attached = (struct scan_attached){.object = object_begin_mail(scan, NULL), .at = offset};
	if (attached->object == NULL || !screenings->has_attached)
		return attached->object != NULL;
	if (screenings->attached_free > 0)
		attached->screening = screening_begin(screenings,
			first + screenings->attached[--screenings->attached_free], SCREENING_LINES);
	else
		scan_set_suspect(scan, "limit-screening");
	return true;
}

static void put(struct scan *scan, struct scan_attached *attached, const uint8_t *data, size_t n)
{
	uint8_t first[FILETYPE_BYTES];

	object_feed(scan, attached->object, data, n);
	if (attached->screening == NULL)
		return;
	screening_feed(attached->screening, data, n);
	if (attached->type == NULL && attached->screening->copy.bytes >= sizeof(first)) {
		(void)capture_read(&attached->screening->copy, 0, first, sizeof(first));
		attached->type = filetype_detect(first, sizeof(first))->name;
	}
}

// The bytes of the raw message from there that lie in one piece: of the step, or of what is left of those before.
static size_t raw_piece(const struct scan *scan, uint64_t at, const uint8_t **data)
{
	const struct scan_late *late = &scan->late;

	if (at < late->end)
		return at < late->from || late->is_cut
			       ? 0
			       : capture_piece(&late->copy, at - late->from, data);
	if (at - late->end >= late->step_bytes)
		return 0;
	*data = late->step + (at - late->end);
	return late->step_bytes - (size_t)(at - late->end);
}

// What stands before there is its.
static void feed_to(struct scan *scan, struct scan_attached *attached, uint64_t end)
{
	const uint8_t *data = NULL;

	while (attached->at < end) {
		size_t n = raw_piece(scan, attached->at, &data);

		if (n == 0) {
			scan_set_suspect(scan, "limit-matching");
			attached->object->is_attached = false;
			if (attached->screening != NULL)
				attached->screening->is_partial = true;
			attached->at = end;
			return;
		}
		n = n < end - attached->at ? n : (size_t)(end - attached->at);
		put(scan, attached, data, n);
		attached->at += n;
	}
}

static void give_back(struct screening *screening)
{
	struct screenings *owner = screening->owner;

	owner->attached[owner->attached_free++] = (uint32_t)(screening - owner->spare - 1);
}

static void close_screening(struct scan *scan, struct scan_attached *attached)
{
	struct screening *screening = attached->screening;
	uint8_t first[FILETYPE_BYTES];
	struct screening_result result;

	if (attached->type == NULL)
		attached->type = filetype_detect(
			first, capture_read(&screening->copy, 0, first, sizeof(first)))
					 ->name;
	screening_end(screening, SCREENING_LINES, attached->type, NULL, &result);
	scan_screen_add(scan, &result, 0);
	give_back(screening);
	attached->screening = NULL;
}

static void close_one(struct scan *scan, struct scan_attached *attached)
{
	object_end(scan, attached->object);
	attached->object = NULL;
	if (attached->screening != NULL)
		close_screening(scan, attached);
}

static void drop_one(struct scan *scan, struct scan_attached *attached)
{
	object_drop(scan, attached->object);
	attached->object = NULL;
	if (attached->screening == NULL)
		return;
	screening_drop(attached->screening);
	give_back(attached->screening);
	attached->screening = NULL;
}

static void message_begin(struct scan *scan, uint64_t offset)
{
	if (scan->attached_count == SCAN_MAX_ATTACHED || scan->attached_more > 0) {
		scan_set_suspect(scan, scan->scanner->screenings.has_attached ? "limit-screening"
									      : "limit-matching");
		scan->attached_more++;
	} else if (open_one(scan, &scan->attached[scan->attached_count], offset)) {
		scan->attached_count++;
	} else {
		scan->attached_more++;
	}
}

// offset: 0: what had begun turned out to be something else.
static void message_end(struct scan *scan, uint64_t offset)
{
	struct scan_attached *attached;

	if (scan->attached_more > 0) {
		scan->attached_more--;
		return;
	}
	if (scan->attached_count == 0)
		return;
	attached = &scan->attached[--scan->attached_count];
	if (offset == 0) {
		drop_one(scan, attached);
		return;
	}
	feed_to(scan, attached, offset);
	close_one(scan, attached);
}

void scan_attached_event(struct scan *scan, const struct mime_event *event)
{
	struct scan_attached *decoded = &scan->attached_decoded[event->number];

	switch (event->type) {
	case MIME_MESSAGE_BEGIN:
		message_begin(scan, event->offset);
		break;
	case MIME_MESSAGE_END:
		message_end(scan, event->offset);
		break;
	case MIME_MESSAGE_DATA:
		if (decoded->object != NULL || open_one(scan, decoded, 0))
			put(scan, decoded, event->data, event->bytes);
		break;
	case MIME_MESSAGE_DATA_END:
		if (decoded->object != NULL)
			close_one(scan, decoded);
		break;
	case MIME_NEED_INPUT:
	case MIME_PART_BEGIN:
	case MIME_PART_DATA:
	case MIME_PART_END:
	case MIME_NO_MEMORY:
	case MIME_SUSPICIOUS:
	case MIME_END:
		break;
	}
}

void scan_attached_step(struct scan *scan, const uint8_t *data, size_t n)
{
	scan->late.step = data;
	scan->late.step_bytes = n;
}

// Most steps end in a line, of which little is kept.
void scan_attached_feed(struct scan *scan)
{
	struct scan_late *late = &scan->late;
	uint64_t settled = mime_settled(scan->mime);
	size_t skip = 0;

	for (uint32_t i = 0; i < scan->attached_count; i++)
		feed_to(scan, &scan->attached[i], settled);
	if (settled >= late->end) {
		skip = (size_t)(settled - late->end);
		capture_free(&late->copy);
		capture_begin(&late->copy, &scan->scanner->lates, MOST_LATE);
		late->from = settled;
		late->is_cut = false;
	}
	late->is_cut |= capture_append(&late->copy, late->step + skip, late->step_bytes - skip) <
			late->step_bytes - skip;
	late->end += late->step_bytes;
	late->step_bytes = 0;
}

void scan_attached_end(struct scan *scan)
{
	while (scan->attached_count > 0 || scan->attached_more > 0)
		message_end(scan, scan->result.bytes);
}

void scan_attached_drop(struct scan *scan)
{
	for (uint32_t i = 0; i < scan->attached_count; i++)
		drop_one(scan, &scan->attached[i]);
	scan->attached_count = 0;
	scan->attached_more = 0;
	for (uint32_t i = 0; i < SCAN_MAX_DECODED; i++)
		drop_one(scan, &scan->attached_decoded[i]);
	capture_free(&scan->late.copy);
}
