// SPDX-License-Identifier: BSD-3-Clause
// Lines of a header.
//
// What a header line is that is none (no colon): in the message's own header, and before a part's
// first field, the body begins there, as mail servers and most readers have it. Inside a part's
// header it is left out if another field follows, so that what comes after still counts.
#include "scan/mime_fields.h"
#include "scan/mime_state.h"

#include <string.h>

void mime_header_begin(struct mime *mime, bool after_boundary, bool digest)
{
	mime->state = MIME_STATE_HEADER;
	mime->field_bytes = 0;
	mime->line_bytes = 0;
	mime->header_lines = 0;
	mime->in_line = false;
	mime->has_field = false;
	mime->has_junk = false;
	mime->entity_due = true;
	mime->digest_due = digest;
	mime->after_boundary = after_boundary;
	mime->sniff = false;
}

static void message_begin(struct mime *mime, enum mime_coding coding)
{
	if (coding != MIME_IDENTITY && !mime_inner_is_there(mime)) {
		mime_body_begin(mime);
		mime_leaf_open(mime, MIME_SINK_LEAF, coding);
	} else if (coding == MIME_QP) {
		mime_body_begin(mime);
		mime_leaf_open(mime, MIME_SINK_INNER, coding);
	} else {
		mime_frame_push(mime, MIME_MESSAGE);
		mime_header_begin(mime, false, false);
		mime->sniff = coding != MIME_IDENTITY;
		mime->sniff_coding = coding;
	}
}

static void entity_reset(struct mime *mime)
{
	if (mime->entity_due)
		mime_entity_begin(mime, mime->digest_due);
	mime->entity_due = false;
}

// A container is encoded, or is not: that shows. So the first encoding that anything names will do.
static enum mime_coding container_coding(const struct mime *mime)
{
	enum mime_coding coding = mime_entity_coding(mime);

	if (coding == MIME_IDENTITY && (mime->entity.codings & MIME_CODING_BIT(MIME_BASE64)) != 0)
		coding = MIME_BASE64;
	else if (coding == MIME_IDENTITY && (mime->entity.codings & MIME_CODING_BIT(MIME_QP)) != 0)
		coding = MIME_QP;
	return coding;
}

// A multipart that is encoded, and whose boundaries stand there all the same: parts of it that name no encoding of their
// own may be encoded, which is a reading more. What they are read as first stays as it is.
static void inherit_codings(struct mime *mime)
{
	const unsigned int encoded = MIME_CODING_BIT(MIME_BASE64) | MIME_CODING_BIT(MIME_QP);
	unsigned int codings;

	if (mime->depth == 0 || mime->frames[mime->depth - 1].kind != MIME_MULTIPART ||
		mime_entity_coding(mime) != MIME_IDENTITY)
		return;
	codings = mime->frames[mime->depth - 1].codings & encoded;
	mime->entity.codings |= codings;
	mime->entity.odd = mime->entity.odd || codings != 0;
}

// The header is over: what follows is decided by what it said.
void mime_header_end(struct mime *mime)
{
	size_t junk_bytes = mime->has_junk ? mime->field_bytes : 0;
	enum mime_coding coding;
	enum mime_kind kind;

	entity_reset(mime);
	if (mime->has_field)
		mime_field_end(mime);
	if (junk_bytes > 0) {
		mime_junk_notice(mime, (struct span){(const char *)mime->field, junk_bytes});
		mime->entity.odd = mime->entity.odd || mime_entity_coding(mime) == MIME_BASE64;
	}
	if (mime->cut_codings != 0 && !mime->entity.has_encoding) {
		mime->entity.codings |= mime->cut_codings;
		mime->entity.odd = true;
	}
	mime->cut_codings = 0;
	mime->in_line = false;
	mime->has_junk = false;
	kind = mime_entity_kind(mime);
	coding = kind == MIME_LEAF ? mime_entity_coding(mime) : container_coding(mime);
	inherit_codings(mime);
	if (strcmp(mime->entity.content_type, "multipart/encrypted") == 0)
		mime_tell(mime, MIME_LIMIT_ENCRYPTED);
	if (mime->entity.long_boundary)
		mime_tell(mime, MIME_LIMIT_HEADER);
	if (kind != MIME_LEAF && mime->base_depth + mime->depth >= mime->limits.max_depth) {
		mime_tell(mime, MIME_LIMIT_DEPTH);
		kind = MIME_LEAF;
	}
	switch (kind) {
	case MIME_LEAF:
		mime_body_begin(mime);
		mime_leaf_open(mime, MIME_SINK_LEAF, coding);
		mime->leaf.junk_bytes = junk_bytes;
		break;
	case MIME_MULTIPART:
		mime_frame_push(mime, kind);
		mime_body_begin(mime);
		mime_leaf_open(mime, MIME_SINK_HELD, coding);
		break;
	case MIME_MESSAGE:
		message_begin(mime, coding);
		break;
	}
}

