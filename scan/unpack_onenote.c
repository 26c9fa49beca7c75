// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_onenote.h"

#include "scan/find_four.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GUID_BYTES 16
#define HEAD_BYTES 36 // the GUID, the length, 12 bytes of no use
#define PACKAGING_OFFSET 48

// {BDE316E7-2665-4511-A4C4-8D4D0B7A9EAC}
static const uint8_t object_guid[GUID_BYTES] = {0xe7, 0x16, 0xe3, 0xbd, 0x65, 0x26, 0x11, 0x45,
	0xa4, 0xc4, 0x8d, 0x4d, 0x0b, 0x7a, 0x9e, 0xac};
// {638DE92F-A6D4-4BC1-9A36-B3FC2511A5B7}
static const uint8_t packaging_guid[GUID_BYTES] = {0x2f, 0xe9, 0x8d, 0x63, 0xd4, 0xa6, 0xc1, 0x4b,
	0x9a, 0x36, 0xb3, 0xfc, 0x25, 0x11, 0xa5, 0xb7};

struct onenote {
	uint64_t at;
	uint64_t left; // of the open file
	bool is_open;
	bool is_checked;
};

int onenote_begin(struct whole *whole)
{
	struct onenote *note = calloc(1, sizeof(*note));

	if (note == NULL)
		return -ENOMEM;
	note->at = whole->from;
	whole->state = note;
	return 0;
}

void onenote_end(struct whole *whole)
{
	free(whole->state);
	whole->state = NULL;
}

// The next file's header, which may lie in two pieces of the capture.
static bool find(struct whole *whole, struct onenote *note)
{
	uint8_t head[HEAD_BYTES];
	const uint8_t *data = NULL;
	size_t n;

	while ((n = capture_piece(whole->capture, note->at, &data)) > 0 && whole_spend(whole, n)) {
		size_t found = n >= 4 ? find_four(data, n, 0, object_guid) : 0;
		uint64_t bytes;

		if (found == n) {
			note->at += n - 3;
			continue;
		}
		note->at += found;
		if (capture_read(whole->capture, note->at, head, sizeof(head)) == sizeof(head) &&
			memcmp(head, object_guid, GUID_BYTES) == 0) {
			memcpy(&bytes, head + GUID_BYTES, sizeof(bytes));
			note->left = le64toh(bytes);
			note->at += HEAD_BYTES;
			return true;
		}
		note->at++;
	}
	return false;
}

static void check_packaging(struct whole *whole, struct unpack_event *event)
{
	uint8_t guid[GUID_BYTES];

	if (capture_read(whole->capture, whole->from + PACKAGING_OFFSET, guid, sizeof(guid)) ==
			sizeof(guid) &&
		memcmp(guid, packaging_guid, GUID_BYTES) == 0)
		*event = (struct unpack_event){
			.type = UNPACK_WARNING, .name = "", .why = "unsupported-method"};
}

void onenote_next(struct whole *whole, struct unpack_event *event)
{
	struct onenote *note = whole->state;
	const uint8_t *data = NULL;
	size_t n;

	event->type = UNPACK_NEED_INPUT;
	if (!note->is_checked) {
		note->is_checked = true;
		check_packaging(whole, event);
		if (event->type != UNPACK_NEED_INPUT)
			return;
	}
	if (!note->is_open) {
		note->is_open = find(whole, note);
		event->type = note->is_open ? UNPACK_MEMBER_BEGIN : UNPACK_END;
		return;
	}
	n = note->left > 0 ? capture_piece(whole->capture, note->at, &data) : 0;
	if (n == 0) {
		note->is_open = false;
		event->type = UNPACK_MEMBER_END;
		return;
	}
	n = n < note->left ? n : (size_t)note->left;
	note->at += n;
	note->left -= n;
	*event = (struct unpack_event){
		.type = UNPACK_MEMBER_DATA, .name = "", .data = data, .bytes = n};
}
