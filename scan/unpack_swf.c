// SPDX-License-Identifier: BSD-3-Clause
// Compressed Flash: eight bytes of header, and behind it all the rest packed. The member is the file as it is
// without compression. Source: Adobe, "SWF File Format Specification", version 19.
#include "scan/unpack_state.h"

#include <string.h>

#define HEADER_BYTES 8
#define LAST_VERSION 60

bool swf_is_header(const uint8_t *data, size_t n)
{
	return n >= HEADER_BYTES && (data[0] == 'C' || data[0] == 'Z') && data[1] == 'W' &&
	       data[2] == 'S' && data[3] > 0 && data[3] <= LAST_VERSION;
}

static void header_read(struct unpack *unpack, struct unpack_event *event)
{
	struct swf *swf = &unpack->as.swf;

	if (swf->head[0] == 'Z') {
		unpack_warn(unpack, WARN_METHOD);
		swf->is_over = true;
		return;
	}
	if (!codec_begin(unpack, CODEC_ZLIB)) {
		swf->is_over = true;
		return;
	}
	unpack_member_begin(unpack, event);
	memcpy(unpack->out, swf->head, HEADER_BYTES);
	unpack->out[0] = 'F';
	unpack->waiting = HEADER_BYTES;
	unpack->waiting_data = unpack->out;
}

size_t swf_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct swf *swf = &unpack->as.swf;
	size_t used = 0;

	if (swf->is_over && unpack->is_open) {
		codec_end(unpack);
		unpack_member_end(unpack, event);
		return 0;
	}
	if (swf->is_over)
		return n;
	if (swf->head_bytes < HEADER_BYTES) {
		used = unpack_collect(swf->head, &swf->head_bytes, HEADER_BYTES, data, n);
		if (swf->head_bytes == HEADER_BYTES)
			header_read(unpack, event);
		return used;
	}
	if (codec_feed(unpack, data, n, &used, event))
		swf->is_over = true;
	return used;
}
