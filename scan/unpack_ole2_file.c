// SPDX-License-Identifier: BSD-3-Clause
// The file system in a compound file (MS-CFB 2): sectors, their table, the directory. No table is larger
// than the file has sectors, no chain longer than its table: a circle ends there.
#include "scan/unpack_ole2_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 512
#define HEADER_TABLES 109 // sectors of the table that the header lists
#define ENTRY_BYTES 128
#define MINI_SHIFT 6
#define MIN_SHIFT 7 // 9 and 12 are written; ClamAV reads others, too
#define MAX_SHIFT 20
#define MINI_LIMIT 4096 // streams below this are in small sectors
#define LAST_SECTOR 0xfffffffau
#define NAME_UNITS 31
#define TYPE_STREAM 2
#define TYPE_ROOT 5
#define MAX_ENTRIES 65536u

static size_t sector_read(
	const struct ole2 *ole2, uint32_t sector, uint32_t from, uint8_t *out, size_t n)
{
	const uint64_t size = UINT64_C(1) << ole2->shift;
	const uint64_t first = size > HEADER_BYTES ? size : HEADER_BYTES;

	if (sector > LAST_SECTOR)
		return 0;
	return capture_read(ole2->whole->capture, first + sector * size + from, out, n);
}

// The numbers of a sector of a table; what is not there is OLE2_NONE.
static void table_read(const struct ole2 *ole2, uint32_t sector, uint32_t *out)
{
	uint32_t count = 1u << (ole2->shift - 2);
	uint8_t bytes[4];

	for (uint32_t i = 0; i < count; i++)
		out[i] = sector_read(ole2, sector, i * 4, bytes, 4) == 4 ? ole2_u32(bytes)
									 : OLE2_NONE;
}

static uint32_t next_sector(const struct ole2 *ole2, uint32_t sector)
{
	return sector < ole2->fat_count ? ole2->fat[sector] : OLE2_NONE;
}

// The sector table: the header lists its first sectors, a chain of lists the others.
static int fat_load(struct ole2 *ole2, const uint8_t *header)
{
	uint32_t per = 1u << (ole2->shift - 2);
	uint64_t sectors = (ole2->whole->capture->bytes >> ole2->shift) + 1;
	uint32_t tables = (uint32_t)(sectors / per + 1);
	uint32_t list = ole2_u32(header + 68);
	uint32_t *listed = malloc(sizeof(*listed) * per);
	uint64_t entries;
	uint32_t at = 0;

	ole2->fat = malloc(sizeof(*ole2->fat) * per * tables);
	if (ole2->fat == NULL || listed == NULL) {
		free(listed);
		return -ENOMEM;
	}
	for (; at < HEADER_TABLES && at < tables; at++)
		table_read(
			ole2, ole2_u32(header + 76 + (size_t)4 * at), ole2->fat + (size_t)at * per);
	while (at < tables && list <= LAST_SECTOR) {
		table_read(ole2, list, listed);
		for (uint32_t i = 0; i + 1 < per && at < tables; i++, at++)
			table_read(ole2, listed[i], ole2->fat + (size_t)at * per);
		list = listed[per - 1];
	}
	// A chain that has more sectors than there are is a circle.
	entries = (uint64_t)at * per;
	ole2->fat_count = (uint32_t)(entries < sectors ? entries : sectors);
	free(listed);
	return 0;
}

// A chain of sectors, as numbers. Returns how many.
static int chain_load(const struct ole2 *ole2, uint32_t first, uint32_t **out, uint32_t *count)
{
	uint32_t n = 0;
	uint32_t *list;

	for (uint32_t s = first; s < ole2->fat_count && n < ole2->fat_count; n++)
		s = next_sector(ole2, s);
	list = malloc(sizeof(*list) * ((size_t)n + 1));
	if (list == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		list[i] = first;
		first = next_sector(ole2, first);
	}
	*out = list;
	*count = n;
	return 0;
}

static int mini_fat_load(struct ole2 *ole2, uint32_t first)
{
	uint32_t per = 1u << (ole2->shift - 2);
	uint32_t count;
	uint32_t *chain;
	int err = chain_load(ole2, first, &chain, &count);

	if (err != 0)
		return err;
	ole2->mini_fat = malloc(sizeof(*ole2->mini_fat) * ((size_t)count * per + 1));
	if (ole2->mini_fat == NULL) {
		free(chain);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++)
		table_read(ole2, chain[i], ole2->mini_fat + (size_t)i * per);
	ole2->mini_count = count * per;
	free(chain);
	return 0;
}

// ---- directory ---------------------------------------------------------------------------------

static size_t put_point(char *out, uint32_t point)
{
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (char)(0xc0 | point >> 6);
		out[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | point >> 12);
	out[1] = (char)(0x80 | (point >> 6 & 0x3f));
	out[2] = (char)(0x80 | (point & 0x3f));
	return 3;
}

static void entry_read(const struct ole2 *ole2, const uint8_t *bytes, struct ole2_entry *entry)
{
	size_t at = 0;

	*entry = (struct ole2_entry){
		.type = bytes[66],
		.parent = OLE2_NONE,
		.left = ole2_u32(bytes + 68),
		.right = ole2_u32(bytes + 72),
		.child = ole2_u32(bytes + 76),
		.first = ole2_u32(bytes + 116),
		.bytes = ole2_u32(bytes + 120),
	};
	// Version 3 may leave anything in the upper half.
	if (ole2->shift == 12)
		entry->bytes |= (uint64_t)ole2_u32(bytes + 124) << 32;
	for (size_t i = 0; i < NAME_UNITS && ole2_u16(bytes + 2 * i) != 0; i++)
		at += put_point(entry->name + at, ole2_u16(bytes + 2 * i));
}

