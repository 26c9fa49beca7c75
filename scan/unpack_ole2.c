// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_ole2.h"

#include "scan/unpack_ole2_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_STREAM 2
#define PATH_LEVELS 16

int ole2_begin(struct whole *whole)
{
	struct ole2 *ole2 = calloc(1, sizeof(*ole2));

	if (ole2 == NULL)
		return -ENOMEM;
	ole2->whole = whole;
	if (ole2_file_open(ole2) != 0) {
		ole2_file_close(ole2);
		free(ole2);
		return -ENOMEM;
	}
	whole->state = ole2;
	return 0;
}

static void parts_end(struct ole2 *ole2)
{
	if (ole2->is_inflating)
		(void)inflateEnd(&ole2->z);
	ole2->is_inflating = false;
	free(ole2->made);
	ole2->made = NULL;
}

static void content_end(struct ole2 *ole2)
{
	free(ole2->content);
	ole2->content = NULL;
	ole2->content_bytes = 0;
}

void ole2_end(struct whole *whole)
{
	struct ole2 *ole2 = whole->state;

	parts_end(ole2);
	content_end(ole2);
	ole2_file_close(ole2);
	free(ole2);
	whole->state = NULL;
}

static void path_set(struct ole2 *ole2)
{
	uint32_t levels[PATH_LEVELS] = {0};
	uint32_t count = 0;
	uint32_t at = ole2->at;
	size_t n = 0;

	while (at < ole2->entries_count && count < PATH_LEVELS && ole2->entries[at].parent != at) {
		levels[count++] = at;
		at = ole2->entries[at].parent;
	}
	ole2->path[0] = '\0';
	while (count-- > 0 && n < sizeof(ole2->path))
		n += (size_t)snprintf(ole2->path + n, sizeof(ole2->path) - n, "%s%s",
			n > 0 ? "/" : "", ole2->entries[levels[count]].name);
}

static void event_of(struct ole2 *ole2, enum unpack_event_type type, struct unpack_event *event)
{
	*event = (struct unpack_event){.type = type, .name = ole2->path};
}

static void entry_next(struct ole2 *ole2, struct unpack_event *event)
{
	if (ole2->at >= ole2->entries_count) {
		ole2->state = OLE2_OVER;
		return;
	}
	if (ole2->entries[ole2->at].type != TYPE_STREAM) {
		ole2->at++;
		return;
	}
	if (!ole2->is_encrypted && ole2_is_encrypted(ole2, ole2->at)) {
		ole2->is_encrypted = true;
		event_of(ole2, UNPACK_WARNING, event);
		event->why = "encrypted-archive";
		return;
	}
	path_set(ole2);
	ole2_stream_begin(ole2, ole2->at, &ole2->stream);
	ole2->state = OLE2_STREAM;
	event_of(ole2, UNPACK_MEMBER_BEGIN, event);
}

// What more comes from a stream is looked for in all of it.
static void content_load(struct ole2 *ole2, struct unpack_event *event)
{
	uint64_t bytes = ole2->entries[ole2->at].bytes;

	ole2->kind = ole2_kind_of(ole2, ole2->at);
	ole2->content_at = 0;
	ole2->macros = 0;
	ole2->macros_end = 0;
	if (ole2->kind == OLE2_PLAIN)
		return;
	if (bytes > ole2->whole->capture->bytes)
		bytes = ole2->whole->capture->bytes;
	ole2->content = malloc((size_t)bytes + 1);
	if (ole2->content == NULL) {
		event_of(ole2, UNPACK_WARNING, event);
		event->why = "limit-memory";
		return;
	}
	ole2_stream_begin(ole2, ole2->at, &ole2->stream);
	ole2->content_bytes = ole2_stream_read(ole2, &ole2->stream, ole2->content, (size_t)bytes);
	if (!whole_spend(ole2->whole, ole2->content_bytes))
		content_end(ole2);
}

static void stream_next(struct ole2 *ole2, struct unpack_event *event)
{
	size_t n = ole2_stream_read(ole2, &ole2->stream, ole2->piece, sizeof(ole2->piece));

	if (n > 0) {
		event_of(ole2, UNPACK_MEMBER_DATA, event);
		event->data = ole2->piece;
		event->bytes = n;
		return;
	}
	ole2->state = OLE2_PARTS;
	event_of(ole2, UNPACK_MEMBER_END, event);
}

static void parts_next(struct ole2 *ole2, struct unpack_event *event)
{
	if (ole2->content == NULL) {
		content_load(ole2, event);
		if (event->type == UNPACK_WARNING)
			ole2->kind = OLE2_PLAIN;
	}
	path_set(ole2);
	if (ole2->content != NULL && ole2_part_next(ole2)) {
		ole2->state = OLE2_PART;
		event_of(ole2, UNPACK_MEMBER_BEGIN, event);
		return;
	}
	content_end(ole2);
	ole2->at++;
	ole2->state = OLE2_ENTRY;
}

static size_t part_inflate(struct ole2 *ole2)
{
	ole2->z.next_out = ole2->piece;
	ole2->z.avail_out = sizeof(ole2->piece);
	(void)inflate(&ole2->z, Z_NO_FLUSH);
	return sizeof(ole2->piece) - ole2->z.avail_out;
}

static void part_next(struct ole2 *ole2, struct unpack_event *event)
{
	const uint8_t *data = ole2->is_inflating ? ole2->piece : ole2->part;
	size_t n = ole2->is_inflating ? part_inflate(ole2) : ole2->part_bytes;

	if (!ole2->is_inflating) {
		n = n < OLE2_PIECE_BYTES ? n : OLE2_PIECE_BYTES;
		ole2->part += n;
		ole2->part_bytes -= n;
	}
	event_of(ole2, n > 0 ? UNPACK_MEMBER_DATA : UNPACK_MEMBER_END, event);
	event->data = data;
	event->bytes = n;
	if (n > 0)
		return;
	parts_end(ole2);
	ole2->state = OLE2_PARTS;
}

void ole2_next(struct whole *whole, struct unpack_event *event)
{
	struct ole2 *ole2 = whole->state;

	event->type = UNPACK_NEED_INPUT;
	while (event->type == UNPACK_NEED_INPUT) {
		if (!whole_spend(whole, 1))
			ole2->state = OLE2_OVER;
		switch (ole2->state) {
		case OLE2_ENTRY:
			entry_next(ole2, event);
			break;
		case OLE2_STREAM:
			stream_next(ole2, event);
			break;
		case OLE2_PARTS:
			parts_next(ole2, event);
			break;
		case OLE2_PART:
			part_next(ole2, event);
			break;
		case OLE2_OVER:
			*event = (struct unpack_event){.type = UNPACK_END, .name = ""};
			break;
		}
	}
}
