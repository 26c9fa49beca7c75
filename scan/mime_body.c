// SPDX-License-Identifier: BSD-3-Clause
// Lines of a body: boundaries and nesting.
#include "scan/mime_state.h"

#include <string.h>

const uint8_t *mime_line_end(const struct mime *mime, const uint8_t *data, size_t n)
{
	const uint8_t *lf = find_lf(data, n);
	const uint8_t *cr = NULL;

	if (mime->cr_lines)
		cr = memchr(data, '\r', lf != NULL ? (size_t)(lf - data) : n);
	return cr != NULL ? cr : lf;
}

static bool ends_line(const struct mime *mime, uint8_t c)
{
	return c == '\n' || (mime->cr_lines && c == '\r');
}

void mime_frames_cut(struct mime *mime, uint32_t depth)
{
	while (mime->depth > depth) {
		struct mime_frame *frame = &mime->frames[--mime->depth];

		if (frame->kind == MIME_MESSAGE && --mime->messages < mime->messages_left) {
			mime->messages_left = mime->messages;
			mime->cut_at = mime->line_at;
			if (mime->state == MIME_STATE_BODY && mime->line_at > 0)
				mime->cut_at -= mime->held_break_bytes;
		}
		if (frame->kind != MIME_MULTIPART)
			continue;
		mime->boundaries--;
		mime->pool_bytes = frame->boundary_at;
	}
}

void mime_frame_push(struct mime *mime, enum mime_kind kind)
{
	struct mime_frame *frame = &mime->frames[mime->depth++];

	*frame = (struct mime_frame){.kind = kind};
	mime->messages += kind == MIME_MESSAGE ? 1 : 0;
	if (kind != MIME_MULTIPART)
		return;
	frame->digest = mime->entity.digest;
	frame->codings = mime->entity.codings;
	frame->boundary_at = mime->pool_bytes;
	frame->boundary_bytes = mime->entity.boundary_bytes;
	mime->pool_bytes += frame->boundary_bytes;
	mime->boundaries++;
}

// Finds the frame whose boundary the line is, innermost first; -1 for none. A boundary that ends in
// "--" is itself before it is another one's end.
int mime_boundary_match(const struct mime *mime, const uint8_t *line, size_t n, bool *closes)
{
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r' || line[n - 1] == ' ' ||
				line[n - 1] == '\t'))
		n--;
	if (n < 2 || line[0] != '-' || line[1] != '-')
		return -1;
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = mime->depth; i-- > 0;) {
			const struct mime_frame *frame = &mime->frames[i];
			size_t bytes = frame->boundary_bytes;

			if (frame->kind != MIME_MULTIPART ||
				n != 2 + bytes + (pass == 1 ? 2u : 0u) ||
				memcmp(line + 2, mime->pool + frame->boundary_at, bytes) != 0)
				continue;
			if (pass == 1 && memcmp(line + n - 2, "--", 2) != 0)
				continue;
			*closes = pass == 1;
			return (int)i;
		}
	}
	return -1;
}

void mime_body_begin(struct mime *mime)
{
	mime->state = MIME_STATE_BODY;
	mime->at_line_start = true;
	mime->held_break_bytes = 0;
	mime->held_bytes = 0;
}

// Where lines are stored without CR, one that stands in front of CRLF becomes the line break's. Of base64 it is nothing's.
static bool may_take_cr(const struct mime *mime)
{
	const struct mime_leaf *leaf = &mime->leaf;

	return !mime->cr_lines && leaf->sink == MIME_SINK_LEAF &&
	       (leaf->coding == MIME_IDENTITY || leaf->coding == MIME_QP);
}

// A boundary ends the leaf, and every multipart inside the one that it belongs to.
void mime_boundary_take(struct mime *mime, uint32_t frame, bool closes)
{
	bool digest = mime->frames[frame].digest;

	mime_leaf_close(mime, !closes && frame + 1 == mime->depth);
	mime_frames_cut(mime, closes ? frame : frame + 1);
	mime->leaf.epilogue_due = closes;
	if (closes)
		mime_body_begin(mime);
	else
		mime_header_begin(mime, true, digest);
}

static void break_hold(struct mime *mime, const uint8_t *data, size_t n)
{
	mime->held_break_bytes = (uint8_t)n;
	memcpy(mime->held_break, data, n);
}

static void break_release(struct mime *mime)
{
	size_t n = mime->held_break_bytes;

	mime->held_break_bytes = 0;
	(void)mime_leaf_write(mime, mime->held_break, n);
}

// The line break is the boundary's: all of it for some readers, and all but the CR in front for others.
static void break_leave_cr(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (mime->held_break_bytes < sizeof(mime->held_break))
		return;
	if (leaf->gather_bytes > 0 || leaf->was_given)
		mime_behind_add(&leaf->behind, leaf->gather_bytes);
	(void)mime_leaf_write(mime, mime->held_break, 1);
	mime->held_break_bytes--;
}

// Writes a line, or a run of them, but for its last line break, which is held. Returns how much was taken: of a run of
// base64 it may be less.
static size_t body_write(struct mime *mime, const uint8_t *data, size_t n)
{
	size_t content = n;
	size_t used;

	if (n > 0 && data[n - 1] == '\n')
		content--;
	if (content > 0 && data[content - 1] == '\r')
		content--;
	if (content > 0 && content < n && data[content] == '\r' && data[content - 1] == '\r' &&
		may_take_cr(mime))
		content--;
	used = mime_leaf_write(mime, data, content);
	if (used < content)
		n = content = used;
	break_hold(mime, data + content, n - content);
	mime->at_line_start = n > 0 && ends_line(mime, data[n - 1]);
	return n;
}

