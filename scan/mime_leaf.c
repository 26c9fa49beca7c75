// SPDX-License-Identifier: BSD-3-Clause
// Body bytes of one leaf to decoded bytes, and the events of it.
#include "scan/decode_ops.h"
#include "scan/mime_state.h"

#include <string.h>

// From so many bytes on, what needs no decoding is given out where it stands in the input.
#define DIRECT_BYTES 4096
// From so many bytes on, what was gathered is given out while it is in the processor's caches.
#define HAND_OUT_BYTES 2048
// In the last so many of a full gather buffer it may have been given out, or not yet.
#define UNCUT_BYTES 64

void mime_tell(struct mime *mime, enum mime_limit limit)
{
	unsigned int bit = 1u << limit;

	if ((mime->limits_told & bit) == 0)
		mime->limits_due |= bit;
	mime->limits_told |= bit;
}

// Numbers the part that begins. False where there may be no more parts.
static bool describe(struct mime *mime)
{
	struct mime_entity *entity = &mime->entity;
	struct mime_leaf *leaf = &mime->leaf;
	bool is_text = strncmp(entity->content_type, "text/", 5) == 0;

	leaf->was_given = false;
	if (mime->parts >= mime->limits.max_parts) {
		mime_tell(mime, MIME_LIMIT_PARTS);
		leaf->sink = MIME_SINK_NONE;
		leaf->flush_due = false;
		leaf->gather_bytes = 0;
		return false;
	}
	leaf->part = (struct mime_part){
		.number = ++mime->parts,
		.depth = leaf->part.depth,
		.content_type = entity->content_type,
		.charset = entity->charset,
		.encoding = entity->encoding,
		.filename = entity->filename,
		.disposition = entity->disposition,
	};
	leaf->scan =
		!leaf->tap && leaf->coding != MIME_UU && (is_text || leaf->coding != MIME_BASE64);
	leaf->peek = !leaf->tap && leaf->coding == MIME_BASE64 && !leaf->end_due;
	if (strcmp(entity->content_type, "message/external-body") == 0)
		mime_tell(mime, MIME_LIMIT_EXTERNAL);
	if (strcmp(entity->content_type, "message/partial") == 0)
		mime_tell(mime, MIME_LIMIT_PARTIAL);
	return true;
}

// What was held as a preamble has no boundary after it: a leaf, or an encoded multipart.
static void promote(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (leaf->coding == MIME_IDENTITY || !mime_inner_is_there(mime)) {
		leaf->sink = MIME_SINK_LEAF;
		leaf->begin_due = true;
		return;
	}
	leaf->sink = MIME_SINK_INNER;
	leaf->tap_end_due = leaf->tap;
	mime_inner_begin(mime, MIME_MULTIPART);
}

void mime_leaf_open(struct mime *mime, enum mime_sink sink, enum mime_coding coding)
{
	struct mime_leaf *leaf = &mime->leaf;

	memset(leaf, 0, sizeof(*leaf));
	leaf->sink = sink;
	leaf->coding = coding;
	leaf->part.depth = mime->base_depth + mime->depth;
	mime->tap_bytes = 0;
	mime->tap_read = 0;
	if (coding == MIME_UU)
		block_init_uu(&mime->block);
	else
		block_init(&mime->block);
	leaf->message = sink == MIME_SINK_INNER && mime->tells_messages;
	if (sink == MIME_SINK_INNER)
		mime_inner_begin(mime, MIME_MESSAGE);
	leaf->begin_due = sink == MIME_SINK_LEAF;
	// Uuencode is read by the same means as blocks are.
	// A message has no business to be quoted-printable, and some readers take it as it stands.
	leaf->tap =
		coding != MIME_UU &&
		(sink == MIME_SINK_HELD ||
			(sink == MIME_SINK_LEAF && mime->entity.odd && coding != MIME_IDENTITY) ||
			(sink == MIME_SINK_INNER && coding == MIME_QP));
}

