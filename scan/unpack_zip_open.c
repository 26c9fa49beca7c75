// SPDX-License-Identifier: BSD-3-Clause
// Members of a zip that are stored, with their size only behind them (APPNOTE 4.3.9).
//
// The end is where a data descriptor, with or without signature, gives as packed size the number of
// bytes before it. Bytes are held back until it is known that no descriptor begins among them.
#include "scan/unpack_state.h"

#include <string.h>

#define AHEAD 24  // signature, checksum, two 64-bit sizes
#define BEHIND 20 // the same without signature
#define DESCRIPTOR_MAGIC 0x08074b50u
#define LOCAL_MAGIC 0x04034b50u
#define CENTRAL_MAGIC 0x02014b50u

// Whether the member, of which `before` bytes were given, ends before hold[i]; where, in *end.
static bool is_end(const struct zip *zip, uint32_t i, uint32_t *end)
{
	const uint8_t *at = zip->hold + i;
	uint32_t after = zip->hold_bytes - i;
	uint64_t count = zip->given + i;
	uint32_t magic = after >= 4 ? read_le32(at) : 0;

	*end = i;
	if (magic == DESCRIPTOR_MAGIC) {
		if (after >= 16 && read_le32(at + 8) == (uint32_t)count &&
			read_le32(at + 12) == (uint32_t)count)
			return true;
		return after >= AHEAD && read_le64(at + 8) == count && read_le64(at + 16) == count;
	}
	if (magic != LOCAL_MAGIC && magic != CENTRAL_MAGIC)
		return false;
	if (i >= 12 && read_le32(at - 8) == (uint32_t)(count - 12) &&
		read_le32(at - 4) == (uint32_t)(count - 12)) {
		*end = i - 12;
		return true;
	}
	if (i >= BEHIND && read_le64(at - 16) == count - BEHIND &&
		read_le64(at - 8) == count - BEHIND) {
		*end = i - BEHIND;
		return true;
	}
	return false;
}

// Gives the first bytes of what is held; they stay in place until the next call, which drops them.
static void give(struct unpack *unpack, uint32_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;

	memcpy(unpack->out, zip->hold, n);
	memmove(zip->hold, zip->hold + n, zip->hold_bytes - n);
	zip->hold_bytes -= n;
	zip->hold_candidate -= n;
	zip->given += n;
	unpack_member_data(unpack, unpack->out, n, event);
	zip->crc = unpack_crc(zip->crc, event);
}

// The descriptor, and what of the next record was held, is searched as the bytes between members are.
static void leave(struct unpack *unpack, uint32_t end)
{
	struct zip *zip = &unpack->as.zip;

	zip->state = ZIP_STORED;
	zip->left = 0;
	zip->window_bytes = zip->hold_bytes - end;
	memcpy(zip->window, zip->hold + end, zip->window_bytes);
	zip->record = unpack->offset - zip->window_bytes;
	zip->hold_bytes = end;
	zip->hold_candidate = end;
}

static void next_candidate(struct zip *zip, uint32_t from)
{
	const uint8_t *next = memchr(zip->hold + from, 'P', zip->hold_bytes - from);

	zip->hold_candidate = next != NULL ? (uint32_t)(next - zip->hold) : zip->hold_bytes;
}

static size_t take(struct zip *zip, const uint8_t *data, size_t n)
{
	uint32_t want = ZIP_HOLD_BYTES - AHEAD;
	const uint8_t *next = NULL;

	if (zip->hold_candidate < zip->hold_bytes)
		want = zip->hold_candidate + AHEAD;
	else if (n > 0)
		next = memchr(data, 'P', n);
	if (next != NULL)
		n = (size_t)(next - data) + 1;
	if (want < zip->hold_bytes)
		want = zip->hold_bytes;
	n = unpack_collect(zip->hold, &zip->hold_bytes, want, data, n);
	if (next != NULL && n > 0 && zip->hold[zip->hold_bytes - 1] == 'P')
		zip->hold_candidate = zip->hold_bytes - 1;
	else if (want == ZIP_HOLD_BYTES - AHEAD)
		zip->hold_candidate = zip->hold_bytes;
	return n;
}

size_t zip_open_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct zip *zip = &unpack->as.zip;
	bool is_last = unpack->is_finishing;
	uint32_t end;

	if (zip->hold_candidate > ZIP_HOLD_BYTES / 2) {
		give(unpack, zip->hold_candidate - BEHIND, event);
		return 0;
	}
	if (zip->hold_candidate < zip->hold_bytes &&
		(is_last || zip->hold_bytes - zip->hold_candidate >= AHEAD)) {
		if (is_end(zip, zip->hold_candidate, &end)) {
			leave(unpack, end);
			if (end > 0)
				give(unpack, end, event);
		} else {
			next_candidate(zip, zip->hold_candidate + 1);
		}
		return 0;
	}
	if (!is_last)
		return take(zip, data, n);
	leave(unpack, zip->hold_bytes);
	if (zip->hold_bytes > 0)
		give(unpack, zip->hold_bytes, event);
	return 0;
}
