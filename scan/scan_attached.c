// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_attached.h"

#include "scan/scan_screen.h"

// The raw message's; NULL: it is not screened any more.
static struct screening *raw_of(const struct scan *scan)
{
	return scan->object != NULL ? scan->object->screening : NULL;
}

void scan_attached_begin(struct scan *scan)
{
	struct screening *raw = raw_of(scan);

	if (scan->mime == NULL || raw == NULL || !scan->scanner->screenings.has_attached)
		return;
	mime_tell_messages(scan->mime);
	raw->settled = 0;
}

// NULL: there is no room.
static struct screening *take_screening(struct screenings *screenings)
{
	size_t first = (size_t)(screenings->spare - screenings->all) + 1;

	if (screenings->attached_free == 0)
		return NULL;
	return screening_begin(screenings,
		first + screenings->attached[--screenings->attached_free], SCREENING_LINES);
}

static void give_back(struct screening *screening)
{
	struct screenings *owner = screening->owner;

	owner->attached[owner->attached_free++] = (uint32_t)(screening - owner->spare - 1);
}

static bool open_one(struct scan *scan, struct scan_attached *attached, uint64_t offset)
{
	*attached = (struct scan_attached){
		.screening = take_screening(&scan->scanner->screenings), .at = offset};
	if (attached->screening == NULL)
		scan_set_suspect(scan, "limit-screening");
	return attached->screening != NULL;
}

static void put(struct scan_attached *attached, const uint8_t *data, size_t n)
{
	const struct capture *copy = &attached->screening->copy;
	uint8_t first[FILETYPE_BYTES];

	screening_feed(attached->screening, data, n);
	if (attached->type == NULL && copy->bytes >= sizeof(first)) {
		(void)capture_read(copy, 0, first, sizeof(first));
		attached->type = filetype_detect(first, sizeof(first))->name;
	}
}

// What stands before there is its.
static void feed_to(const struct scan *scan, struct scan_attached *attached, uint64_t end)
{
	const struct screening *raw = raw_of(scan);
	const uint8_t *data = NULL;

	while (attached->at < end) {
		size_t n = raw != NULL ? capture_piece(&raw->copy, attached->at, &data) : 0;

		if (n == 0) {
			attached->screening->is_partial = true;
			attached->at = end;
			return;
		}
		n = n < end - attached->at ? n : (size_t)(end - attached->at);
		put(attached, data, n);
		attached->at += n;
	}
}

static void close_one(struct scan *scan, struct scan_attached *attached)
{
	struct screening *screening = attached->screening;
	uint8_t first[FILETYPE_BYTES];
	struct screening_result result;

	attached->screening = NULL;
	if (attached->type == NULL)
		attached->type = filetype_detect(
			first, capture_read(&screening->copy, 0, first, sizeof(first)))
					 ->name;
	screening_end(screening, SCREENING_LINES, attached->type, NULL, &result);
	scan_screen_add(scan, &result, 0);
	give_back(screening);
}

static void drop_one(struct scan_attached *attached)
{
	if (attached->screening == NULL)
		return;
	screening_drop(attached->screening);
	give_back(attached->screening);
	attached->screening = NULL;
}

static void message_begin(struct scan *scan, uint64_t offset)
{
	if (scan->attached_count == SCAN_MAX_ATTACHED || scan->attached_more > 0) {
		scan_set_suspect(scan, "limit-screening");
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
		drop_one(attached);
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
		if (decoded->screening != NULL || open_one(scan, decoded, 0))
			put(decoded, event->data, event->bytes);
		break;
	case MIME_MESSAGE_DATA_END:
		if (decoded->screening != NULL)
			close_one(scan, decoded);
		break;
	case MIME_NEED_INPUT:
	case MIME_PART_BEGIN:
	case MIME_PART_DATA:
	case MIME_PART_END:
	case MIME_SUSPICIOUS:
	case MIME_END:
		break;
	}
}

void scan_attached_feed(struct scan *scan)
{
	struct screening *raw = raw_of(scan);
	uint64_t settled;

	if (raw == NULL || raw->settled == UINT64_MAX)
		return;
	settled = mime_settled(scan->mime);
	for (uint32_t i = 0; i < scan->attached_count; i++)
		feed_to(scan, &scan->attached[i], settled);
	raw->settled = settled;
}

void scan_attached_end(struct scan *scan)
{
	while (scan->attached_count > 0 || scan->attached_more > 0)
		message_end(scan, scan->result.bytes);
}

void scan_attached_drop(struct scan *scan)
{
	for (uint32_t i = 0; i < scan->attached_count; i++)
		drop_one(&scan->attached[i]);
	scan->attached_count = 0;
	scan->attached_more = 0;
	for (uint32_t i = 0; i < SCAN_MAX_DECODED; i++)
		drop_one(&scan->attached_decoded[i]);
}