// The body begins with the n bytes of lines that were taken for header.
static void header_is_body(struct mime *mime, size_t n)
{
	size_t rest = mime->replay_end - mime->replay_at;

	memmove(mime->field + n, mime->field + mime->replay_at, rest);
	mime->replay_at = 0;
	mime->replay_end = n + rest;
	mime->has_junk = false;
	if (mime->sniff) {
		mime->line_at = 0; // it was none
		mime_frames_cut(mime, mime->depth - 1);
		mime_body_begin(mime);
		mime_leaf_open(mime, MIME_SINK_INNER, mime->sniff_coding);
		return;
	}
	mime_header_end(mime);
	mime->leaf.starts_early = true;
}

// A boundary inside a header: its part has no body. Two boundaries in a row have no part between.
static void header_is_cut(struct mime *mime, uint32_t frame, bool closes)
{
	bool nothing = mime->after_boundary && mime->header_lines == 0;
	unsigned int codings = 0;

	while (!nothing && mime->state == MIME_STATE_HEADER) {
		mime_header_end(mime);
		codings |= mime->entity.codings;
	}
	mime_boundary_take(mime, frame, closes);
	if (!closes)
		mime->cut_codings = codings;
}

static struct span header_line(const struct mime *mime)
{
	struct span line = {(const char *)mime->field + mime->field_bytes, mime->line_bytes};

	if (line.bytes > 0 && line.at[line.bytes - 1] == '\n')
		line.bytes--;
	while (line.bytes > 0 && line.at[line.bytes - 1] == '\r')
		line.bytes--;
	return line;
}

static bool is_field(struct span line)
{
	struct span name;
	struct span value;

	return header_split(line, &name, &value);
}

static bool is_mbox_line(const struct mime *mime, struct span line)
{
	return mime->header_lines == 0 && !mime->after_boundary &&
	       ((line.bytes >= 5 && memcmp(line.at, "From ", 5) == 0) ||
		       (line.bytes >= 6 && memcmp(line.at, ">From ", 6) == 0));
}

static void junk_drop(struct mime *mime)
{
	if (mime->has_junk)
		mime_junk_notice(mime, (struct span){(const char *)mime->field, mime->field_bytes});
	memmove(mime->field, mime->field + mime->field_bytes, mime->line_bytes);
	mime->field_bytes = 0;
	mime->has_junk = false;
}

// A complete line, neither empty nor a boundary.
static void header_line_take(struct mime *mime, struct span line)
{
	bool folded = line.bytes > 0 && (line.at[0] == ' ' || line.at[0] == '\t');
	size_t raw = mime->field_bytes + mime->line_bytes;

	if (!folded && is_field(line)) {
		junk_drop(mime);
		mime->field_bytes = line.bytes;
		mime->has_field = true;
		mime->sniff = false;
	} else if (mime->has_junk) {
		header_is_body(mime, raw);
	} else if (folded) {
		// Before the first field there is nothing to continue.
		if (!mime->has_field)
			mime_junk_notice(mime, line);
		mime->field_bytes += mime->has_field ? line.bytes : 0;
	} else if (is_mbox_line(mime, line)) {
		mime->sniff = false;
	} else if (mime->sniff || mime->header_lines == 0 || mime->base_depth + mime->depth == 0) {
		header_is_body(mime, raw);
		return;
	} else {
		mime->has_junk = true;
		mime->junk_at = mime->line_at;
		mime->field_bytes = raw;
	}
	mime->header_lines++;
}

// Whether a bare CR stands in the line, and a field after it, or a line without a byte.
static bool holds_cr_lines(struct span line)
{
	const char *end = line.at + line.bytes;
	const char *cr = line.at;

	while ((cr = memchr(cr, '\r', (size_t)(end - cr))) != NULL) {
		const char *next;

		cr++;
		if (cr == end)
			return false;
		if (*cr == '\r')
			return true;
		next = memchr(cr, '\r', (size_t)(end - cr));
		if (next == NULL)
			next = end;
		if (next > cr && is_field((struct span){cr, (size_t)(next - cr)}))
			return true;
	}
	return false;
}

