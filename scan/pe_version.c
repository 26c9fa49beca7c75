// SPDX-License-Identifier: BSD-3-Clause
// The version information of a PE file: resources of type 16, each a VS_VERSIONINFO, in which the
// strings of a StringFileInfo stand in tables. What is out of order ends what it is in, as in ClamAV.
// Source: Microsoft, "PE Format" (.rsrc section), "VS_VERSIONINFO structure".
#include "scan/bytes.h"
#include "scan/executable.h"

#include <string.h>

#define DIRECTORY_BYTES 16
#define ENTRY_BYTES 8
#define TYPE_VERSION 16u
#define MAX_ENTRIES 4096 // of all directories
#define MAX_RESOURCES 16
#define HEAD_BYTES 6 // length, length of the value, type
#define FIXED_BYTES 52
#define VERSION_BYTES                                                                              \
	(HEAD_BYTES + 34 + FIXED_BYTES) // to its children: 34 with two bytes of padding

struct reader {
	const struct executable *pe;
	const struct executable_source *source;
	struct pe_versions *out;
	uint32_t entries_left;
	uint32_t resources;
};

static bool look(const struct reader *reader, uint64_t at, void *out, size_t n)
{
	enum executable_result result = executable_read(reader->source, at, out, n);

	if (result == EXECUTABLE_MORE)
		reader->out->is_cut = true;
	return result == EXECUTABLE_TAKEN;
}

// Wide letters of ASCII and a NUL.
static bool has_key(const struct reader *reader, uint64_t at, const char *key)
{
	for (size_t i = 0; i == 0 || key[i - 1] != '\0'; i++) {
		uint8_t letter[2];

		if (!look(reader, at + 2 * i, letter, sizeof(letter)) ||
			letter[0] != (uint8_t)key[i] || letter[1] != 0)
			return false;
	}
	return true;
}

// ---- strings -----------------------------------------------------------------------------------

// Bytes of the key of a string that has so many, its NUL and the padding behind it included.
static uint32_t key_bytes(const struct reader *reader, uint64_t at, uint32_t bytes)
{
	uint32_t length = HEAD_BYTES;
	uint8_t letter[2];

	while (length + 1 < bytes && look(reader, at + length, letter, sizeof(letter))) {
		length += 2;
		if (letter[0] == 0 && letter[1] == 0)
			break;
	}
	return (length + 3) & ~3u;
}

static void take_string(struct reader *reader, uint64_t at, uint32_t bytes)
{
	struct pe_versions *out = reader->out;
	uint32_t key = key_bytes(reader, at, bytes);

	if (key >= bytes || bytes - key <= 2)
		return;
	if (out->count == PE_MAX_VERSIONS) {
		out->is_cut = true;
		return;
	}
	out->offsets[out->count++] = (uint32_t)at + HEAD_BYTES;
}

// Returns false when the table is out of order.
static bool take_table(struct reader *reader, uint64_t at, uint32_t left)
{
	at += 24;
	left -= 24;
	while (left > HEAD_BYTES && !reader->out->is_cut) {
		uint8_t head[2];
		uint32_t bytes;

		if (!look(reader, at, head, sizeof(head)))
			return false;
		bytes = (read_le16(head) + 3u) & ~3u;
		if (bytes > left || bytes <= HEAD_BYTES + 2 + 8)
			return false;
		take_string(reader, at, bytes);
		at += bytes;
		left -= bytes;
	}
	return true;
}

static void take_tables(struct reader *reader, uint64_t at, uint32_t left)
{
	at += HEAD_BYTES + 30;
	left -= HEAD_BYTES + 30;
	while (left > HEAD_BYTES) {
		uint8_t head[2];
		uint32_t bytes;

		if (!look(reader, at, head, sizeof(head)))
			return;
		bytes = read_le16(head);
		if (bytes > left || bytes <= 24 || !take_table(reader, at, bytes))
			return;
		at += bytes;
		left -= bytes;
	}
}

// A VarFileInfo may come before the StringFileInfo.
static void take_children(struct reader *reader, uint64_t at, uint32_t left)
{
	for (unsigned int i = 0; i < 2 && left > HEAD_BYTES; i++) {
		uint8_t head[2];
		uint32_t bytes;

		if (!look(reader, at, head, sizeof(head)))
			return;
		bytes = read_le16(head);
		if (bytes > left)
			return;
		if (bytes > HEAD_BYTES + 30 && has_key(reader, at + HEAD_BYTES, "StringFileInfo")) {
			take_tables(reader, at, bytes);
			return;
		}
		if (i > 0 || bytes <= HEAD_BYTES + 24 ||
			!has_key(reader, at + HEAD_BYTES, "VarFileInfo"))
			return;
		at += bytes;
		left -= bytes;
	}
}

static void take_version(struct reader *reader, uint64_t at, uint32_t resource_bytes)
{
	uint8_t head[HEAD_BYTES];
	uint8_t magic[4];
	uint32_t bytes;

	if (resource_bytes <= 4 || !look(reader, at, head, sizeof(head)))
		return;
	bytes = read_le16(head);
	if (bytes > resource_bytes || bytes <= VERSION_BYTES ||
		read_le16(head + 2) != FIXED_BYTES ||
		!has_key(reader, at + HEAD_BYTES, "VS_VERSION_INFO") ||
		!look(reader, at + 40, magic, sizeof(magic)) || read_le32(magic) != 0xfeef04bdu)
		return;
	take_children(reader, at + VERSION_BYTES, bytes - VERSION_BYTES);
}

// ---- the tree of resources ---------------------------------------------------------------------

static void take_resource(struct reader *reader, uint32_t address)
{
	uint8_t leaf[8];
	uint32_t at;

	if (reader->resources++ == MAX_RESOURCES || !pe_offset_of(reader->pe, address, &at) ||
		!look(reader, at, leaf, sizeof(leaf)) ||
		!pe_offset_of(reader->pe, read_le32(leaf), &at))
		return;
	take_version(reader, at, read_le32(leaf + 4));
}

// The levels are type, name and language; only the entries of the first are chosen from.
// NOLINTNEXTLINE(misc-no-recursion): three levels
static void take_directory(struct reader *reader, uint32_t address, unsigned int level)
{
	uint8_t head[DIRECTORY_BYTES];
	uint32_t count;
	uint32_t at;

	if (!pe_offset_of(reader->pe, address, &at) || !look(reader, at, head, sizeof(head)))
		return;
	count = (uint32_t)read_le16(head + 12) + read_le16(head + 14);
	for (uint32_t i = 0; i < count && reader->entries_left > 0; i++) {
		uint8_t entry[ENTRY_BYTES];
		uint32_t next;

		reader->entries_left--;
		if (!look(reader, at + DIRECTORY_BYTES + (uint64_t)ENTRY_BYTES * i, entry,
			    sizeof(entry)))
			return;
		if (level == 0 && read_le32(entry) != TYPE_VERSION)
			continue;
		next = reader->pe->resources_address + (read_le32(entry + 4) & 0x7fffffffu);
		if ((read_le32(entry + 4) >> 31 != 0) != (level < 2))
			continue;
		if (level < 2)
			take_directory(reader, next, level + 1);
		else
			take_resource(reader, next);
	}
}

void pe_versions_read(const struct executable *pe, const struct executable_source *source,
	struct pe_versions *out)
{
	struct reader reader = {pe, source, out, MAX_ENTRIES, 0};

	out->count = 0;
	out->is_cut = false;
	if (pe->resources_address != 0)
		take_directory(&reader, pe->resources_address, 0);
}