bool mime_leaf_is_ready(const struct mime *mime)
{
	const struct mime_leaf *leaf = &mime->leaf;

	return !leaf->begin_due && !leaf->flush_due && !leaf->end_due && mime->limits_due == 0 &&
	       (mime->tap_bytes == 0 || !leaf->tap) && !leaf->tap_end_due &&
	       (!leaf->alts || mime_alts_are_ready(mime));
}

size_t mime_leaf_room(const struct mime *mime)
{
	const struct mime_leaf *leaf = &mime->leaf;
	size_t room = MIME_GATHER_BYTES - leaf->gather_bytes;

	if (leaf->sink == MIME_SINK_NONE)
		room = SIZE_MAX;
	else if (leaf->sink == MIME_SINK_HELD)
		room = MIME_GATHER_BYTES - leaf->held_bytes;
	if (room > MIME_TAP_BYTES && (leaf->tap || leaf->alts))
		room = MIME_TAP_BYTES;
	if (leaf->peek && room > MIME_TAP_BYTES - mime->tap_bytes)
		room = MIME_TAP_BYTES - mime->tap_bytes;
	return room;
}

// A whole body of uuencode: blocks of any other kind in it are left out.
static void gather_uu(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;
	struct block *block = &mime->block;
	enum block_step step;
	size_t used = 0;

	do {
		step = data != NULL ? block_scan(block, data, n, &used) : block_finish(block);
		if (block->kind == BLOCK_UU) {
			memcpy(mime->gather + leaf->gather_bytes, block->out, block->out_bytes);
			leaf->gather_bytes += block->out_bytes;
		}
		block->out_bytes = 0;
		if (data != NULL) {
			data += used;
			n -= used;
		}
	} while (step != BLOCK_MORE);
}

// Nothing but base64, and whole quanta of it where that is asked for: what every reader decodes alike.
static bool is_plain_base64(const uint8_t *line, size_t n, bool whole)
{
	size_t i = 0;

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	while (i < n && (decode_sextets[line[i]] != DECODE_INVALID || line[i] == '='))
		i++;
	return i == n && (!whole || n % 4 == 0);
}

// A body of base64 whose first line is odd may be something else, or begin later. Where a text's first line is none at
// all, what it decodes to is no text: blocks are looked for in the raw bytes in its place.
static void peek(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;
	const uint8_t *line = mime->tap;
	const uint8_t *end = mime->tap + mime->tap_bytes;
	const uint8_t *lf;

	while (line < end && (*line == '\r' || *line == '\n'))
		line++;
	lf = find_lf(line, (size_t)(end - line));
	if (lf == NULL && mime->tap_bytes < MIME_TAP_BYTES)
		return;
	leaf->peek = false;
	leaf->tap = lf != NULL && (leaf->starts_early ||
					  !is_plain_base64(line, (size_t)(lf - line), !leaf->scan));
	if (leaf->tap) {
		leaf->scan = false;
		// Who leaves out a line of a header that is no field has the body begin behind the blank line.
		leaf->alts |= mime_alts_open_behind(
			mime, MIME_BASE64, lf + 1, (size_t)(end - lf) - 1, true);
		if (!leaf->starts_early || !is_plain_base64(line, (size_t)(lf - line), false))
			return;
	}
	// A text's first line of a part of a quantum: who decodes each line by itself reads on behind it.
	if (lf != NULL && leaf->sink == MIME_SINK_LEAF &&
		!is_plain_base64(line, (size_t)(lf - line), true))
		leaf->alts |= mime_alts_open_behind(
			mime, MIME_BASE64, lf + 1, (size_t)(end - lf) - 1, false);
	if (!leaf->tap)
		mime->tap_bytes = 0;
}

