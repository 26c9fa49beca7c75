// SPDX-License-Identifier: BSD-3-Clause
#include "scan/pe.h"

#include <endian.h>
#include <string.h>

#define DOS_BYTES 64
#define COFF_BYTES 24 // signature and file header
#define SECTION_BYTES 40
#define OPTIONAL_PE32 0x10b
#define OPTIONAL_PE32_PLUS 0x20b
#define OPTIONAL_LEAST 64 // up to the size of the headers, the same in both forms
#define SMALL_ALIGNMENT 0x200

static uint16_t get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

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
		uint32_t offset = get32(sections + (size_t)SECTION_BYTES * i + 20);

		if (offset % alignment != 0 && offset % SMALL_ALIGNMENT == 0)
			return SMALL_ALIGNMENT;
	}
	return alignment;
}

static void read_sections(
	const uint8_t *data, uint32_t section_alignment, uint32_t alignment, struct pe *out)
{
	alignment = file_alignment(data, out->sections_count, alignment);
	for (uint32_t i = 0; i < out->sections_count; i++, data += SECTION_BYTES) {
		struct pe_section *section = &out->sections[i];

		section->address = align_down(get32(data + 12), section_alignment);
		section->bytes = align_up(get32(data + 16), alignment);
		section->offset = align_down(get32(data + 20), alignment);
	}
}

bool pe_offset_of(const struct pe *pe, uint32_t address, uint32_t *offset)
{
	if (address < pe->headers_bytes) {
		*offset = address;
		return true;
	}
	for (uint32_t i = pe->sections_count; i-- > 0;) {
		const struct pe_section *section = &pe->sections[i];

		if (section->bytes == 0 || address < section->address ||
			address - section->address >= section->bytes)
			continue;
		*offset = address - section->address + section->offset;
		return true;
	}
	return false;
}

// The second of the data directories, whose number stands before them.
static void find_imports(const uint8_t *optional, uint32_t bytes, struct pe *out)
{
	uint32_t at = out->is_wide ? 112 : 96;

	if (bytes < at + 16 || get32(optional + at - 4) < 2)
		return;
	out->imports_address = get32(optional + at + 8);
	out->imports_bytes = get32(optional + at + 12);
}

enum pe_result pe_parse(const uint8_t *data, size_t n, struct pe *out)
{
	uint32_t section_alignment;
	uint32_t optional_bytes;
	uint32_t alignment;
	uint32_t address;
	uint64_t at;

	memset(out, 0, sizeof(*out));
	if (n < DOS_BYTES)
		return PE_MORE;
	at = get32(data + 60);
	if (memcmp(data, "MZ", 2) != 0)
		return PE_REFUSED;
	if (at + COFF_BYTES + OPTIONAL_LEAST > n)
		return PE_MORE;
	data += at;
	if (memcmp(data, "PE\0\0", 4) != 0)
		return PE_REFUSED;
	out->sections_count = get16(data + 6);
	optional_bytes = get16(data + 20);
	if (out->sections_count > PE_MAX_SECTIONS || optional_bytes < OPTIONAL_LEAST)
		return PE_REFUSED;
	if (at + COFF_BYTES + optional_bytes + SECTION_BYTES * (uint64_t)out->sections_count > n)
		return PE_MORE;
	data += COFF_BYTES;
	if (get16(data) != OPTIONAL_PE32 && get16(data) != OPTIONAL_PE32_PLUS)
		return PE_REFUSED;
	out->is_wide = get16(data) == OPTIONAL_PE32_PLUS;
	address = get32(data + 16);
	section_alignment = get32(data + 32);
	alignment = get32(data + 36);
	out->headers_bytes = get32(data + 60);
	read_sections(data + optional_bytes, section_alignment, alignment, out);
	out->has_entry_point = pe_offset_of(out, address, &out->entry_point);
	find_imports(data, optional_bytes, out);
	return PE_TAKEN;
}
