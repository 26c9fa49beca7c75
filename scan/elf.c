// SPDX-License-Identifier: BSD-3-Clause
// ELF files of both widths and byte orders. The entry point is found by the program headers, which
// stand at the start of the file, the sections by their headers, which mostly stand at its end.
#include "scan/executable.h"

#include <endian.h>
#include <string.h>

#define HEADER_BYTES_32 52
#define HEADER_BYTES_64 64
#define MAX_PROGRAM_HEADERS 128
#define MAX_ENTRY_BYTES 64

struct reader {
	const struct executable_source *source;
	bool is_wide;
	bool is_big;
};

// An unsigned number of 2, 4 or 8 bytes.
static uint64_t get(const struct reader *reader, const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)at[reader->is_big ? bytes - 1 - i : i] << 8 * i;
	return value;
}

// A field whose place and width differ with the file's.
static uint64_t get_either(
	const struct reader *reader, const uint8_t *data, size_t narrow_at, size_t wide_at)
{
	return reader->is_wide ? get(reader, data + wide_at, 8) : get(reader, data + narrow_at, 4);
}

static enum executable_result take_entry_point(
	const struct reader *reader, const uint8_t *header, struct executable *out)
{
	const uint8_t *counts = header + (reader->is_wide ? 54 : 42);
	uint64_t entry = get_either(reader, header, 24, 24);
	uint64_t at = get_either(reader, header, 28, 32);
	uint64_t count = get(reader, counts + 2, 2);
	size_t bytes = reader->is_wide ? 56 : 32;

	out->entry_point = 0;
	if (count > MAX_PROGRAM_HEADERS)
		return EXECUTABLE_REFUSED;
	out->has_entry_point = count == 0 || entry == 0;
	if (out->has_entry_point)
		return EXECUTABLE_TAKEN;
	if (get(reader, counts, 2) != bytes)
		return EXECUTABLE_REFUSED;
	for (uint64_t i = 0; i < count; i++, at += bytes) {
		uint8_t program[MAX_ENTRY_BYTES];
		enum executable_result result = executable_read(reader->source, at, program, bytes);
		uint64_t address;

		if (result != EXECUTABLE_TAKEN)
			return result;
		address = get_either(reader, program, 8, 16);
		if (entry < address || entry - address >= get_either(reader, program, 20, 40))
			continue;
		out->entry_point = (uint32_t)(entry - address + get_either(reader, program, 4, 8));
		out->has_entry_point = true;
		return EXECUTABLE_TAKEN;
	}
	return EXECUTABLE_REFUSED;
}

static enum executable_result take_sections(
	const struct reader *reader, const uint8_t *header, struct executable *out)
{
	const uint8_t *counts = header + (reader->is_wide ? 58 : 46);
	uint64_t at = get_either(reader, header, 32, 40);
	uint32_t count = (uint32_t)get(reader, counts + 2, 2);
	size_t bytes = reader->is_wide ? 64 : 40;

	if (count > EXECUTABLE_MAX_SECTIONS || get(reader, counts, 2) != bytes)
		return EXECUTABLE_REFUSED;
	for (uint32_t i = 0; i < count; i++, at += bytes) {
		uint8_t section[MAX_ENTRY_BYTES];
		enum executable_result result = executable_read(reader->source, at, section, bytes);

		if (result != EXECUTABLE_TAKEN)
			return result;
		out->sections[i] = (struct executable_section){
			.address = (uint32_t)get_either(reader, section, 12, 16),
			.offset = (uint32_t)get_either(reader, section, 16, 24),
			.bytes = (uint32_t)get_either(reader, section, 20, 32),
		};
	}
	out->sections_count = count;
	out->has_sections = true;
	return EXECUTABLE_TAKEN;
}

enum executable_result elf_parse(const struct executable_source *source, struct executable *out)
{
	struct reader reader = {.source = source};
	uint8_t header[HEADER_BYTES_64];
	enum executable_result sections;
	enum executable_result result = executable_read(source, 0, header, HEADER_BYTES_32);

	if (result != EXECUTABLE_TAKEN)
		return result;
	if (memcmp(header, "\x7f\x45LF", 4) != 0 || (header[4] != 1 && header[4] != 2))
		return EXECUTABLE_REFUSED;
	reader.is_wide = header[4] == 2;
	reader.is_big = header[5] != 1;
	if (reader.is_wide)
		result = executable_read(source, 0, header, HEADER_BYTES_64);
	if (result != EXECUTABLE_TAKEN)
		return result;
	out->format = FILETYPE_TARGET_ELF;
	out->is_wide = reader.is_wide;
	result = take_entry_point(&reader, header, out);
	if (result == EXECUTABLE_REFUSED)
		return result;
	sections = take_sections(&reader, header, out);
	// Of a file that is refused nothing is known, whether its first bytes or all were looked at.
	if (sections == EXECUTABLE_REFUSED)
		out->has_entry_point = false;
	return sections == EXECUTABLE_TAKEN ? result : sections;
}
