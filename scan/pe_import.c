// SPDX-License-Identifier: BSD-3-Clause
#include "scan/pe_import.h"

#include "scan/bytes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DESCRIPTOR_BYTES 20
#define MAX_LIBRARIES 1024
#define MAX_FUNCTIONS 65536 // of all libraries: bounds the work
#define MAX_NAME 256

struct reader {
	const struct executable *pe;
	const struct executable_source *source;
	struct pe_imports *out;
	unsigned int functions;
	bool is_first;
};

// So many bytes at an offset of the file. False: they are not there, or not at hand.
static bool look(const struct reader *reader, uint64_t at, void *out, size_t bytes)
{
	enum executable_result result = executable_read(reader->source, at, out, bytes);

	if (result == EXECUTABLE_MORE)
		reader->out->is_cut = true;
	return result == EXECUTABLE_TAKEN;
}

// A name of at most MAX_NAME bytes, which the file's end may cut.
static bool read_name(const struct reader *reader, uint64_t at, char *out)
{
	uint64_t end = reader->source->bytes;
	uint64_t left = at < end ? end - at : 0;
	size_t bytes = left < MAX_NAME ? (size_t)left : MAX_NAME;

	if (bytes == 0)
		return false;
	out[bytes] = '\0';
	if (executable_read(reader->source, at, out, bytes) == EXECUTABLE_TAKEN)
		return true;
	// The name may end before what would be read at most.
	for (size_t i = 0; i < bytes; i++)
		if (!look(reader, at + i, &out[i], 1) || out[i] == '\0')
			return !reader->out->is_cut;
	return true;
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static void hash_text(struct reader *reader, const char *text, size_t length)
{
	char folded[MAX_NAME + 1];

	for (size_t i = 0; i < length; i++)
		folded[i] = lower(text[i]);
	digest_feed(&reader->out->digest, (const uint8_t *)folded, length);
	reader->out->bytes += length;
}

static size_t library_length(const char *name)
{
	const char *dot = strchr(name, '.');

	if (dot != NULL && (strncasecmp(dot, ".ocx", 4) == 0 || strncasecmp(dot, ".sys", 4) == 0 ||
				   strncasecmp(dot, ".dll", 4) == 0))
		return (size_t)(dot - name);
	return strlen(name);
}

static void add(struct reader *reader, const char *library, const char *function)
{
	if (!reader->is_first)
		hash_text(reader, ",", 1);
	reader->is_first = false;
	hash_text(reader, library, library_length(library));
	hash_text(reader, ".", 1);
	hash_text(reader, function, strlen(function));
}

// Names are those of identifiers, or of what C++ compilers make of them.
static bool is_name(const char *name)
{
	for (; *name != '\0'; name++)
		if (!((*name >= '0' && *name <= '9') ||
			    (lower(*name) >= 'a' && lower(*name) <= 'z')) &&
			strchr("_.?@$", *name) == NULL)
			return false;
	return true;
}

// One entry of the list of a library's functions. Returns false when the table makes no sense.
static bool read_function(struct reader *reader, const char *library, uint64_t thunk)
{
	uint64_t by_number = reader->pe->is_wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
	char name[MAX_NAME + 1];
	uint32_t at;

	if ((thunk & by_number) != 0) {
		const char *known = pe_ordinal_name(library, (uint16_t)thunk);

		(void)snprintf(name, sizeof(name), "ord%u", (unsigned int)(thunk & 0xffff));
		add(reader, library, known != NULL ? known : name);
		return true;
	}
	if (!pe_offset_of(reader->pe, (uint32_t)thunk, &at))
		return reader->pe->is_wide;
	// A hint of two bytes comes before the name.
	if (!read_name(reader, (uint64_t)at + 2, name))
		return !reader->out->is_cut;
	if (!is_name(name))
		return false;
	add(reader, library, name);
	return true;
}

static bool read_library(struct reader *reader, const uint8_t *descriptor)
{
	size_t width = reader->pe->is_wide ? 8 : 4;
	char library[MAX_NAME + 1];
	uint8_t thunk[8];
	uint32_t at = 0;
	uint64_t next;

	if (!pe_offset_of(reader->pe, read_le32(descriptor + 12), &at) ||
		!read_name(reader, at, library))
		return false;
	at = 0;
	if ((read_le32(descriptor) == 0 || !pe_offset_of(reader->pe, read_le32(descriptor), &at) ||
		    at == 0) &&
		!pe_offset_of(reader->pe, read_le32(descriptor + 16), &at))
		return false;
	for (next = at; look(reader, next, thunk, width); next += width) {
		uint64_t value = width == 8 ? read_le64(thunk) : read_le32(thunk);

		if (value == 0)
			return true;
		if (++reader->functions > MAX_FUNCTIONS || !read_function(reader, library, value))
			return false;
	}
	return !reader->out->is_cut;
}

void pe_imports_read(const struct executable *pe, const struct executable_source *source,
	unsigned int algorithms, struct pe_imports *out)
{
	struct reader reader = {pe, source, out, 0, true};
	uint64_t left = pe->imports_bytes;
	unsigned int libraries = 0;
	uint32_t at;

	out->is_there = false;
	out->is_cut = false;
	out->bytes = 0;
	if (pe->imports_address == 0 || left == 0 || !pe_offset_of(pe, pe->imports_address, &at) ||
		left > source->bytes || at > source->bytes - left)
		return;
	digest_begin(&out->digest, algorithms);
	for (; left > DESCRIPTOR_BYTES && libraries < MAX_LIBRARIES; libraries++) {
		uint8_t descriptor[DESCRIPTOR_BYTES];

		if (!look(&reader, at, descriptor, sizeof(descriptor)))
			return;
		if (read_le32(descriptor + 12) == 0)
			break;
		if (!read_library(&reader, descriptor))
			return;
		at += DESCRIPTOR_BYTES;
		left -= DESCRIPTOR_BYTES;
	}
	// The hash of nothing would be that of many files that have nothing in common.
	out->is_there = out->bytes > 0;
}
