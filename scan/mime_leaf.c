// SPDX-License-Identifier: BSD-3-Clause
// Body bytes of one leaf to decoded bytes, and the events of it.
#include "scan/mime_state.h"

#include <string.h>

// From so many bytes on, what needs no decoding is given out where it stands in the input.
#define DIRECT_BYTES 4096

void mime_tell(struct mime *mime, enum mime_limit limit)
{
	unsigned int bit = 1u << limit;

	if ((mime->limits_told & bit) == 0)
		mime->limits_due |= bit;
	mime->limits_told |= bit;
}

static void describe(struct mime *mime)
{
	struct mime_entity *entity = &mime->entity;

	mime->leaf.part = (struct mime_part){
		.number = ++mime->parts,
		.depth = mime->base_depth + mime->depth,
		.content_type = entity->content_type,
		.charset = entity->charset,
		.encoding = entity->encoding,
		.filename = entity->filename,
		.disposition = entity->disposition,
	};
	mime->leaf.begin_due = true;
	mime->leaf.scan_uu =
		mime->leaf.coding != MIME_UU && strncmp(entity->content_type, "text/", 5) == 0;
}

static void make_leaf(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;

	leaf->sink = MIME_SINK_LEAF;
	if (mime->parts < mime->limits.max_parts) {
		describe(mime);
		return;
	}
	mime_tell(mime, MIME_LIMIT_PARTS);
	leaf->sink = MIME_SINK_NONE;
	leaf->gather_bytes = 0;
}

// What was held as a preamble has no boundary after it: a leaf, or an encoded multipart.
static void promote(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (leaf->coding == MIME_IDENTITY || mime->inner == NULL) {
		make_leaf(mime);
		return;
	}
	leaf->sink = MIME_SINK_INNER;
	mime_inner_begin(mime, MIME_MULTIPART);
}

void mime_leaf_open(struct mime *mime, enum mime_sink sink, enum mime_coding coding)
{
	struct mime_leaf *leaf = &mime->leaf;

	memset(leaf, 0, sizeof(*leaf));
	leaf->sink = sink;
	leaf->coding = coding;
	uu_init(&mime->uu);
	if (sink == MIME_SINK_LEAF)
		make_leaf(mime);
	else if (sink == MIME_SINK_INNER)
		mime_inner_begin(mime, MIME_MESSAGE);
}

bool mime_leaf_is_ready(const struct mime *mime)
{
	const struct mime_leaf *leaf = &mime->leaf;

	return !leaf->begin_due && !leaf->flush_due && !leaf->end_due && mime->limits_due == 0;
}

size_t mime_leaf_room(const struct mime *mime)
{
	if (mime->leaf.sink == MIME_SINK_NONE)
		return SIZE_MAX;
	if (mime->leaf.sink == MIME_SINK_HELD)
		return MIME_GATHER_BYTES - mime->leaf.held_bytes;
	return MIME_GATHER_BYTES - mime->leaf.gather_bytes;
}

// The second decoder of uuencode's output goes to the same place as that of the others.
static void gather_uu(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;
	struct uu *uu = &mime->uu;
	enum uu_step step;
	size_t used;

	do {
		step = data != NULL ? uu_scan(uu, data, n, &used) : uu_finish(uu);
		memcpy(mime->gather + leaf->gather_bytes, uu->out, uu->out_bytes);
		leaf->gather_bytes += uu->out_bytes;
		uu->out_bytes = 0;
		if (data != NULL) {
			data += used;
			n -= used;
		}
	} while (step != UU_MORE || (data != NULL && n > 0));
}