static int directory_load(struct ole2 *ole2, uint32_t first)
{
	uint32_t per = 1u << (ole2->shift - 7);
	uint8_t bytes[ENTRY_BYTES];
	uint32_t count;
	uint32_t *chain;
	int err = chain_load(ole2, first, &chain, &count);

	if (err != 0)
		return err;
	if (count > MAX_ENTRIES / per)
		count = MAX_ENTRIES / per;
	ole2->entries = calloc((size_t)count * per + 1, sizeof(*ole2->entries));
	for (uint32_t i = 0; ole2->entries != NULL && i < count * per; i++) {
		if (sector_read(ole2, chain[i / per], i % per * ENTRY_BYTES, bytes, ENTRY_BYTES) !=
			ENTRY_BYTES)
			break;
		entry_read(ole2, bytes, &ole2->entries[ole2->entries_count++]);
	}
	free(chain);
	return ole2->entries != NULL ? 0 : -ENOMEM;
}

// Visits the tree once; the stack is never higher than there are entries, since each is put there once.
static int tree_walk(struct ole2 *ole2)
{
	uint32_t count = ole2->entries_count;
	uint32_t *stack = malloc(sizeof(*stack) * ((size_t)count + 1));
	uint32_t height = 0;

	if (stack == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		if (ole2->entries[i].type == TYPE_ROOT && ole2->entries[i].parent == OLE2_NONE) {
			ole2->entries[i].parent = i;
			stack[height++] = i;
			break;
		}
	while (height > 0) {
		uint32_t at = stack[--height];
		struct ole2_entry *entry = &ole2->entries[at];
		uint32_t next[] = {entry->left, entry->right, entry->child};

		for (int i = 0; i < 3; i++) {
			if (next[i] >= count || ole2->entries[next[i]].parent != OLE2_NONE)
				continue;
			ole2->entries[next[i]].parent = i == 2 ? at : entry->parent;
			stack[height++] = next[i];
		}
	}
	for (uint32_t i = 0; i < count; i++)
		if (strcasecmp(ole2->entries[i].name, "_VBA_PROJECT") == 0 &&
			ole2->entries[i].parent < count)
			ole2->entries[ole2->entries[i].parent].has_project = true;
	free(stack);
	return 0;
}

int ole2_file_open(struct ole2 *ole2)
{
	uint8_t header[HEADER_BYTES] = {0};
	int err;

	(void)capture_read(ole2->whole->capture, 0, header, sizeof(header));
	ole2->shift = ole2_u16(header + 30);
	if (ole2->shift < MIN_SHIFT || ole2->shift > MAX_SHIFT)
		ole2->shift = 9;
	err = fat_load(ole2, header);
	if (err == 0)
		err = directory_load(ole2, ole2_u32(header + 48));
	if (err == 0)
		err = mini_fat_load(ole2, ole2_u32(header + 60));
	if (err == 0)
		err = tree_walk(ole2);
	if (err == 0 && ole2->entries_count > 0)
		err = chain_load(ole2, ole2->entries[0].first, &ole2->mini_sectors,
			&ole2->mini_sectors_count);
	return err;
}

void ole2_file_close(struct ole2 *ole2)
{
	free(ole2->mini_sectors);
	free(ole2->mini_fat);
	free(ole2->entries);
	free(ole2->fat);
}

// ---- streams -----------------------------------------------------------------------------------

void ole2_stream_begin(const struct ole2 *ole2, uint32_t entry, struct ole2_stream *stream)
{
	*stream = (struct ole2_stream){
		.is_mini = ole2->entries[entry].bytes < MINI_LIMIT,
		.sector = ole2->entries[entry].first,
		.left = ole2->entries[entry].bytes,
	};
}

static size_t mini_read(
	const struct ole2 *ole2, uint32_t mini, uint32_t from, uint8_t *out, size_t n)
{
	uint64_t at = ((uint64_t)mini << MINI_SHIFT) + from;
	uint64_t i = at >> ole2->shift;

	if (i >= ole2->mini_sectors_count)
		return 0;
	return sector_read(
		ole2, ole2->mini_sectors[i], (uint32_t)(at & ((1u << ole2->shift) - 1)), out, n);
}

size_t ole2_stream_read(const struct ole2 *ole2, struct ole2_stream *stream, uint8_t *out, size_t n)
{
	uint32_t size = 1u << (stream->is_mini ? MINI_SHIFT : ole2->shift);
	uint32_t count = stream->is_mini ? ole2->mini_count : ole2->fat_count;
	const uint32_t *table = stream->is_mini ? ole2->mini_fat : ole2->fat;
	size_t done = 0;

	while (done < n && stream->left > 0 && stream->sector < count && stream->steps <= count) {
		size_t want = size - stream->in_sector;
		size_t got;

		want = want < n - done ? want : n - done;
		want = want < stream->left ? want : (size_t)stream->left;
		got = stream->is_mini
			      ? mini_read(ole2, stream->sector, stream->in_sector, out + done, want)
			      : sector_read(
					ole2, stream->sector, stream->in_sector, out + done, want);
		done += got;
		stream->left -= got;
		stream->in_sector += (uint32_t)got;
		if (got < want)
			break;
		if (stream->in_sector == size) {
			stream->in_sector = 0;
			stream->sector = table[stream->sector];
			stream->steps++;
		}
	}
	if (done < n)
		stream->left = 0;
	return done;
}
