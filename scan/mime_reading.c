// SPDX-License-Identifier: BSD-3-Clause
// Other readings of a body: the open leaf under other encodings, and blocks that stand in text.
#include "scan/mime_state.h"

#include <string.h>

// Whether another reading may be begun.
static bool reading_take(struct mime *mime)
{
	if (mime->parts < mime->limits.max_parts && mime->readings < MIME_MAX_READINGS) {
		mime->readings++;
		return true;
	}
	mime_tell(mime, MIME_LIMIT_READINGS);
	return false;
}

// ---- the leaf under other encodings ------------------------------------------------------------

// Reads up to the first blank line. Returns what stands behind it, or the end.
static const uint8_t *skip_to_blank(struct mime_alt *alt, const uint8_t *data, const uint8_t *end)
{
	while (data < end && alt->waits) {
		const uint8_t c = *data++;

		alt->waits = c != '\n' || !alt->is_blank;
		alt->is_blank =
			c == '\n' || (alt->is_blank && (c == '\r' || c == ' ' || c == '\t'));
	}
	return data;
}

static void alt_put(struct mime_alt *alt, const uint8_t *data, size_t n)
{
	uint8_t *out = alt->out + alt->out_bytes;

	if (alt->waits) {
		const uint8_t *end = data + n;

		data = skip_to_blank(alt, data, end);
		n = (size_t)(end - data);
	}
	if (alt->coding == MIME_BASE64) {
		n = base64_decode(&alt->decoder.base64, data, n, out);
		mime_behind_note(&alt->behind, &alt->decoder.base64, alt->out_bytes);
	} else if (alt->coding == MIME_QP) {
		n = qp_decode(&alt->decoder.qp, data, n, out);
	} else {
		memcpy(out, data, n);
	}
	alt->out_bytes += (uint32_t)n;
}

static struct mime_alt *alt_open(struct mime *mime, enum mime_coding coding)
{
	static const enum mime_reading readings[] = {[MIME_IDENTITY] = MIME_READING_PLAIN,
		[MIME_BASE64] = MIME_READING_BASE64,
		[MIME_QP] = MIME_READING_QP};
	struct mime_alt *alt = mime_alts_get(mime);

	if (alt == NULL || !reading_take(mime))
		return NULL;
	while (alt < mime->alts + MIME_ALTS && alt->is_open)
		alt++;
	if (alt == mime->alts + MIME_ALTS) {
		mime_tell(mime, MIME_LIMIT_READINGS);
		return NULL;
	}
	memset(alt, 0, offsetof(struct mime_alt, out));
	alt->is_open = true;
	alt->begin_due = true;
	alt->coding = coding;
	alt->part = mime->leaf.part;
	alt->part.number = ++mime->parts;
	alt->part.reading = readings[coding];
	return alt;
}

bool mime_alts_open(struct mime *mime, unsigned int codings, struct span junk)
{
	unsigned int base64 = MIME_CODING_BIT(MIME_BASE64);
	struct mime_alt *alt;

	if (mime->leaf.sink != MIME_SINK_LEAF || mime_alts_get(mime) == NULL)
		return false;
	// What stood where the next field was expected may be the body's first line.
	if (junk.bytes > 0 && ((codings & base64) != 0 || mime->leaf.coding == MIME_BASE64)) {
		alt = alt_open(mime, MIME_BASE64);
		if (alt != NULL && junk.bytes <= MIME_TAP_BYTES)
			alt_put(alt, (const uint8_t *)junk.at, junk.bytes);
	}
	if ((codings & base64) != 0 && mime->leaf.coding != MIME_BASE64)
		(void)alt_open(mime, MIME_BASE64);
	if ((codings & MIME_CODING_BIT(MIME_QP)) != 0 && mime->leaf.coding != MIME_QP)
		(void)alt_open(mime, MIME_QP);
	if ((codings & MIME_CODING_BIT(MIME_IDENTITY)) != 0 && mime->leaf.coding != MIME_IDENTITY)
		(void)alt_open(mime, MIME_IDENTITY);
	return true;
}

