// SPDX-License-Identifier: BSD-3-Clause
// The header of a PE file, as far as signatures ask for it: entry point and sections as offsets into
// the file. Source: Microsoft, "PE Format".
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_MAX_SECTIONS 96 // Windows loads no file with more

struct pe_section {
	uint32_t address; // relative to the image base
	uint32_t offset;  // in the file
	uint32_t bytes;   // in the file
};

struct pe {
	bool is_wide;         // PE32+
	bool has_entry_point; // inside of the file's headers or sections
	uint32_t entry_point; // offset in the file
	uint32_t headers_bytes;
	uint32_t imports_address; // of the import table, 0: none
	uint32_t imports_bytes;
	uint32_t sections_count;
	struct pe_section sections[PE_MAX_SECTIONS];
};

enum pe_result { PE_TAKEN, PE_MORE, PE_REFUSED };

// Reads the header from the first n bytes of a file. PE_MORE: there are too few.
enum pe_result pe_parse(const uint8_t *data, size_t n, struct pe *out);
// Where in the file an address lies. False: nowhere.
bool pe_offset_of(const struct pe *pe, uint32_t address, uint32_t *offset);