void mime_leaf_write(struct mime *mime, const uint8_t *data, size_t n)
{
	struct mime_leaf *leaf = &mime->leaf;
	uint8_t *out = mime->gather + leaf->gather_bytes;

	if (leaf->sink == MIME_SINK_NONE || n == 0)
		return;
	switch (leaf->coding) {
	case MIME_IDENTITY:
		if (leaf->sink == MIME_SINK_LEAF && !leaf->scan_uu && leaf->gather_bytes == 0 &&
			n >= DIRECT_BYTES) {
			leaf->direct = data;
			leaf->direct_bytes = n;
			leaf->flush_due = true;
			return;
		}
		memcpy(out, data, n);
		leaf->gather_bytes += n;
		break;
	case MIME_BASE64:
		leaf->gather_bytes += base64_decode(&leaf->decoder.base64, data, n, out);
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
	leaf->flush_due = leaf->gather_bytes >= MIME_GATHER_BYTES && leaf->sink != MIME_SINK_HELD;
}

void mime_leaf_close(struct mime *mime, bool is_preamble)
{
	struct mime_leaf *leaf = &mime->leaf;
	uint8_t *out = mime->gather + leaf->gather_bytes;

	if (leaf->sink == MIME_SINK_HELD && !is_preamble)
		promote(mime);
	if (leaf->sink == MIME_SINK_HELD || leaf->sink == MIME_SINK_NONE) {
		leaf->sink = MIME_SINK_NONE;
		return;
	}
	switch (leaf->coding) {
	case MIME_IDENTITY:
		break;
	case MIME_BASE64:
		leaf->gather_bytes += base64_end(&leaf->decoder.base64, out);
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

static void describe_uu(struct mime *mime)
{
	struct uu *uu = &mime->uu;
	char raw[UU_LINE_BYTES];
	size_t n = strlen(uu->name);

	// The name may be in any character set; only its form is made good, not its meaning.
	memcpy(raw, uu->name, n);
	(void)header_text((struct span){raw, n}, uu->name, sizeof(uu->name));
	mime->leaf.uu_part = (struct mime_part){
		.number = ++mime->parts,
		.parent = mime->leaf.part.number,
		.depth = mime->leaf.part.depth,
		.content_type = "application/octet-stream",
		.charset = "",
		.encoding = "uuencode",
		.filename = uu->name,
		.disposition = "attachment",
	};
}

// Turns a step of the search for uuencoded blocks into an event; false when it makes none.
static bool uu_event(struct mime *mime, enum uu_step step, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	bool open = leaf->uu_open;

	switch (step) {
	case UU_MORE:
		return false;
	case UU_BEGIN:
		if (mime->parts >= mime->limits.max_parts) {
			mime_tell(mime, MIME_LIMIT_PARTS);
			return false;
		}
		leaf->uu_open = true;
		describe_uu(mime);
		*event = (struct mime_event){.type = MIME_PART_BEGIN, .part = &leaf->uu_part};
		break;
	case UU_DATA:
		*event = (struct mime_event){
			.type = MIME_PART_DATA, .data = mime->uu.out, .bytes = mime->uu.out_bytes};
		mime->uu.out_bytes = 0;
		if (!open)
			return false;
		break;
	case UU_END:
		*event = (struct mime_event){.type = MIME_PART_END, .part = &leaf->uu_part};
		leaf->uu_open = false;
		if (!open)
			return false;
		break;
	}
	event->number = leaf->uu_part.number;
	return true;
}

static bool limit_event(struct mime *mime, struct mime_event *event)
{
	static const char *const names[] = {
		[MIME_LIMIT_DEPTH] = "limit-depth",
		[MIME_LIMIT_PARTS] = "limit-parts",
		[MIME_LIMIT_HEADER] = "limit-header",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((mime->limits_due & 1u << i) == 0)
			continue;
		mime->limits_due &= ~(1u << i);
		*event = (struct mime_event){.type = MIME_SUSPICIOUS, .why = names[i]};
		return true;
	}
	return false;
}

static bool leaf_data_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	enum uu_step step = UU_DATA;
	size_t used;

	if (!leaf->data_given) {
		leaf->data_given = true;
		*event = (struct mime_event){
			.type = MIME_PART_DATA,
			.number = leaf->part.number,
			.part = &leaf->part,
			.data = leaf->direct != NULL ? leaf->direct : mime->gather,
			.bytes = leaf->direct != NULL ? leaf->direct_bytes : leaf->gather_bytes,
		};
		return true;
	}
	while (leaf->scan_uu && step != UU_MORE) {
		step = uu_scan(&mime->uu, mime->gather + leaf->gather_read,
			leaf->gather_bytes - leaf->gather_read, &used);
		leaf->gather_read += used;
		if (uu_event(mime, step, event))
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

	if (finish) {
		mime_finish(inner, event);
		given = event->type != MIME_END;
	} else {
		leaf->gather_read += mime_next(inner, mime->gather + leaf->gather_read,
			leaf->gather_bytes - leaf->gather_read, event);
		given = event->type != MIME_NEED_INPUT;
	}
	mime->parts = inner->parts;
	mime->limits_told |= inner->limits_told;
	return given;
}

static bool end_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	enum uu_step step = UU_DATA;

	if (leaf->sink == MIME_SINK_INNER)
		return inner_event(mime, true, event);
	while (leaf->scan_uu && step != UU_MORE) {
		step = uu_finish(&mime->uu);
		if (uu_event(mime, step, event))
			return true;
	}
	if (leaf->sink != MIME_SINK_LEAF)
		return false;
	leaf->sink = MIME_SINK_NONE;
	*event = (struct mime_event){
		.type = MIME_PART_END, .number = leaf->part.number, .part = &leaf->part};
	return true;
}

bool mime_leaf_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;

	if (mime->limits_due != 0)
		return limit_event(mime, event);
	if (leaf->begin_due) {
		leaf->begin_due = false;
		*event = (struct mime_event){
			.type = MIME_PART_BEGIN, .number = leaf->part.number, .part = &leaf->part};
		return true;
	}
	if (leaf->flush_due) {
		if (leaf->sink == MIME_SINK_INNER ? inner_event(mime, false, event)
						  : leaf_data_event(mime, event))
			return true;
		leaf->flush_due = false;
		leaf->data_given = false;
		leaf->direct = NULL;
		leaf->gather_bytes = 0;
		leaf->gather_read = 0;
		if (mime->limits_due != 0)
			return limit_event(mime, event);
	}
	if (leaf->end_due) {
		if (end_event(mime, event))
			return true;
		leaf->end_due = false;
		leaf->sink = MIME_SINK_NONE;
		if (mime->limits_due != 0)
			return limit_event(mime, event);
	}
	return false;
}