bool mime_alts_open_behind(
	struct mime *mime, enum mime_coding coding, const uint8_t *data, size_t n, bool blank)
{
	struct mime_alt *alt = alt_open(mime, coding);

	if (alt == NULL)
		return false;
	alt->waits = blank;
	alt->is_blank = blank;
	if (n > 0)
		alt_put(alt, data, n);
	return true;
}

bool mime_alts_open_unpadded(struct mime *mime, size_t shared, const uint8_t *data, size_t n)
{
	const struct base64_state *padded = &mime->leaf.decoder.base64;
	struct mime_alt *alt = alt_open(mime, MIME_BASE64);

	if (alt == NULL)
		return false;
	alt->shared_bytes = (uint32_t)shared;
	alt->decoder.base64 = (struct base64_state){
		.bits = padded->cut_bits, .sextets = padded->cut_sextets, .passes_pads = true};
	alt_put(alt, data, n);
	return true;
}

bool mime_alts_are_ready(const struct mime *mime)
{
	for (size_t i = 0; i < MIME_ALTS; i++) {
		const struct mime_alt *alt = &mime->alts[i];

		if (alt->is_open && (alt->begin_due || alt->shared_bytes > 0 ||
					    alt->out_bytes > 0 || alt->end_due))
			return false;
	}
	return true;
}

void mime_alts_write(struct mime *mime, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < MIME_ALTS; i++)
		if (mime->alts[i].is_open)
			alt_put(&mime->alts[i], data, n);
}

void mime_alts_close(struct mime *mime)
{
	for (size_t i = 0; i < MIME_ALTS; i++) {
		struct mime_alt *alt = &mime->alts[i];
		uint8_t *out;
		size_t n;

		if (!alt->is_open)
			continue; // nothing else in it is set
		out = alt->out + alt->out_bytes;
		if (alt->coding == MIME_BASE64) {
			n = base64_end(&alt->decoder.base64, out);
			mime_behind_end(&alt->behind, &alt->decoder.base64, alt->out_bytes, n);
		} else {
			n = alt->coding == MIME_QP ? qp_end(&alt->decoder.qp, out) : 0;
		}
		alt->out_bytes += (uint32_t)n;
		alt->end_due = true;
	}
}

static bool alt_event(const struct mime *mime, struct mime_alt *alt, struct mime_event *event)
{
	*event = (struct mime_event){.number = alt->part.number, .part = &alt->part};
	if (alt->begin_due) {
		alt->begin_due = false;
		event->type = MIME_PART_BEGIN;
	} else if (alt->shared_bytes > 0) {
		event->type = MIME_PART_DATA;
		event->data = mime->gather;
		event->bytes = alt->shared_bytes;
		alt->shared_bytes = 0;
	} else if (alt->out_bytes > 0) {
		event->type = MIME_PART_DATA;
		if (mime_behind_give(&alt->behind, alt->out, alt->out_bytes, event))
			alt->out_bytes = 0;
	} else if (alt->end_due) {
		alt->is_open = false;
		event->type = MIME_PART_END;
	} else {
		return false;
	}
	return true;
}

bool mime_alts_begin_event(struct mime *mime, struct mime_event *event)
{
	for (size_t i = 0; i < MIME_ALTS; i++)
		if (mime->alts[i].is_open && mime->alts[i].begin_due)
			return alt_event(mime, &mime->alts[i], event);
	return false;
}

bool mime_alts_event(struct mime *mime, struct mime_event *event)
{
	for (size_t i = 0; i < MIME_ALTS; i++)
		if (mime->alts[i].is_open && alt_event(mime, &mime->alts[i], event))
			return true;
	return false;
}

// ---- blocks ------------------------------------------------------------------------------------

// A uuencoded or yEnc block in text is an attachment of old; every other block is a guess.
static bool block_is_part(const struct mime *mime)
{
	const struct block *block = &mime->block;

	return (block->kind == BLOCK_UU || block->kind == BLOCK_YENC) &&
	       mime->leaf.sink == MIME_SINK_LEAF &&
	       strncmp(mime->entity.content_type, "text/", 5) == 0;
}

