// SPDX-License-Identifier: BSD-3-Clause
// TNEF (winmail.dat, MS-OXTNEF 2.1.3): its attachments. A name may come after the data that it is of; data
// in several attributes is one attachment, and the upper half of an attribute, its type, says nothing of it.
// Other attributes are members as well where a file fits in (attachments are properties there, in
// attAttachment, where the file itself is one more), and so is a message that such a one embeds, which is TNEF again.
#include "scan/unpack_state.h"

#include <string.h>

#define START_BYTES 6 // signature and key
#define HEAD_BYTES 9  // level, attribute, length
#define SUM_BYTES 2

#define LEVEL_MESSAGE 1
#define LEVEL_ATTACHMENT 2

#define ATTACH_TITLE 0x8010u
#define ATTACH_DATA 0x800fu
#define ATTACH_PROPS 0x9005u
#define ATTACH_REND_DATA 0x9002u // begins an attachment

#define FILE_BYTES 98 // the shortest zip that has a member
#define MAGIC 0x789f3e22u

enum { EMBEDDED_NONE, EMBEDDED_CUT, EMBEDDED_END, EMBEDDED_BEGIN, EMBEDDED_MAGIC };

static const uint8_t magic[] = {0x78, 0x9f, 0x3e, 0x22};

bool tnef_is_header(const uint8_t *data, size_t n)
{
	return n >= START_BYTES + 1 && memcmp(data, magic, sizeof(magic)) == 0 &&
	       (data[START_BYTES] == LEVEL_MESSAGE || data[START_BYTES] == LEVEL_ATTACHMENT);
}

static bool is_file(const struct tnef *tnef)
{
	return tnef->id == ATTACH_DATA ||
	       (tnef->id != ATTACH_TITLE && tnef->attribute_bytes >= FILE_BYTES);
}

static void head_read(struct unpack *unpack, struct unpack_event *event)
{
	struct tnef *tnef = &unpack->as.tnef;

	tnef->head_bytes = 0;
	tnef->id = read_le32(tnef->head + 1) & 0xffffu;
	tnef->left = read_le32(tnef->head + 5);
	tnef->attribute_bytes = tnef->left;
	tnef->last = 0;
	tnef->props = (struct tnef_props){.left = 0};
	tnef->state = TNEF_BODY;
	if (tnef->head[0] != LEVEL_MESSAGE && tnef->head[0] != LEVEL_ATTACHMENT) {
		unpack->is_over = true;
		return;
	}
	if (unpack->is_open && (tnef->id == ATTACH_REND_DATA || tnef->is_attribute ||
				       (is_file(tnef) && tnef->id != ATTACH_DATA)))
		unpack_member_end(unpack, event);
	tnef->is_attribute = is_file(tnef) && tnef->id != ATTACH_DATA;
}

// What ends a member at the mark of an embedded message, and begins one with it.
static void embedded_event(struct unpack *unpack, struct unpack_event *event)
{
	struct tnef *tnef = &unpack->as.tnef;

	switch (tnef->embedded) {
	case EMBEDDED_CUT:
		unpack_member_end(unpack, event);
		tnef->embedded = EMBEDDED_NONE;
		break;
	case EMBEDDED_END:
		unpack_member_end(unpack, event);
		tnef->embedded = EMBEDDED_BEGIN;
		break;
	case EMBEDDED_BEGIN:
		unpack_member_begin(unpack, event);
		tnef->embedded = EMBEDDED_MAGIC;
		break;
	default:
		unpack_member_data(unpack, magic, sizeof(magic), event);
		tnef->embedded = EMBEDDED_NONE;
		break;
	}
}

// How many of the bytes belong to the member at hand: up to such a mark, or all.
static size_t find_embedded(struct tnef *tnef, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tnef->last = tnef->last << 8 | data[i];
		if (tnef->last == MAGIC) {
			tnef->embedded = EMBEDDED_END;
			return i + 1;
		}
	}
	return n;
}

// The same up to where a file begins or ends among the properties.
static size_t find_file(struct tnef *tnef, const uint8_t *data, size_t n)
{
	struct tnef_props ahead = tnef->props;
	bool cut = false;
	size_t found;

	if (tnef->id == ATTACH_PROPS)
		n = tnef_props_run(&ahead, data, n, &cut);
	found = find_embedded(tnef, data, n);
	if (found < n)
		(void)tnef_props_run(&tnef->props, data, found, &cut);
	else
		tnef->props = ahead;
	// What stands right before a file is no message, even if it ends like a mark.
	if (cut && (tnef->embedded == EMBEDDED_NONE || tnef->props.state == PROPS_FILE_BEGIN))
		tnef->embedded = EMBEDDED_CUT;
	return found;
}

static size_t body_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct tnef *tnef = &unpack->as.tnef;

	if (tnef->embedded != EMBEDDED_NONE) {
		embedded_event(unpack, event);
		return 0;
	}
	if (is_file(tnef) && !unpack->is_open && (tnef->left > 0 || !tnef->is_attribute)) {
		unpack_member_begin(unpack, event);
		return 0;
	}
	if (tnef->id == ATTACH_REND_DATA)
		unpack_name_begin(unpack);
	n = n < tnef->left ? n : tnef->left;
	if (tnef->is_attribute)
		n = find_file(tnef, data, n);
	tnef->left -= (uint32_t)n;
	if (tnef->left == 0 && tnef->embedded == EMBEDDED_NONE)
		tnef->state = TNEF_SUM;
	if (n == 0)
		return 0;
	if (is_file(tnef))
		unpack_member_data(unpack, data, n, event);
	else if (tnef->id == ATTACH_TITLE)
		unpack_name_add(unpack, data, n);
	return n;
}

size_t tnef_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct tnef *tnef = &unpack->as.tnef;
	uint32_t want = tnef->state == TNEF_START  ? START_BYTES
			: tnef->state == TNEF_HEAD ? HEAD_BYTES
						   : SUM_BYTES;
	size_t used;

	if (tnef->state == TNEF_BODY)
		return body_feed(unpack, data, n, event);
	used = unpack_collect(tnef->head, &tnef->head_bytes, want, data, n);
	if (tnef->head_bytes < want)
		return used;
	if (tnef->state == TNEF_HEAD) {
		head_read(unpack, event);
		if (tnef->id == ATTACH_TITLE)
			unpack_name_begin(unpack);
		return used;
	}
	tnef->head_bytes = 0;
	tnef->state = TNEF_HEAD;
	return used;
}
