// SPDX-License-Identifier: BSD-3-Clause
#include "scan/executable.h"

#include <string.h>

enum executable_result executable_read(
	const struct executable_source *source, uint64_t offset, void *out, size_t n)
{
	if (offset > source->bytes || n > source->bytes - offset)
		return EXECUTABLE_REFUSED;
	if (source->capture != NULL)
		return capture_read(source->capture, source->from + offset, out, n) == n
			       ? EXECUTABLE_TAKEN
			       : EXECUTABLE_MORE;
	if (offset > source->n || n > source->n - offset)
		return EXECUTABLE_MORE;
	memcpy(out, source->data + offset, n);
	return EXECUTABLE_TAKEN;
}

bool executable_is_format(uint32_t target)
{
	return target == FILETYPE_TARGET_PE || target == FILETYPE_TARGET_ELF ||
	       target == FILETYPE_TARGET_MACHO;
}

enum executable_result executable_parse(
	enum filetype_target format, const struct executable_source *source, struct executable *out)
{
	out->format = FILETYPE_TARGET_ANY;
	out->has_entry_point = false;
	out->has_sections = false;
	out->sections_count = 0;
	out->imports_address = 0;
	out->resources_address = 0;
	if (format == FILETYPE_TARGET_PE)
		return pe_parse(source, out);
	if (format == FILETYPE_TARGET_ELF)
		return elf_parse(source, out);
	return format == FILETYPE_TARGET_MACHO ? macho_parse(source, out) : EXECUTABLE_REFUSED;
}
