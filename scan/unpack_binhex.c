// SPDX-License-Identifier: BSD-3-Clause
// BinHex 4.0 (RFC 1741, appendix A): a line that says so, then text between colons, six bits a
// character, in which a byte 0x90 tells of a run; in that a header, the data fork, the resource fork,
// each with a checksum. The forks are members.
#include "scan/unpack_state.h"

#include <string.h>

#define RUN_MARK 0x90
#define FIELDS_BYTES 21 // zero, type, creator, flags, two lengths, checksum
#define CRC_BYTES 2

static const char banner[] = "(This file must be converted with BinHex";
static const char digits[] = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";

bool binhex_is_header(const uint8_t *data, size_t n)
{
	return unpack_has_word(data, n, banner);
}

bool binhex_is_stepping(const struct unpack *unpack)
{
	const struct binhex *binhex = &unpack->as.binhex;

	return binhex->run > 0 || binhex->state == BINHEX_FORK_BEGIN ||
	       (binhex->state == BINHEX_FORK && binhex->left == 0);
}

// CRC-CCITT; two zero bytes follow what is summed.
static uint16_t crc_add(uint16_t crc, uint8_t byte)
{
	for (int i = 7; i >= 0; i--) {
		bool is_high = (crc & 0x8000u) != 0;

		crc = (uint16_t)(crc << 1 | (byte >> i & 1));
		if (is_high)
			crc ^= 0x1021;
	}
	return crc;
}

static void crc_check(struct unpack *unpack, const uint8_t *told)
{
	struct binhex *binhex = &unpack->as.binhex;
	uint16_t crc = crc_add(crc_add(binhex->crc, 0), 0);

	if (crc != (uint16_t)(told[0] << 8 | told[1]))
		unpack_warn(unpack, WARN_BROKEN);
	binhex->crc = 0;
	binhex->head_bytes = 0;
}

static void head_byte(struct unpack *unpack, uint8_t byte)
{
	struct binhex *binhex = &unpack->as.binhex;
	uint32_t want = binhex->name_bytes + 1u + FIELDS_BYTES;
	const uint8_t *fields;

	if (binhex->head_bytes == 0)
		binhex->name_bytes = byte;
	binhex->head[binhex->head_bytes++] = byte;
	if (binhex->head_bytes < want || binhex->head_bytes < 2) {
		if (binhex->head_bytes <= want - CRC_BYTES)
			binhex->crc = crc_add(binhex->crc, byte);
		return;
	}
	fields = binhex->head + 1 + binhex->name_bytes;
	binhex->left = read_be32(fields + 11);
	binhex->resource = read_be32(fields + 15);
	unpack_name_begin(unpack);
	unpack_name_add(unpack, binhex->head + 1, binhex->name_bytes);
	crc_check(unpack, fields + 19);
	binhex->state = BINHEX_FORK_BEGIN;
}

// The data fork is over, or the resource fork.
static void fork_end(struct unpack *unpack)
{
	struct binhex *binhex = &unpack->as.binhex;

	crc_check(unpack, binhex->head);
	if (binhex->is_resource || binhex->resource == 0) {
		binhex->state = BINHEX_OVER;
		return;
	}
	binhex->is_resource = true;
	binhex->left = binhex->resource;
	unpack_name_add(unpack, (const uint8_t *)"/rsrc", 5);
	binhex->state = BINHEX_FORK_BEGIN;
}

static void byte_take(struct unpack *unpack, uint8_t byte)
{
	struct binhex *binhex = &unpack->as.binhex;

	switch (binhex->state) {
	case BINHEX_HEAD:
		head_byte(unpack, byte);
		break;
	case BINHEX_FORK:
		binhex->crc = crc_add(binhex->crc, byte);
		unpack->out[binhex->out_bytes++] = byte;
		binhex->left--;
		break;
	case BINHEX_FORK_CRC:
		binhex->head[binhex->head_bytes++] = byte;
		if (binhex->head_bytes == CRC_BYTES)
			fork_end(unpack);
		break;
	case BINHEX_BANNER:
	case BINHEX_LINE:
	case BINHEX_FORK_BEGIN:
	case BINHEX_OVER:
		break;
	}
}

// A run repeats the byte before it; of no length it is the mark itself.
static void byte_unrun(struct unpack *unpack, uint8_t byte)
{
	struct binhex *binhex = &unpack->as.binhex;

	if (binhex->is_marked) {
		binhex->is_marked = false;
		binhex->run = byte > 0 ? byte - 1u : 1;
		if (byte == 0)
			binhex->last = RUN_MARK;
	} else if (byte == RUN_MARK) {
		binhex->is_marked = true;
	} else {
		binhex->last = byte;
		binhex->run = 1;
	}
}

static void character(struct unpack *unpack, uint8_t c)
{
	struct binhex *binhex = &unpack->as.binhex;
	const char *digit = c != 0 ? strchr(digits, c) : NULL;

	if (c == ':')
		binhex->state = BINHEX_OVER;
	if (digit == NULL)
		return;
	binhex->word = binhex->word << 6 | (uint32_t)(digit - digits);
	binhex->bits = (uint8_t)(binhex->bits + 6);
	if (binhex->bits < 8)
		return;
	binhex->bits = (uint8_t)(binhex->bits - 8);
	byte_unrun(unpack, (uint8_t)(binhex->word >> binhex->bits));
}

// The banner, then a colon at the beginning of a line.
static void text_byte(struct binhex *binhex, uint8_t c)
{
	if (binhex->state == BINHEX_BANNER) {
		if (c != (uint8_t)banner[binhex->matched])
			binhex->matched = 0;
		if (c == (uint8_t)banner[binhex->matched])
			binhex->matched++;
		if (banner[binhex->matched] == '\0')
			binhex->state = BINHEX_LINE;
		return;
	}
	if (c == ':' && binhex->is_line_start)
		binhex->state = BINHEX_HEAD;
	binhex->is_line_start = c == '\n' || c == '\r';
}

// What a fork has in the buffer, or its end. True when that made an event.
static bool fork_event(struct unpack *unpack, struct unpack_event *event)
{
	struct binhex *binhex = &unpack->as.binhex;

	if (binhex->state == BINHEX_FORK_BEGIN) {
		binhex->state = BINHEX_FORK;
		unpack_member_begin(unpack, event);
		return true;
	}
	if (binhex->out_bytes > 0 &&
		(binhex->left == 0 || binhex->out_bytes == UNPACK_OUT_BYTES ||
			binhex->state != BINHEX_FORK || unpack->is_finishing)) {
		unpack_member_data(unpack, unpack->out, binhex->out_bytes, event);
		binhex->out_bytes = 0;
		return true;
	}
	if (binhex->state != BINHEX_FORK || binhex->left > 0)
		return false;
	binhex->state = BINHEX_FORK_CRC;
	unpack_member_end(unpack, event);
	return true;
}

size_t binhex_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct binhex *binhex = &unpack->as.binhex;
	size_t i = 0;

	while (!fork_event(unpack, event) && unpack->due == 0) {
		if (binhex->run > 0) {
			binhex->run--;
			byte_take(unpack, binhex->last);
		} else if (i == n) {
			break;
		} else if (binhex->state == BINHEX_OVER) {
			unpack->is_over = true;
			break;
		} else if (binhex->state <= BINHEX_LINE) {
			text_byte(binhex, data[i++]);
		} else {
			character(unpack, data[i++]);
		}
	}
	return i;
}

bool binhex_finish(struct unpack *unpack, struct unpack_event *event)
{
	return fork_event(unpack, event);
}