// Padding that completes a quantum inside of base64 is passed over by some readers, for whom all that follows has other
// bytes: from there on it is read that way, too, and from its start where that is still at hand. Returns how many of the
// n bytes were decoded: up to such a place, or from there on as many as that reading has room for.
static size_t write_base64(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;
	struct base64_state *state = &leaf->decoder.base64;
	const struct base64_state before = *state;
	uint8_t *out = mime->gather + leaf->gather_bytes;
	size_t written = base64_decode(state, data, n, out);

	if (state->realigned && (state->realigned_in > 0 || n > MIME_TAP_BYTES)) {
		n = state->realigned_in > 0 ? state->realigned_in : MIME_TAP_BYTES;
		*state = before;
		written = base64_decode(state, data, n, out);
	}
	mime_behind_note(&leaf->behind, state, leaf->gather_bytes);
	if (state->realigned && leaf->sink == MIME_SINK_LEAF) {
		leaf->unpadded_due = true;
		leaf->unpadded_at = mime->tap_bytes;
		// Whether more than that was gathered depends on how the input was cut.
		if (!leaf->was_given && !leaf->tap_due &&
			leaf->gather_bytes <= MIME_GATHER_BYTES - UNCUT_BYTES)
			leaf->unpadded_shared = leaf->gather_bytes - (state->cut_sextets - 1u);
	}
	leaf->gather_bytes += written;
	return n;
}

static void open_unpadded(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;

	leaf->unpadded_due = false;
	leaf->alts |= mime_alts_open_unpadded(mime, leaf->unpadded_shared, data, n);
}

// Keeps raw bytes that are to be looked through, and gives them to other readings.
static void write_raw(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;
	const bool peeked = leaf->peek;
	size_t tapped;

	if ((leaf->tap || leaf->peek) && !leaf->tap_end_due) {
		memcpy(mime->tap + mime->tap_bytes, data, n);
		mime->tap_bytes += (uint32_t)n;
	}
	tapped = mime->tap_bytes;
	if (leaf->alts)
		mime_alts_write(mime, data, n);
	if (leaf->peek)
		peek(mime);
	// In one order for any chunks: behind what the first line shows.
	if (!leaf->unpadded_due || leaf->peek)
		return;
	if (peeked)
		open_unpadded(mime, mime->tap + leaf->unpadded_at, tapped - leaf->unpadded_at);
	else
		open_unpadded(mime, data, n);
}

size_t mime_leaf_write(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;
	uint8_t *out = mime->gather + leaf->gather_bytes;

	if (n == 0)
		return 0;
	if (leaf->coding == MIME_BASE64 && leaf->sink != MIME_SINK_NONE)
		n = write_base64(mime, data, n);
	write_raw(mime, data, n);
	if (leaf->sink == MIME_SINK_NONE)
		return n;
	switch (leaf->coding) {
	case MIME_IDENTITY:
		if (leaf->sink == MIME_SINK_LEAF && !leaf->scan && leaf->gather_bytes == 0 &&
			n >= DIRECT_BYTES) {
			leaf->direct = data;
			leaf->direct_bytes = n;
			leaf->flush_due = true;
			return n;
		}
		memcpy(out, data, n);
		leaf->gather_bytes += n;
		break;
	case MIME_BASE64: // was decoded
		break;
	case MIME_QP:
		leaf->gather_bytes += qp_decode(&leaf->decoder.qp, data, n, out);
		break;
	case MIME_UU:
		gather_uu(mime, data, n);
		break;
	}
	if (leaf->sink == MIME_SINK_HELD) {
		// Raw bytes are counted, so that it is the same for any chunks and any decoder.
		leaf->held_bytes += (uint32_t)n;
		if (leaf->held_bytes >= MIME_GATHER_BYTES)
			promote(mime);
	}
	leaf->flush_due =
		(leaf->gather_bytes >= MIME_GATHER_BYTES && leaf->sink != MIME_SINK_HELD) ||
		(leaf->tap_due && leaf->gather_bytes > 0);
	return n;
}

// What is read in one way alone can be cut anywhere. The first bytes of a part wait until there are as many as ever, or
// it has ended: an archive takes what it is unpacked with at its first bytes, of which there are few for all messages.
bool mime_leaf_hand_out(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (!leaf->was_given || leaf->gather_bytes < HAND_OUT_BYTES ||
		leaf->sink != MIME_SINK_LEAF || leaf->scan || leaf->tap || leaf->peek ||
		leaf->alts || leaf->coding == MIME_UU)
		return false;
	leaf->flush_due = true;
	return true;
}

