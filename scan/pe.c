// SPDX-License-Identifier: BSD-3-Clause
#include "scan/bytes.h"
#include "scan/executable.h"

#include <string.h>

#define DOS_BYTES 64
#define COFF_BYTES 24 // signature and file header
#define SECTION_BYTES 40
#define OPTIONAL_PE32_PLUS 0x20b // all others are read as PE32, as ClamAV does it
#define OPTIONAL_LEAST 64        // up to the size of the headers, the same in both forms
#define OPTIONAL_MOST 136        // up to the first three data directories of the longer form
#define SMALL_ALIGNMENT 0x200
#define MAX_SECTIONS 96 // Windows loads no file with more

static uint32_t align_down(uint32_t value, uint32_t alignment)
{
	return alignment != 0 ? value / alignment * alignment : value;
}

static uint32_t align_up(uint32_t value, uint32_t alignment)
{
	uint32_t rest = alignment != 0 ? value % alignment : 0;

	return rest == 0 || value > UINT32_MAX - alignment ? value : value - rest + alignment;
}

// Files are laid out in steps of their alignment, but many have sections in steps of 512 bytes all
// the same, and are loaded.
static uint32_t file_alignment(const uint8_t *sections, uint32_t count, uint32_t alignment)
{
	for (uint32_t i = 0; i < count && alignment != 0; i++) {
		const uint8_t *section = sections + (size_t)SECTION_BYTES * i;
		uint32_t offset = read_le32(section + 20);

		if (read_le32(section + 16) != 0 && offset % alignment != 0 &&
			offset % SMALL_ALIGNMENT == 0)
			return SMALL_ALIGNMENT;
	}
	return alignment;
}

static void take_sections(
	const uint8_t *data, uint32_t section_alignment, uint32_t alignment, struct executable *out)
{
	alignment = file_alignment(data, out->sections_count, alignment);
	for (uint32_t i = 0; i < out->sections_count; i++, data += SECTION_BYTES) {
		struct executable_section *section = &out->sections[i];

		section->address = align_down(read_le32(data + 12), section_alignment);
		section->bytes = align_up(read_le32(data + 16), alignment);
		section->offset = align_down(read_le32(data + 20), alignment);
	}
	out->has_sections = true;
}

bool pe_offset_of(const struct executable *pe, uint32_t address, uint32_t *offset)
{
	if (address < pe->headers_bytes) {
		*offset = address;
		return true;
	}
	for (uint32_t i = pe->sections_count; i-- > 0;) {
		const struct executable_section *section = &pe->sections[i];

		if (section->bytes == 0 || address < section->address ||
			address - section->address >= section->bytes)
			continue;
		*offset = address - section->address + section->offset;
		return true;
	}
	return false;
}

// The data directories, whose number stands before them.
static void take_directories(const uint8_t *optional, uint32_t bytes, struct executable *out)
{
	uint32_t at = out->is_wide ? 112 : 96;

	if (bytes < at + 16 || read_le32(optional + at - 4) < 2)
		return;
	out->imports_address = read_le32(optional + at + 8);
	out->imports_bytes = read_le32(optional + at + 12);
	if (bytes >= at + 24 && read_le32(optional + at - 4) > 2 &&
		read_le32(optional + at + 20) != 0)
		out->resources_address = read_le32(optional + at + 16);
}

enum executable_result pe_parse(const struct executable_source *source, struct executable *out)
{
	uint8_t sections[MAX_SECTIONS * SECTION_BYTES];
	uint8_t optional[OPTIONAL_MOST];
	uint8_t head[DOS_BYTES];
	uint32_t optional_bytes;
	uint32_t count;
	uint64_t at;
	enum executable_result result = executable_read(source, 0, head, DOS_BYTES);

	if (result != EXECUTABLE_TAKEN || memcmp(head, "MZ", 2) != 0)
		return result != EXECUTABLE_TAKEN ? result : EXECUTABLE_REFUSED;
	at = read_le32(head + 60);
	result = executable_read(source, at, head, COFF_BYTES);
	if (result != EXECUTABLE_TAKEN || memcmp(head, "PE\0\0", 4) != 0)
		return result != EXECUTABLE_TAKEN ? result : EXECUTABLE_REFUSED;
	count = read_le16(head + 6);
	optional_bytes = read_le16(head + 20);
	if (count > MAX_SECTIONS || optional_bytes < OPTIONAL_LEAST)
		return EXECUTABLE_REFUSED;
	at += COFF_BYTES;
	result = executable_read(
		source, at + optional_bytes, sections, SECTION_BYTES * (size_t)count);
	if (result != EXECUTABLE_TAKEN)
		return result;
	if (optional_bytes > OPTIONAL_MOST)
		optional_bytes = OPTIONAL_MOST;
	result = executable_read(source, at, optional, optional_bytes);
	if (result != EXECUTABLE_TAKEN)
		return result;
	out->format = FILETYPE_TARGET_PE;
	out->is_wide = read_le16(optional) == OPTIONAL_PE32_PLUS;
	out->sections_count = count;
	out->headers_bytes = align_up(read_le32(optional + 60), read_le32(optional + 32));
	take_sections(sections, read_le32(optional + 32), read_le32(optional + 36), out);
	out->has_entry_point = pe_offset_of(out, read_le32(optional + 16), &out->entry_point);
	take_directories(optional, optional_bytes, out);
	return EXECUTABLE_TAKEN;
}