// A line that begins with a boundary and goes on: for another reader, it is one. A few times in a part, for what stands
// in front of it is read again then.
static void notice_boundary(struct mime *mime, const uint8_t *line, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (n < 3 || line[1] != '-' || leaf->sink != MIME_SINK_LEAF || leaf->cuts == MIME_CUTS ||
		(leaf->gather_bytes == 0 && !leaf->was_given))
		return;
	for (uint32_t i = mime->depth; i-- > 0;) {
		const struct mime_frame *frame = &mime->frames[i];

		if (frame->kind == MIME_MULTIPART && n >= 2 + frame->boundary_bytes &&
			memcmp(line + 2, mime->pool + frame->boundary_at, frame->boundary_bytes) ==
				0) {
			leaf->cuts++;
			mime_behind_add(&leaf->behind, leaf->gather_bytes);
			return;
		}
	}
}

// Base64 has no such line: for another reader it may be a boundary.
static void notice_dashes(struct mime *mime, const uint8_t *line, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (n < 3 || line[1] != '-' || leaf->coding != MIME_BASE64 ||
		leaf->sink != MIME_SINK_LEAF || leaf->tap)
		return;
	leaf->peek = false;
	leaf->tap = true;
	leaf->tap_due = true;
	mime->tap_bytes = 0;
}

// A whole line that begins with "-", or as much of it as tells what it is.
static void line_decide(struct mime *mime, const uint8_t *line, size_t n)
{
	bool closes = false;
	int frame = mime_boundary_match(mime, line, n, &closes);
	size_t used = 0;

	mime->held_bytes = 0;
	if (frame < 0) {
		notice_boundary(mime, line, n);
		break_release(mime);
		notice_dashes(mime, line, n);
		while (used < n)
			used += body_write(mime, line + used, n - used);
		return;
	}
	break_leave_cr(mime);
	mime_boundary_take(mime, (uint32_t)frame, closes);
	mime->drop_line = !ends_line(mime, line[n - 1]);
	mime->skip_lf = line[n - 1] == '\r' && !mime->drop_line;
}

static size_t line_collect(struct mime *mime, const uint8_t *data, size_t n)
{
	const uint8_t *lf = mime_line_end(mime, data, n);
	size_t take = lf != NULL ? (size_t)(lf + 1 - data) : n;

	if (mime->held_bytes == 0)
		mime->line_at = mime->at;
	if (mime->held_bytes == 0 && lf != NULL && take <= MIME_LINE_BYTES) {
		line_decide(mime, data, take);
		return take;
	}
	if (take > MIME_LINE_BYTES - mime->held_bytes)
		take = MIME_LINE_BYTES - mime->held_bytes;
	memcpy(mime->held + mime->held_bytes, data, take);
	mime->held_bytes += (uint32_t)take;
	if (mime->held_bytes == MIME_LINE_BYTES || ends_line(mime, data[take - 1]))
		line_decide(mime, mime->held, mime->held_bytes);
	return take;
}

// Lines up to the first that may be a boundary, in one piece.
static size_t body_run(struct mime *mime, const uint8_t *data, size_t n)
{
	const uint8_t *end = data + n;
	const uint8_t *at = data;
	const uint8_t *lf;

	if (!mime->cr_lines) {
		const uint8_t *dash = find_line_with(data, n, '-');

		if (dash != NULL)
			n = (size_t)(dash - data);
		return body_write(mime, data, n);
	}
	while ((lf = mime_line_end(mime, at, (size_t)(end - at))) != NULL) {
		at = lf + 1;
		if (at == end || *at == '-')
			return body_write(mime, data, (size_t)(at - data));
	}
	return body_write(mime, data, n);
}

// Whether a line that begins with dashes says something: it may be a boundary, or is none of base64.
static bool looks_at_dashes(const struct mime *mime)
{
	return mime->boundaries > 0 ||
	       (mime->leaf.coding == MIME_BASE64 && mime->leaf.sink == MIME_SINK_LEAF);
}

// Whether the byte is the held line break's.
static bool break_goes_on(const struct mime *mime, uint8_t byte)
{
	const uint8_t n = mime->held_break_bytes;

	return n > 0 && mime->held_break[n - 1] == '\r' &&
	       (byte == '\n' || (byte == '\r' && may_take_cr(mime)));
}

// Of more than two CR the first are the part's.
static void break_add(struct mime *mime, uint8_t byte)
{
	if (byte == '\r' && mime->held_break_bytes == 2) {
		(void)mime_leaf_write(mime, mime->held_break, 1);
		return;
	}
	mime->held_break[mime->held_break_bytes++] = byte;
	mime->at_line_start |= byte == '\n';
}

size_t mime_body_feed(struct mime *mime, const uint8_t *data, size_t n)
{
	const bool dashes = looks_at_dashes(mime);
	size_t room;

	if (mime->held_bytes > 0 || (dashes && mime->at_line_start && *data == '-'))
		return line_collect(mime, data, n);
	if (break_goes_on(mime, *data)) {
		if (!mime_leaf_is_ready(mime))
			return 0;
		break_add(mime, *data);
		return 1;
	}
	break_release(mime);
	if (!mime_leaf_is_ready(mime))
		return 0;
	room = mime_leaf_room(mime);
	if (n > room)
		n = room;
	if (dashes)
		return body_run(mime, data, n);
	return mime_leaf_write(mime, data, n);
}

bool mime_body_finish(struct mime *mime)
{
	if (mime->held_bytes > 0) {
		line_decide(mime, mime->held, mime->held_bytes);
		return false;
	}
	if (mime->held_break_bytes > 0) {
		break_release(mime);
		return false;
	}
	mime_leaf_close(mime, false);
	return true;
}
