// SPDX-License-Identifier: BSD-3-Clause
#include "scan/unpack_apple.h"

#include "scan/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SINGLE_HEAD_BYTES 26
#define SINGLE_ENTRY_BYTES 12
#define MAX_ENTRIES 64 // fifteen kinds are known
#define BINARY_HEAD_BYTES 128u
#define BINARY_NAME_BYTES 63
#define BINARY_SUM_BYTES 124 // that the checksum is of, which follows

struct apple_entry {
	uint64_t at;
	uint64_t bytes;
};

struct apple {
	uint32_t entries_count;
	uint32_t entry;
	bool is_open;
	bool has_more; // entries than there is room for
	uint64_t given;
	struct apple_entry entries[MAX_ENTRIES];
	char name[BINARY_NAME_BYTES + 1];
};

static uint16_t crc16(const uint8_t *data, size_t n)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint32_t)data[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0);
	}
	return (uint16_t)crc;
}

bool apple_is_macbinary(const uint8_t *data, size_t n)
{
	return n >= BINARY_HEAD_BYTES && data[0] == 0 && data[1] >= 1 &&
	       data[1] <= BINARY_NAME_BYTES && data[74] == 0 && data[82] == 0 &&
	       (data[122] == 129 || data[122] == 130) &&
	       crc16(data, BINARY_SUM_BYTES) == read_be16(data + BINARY_SUM_BYTES);
}

// Forks begin at multiples of 128, behind a second header of which the length is told.
static void read_binary(struct apple *apple, const uint8_t *head)
{
	const uint64_t unit = BINARY_HEAD_BYTES;
	uint64_t at = unit + (read_be16(head + 120) + unit - 1) / unit * unit;

	memcpy(apple->name, head + 2, head[1]);
	for (size_t fork = 0; fork < 2; fork++) {
		const uint64_t bytes = read_be32(head + 83 + 4 * fork);

		if (bytes > 0)
			apple->entries[apple->entries_count++] = (struct apple_entry){at, bytes};
		at += (bytes + unit - 1) / unit * unit;
	}
}

static void read_single(struct whole *whole, struct apple *apple, const uint8_t *head)
{
	const uint32_t count = read_be16(head + 24);

	apple->has_more = count > MAX_ENTRIES;
	for (uint32_t i = 0; i < count && i < MAX_ENTRIES; i++) {
		uint8_t entry[SINGLE_ENTRY_BYTES];

		if (capture_read(whole->capture, SINGLE_HEAD_BYTES + (uint64_t)i * sizeof(entry),
			    entry, sizeof(entry)) != sizeof(entry))
			return;
		apple->entries[apple->entries_count++] =
			(struct apple_entry){read_be32(entry + 4), read_be32(entry + 8)};
	}
}

int apple_begin(struct whole *whole)
{
	struct apple *apple = calloc(1, sizeof(*apple));
	uint8_t head[BINARY_HEAD_BYTES] = {0};

	if (apple == NULL)
		return -ENOMEM;
	(void)capture_read(whole->capture, 0, head, sizeof(head));
	if (head[1] == 5 && head[2] == 0x16)
		read_single(whole, apple, head);
	else
		read_binary(apple, head);
	whole->state = apple;
	return 0;
}

void apple_end(struct whole *whole)
{
	free(whole->state);
	whole->state = NULL;
}

void apple_next(struct whole *whole, struct unpack_event *event)
{
	struct apple *apple = whole->state;
	const struct apple_entry *entry = &apple->entries[apple->entry];
	const uint8_t *data = NULL;
	size_t n;

	*event = (struct unpack_event){.type = UNPACK_END, .name = apple->name};
	if (apple->has_more) {
		apple->has_more = false;
		event->type = UNPACK_WARNING;
		event->why = "limit-members";
		return;
	}
	if (apple->entry >= apple->entries_count)
		return;
	if (!apple->is_open) {
		apple->is_open = true;
		apple->given = 0;
		event->type = UNPACK_MEMBER_BEGIN;
		return;
	}
	n = capture_piece(whole->capture, entry->at + apple->given, &data);
	if (n > entry->bytes - apple->given)
		n = (size_t)(entry->bytes - apple->given);
	if (n == 0 || !whole_spend(whole, n)) {
		apple->is_open = false;
		apple->entry++;
		event->type = UNPACK_MEMBER_END;
		return;
	}
	apple->given += n;
	event->type = UNPACK_MEMBER_DATA;
	event->data = data;
	event->bytes = n;
}
