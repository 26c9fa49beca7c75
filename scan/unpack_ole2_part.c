// SPDX-License-Identifier: BSD-3-Clause
// What certain streams of Office documents hold besides themselves: macros (MS-OVBA), files that were
// dragged into a document (Ole10Native, MS-OLEDS 2.3.6), objects of a presentation (MS-PPT 2.10.34), and
// marks of encryption (MS-OFFCRYPTO 2.3, MS-XLS 2.4.117, MS-DOC 2.5.2, MS-PPT 2.3.2).
#include "scan/unpack_ole2_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_STREAM 2
#define MAX_MACROS 64 // of one stream that may lie within each other
#define BIFF_RECORDS 64
#define BIFF_FILEPASS 0x002f
#define FIB_ENCRYPTED 0x0100u
#define USER_ENCRYPTED 0xf3d1c4dfu
#define SLIDE_OBJECT 0x1011
#define SLIDE_HEADER 8

static bool is_named(const struct ole2_entry *entry, const char *name)
{
	return entry->type == TYPE_STREAM && strcasecmp(entry->name, name) == 0;
}

enum ole2_kind ole2_kind_of(const struct ole2 *ole2, uint32_t entry)
{
	const struct ole2_entry *at = &ole2->entries[entry];
	const struct ole2_entry *parent =
		at->parent < ole2->entries_count ? &ole2->entries[at->parent] : at;

	if (strcasecmp(at->name, "\1Ole10Native") == 0)
		return OLE2_NATIVE;
	if (is_named(at, "PowerPoint Document"))
		return OLE2_SLIDES;
	if (parent->has_project || strcasecmp(parent->name, "VBA") == 0)
		return OLE2_MACROS;
	return OLE2_PLAIN;
}

// A record of a workbook says that those after it are encrypted.
static bool has_file_pass(const uint8_t *data, size_t n)
{
	size_t at = 0;

	for (int i = 0; i < BIFF_RECORDS && at + 4 <= n; i++) {
		if (ole2_u16(data + at) == BIFF_FILEPASS)
			return true;
		at += 4 + (size_t)ole2_u16(data + at + 2);
	}
	return false;
}

bool ole2_is_encrypted(const struct ole2 *ole2, uint32_t entry)
{
	const struct ole2_entry *at = &ole2->entries[entry];
	struct ole2_stream stream;
	uint8_t head[2048];
	size_t n;

	if (is_named(at, "EncryptedPackage") || is_named(at, "EncryptedSummary"))
		return true;
	if (!is_named(at, "Workbook") && !is_named(at, "Book") && !is_named(at, "WordDocument") &&
		!is_named(at, "Current User"))
		return false;
	ole2_stream_begin(ole2, entry, &stream);
	n = ole2_stream_read(ole2, &stream, head, sizeof(head));
	if (is_named(at, "WordDocument"))
		return n >= 12 && (ole2_u16(head + 10) & FIB_ENCRYPTED) != 0;
	if (is_named(at, "Current User"))
		return n >= 16 && ole2_u32(head + 12) == USER_ENCRYPTED;
	return has_file_pass(head, n);
}

static void path_add(struct ole2 *ole2, const char *text)
{
	size_t at = strlen(ole2->path);

	(void)snprintf(ole2->path + at, sizeof(ole2->path) - at, "%s", text);
}

// Those that lie within one found before may be what another reader takes.
static bool macro_next(struct ole2 *ole2)
{
	while (ole2->content_at < ole2->content_bytes) {
		size_t at = ole2->content_at++;
		const uint8_t *from = ole2->content + at;
		size_t n = ole2->content_bytes - at;
		size_t used;

		if (*from != 1 || (ole2->macros >= MAX_MACROS && at < ole2->macros_end))
			continue;
		ole2->made = NULL;
		ole2->part_bytes = ole2_macro_unpack(from, n, &ole2->made, &used);
		ole2->part = ole2->made;
		if (ole2->part_bytes == 0)
			continue;
		ole2->macros++;
		if (at + used > ole2->macros_end)
			ole2->macros_end = at + used;
		if (!whole_spend(ole2->whole, used))
			ole2->content_at = ole2->content_bytes;
		path_add(ole2, ".bas");
		return true;
	}
	return false;
}