static const char *block_name(struct block *block)
{
	char raw[BLOCK_LINE_BYTES];
	size_t n = strlen(block->name);

	if (block->kind != BLOCK_UU && block->kind != BLOCK_YENC)
		return "";
	// The name may be in any character set; only its form is made good, not its meaning.
	memcpy(raw, block->name, n);
	(void)header_text((struct span){raw, n}, block->name, sizeof(block->name));
	return block->name;
}

static const char *block_encoding(const struct block *block)
{
	if (block->kind == BLOCK_UU)
		return "uuencode";
	if (block->kind == BLOCK_YENC)
		return "yenc";
	if (block->kind == BLOCK_BASE64 || block->coding == MIME_BASE64)
		return "base64";
	return block->coding == MIME_QP ? "quoted-printable" : "7bit";
}

static bool describe_block(struct mime *mime)
{
	struct mime_leaf *leaf = &mime->leaf;
	bool is_part = block_is_part(mime);

	if (is_part && mime->parts >= mime->limits.max_parts) {
		mime_tell(mime, MIME_LIMIT_PARTS);
		return false;
	}
	if (!is_part && !reading_take(mime))
		return false;
	if (mime->block.kind == BLOCK_PART && mime->block.is_bare &&
		++mime->bare_readings >= MIME_MAX_BARE)
		mime->block.no_bare = true;
	leaf->block_part = (struct mime_part){
		.number = ++mime->parts,
		.parent = leaf->sink == MIME_SINK_LEAF ? leaf->part.number : 0,
		.reading = is_part ? MIME_READING_FIRST : MIME_READING_BLOCK,
		.depth = leaf->part.depth,
		.content_type = "application/octet-stream",
		.charset = "",
		.encoding = block_encoding(&mime->block),
		.filename = block_name(&mime->block),
		.disposition = "attachment",
	};
	leaf->block_open = true;
	return true;
}

bool mime_block_event(struct mime *mime, enum block_step step, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	bool open = leaf->block_open;

	if (mime->block.is_encrypted) {
		mime->block.is_encrypted = false;
		mime_tell(mime, MIME_LIMIT_ENCRYPTED);
	}
	switch (step) {
	case BLOCK_MORE:
		return false;
	case BLOCK_BEGIN:
		if (!describe_block(mime))
			return mime_limit_event(mime, event);
		*event = (struct mime_event){.type = MIME_PART_BEGIN, .part = &leaf->block_part};
		open = true;
		break;
	case BLOCK_DATA:
		*event = (struct mime_event){.type = MIME_PART_DATA,
			.data = mime->block.out,
			.bytes = mime->block.out_bytes};
		mime->block.out_bytes = 0;
		break;
	case BLOCK_END:
		*event = (struct mime_event){.type = MIME_PART_END, .part = &leaf->block_part};
		leaf->block_open = false;
		break;
	}
	event->number = leaf->block_part.number;
	return open;
}

bool mime_block_finish_event(struct mime *mime, struct mime_event *event)
{
	enum block_step step;

	do {
		step = block_finish(&mime->block);
		if (mime_block_event(mime, step, event))
			return true;
	} while (step != BLOCK_MORE);
	return false;
}

// ---- raw bytes ---------------------------------------------------------------------------------

bool mime_tap_event(struct mime *mime, struct mime_event *event)
{
	struct mime_leaf *leaf = &mime->leaf;
	enum block_step step;
	size_t used;

	do {
		step = block_scan(&mime->block, mime->tap + mime->tap_read,
			mime->tap_bytes - mime->tap_read, &used);
		mime->tap_read += (uint32_t)used;
		if (mime_block_event(mime, step, event))
			return true;
	} while (step != BLOCK_MORE);
	mime->tap_bytes = 0;
	mime->tap_read = 0;
	if (!leaf->tap_end_due)
		return false;
	if (mime_block_finish_event(mime, event))
		return true;
	leaf->tap_end_due = false;
	leaf->tap = false;
	return false;
}