// From this line on CR ends a line too.
static void header_reread(struct mime *mime)
{
	size_t n = mime->field_bytes + mime->line_bytes;
	size_t rest = mime->replay_end - mime->replay_at;

	memmove(mime->field + n, mime->field + mime->replay_at, rest);
	mime->replay_at = mime->field_bytes;
	mime->replay_end = n + rest;
	mime->in_line = false;
	mime->line_bytes = 0;
	mime->cr_lines = true;
}

static void header_line_end(struct mime *mime)
{
	struct span line = header_line(mime);
	bool closes = false;
	int frame = -1;

	if (!mime->cr_lines && holds_cr_lines(line)) {
		header_reread(mime);
		return;
	}
	mime->in_line = false;
	if (mime->line_cut)
		mime_tell(mime, MIME_LIMIT_HEADER);
	if (mime->boundaries > 0 && !mime->line_cut)
		frame = mime_boundary_match(mime, (const uint8_t *)line.at, line.bytes, &closes);
	if (frame >= 0 && mime->has_junk)
		header_is_body(mime, mime->field_bytes + mime->line_bytes);
	else if (frame >= 0)
		header_is_cut(mime, (uint32_t)frame, closes);
	else if (line.bytes > 0)
		header_line_take(mime, line);
	else if (!mime->sniff)
		mime_header_end(mime);
	mime->line_bytes = 0;
}

// The line does not fit: the rest of a field is dropped; what is no field is the body. Takes no input.
static size_t header_overflow(struct mime *mime)
{
	struct span line = header_line(mime);
	bool folded = line.bytes == 0 || line.at[0] == ' ' || line.at[0] == '\t';

	if (!mime->cr_lines && holds_cr_lines(line)) {
		header_reread(mime);
	} else if (mime->has_field && folded) {
		mime->line_cut = true;
	} else if (is_field(line)) {
		mime->line_cut = !mime->has_junk;
		if (mime->has_junk)
			junk_drop(mime);
	} else {
		mime->in_line = false;
		mime_tell(mime, MIME_LIMIT_HEADER);
		header_is_body(mime, mime->field_bytes + mime->line_bytes);
		mime->line_bytes = 0;
	}
	return 0;
}

// Fields that stand there whole and say nothing are not taken apart. Of a limit, and of what is odd about the header
// so far, the lines tell one by one.
static size_t skip_fields(struct mime *mime, const uint8_t *data, size_t n)
{
	uint32_t lines;
	size_t taken;

	if (mime->cr_lines || mime->has_junk || mime->sniff)
		return 0;
	taken = mime_fields_skip(data, n, mime->field_room, &lines);
	mime->header_lines += lines;
	return taken;
}

size_t mime_header_feed(struct mime *mime, const uint8_t *data, size_t n)
{
	const uint8_t *lf;
	uint8_t last;
	size_t skipped;
	size_t take;
	size_t room;

	entity_reset(mime);
	if (!mime->in_line) {
		if (mime->has_field && *data != ' ' && *data != '\t')
			mime_field_end(mime);
		skipped = mime->has_field ? 0 : skip_fields(mime, data, n);
		if (skipped > 0)
			return skipped;
		mime->in_line = true;
		mime->line_at = mime->at;
		mime->line_cut = false;
		mime->line_bytes = 0;
	}
	lf = mime_line_end(mime, data, n);
	take = lf != NULL ? (size_t)(lf + 1 - data) : n;
	room = mime->field_room - mime->field_bytes - mime->line_bytes;
	if (take > room && mime->field_room < mime->limits.max_header_bytes && !mime->line_cut &&
		mime_field_grow(mime))
		room = mime->field_room - mime->field_bytes - mime->line_bytes;
	if (!mime->line_cut && take > room)
		take = room;
	if (!mime->line_cut && take == 0)
		return header_overflow(mime);
	last = data[take - 1];
	if (!mime->line_cut) {
		// During a replay data is further on in the same buffer.
		memmove(mime->field + mime->field_bytes + mime->line_bytes, data, take);
		mime->line_bytes += take;
	}
	if (lf != NULL && take == (size_t)(lf + 1 - data)) {
		mime->skip_lf = last == '\r';
		header_line_end(mime);
	}
	return take;
}

void mime_header_finish(struct mime *mime)
{
	if (mime->in_line)
		header_line_end(mime);
	else if (mime->has_junk)
		header_is_body(mime, mime->field_bytes);
	else
		mime_header_end(mime);
}