void mime_leaf_close(struct mime *mime, bool is_preamble)
{
	struct mime_leaf *leaf = &mime->leaf;
	uint8_t *out = mime->gather + leaf->gather_bytes;
	size_t n;

	if (leaf->sink == MIME_SINK_HELD && !is_preamble)
		promote(mime);
	// What waited for a line's end is not to be looked at with what follows.
	if (leaf->unpadded_due)
		open_unpadded(
			mime, mime->tap + leaf->unpadded_at, mime->tap_bytes - leaf->unpadded_at);
	if (leaf->peek)
		mime->tap_bytes = 0;
	leaf->peek = false;
	leaf->tap_end_due = leaf->tap;
	if (leaf->alts)
		mime_alts_close(mime);
	if (leaf->sink == MIME_SINK_HELD || leaf->sink == MIME_SINK_NONE) {
		leaf->sink = MIME_SINK_NONE;
		return;
	}
	switch (leaf->coding) {
	case MIME_IDENTITY:
		break;
	case MIME_BASE64:
		n = base64_end(&leaf->decoder.base64, out);
		mime_behind_end(&leaf->behind, &leaf->decoder.base64, leaf->gather_bytes, n);
		leaf->gather_bytes += n;
		break;
	case MIME_QP:
		leaf->gather_bytes += qp_end(&leaf->decoder.qp, out);
		break;
	case MIME_UU:
		gather_uu(mime, NULL, 0);
		break;
	}
	leaf->flush_due = leaf->gather_bytes > 0;
	leaf->end_due = true;
}

bool mime_limit_event(struct mime *mime, struct mime_event *event)
{
	static const char *const names[] = {
		[MIME_LIMIT_DEPTH] = "limit-depth",
		[MIME_LIMIT_PARTS] = "limit-parts",
		[MIME_LIMIT_HEADER] = "limit-header",
		[MIME_LIMIT_READINGS] = "limit-readings",
		[MIME_LIMIT_PARTIAL] = "message-partial",
		[MIME_LIMIT_EXTERNAL] = "message-external-body",
		[MIME_LIMIT_BOUNDARY] = "ambiguous-boundary",
		[MIME_LIMIT_ENCRYPTED] = "encrypted-mail",
		[MIME_LIMIT_MEMORY] = "memory",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((mime->limits_due & 1u << i) == 0)
			continue;
		mime->limits_due &= ~(1u << i);
		*event = (struct mime_event){
			.type = i == MIME_LIMIT_MEMORY ? MIME_NO_MEMORY : MIME_SUSPICIOUS,
			.why = names[i]};
		return true;
	}
	return false;
}

static bool leaf_data_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	enum block_step step = BLOCK_DATA;
	size_t used;

	if (!leaf->data_given) {
		*event = (struct mime_event){
			.type = MIME_PART_DATA, .number = leaf->part.number, .part = &leaf->part};
		leaf->data_given = leaf->direct != NULL
					   ? mime_behind_give(&leaf->behind, leaf->direct,
						     leaf->direct_bytes, event)
					   : mime_behind_give(&leaf->behind, mime->gather,
						     leaf->gather_bytes, event);
		return true;
	}
	while (leaf->scan && step != BLOCK_MORE) {
		step = block_scan(&mime->block, mime->gather + leaf->gather_read,
			leaf->gather_bytes - leaf->gather_read, &used);
		leaf->gather_read += used;
		if (mime_block_event(mime, step, event))
			return true;
	}
	return false;
}

// The second parser's events are ours; parts are counted through.
static bool inner_event(struct mime *mime, bool finish, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	struct mime *inner = mime->inner;
	bool given;

	// Blocks in what was held as a preamble may have been numbered since it began.
	inner->parts = mime->parts;
	inner->readings = mime->readings;
	inner->bare_readings = mime->bare_readings;
	inner->limits_told |= mime->limits_told;
	if (finish) {
		mime_finish(inner, event);
		given = event->type != MIME_END;
	} else {
		leaf->gather_read += mime_next(inner, mime->gather + leaf->gather_read,
			leaf->gather_bytes - leaf->gather_read, event);
		given = event->type != MIME_NEED_INPUT;
	}
	mime->parts = inner->parts;
	mime->readings = inner->readings;
	mime->bare_readings = inner->bare_readings;
	mime->limits_told |= inner->limits_told;
	return given;
}

