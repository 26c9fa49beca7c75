// SPDX-License-Identifier: BSD-3-Clause
// TNEF (winmail.dat, MS-OXTNEF 2.1.3): its attachments. A name may come after the data that it is of.
#include "scan/unpack_state.h"

#include <string.h>

#define START_BYTES 6 // signature and key
#define HEAD_BYTES 9  // level, attribute, length
#define SUM_BYTES 2

#define LEVEL_MESSAGE 1
#define LEVEL_ATTACHMENT 2

#define ATTACH_TITLE 0x00018010u
#define ATTACH_DATA 0x0006800fu
#define ATTACH_REND_DATA 0x00069002u // begins an attachment

bool tnef_is_header(const uint8_t *data, size_t n)
{
	return n >= START_BYTES + 1 && memcmp(data, "\x78\x9f\x3e\x22", 4) == 0 &&
	       data[START_BYTES] == LEVEL_MESSAGE;
}

static void head_read(struct unpack *unpack, struct unpack_event *event)
{
	struct tnef *tnef = &unpack->as.tnef;

	tnef->head_bytes = 0;
	tnef->id = read_le32(tnef->head + 1);
	tnef->left = read_le32(tnef->head + 5);
	tnef->state = TNEF_BODY;
	if (tnef->head[0] != LEVEL_MESSAGE && tnef->head[0] != LEVEL_ATTACHMENT) {
		unpack->is_over = true;
		return;
	}
	if ((tnef->id == ATTACH_REND_DATA || tnef->id == ATTACH_DATA) && unpack->is_open)
		unpack_member_end(unpack, event);
}

static size_t body_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct tnef *tnef = &unpack->as.tnef;

	if (tnef->id == ATTACH_DATA && !unpack->is_open) {
		unpack_member_begin(unpack, event);
		return 0;
	}
	if (tnef->id == ATTACH_REND_DATA)
		unpack_name_begin(unpack);
	n = n < tnef->left ? n : tnef->left;
	tnef->left -= (uint32_t)n;
	if (tnef->left == 0)
		tnef->state = TNEF_SUM;
	if (n == 0)
		return 0;
	if (tnef->id == ATTACH_DATA)
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
