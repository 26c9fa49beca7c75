// SPDX-License-Identifier: BSD-3-Clause
// Executable files, as far as signatures ask for them: entry point and sections as offsets into the
// file. What each format counts as its sections and its entry point is what ClamAV takes for them.
// Sources: Microsoft, "PE Format"; System V ABI, chapters 4 and 5; Apple, <mach-o/loader.h>.
#pragma once

#include "scan/capture.h"
#include "scan/filetype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXECUTABLE_MAX_SECTIONS 256

struct executable_section {
	uint32_t address; // relative to the image base
	uint32_t offset;  // in the file
	uint32_t bytes;   // in the file
};

struct executable {
	enum filetype_target format; // PE, ELF or MACHO; ANY: none was read
	bool is_wide;                // of 64 bits
	bool has_entry_point;        // it lies in the file
	bool has_sections;           // they are read; there may be none
	uint32_t entry_point;        // offset in the file
	uint32_t headers_bytes;      // PE: they end at this address
	uint32_t imports_address;    // PE: of the import table, 0: none
	uint32_t imports_bytes;
	uint32_t resources_address; // PE: of the tree of resources, 0: none
	uint32_t sections_count;
	struct executable_section sections[EXECUTABLE_MAX_SECTIONS];
};

// The bytes of a file as far as they are at hand: the first ones in one piece, or what was captured.
struct executable_source {
	const struct capture *capture; // NULL: data
	const uint8_t *data;
	size_t n;
	uint64_t bytes; // of the file, UINT64_MAX: it goes on
	uint64_t from;  // where it begins in the capture
};

enum executable_result {
	EXECUTABLE_TAKEN,
	EXECUTABLE_MORE, // something lies where the bytes are not at hand
	EXECUTABLE_REFUSED,
};

// Copies bytes of the file. EXECUTABLE_REFUSED: the file ends before.
enum executable_result executable_read(
	const struct executable_source *source, uint64_t offset, void *out, size_t n);

// Reads the headers. EXECUTABLE_MORE: out has what could be read of them.
enum executable_result executable_parse(enum filetype_target format,
	const struct executable_source *source, struct executable *out);
// Whether files of the type have entry points and sections.
bool executable_is_format(uint32_t target);

// The readers of each format.
enum executable_result pe_parse(const struct executable_source *source, struct executable *out);
enum executable_result elf_parse(const struct executable_source *source, struct executable *out);
enum executable_result macho_parse(const struct executable_source *source, struct executable *out);
// Where in a PE file an address lies. False: nowhere.
bool pe_offset_of(const struct executable *pe, uint32_t address, uint32_t *offset);

// Where the strings of a PE file's version information begin: "CompanyName", and behind it its value.
#define PE_MAX_VERSIONS 512

struct pe_versions {
	bool is_cut; // there may be more
	uint32_t count;
	uint32_t offsets[PE_MAX_VERSIONS];
};

void pe_versions_read(const struct executable *pe, const struct executable_source *source,
	struct pe_versions *out);
