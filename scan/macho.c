// SPDX-License-Identifier: BSD-3-Clause
// Mach-O files of both widths and byte orders. Their sections stand in the load commands, one list
// through all segments. An entry point is known of PowerPC alone, by the thread's first instruction;
// that of others is the start of the file, as in ClamAV.
#include "scan/executable.h"

#include <endian.h>
#include <string.h>

#define MAX_COMMANDS 1024
#define COMMAND_BYTES 8
#define MAX_SEGMENT_SECTIONS 255
#define MAX_SECTION_BYTES 80
#define MAX_SEGMENT_BYTES 64
#define CPU_X86 7u
#define CPU_POWERPC 18u
#define CPU_POWERPC_64 0x1000012u

enum command {
	COMMAND_SEGMENT = 1,
	COMMAND_THREAD = 4,
	COMMAND_UNIX_THREAD = 5,
	COMMAND_SEGMENT_64 = 0x19
};

struct reader {
	const struct executable_source *source;
	struct executable *out;
	bool is_wide;
	bool is_big;
	uint32_t cpu;
	uint64_t at;
	uint64_t entry;                          // its address, 0: none
	uint32_t sizes[EXECUTABLE_MAX_SECTIONS]; // of the sections in memory
};

static uint64_t get(const struct reader *reader, const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)at[reader->is_big ? bytes - 1 - i : i] << 8 * i;
	return value;
}

// Reads on. More than there is room for is refused.
static enum executable_result pull(struct reader *reader, uint8_t *data, size_t n)
{
	enum executable_result result = executable_read(reader->source, reader->at, data, n);

	reader->at += n;
	return result;
}

static enum executable_result take_section(struct reader *reader)
{
	struct executable *out = reader->out;
	const size_t width = reader->is_wide ? 8 : 4;
	uint8_t data[MAX_SECTION_BYTES];
	enum executable_result result = pull(reader, data, reader->is_wide ? 80 : 68);
	const uint8_t *place = data + 32 + 2 * width;
	struct executable_section *section;
	uint32_t align_log;
	uint32_t bytes;
	uint32_t rest;

	if (result != EXECUTABLE_TAKEN)
		return result;
	align_log = (uint32_t)get(reader, place + 4, 4);
	if (out->sections_count == EXECUTABLE_MAX_SECTIONS || align_log > 30)
		return EXECUTABLE_REFUSED;
	bytes = (uint32_t)get(reader, data + 32 + width, width);
	rest = bytes & ((1u << align_log) - 1);
	section = &out->sections[out->sections_count];
	section->address = (uint32_t)get(reader, data + 32, width);
	section->offset = (uint32_t)get(reader, place, 4);
	section->bytes = rest == 0 ? bytes : bytes - rest + (1u << align_log);
	reader->sizes[out->sections_count++] = bytes;
	return EXECUTABLE_TAKEN;
}

static enum executable_result take_segment(struct reader *reader)
{
	uint8_t data[MAX_SEGMENT_BYTES];
	size_t bytes = reader->is_wide ? 64 : 48;
	enum executable_result result = pull(reader, data, bytes);
	uint64_t count;

	if (result != EXECUTABLE_TAKEN)
		return result;
	count = get(reader, data + bytes - 8, 4);
	if (count > MAX_SEGMENT_SECTIONS)
		return EXECUTABLE_REFUSED;
	for (uint64_t i = 0; i < count && result == EXECUTABLE_TAKEN; i++)
		result = take_section(reader);
	return result;
}

// The registers of a thread stand behind two numbers that tell which they are.
static enum executable_result take_thread(struct reader *reader)
{
	const bool is_x86 = reader->cpu == CPU_X86;
	const size_t width = reader->cpu == CPU_POWERPC_64 ? 8 : 4;
	uint8_t first[8];
	enum executable_result result;

	reader->at += 8;
	result = executable_read(reader->source, reader->at, first, width);
	if (result != EXECUTABLE_TAKEN)
		return result;
	if (!is_x86)
		reader->entry = (uint32_t)get(reader, first, width);
	reader->at += is_x86 ? 64 : width == 8 ? 312 : 160;
	return EXECUTABLE_TAKEN;
}

static enum executable_result take_command(struct reader *reader)
{
	uint8_t data[COMMAND_BYTES];
	enum executable_result result = pull(reader, data, sizeof(data));
	bool has_thread = reader->cpu == CPU_X86 || reader->cpu == CPU_POWERPC ||
			  reader->cpu == CPU_POWERPC_64;
	uint64_t command;
	uint64_t bytes;

	if (result != EXECUTABLE_TAKEN)
		return result;
	command = get(reader, data, 4);
	bytes = get(reader, data + 4, 4);
	if (command == (reader->is_wide ? COMMAND_SEGMENT_64 : COMMAND_SEGMENT))
		return take_segment(reader);
	if (has_thread && (command == COMMAND_THREAD || command == COMMAND_UNIX_THREAD))
		return take_thread(reader);
	if (bytes > sizeof(data))
		reader->at += bytes - sizeof(data);
	return EXECUTABLE_TAKEN;
}

static bool find_entry_point(struct reader *reader)
{
	struct executable *out = reader->out;

	out->entry_point = (uint32_t)reader->entry;
	if (reader->entry == 0 || out->sections_count == 0)
		return true;
	for (uint32_t i = 0; i < out->sections_count; i++) {
		const struct executable_section *section = &out->sections[i];

		if (reader->entry < section->address ||
			reader->entry - section->address >= reader->sizes[i])
			continue;
		out->entry_point = (uint32_t)(reader->entry - section->address) + section->offset;
		return true;
	}
	return false;
}

static bool take_magic(struct reader *reader, const uint8_t *header)
{
	uint32_t magic;

	memcpy(&magic, header, sizeof(magic));
	magic = le32toh(magic);
	reader->is_wide = magic == 0xfeedfacfu || magic == 0xcffaedfeu;
	reader->is_big = magic == 0xcefaedfeu || magic == 0xcffaedfeu;
	return reader->is_wide || reader->is_big || magic == 0xfeedfaceu;
}

enum executable_result macho_parse(const struct executable_source *source, struct executable *out)
{
	struct reader reader = {.source = source, .out = out};
	uint8_t header[28];
	enum executable_result result = pull(&reader, header, sizeof(header));
	uint64_t commands;

	if (result != EXECUTABLE_TAKEN)
		return result;
	if (!take_magic(&reader, header))
		return EXECUTABLE_REFUSED;
	reader.cpu = (uint32_t)get(&reader, header + 4, 4);
	commands = get(&reader, header + 16, 4);
	reader.at += reader.is_wide ? 4 : 0;
	if (commands == 0 || commands > MAX_COMMANDS)
		return EXECUTABLE_REFUSED;
	out->format = FILETYPE_TARGET_MACHO;
	out->is_wide = reader.is_wide;
	for (uint64_t i = 0; i < commands && result == EXECUTABLE_TAKEN; i++)
		result = take_command(&reader);
	if (result == EXECUTABLE_TAKEN && !find_entry_point(&reader))
		result = EXECUTABLE_REFUSED;
	if (result != EXECUTABLE_TAKEN) {
		out->sections_count = 0;
		return result;
	}
	out->has_entry_point = true;
	out->has_sections = true;
	return result;
}
