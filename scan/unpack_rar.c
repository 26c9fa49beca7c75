// SPDX-License-Identifier: BSD-3-Clause
// Headers of RAR archives: of RAR 1.5 to 4 (technote of WinRAR 4) and of RAR 5 ("RAR 5.0 archive format").
#include "scan/unpack_rar.h"

#include <string.h>

#define SIGNATURE_BYTES 7
#define HEAD_COST 1024 // of the budget's bytes
#define HEAD_BYTES 4096

#define OLD_MAIN 0x73
#define OLD_FILE 0x74
#define OLD_SUBBLOCK 0x7a
#define OLD_END 0x7b
#define OLD_VOLUME 0x0001u
#define OLD_PASSWORD 0x0080u
#define OLD_FILE_SPLIT 0x0003u
#define OLD_FILE_PASSWORD 0x0004u
#define OLD_FILE_LARGE 0x0100u
#define OLD_HAS_DATA 0x8000u
#define OLD_STORED 0x30
#define OLD_RAR3 29 // the version of its methods

#define NEW_MAIN 1
#define NEW_FILE 2
#define NEW_ENCRYPTION 4
#define NEW_END 5
#define NEW_HAS_EXTRA 0x0001u
#define NEW_HAS_DATA 0x0002u
#define NEW_SPLIT 0x0018u
#define NEW_VOLUME 0x0001u
#define NEW_EXTRA_ENCRYPTION 1

// A header: bytes that were read, and where reading stands.
struct head {
	uint8_t data[HEAD_BYTES];
	size_t bytes;
	size_t at;
	bool is_short; // more was asked for than there is
};

static void head_read(const struct whole *whole, uint64_t at, struct head *head)
{
	head->bytes = capture_read(whole->capture, whole->from + at, head->data, HEAD_BYTES);
	head->at = 0;
	head->is_short = false;
}

static uint32_t take(struct head *head, size_t n)
{
	uint32_t value = 0;

	if (head->at > head->bytes || n > head->bytes - head->at) {
		head->is_short = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		value |= (uint32_t)head->data[head->at + i] << 8 * i;
	head->at += n;
	return value;
}

// Seven bits of each byte, the lowest first; the highest bit: more follow.
static uint64_t take_variable(struct head *head)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint32_t byte = take(head, 1);

		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return value;
	}
	head->is_short = true;
	return value;
}

// ---- RAR 1.5 to 4 ------------------------------------------------------------------------------

// A file's header from its sizes on. Returns the high half of the packed size.
static uint32_t old_file(struct head *head, uint32_t flags, unsigned int *found)
{
	uint32_t version;
	uint32_t method;

	head->at = 24;
	version = take(head, 1);
	method = take(head, 1);
	if (head->is_short)
		return 0;
	if ((flags & OLD_FILE_PASSWORD) != 0)
		*found |= RAR_ENCRYPTED;
	if ((flags & OLD_FILE_SPLIT) != 0)
		*found |= RAR_SPLIT;
	if (method != OLD_STORED && version < OLD_RAR3)
		*found |= RAR_OLD;
	head->at = 32;
	return (flags & OLD_FILE_LARGE) != 0 ? take(head, 4) : 0;
}

// Returns the bytes of the block; 0: there is none, or none can be read from here on.
static uint64_t old_block(struct head *head, unsigned int *found)
{
	uint32_t type;
	uint32_t flags;
	uint64_t bytes;

	(void)take(head, 2);
	type = take(head, 1);
	flags = take(head, 2);
	bytes = take(head, 2);
	if (head->is_short || bytes < 7 || type == OLD_END)
		return 0;
	if (type == OLD_MAIN) {
		if ((flags & OLD_VOLUME) != 0)
			*found |= RAR_SPLIT;
		if ((flags & OLD_PASSWORD) != 0) {
			*found |= RAR_ENCRYPTED | RAR_HEADERS;
			return 0;
		}
	}
	if (type == OLD_FILE || type == OLD_SUBBLOCK || (flags & OLD_HAS_DATA) != 0)
		bytes += take(head, 4);
	if (type == OLD_FILE)
		bytes += (uint64_t)old_file(head, flags, found) << 32;
	return bytes;
}

// ---- RAR 5 -------------------------------------------------------------------------------------

// extra: bytes of the extra area, at the header's end.
static void new_file(struct head *head, size_t end, uint64_t extra, unsigned int *found)
{
	if (extra > end)
		return;
	head->at = end - (size_t)extra;
	while (head->at < end && !head->is_short) {
		uint64_t bytes = take_variable(head);
		size_t from = head->at;

		if (take_variable(head) == NEW_EXTRA_ENCRYPTION && !head->is_short)
			*found |= RAR_ENCRYPTED;
		if (bytes > end - from || bytes == 0)
			return;
		head->at = from + (size_t)bytes;
	}
}

static uint64_t new_block(struct head *head, unsigned int *found)
{
	uint64_t bytes;
	uint64_t type;
	uint64_t flags;
	uint64_t extra;
	uint64_t data;
	size_t end;

	(void)take(head, 4);
	bytes = take_variable(head);
	if (head->is_short || bytes == 0 || bytes > UINT32_MAX)
		return 0;
	bytes += head->at;
	end = bytes < head->bytes ? (size_t)bytes : head->bytes;
	type = take_variable(head);
	flags = take_variable(head);
	extra = (flags & NEW_HAS_EXTRA) != 0 ? take_variable(head) : 0;
	data = (flags & NEW_HAS_DATA) != 0 ? take_variable(head) : 0;
	if (head->is_short || type == NEW_END)
		return 0;
	if (type == NEW_ENCRYPTION) {
		*found |= RAR_ENCRYPTED | RAR_HEADERS;
		return 0;
	}
	if (type == NEW_MAIN && (take_variable(head) & NEW_VOLUME) != 0)
		*found |= RAR_SPLIT;
	if (type == NEW_FILE) {
		if ((flags & NEW_SPLIT) != 0)
			*found |= RAR_SPLIT;
		new_file(head, end, extra, found);
	}
	return data > UINT64_MAX - bytes ? 0 : bytes + data;
}

unsigned int rar_look(struct whole *whole)
{
	uint64_t left = whole->capture->bytes - whole->from;
	struct head head;
	unsigned int found = 0;
	uint64_t at = SIGNATURE_BYTES;
	bool is_new;

	head_read(whole, 0, &head);
	is_new = head.bytes > SIGNATURE_BYTES && head.data[SIGNATURE_BYTES - 1] == 1;
	at += is_new ? 1 : 0;
	while (at < left && whole_spend(whole, HEAD_COST)) {
		uint64_t bytes;

		head_read(whole, at, &head);
		bytes = is_new ? new_block(&head, &found) : old_block(&head, &found);
		if (bytes == 0 || bytes > left - at)
			break;
		at += bytes;
	}
	return found;
}
