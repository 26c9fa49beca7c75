// SPDX-License-Identifier: BSD-3-Clause
// Files of uuencoded blocks (POSIX uuencode), whose contents are the members. A block ends at its "end", or
// where the next one begins; lines that hold no data are passed over.
#include "scan/decode.h"
#include "scan/mime_state.h"
#include "scan/unpack_state.h"

#include <string.h>

// Without its line end.
static size_t line_bytes(const uint8_t *line, size_t n)
{
	return n > 0 && line[n - 1] == '\r' ? n - 1 : n;
}

bool uu_is_header(const uint8_t *data, size_t n)
{
	const uint8_t *end = memchr(data, '\n', n < UU_LINE_BYTES ? n : UU_LINE_BYTES);
	char name[UU_LINE_BYTES];

	return end != NULL && uu_begins(data, line_bytes(data, (size_t)(end - data)), name);
}

static void take_line(struct unpack *unpack, size_t n, struct unpack_event *event)
{
	struct uu *uu = &unpack->as.uu;
	char name[UU_LINE_BYTES];
	size_t bytes = 0;

	if (uu_begins(uu->line, n, name)) {
		unpack_name_begin(unpack);
		unpack_name_add(unpack, (const uint8_t *)name, strlen(name));
		unpack_member_begin(unpack, event);
		uu->is_over = false;
		return;
	}
	if (!unpack->is_open)
		return;
	if (n == 3 && memcmp(uu->line, "end", 3) == 0) {
		unpack_member_end(unpack, event);
		return;
	}
	// Who does not ask what stands in a line ends at one of no bytes.
	uu->is_over |= n > 0 && (uu->line[0] == '`' || uu->line[0] == ' ');
	if (uu_is_all_data(uu->line, n) || (!uu->is_over && uu_is_exact(uu->line, n)))
		bytes = uu_decode_line(uu->line, n, unpack->out);
	if (bytes > 0)
		unpack_member_data(unpack, unpack->out, bytes, event);
}

// A line at a time. The one that ends a block by beginning the next is looked at once more.
size_t uu_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct uu *uu = &unpack->as.uu;
	const uint8_t *end = memchr(data, '\n', n);
	size_t bytes = end != NULL ? (size_t)(end - data) : n;
	size_t room = sizeof(uu->line) - uu->line_bytes;
	char name[UU_LINE_BYTES];
	size_t line;

	memcpy(uu->line + uu->line_bytes, data, bytes < room ? bytes : room);
	uu->line_bytes += (uint32_t)(bytes < room ? bytes : room);
	uu->is_long |= bytes > room;
	if (end == NULL)
		return n;
	line = line_bytes(uu->line, uu->line_bytes);
	if (unpack->is_open && !uu->is_long && uu_begins(uu->line, line, name)) {
		unpack_member_end(unpack, event);
		return bytes;
	}
	if (!uu->is_long)
		take_line(unpack, line, event);
	uu->line_bytes = 0;
	uu->is_long = false;
	return bytes + 1;
}

// The last line may have no end.
bool uu_finish(struct unpack *unpack, struct unpack_event *event)
{
	struct uu *uu = &unpack->as.uu;
	size_t n = uu->line_bytes;

	uu->line_bytes = 0;
	if (n > 0 && !uu->is_long && unpack->is_open)
		take_line(unpack, line_bytes(uu->line, n), event);
	return false;
}
