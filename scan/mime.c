// SPDX-License-Identifier: BSD-3-Clause
#include "scan/mime.h"

#include "scan/mime_state.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define ALIGN 64u

size_t mime_rounded(size_t bytes)
{
	return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static size_t one_bytes(const struct mime_limits *limits, size_t field_room)
{
	return mime_rounded(sizeof(struct mime)) + mime_rounded(field_room) +
	       mime_rounded(MIME_GATHER_BYTES + MIME_GATHER_SPARE) +
	       mime_rounded(limits->max_depth * sizeof(struct mime_frame));
}

static size_t alts_bytes(void)
{
	return mime_rounded(MIME_ALTS * sizeof(struct mime_alt));
}

static size_t own_field_room(const struct mime_limits *limits)
{
	return mime_rounded(limits->max_header_bytes / MIME_OWN_FIELD_SHARE);
}

// The limits of the parser that is so many levels in.
static struct mime_limits level_limits(const struct mime_limits *limits, unsigned int level)
{
	struct mime_limits inner = *limits;

	if (level > 1 && inner.max_header_bytes > MIME_INNER_HEADER_BYTES)
		inner.max_header_bytes = MIME_INNER_HEADER_BYTES;
	return inner;
}

// Starts a parser, but for what it shares with the others.
static struct mime *one_init(uint8_t *memory, const struct mime_limits *limits, size_t field_room)
{
	struct mime *mime = (struct mime *)(void *)memory;

	memset(mime, 0, offsetof(struct mime, block) + offsetof(struct block, line));
	mime->subject[0] = '\0';
	mime->message_id[0] = '\0';
	mime->limits = *limits;
	mime->outermost = mime;
	memory += mime_rounded(sizeof(*mime));
	mime->field = memory;
	mime->field_room = field_room;
	memory += mime_rounded(field_room);
	mime->gather = memory;
	memory += mime_rounded(MIME_GATHER_BYTES + MIME_GATHER_SPARE);
	mime->frames = (struct mime_frame *)(void *)memory;
	mime_header_begin(mime, false, false);
	return mime;
}

// Of the parsers inside the outermost.
static size_t inner_bytes(const struct mime_limits *limits)
{
	size_t bytes = 0;

	for (unsigned int level = 1; level < MIME_LEVELS; level++) {
		struct mime_limits inner = level_limits(limits, level);

		bytes += one_bytes(&inner, inner.max_header_bytes);
	}
	return bytes;
}

size_t mime_bytes(const struct mime_limits *limits)
{
	return alts_bytes() + one_bytes(limits, limits->max_header_bytes) + inner_bytes(limits);
}

size_t mime_own_bytes(const struct mime_limits *limits)
{
	return one_bytes(limits, own_field_room(limits));
}

size_t mime_spare_bytes(enum mime_spare_kind kind, const struct mime_limits *limits)
{
	switch (kind) {
	case MIME_SPARE_FIELD:
		return mime_rounded(limits->max_header_bytes);
	case MIME_SPARE_INNER:
		return inner_bytes(limits);
	case MIME_SPARE_ALTS:
		break;
	}
	return alts_bytes();
}

// The parser behind this one.
static struct mime *next_of(struct mime *mime)
{
	uint8_t *end = (uint8_t *)mime + one_bytes(&mime->limits, mime->limits.max_header_bytes);

	return mime->level + 1 < MIME_LEVELS ? (struct mime *)(void *)end : NULL;
}

static void set_alts(struct mime *mime, void *memory)
{
	mime->alts = memory;
	for (size_t i = 0; i < MIME_ALTS; i++)
		mime->alts[i].is_open = false;
}

static void check(const void *memory, const struct mime_limits *limits)
{
	assert(limits->max_depth > 0 && limits->max_header_bytes >= MIME_MIN_HEADER_BYTES);
	assert(((uintptr_t)memory & (ALIGN - 1)) == 0);
}

struct mime *mime_init(void *memory, const struct mime_limits *limits)
{
	struct mime *mime;

	check(memory, limits);
	mime = one_init((uint8_t *)memory + alts_bytes(), limits, limits->max_header_bytes);
	mime->inner = next_of(mime);
	set_alts(mime, memory);
	return mime;
}

struct mime *mime_init_shared(
	void *memory, const struct mime_limits *limits, struct mime_pool *pool)
{
	struct mime *mime;

	check(memory, limits);
	mime = one_init(memory, limits, own_field_room(limits));
	mime->shared = pool;
	return mime;
}

bool mime_inner_is_there(struct mime *mime)
{
	if (mime->inner == NULL && mime->shared != NULL) {
		mime->inner = mime_spare_get(mime, MIME_SPARE_INNER);
		if (mime->inner == NULL)
			mime_tell(mime, MIME_LIMIT_MEMORY);
	} else if (mime->inner == NULL) {
		mime_tell(mime, MIME_LIMIT_DEPTH);
	}
	return mime->inner != NULL;
}

bool mime_field_grow(struct mime *mime)
{
	uint8_t *field = mime_spare_get(mime, MIME_SPARE_FIELD);

	if (field == NULL) {
		mime_tell(mime, MIME_LIMIT_MEMORY);
		return false;
	}
	memcpy(field, mime->field, mime->field_room);
	mime->field = field;
	mime->field_room = mime->limits.max_header_bytes;
	return true;
}

struct mime_alt *mime_alts_get(struct mime *mime)
{
	struct mime *outermost = mime->outermost;

	if (outermost->alts == NULL) {
		void *memory = mime_spare_get(outermost, MIME_SPARE_ALTS);

		if (memory != NULL)
			set_alts(outermost, memory);
		else
			mime_tell(mime, MIME_LIMIT_MEMORY);
	}
	mime->alts = outermost->alts;
	return mime->alts;
}

void mime_inner_begin(struct mime *mime, enum mime_kind kind)
{
	unsigned int level = mime->level + 1;
	struct mime_limits limits = level_limits(&mime->limits, level);
	struct mime *inner = one_init((uint8_t *)mime->inner, &limits, limits.max_header_bytes);
	const struct mime_frame *frame;

	inner->level = level;
	inner->inner = next_of(inner);
	inner->outermost = mime->outermost;
	inner->alts = mime->alts;
	inner->tells_messages = mime->tells_messages;
	inner->base_depth = mime->base_depth + mime->depth + (kind == MIME_MESSAGE ? 1 : 0);
	if (kind == MIME_MESSAGE)
		return;
	// The frame that is open outside goes on inside, with the same boundary.
	frame = &mime->frames[mime->depth - 1];
	inner->base_depth--;
	inner->entity = mime->entity;
	inner->entity_due = false;
	inner->entity.boundary_bytes = frame->boundary_bytes;
	memcpy(inner->pool, mime->pool + frame->boundary_at, frame->boundary_bytes);
	mime_frame_push(inner, MIME_MULTIPART);
	mime_body_begin(inner);
	mime_leaf_open(inner, MIME_SINK_HELD, MIME_IDENTITY);
}

void mime_tell_messages(struct mime *mime)
{
	mime->tells_messages = true;
	mime->tells_places = true;
}

uint64_t mime_settled(const struct mime *mime)
{
	uint64_t at = mime->next - (mime->replay_end - mime->replay_at);
	bool is_header = mime->state == MIME_STATE_HEADER;

	if (((is_header && mime->in_line) || (!is_header && mime->held_bytes > 0)) &&
		mime->line_at < at)
		at = mime->line_at;
	// The line break before a boundary is the boundary's.
	if (!is_header)
		at -= mime->held_break_bytes;
	if (is_header && mime->has_junk && mime->junk_at < at)
		at = mime->junk_at;
	return at;
}

// Those that have ended, and then those that have begun since.
static bool message_event(struct mime *mime, struct mime_event *event)
{
	if (mime->messages_told > mime->messages_left && mime->tells_places) {
		mime->messages_told--;
		*event = (struct mime_event){.type = MIME_MESSAGE_END, .offset = mime->cut_at};
		return true;
	}
	if (mime->messages > mime->messages_told && mime->tells_places) {
		mime->messages_left = ++mime->messages_told;
		*event = (struct mime_event){.type = MIME_MESSAGE_BEGIN,
			.offset = mime->next - (mime->replay_end - mime->replay_at)};
		return true;
	}
	return false;
}

static bool any_event(struct mime *mime, struct mime_event *event)
{
	return message_event(mime, event) ||
	       (!mime_leaf_is_quiet(mime) && mime_leaf_event(mime, event));
}

static size_t feed(struct mime *mime, const uint8_t *data, size_t n)
{
	const uint8_t *lf;

	if (mime->skip_lf) {
		mime->skip_lf = false;
		if (*data == '\n')
			return 1;
	}
	if (mime->drop_line) {
		lf = mime_line_end(mime, data, n);
		mime->drop_line = lf == NULL;
		mime->skip_lf = lf != NULL && *lf == '\r';
		return lf != NULL ? (size_t)(lf + 1 - data) : n;
	}
	switch (mime->state) {
	case MIME_STATE_HEADER:
		return mime_header_feed(mime, data, n);
	case MIME_STATE_BODY:
		return mime_body_feed(mime, data, n);
	case MIME_STATE_ENDED:
		break;
	}
	return n;
}

// Reads on in what a header gave back. False when there is none.
static bool replay(struct mime *mime)
{
	const uint8_t *data = mime->field + mime->replay_at;
	size_t n = mime->replay_end - mime->replay_at;
	const uint8_t *lf;

	if (n == 0)
		return false;
	mime->at = mime->next - n;
	if (mime->state == MIME_STATE_BODY) {
		mime->replay_at += feed(mime, data, n);
		return true;
	}
	// A header may give the line back once more, so it counts as read before it is.
	lf = mime_line_end(mime, data, n);
	if (lf != NULL)
		n = (size_t)(lf + 1 - data);
	mime->replay_at += n;
	(void)feed(mime, data, n);
	return true;
}

size_t mime_next(struct mime *mime, const uint8_t *data, size_t n, struct mime_event *event)
{
	size_t used = 0;
	size_t taken;

	while (!any_event(mime, event)) {
		if (replay(mime))
			continue;
		if (used == n && mime_leaf_hand_out(mime))
			continue;
		if (used == n) {
			*event = (struct mime_event){.type = MIME_NEED_INPUT};
			break;
		}
		mime->at = mime->next;
		taken = feed(mime, data + used, n - used);
		mime->next += taken;
		used += taken;
	}
	return used;
}

void mime_finish(struct mime *mime, struct mime_event *event)
{
	while (!any_event(mime, event)) {
		if (replay(mime))
			continue;
		switch (mime->state) {
		case MIME_STATE_HEADER:
			mime_header_finish(mime);
			break;
		case MIME_STATE_BODY:
			if (mime_body_finish(mime))
				mime->state = MIME_STATE_ENDED;
			break;
		case MIME_STATE_ENDED:
			*event = (struct mime_event){.type = MIME_END};
			return;
		}
	}
}

const char *mime_subject(const struct mime *mime)
{
	return mime->subject;
}

const char *mime_message_id(const struct mime *mime)
{
	return mime->message_id;
}

bool mime_has_unclear_subject(const struct mime *mime)
{
	return mime->has_unclear_subject;
}

bool mime_has_unclear_name(const struct mime *mime)
{
	return mime->has_unclear_name;
}