// The bytes of a text with its zero; 0: it does not end.
static size_t text_bytes(const uint8_t *data, size_t n)
{
	const uint8_t *end = n > 0 ? memchr(data, 0, n) : NULL;

	return end != NULL ? (size_t)(end - data) + 1 : 0;
}

// Where the file begins behind: size, 2, label, path, 4 bytes, length and text of another path, its length. 0: these are
// not there, and it is the data of some other program. Of the other path readers mind the length, or the zero.
static size_t native_begin(const uint8_t *data, size_t n, bool minds_zero)
{
	size_t label = n > 6 ? text_bytes(data + 6, n - 6) : 0;
	size_t path = label > 0 ? text_bytes(data + 6 + label, n - 6 - label) : 0;
	size_t at = 6 + label + path + 4;
	size_t other;

	if (path == 0 || at + 4 > n)
		return 0;
	other = minds_zero ? text_bytes(data + at + 4, n - at - 4) : ole2_u32(data + at);
	if (minds_zero && other == 0)
		return 0;
	return other <= n - at - 4 && n - at - 4 - other >= 4 ? at + 4 + other + 4 : 0;
}

// Once in each way of reading that differs.
static bool native_next(struct ole2 *ole2)
{
	const uint8_t *data = ole2->content;
	const size_t n = ole2->content_bytes;
	const size_t by_length = native_begin(data, n, false);
	size_t at = by_length;

	if (ole2->content_at > 1 || n <= 4)
		return false;
	if (ole2->content_at++ > 0) {
		at = native_begin(data, n, true);
		if (at == 0 || at == by_length)
			return false;
	}
	ole2->part = ole2->content + (at > 0 ? at : 4);
	ole2->part_bytes = n - (at > 0 ? at : 4);
	if (at == 0)
		return true;
	(void)snprintf(ole2->path, sizeof(ole2->path), "%s", (const char *)data + 6);
	if (ole2_u32(data + at - 4) < ole2->part_bytes)
		ole2->part_bytes = ole2_u32(data + at - 4);
	return true;
}

static bool slide_object(struct ole2 *ole2, uint8_t *data, size_t n, bool is_packed)
{
	path_add(ole2, "/object");
	ole2->part = data;
	ole2->part_bytes = n;
	if (!is_packed)
		return n > 0;
	if (n <= 4)
		return false;
	ole2->z = (z_stream){.next_in = data + 4, .avail_in = (unsigned int)(n - 4)};
	ole2->is_inflating = inflateInit(&ole2->z) == Z_OK;
	return ole2->is_inflating;
}

// Records, each of a version and instance, a type, a length.
static bool slide_next(struct ole2 *ole2)
{
	while (ole2->content_bytes - ole2->content_at >= SLIDE_HEADER) {
		uint8_t *head = ole2->content + ole2->content_at;
		size_t n = ole2->content_bytes - ole2->content_at - SLIDE_HEADER;
		bool is_container = (head[0] & 0x0f) == 0x0f;

		ole2->content_at += SLIDE_HEADER;
		if (is_container)
			continue;
		n = ole2_u32(head + 4) < n ? ole2_u32(head + 4) : n;
		ole2->content_at += n;
		if (ole2_u16(head + 2) == SLIDE_OBJECT &&
			slide_object(ole2, head + SLIDE_HEADER, n, ole2_u16(head) >> 4 != 0))
			return true;
	}
	return false;
}

bool ole2_part_next(struct ole2 *ole2)
{
	switch (ole2->kind) {
	case OLE2_MACROS:
		return macro_next(ole2);
	case OLE2_NATIVE:
		return native_next(ole2);
	case OLE2_SLIDES:
		return slide_next(ole2);
	case OLE2_PLAIN:
		break;
	}
	return false;
}