static bool end_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (leaf->sink == MIME_SINK_INNER && inner_event(mime, true, event))
		return true;
	if (leaf->sink == MIME_SINK_INNER && leaf->message) {
		leaf->message = false;
		*event = (struct mime_event){.type = MIME_MESSAGE_DATA_END, .number = mime->level};
		return true;
	}
	if (leaf->sink == MIME_SINK_INNER)
		return false;
	if (leaf->scan && mime_block_finish_event(mime, event))
		return true;
	leaf->scan = false;
	if (leaf->alts && mime_alts_event(mime, event))
		return true;
	leaf->alts = false;
	if (leaf->sink != MIME_SINK_LEAF)
		return false;
	leaf->sink = MIME_SINK_NONE;
	*event = (struct mime_event){
		.type = MIME_PART_END, .number = leaf->part.number, .part = &leaf->part};
	return true;
}

static bool begin_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	unsigned int codings = mime->entity.codings;

	leaf->begin_due = false;
	if (!describe(mime))
		return mime_limit_event(mime, event);
	// Many readers know no uuencode: for them the file is the body as it stands.
	if (leaf->coding == MIME_UU)
		codings |= MIME_CODING_BIT(MIME_IDENTITY);
	if ((mime->entity.odd || leaf->coding == MIME_UU) && !leaf->end_due) {
		leaf->alts = mime_alts_open(
			mime, codings, (struct span){(const char *)mime->field, leaf->junk_bytes});
	}
	// Who leaves out what is no field has the body begin behind the blank line; of base64 see peek.
	if (leaf->starts_early && leaf->coding == MIME_IDENTITY && !leaf->end_due)
		leaf->alts |= mime_alts_open_behind(mime, MIME_IDENTITY, NULL, 0, true);
	*event = (struct mime_event){
		.type = MIME_PART_BEGIN, .number = leaf->part.number, .part = &leaf->part};
	return true;
}

static bool flush_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (leaf->message && !leaf->data_given) {
		leaf->data_given = true;
		*event = (struct mime_event){.type = MIME_MESSAGE_DATA,
			.number = mime->level,
			.data = mime->gather,
			.bytes = leaf->gather_bytes};
		return true;
	}
	if (leaf->sink == MIME_SINK_INNER ? inner_event(mime, false, event)
					  : leaf_data_event(mime, event))
		return true;
	leaf->flush_due = false;
	leaf->data_given = false;
	leaf->was_given = true;
	leaf->direct = NULL;
	leaf->gather_bytes = 0;
	leaf->gather_read = 0;
	return false;
}

// From here on blocks are looked for in the raw bytes, no more in the decoded ones.
static bool switch_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (leaf->scan && mime_block_finish_event(mime, event))
		return true;
	block_init(&mime->block);
	leaf->scan = false;
	leaf->tap_due = false;
	return mime_tap_event(mime, event);
}

// What is due, in an order that is the same for any chunks of input.
bool mime_leaf_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (leaf->alts && mime_alts_begin_event(mime, event))
		return true;
	if (leaf->tap && !leaf->tap_due && mime_tap_event(mime, event))
		return true;
	if (mime->limits_due != 0)
		return mime_limit_event(mime, event);
	if (leaf->begin_due && begin_event(mime, event))
		return true;
	if (mime->limits_due != 0)
		return mime_limit_event(mime, event);
	if (leaf->alts && mime_alts_event(mime, event))
		return true;
	if (leaf->flush_due && flush_event(mime, event))
		return true;
	if (leaf->tap_due && switch_event(mime, event))
		return true;
	if (mime->limits_due != 0)
		return mime_limit_event(mime, event);
	if (leaf->end_due) {
		if (end_event(mime, event))
			return true;
		leaf->end_due = false;
		leaf->sink = MIME_SINK_NONE;
	}
	if (mime->limits_due != 0)
		return mime_limit_event(mime, event);
	if (leaf->epilogue_due) {
		leaf->epilogue_due = false;
		leaf->tap = true;
		block_init(&mime->block);
	}
	return false;
}
