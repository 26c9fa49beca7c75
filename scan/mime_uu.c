// SPDX-License-Identifier: BSD-3-Clause
// Finds and decodes uuencoded blocks (POSIX uuencode): "begin 644 name", lines, "end".
//
// Lines inside a block that hold no data are skipped: mail systems add blank lines and readers do not
// mind. A begin line counts only when a line of data follows, so that prose does not open a block.
#include "scan/mime_state.h"

#include <string.h>

void uu_init(struct uu *uu)
{
	uu->state = UU_OUTSIDE;
	uu->ended = false;
	uu->cut = false;
	uu->line_bytes = 0;
	uu->out_bytes = 0;
}

static bool begins_block(struct uu *uu, const uint8_t *line, size_t n)
{
	size_t i = 6;
	size_t digits = 0;

	if (n < 10 || memcmp(line, "begin ", 6) != 0)
		return false;
	while (i < n && line[i] == ' ')
		i++;
	for (; i < n && line[i] >= '0' && line[i] <= '7'; i++)
		digits++;
	if (digits < 3 || digits > 6 || i >= n || line[i] != ' ')
		return false;
	while (i < n && line[i] == ' ')
		i++;
	while (n > i && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	memcpy(uu->name, line + i, n - i);
	uu->name[n - i] = '\0';
	return n > i;
}

// A line of data has a length, at least as many characters as that needs (less blanks that were cut
// off at its end), and none outside the alphabet.
static bool holds_data(const uint8_t *line, size_t n)
{
	size_t bytes;
	size_t need;

	if (n < 2 || line[0] < 0x20 || line[0] > 0x60)
		return false;
	bytes = (line[0] - 0x20u) & 0x3f;
	need = 1 + (bytes + 2) / 3 * 4;
	if (bytes == 0 || n > need + 2)
		return false;
	// Some encoders leave out the padding of the last group.
	if (n + 3 < need && line[n - 1] != ' ' && memchr(line, ' ', n) == NULL)
		return false;
	for (size_t i = 1; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x60)
			return false;
	return true;
}

static enum uu_step take_line(struct uu *uu, const uint8_t *line, size_t n)
{
	bool begun = uu->state == UU_BEGUN;

	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (uu->state != UU_OUTSIDE && holds_data(line, n)) {
		uu->state = UU_INSIDE;
		uu->out_bytes += (uint32_t)uu_decode_line(line, n, uu->out + uu->out_bytes);
		if (begun)
			return UU_BEGIN;
		return uu->out_bytes >= UU_OUT_BYTES - 64 ? UU_DATA : UU_MORE;
	}
	if (uu->state == UU_INSIDE) {
		if (n < 3 || memcmp(line, "end", 3) != 0 || (n > 3 && line[3] != ' '))
			return UU_MORE;
		uu->state = UU_OUTSIDE;
		uu->ended = true;
		return uu->out_bytes > 0 ? UU_DATA : UU_MORE;
	}
	uu->state = begins_block(uu, line, n) ? UU_BEGUN : UU_OUTSIDE;
	return UU_MORE;
}

// One line, or what there is of it. *used is all of it.
static enum uu_step feed_line(struct uu *uu, const uint8_t *data, size_t n, bool complete)
{
	size_t take = n;
	enum uu_step step;

	if (complete && uu->line_bytes == 0 && !uu->cut)
		return n < UU_LINE_BYTES ? take_line(uu, data, n) : UU_MORE;
	if (take > UU_LINE_BYTES - 1 - uu->line_bytes) {
		take = UU_LINE_BYTES - 1 - uu->line_bytes;
		uu->cut = true;
	}
	memcpy(uu->line + uu->line_bytes, data, take);
	uu->line_bytes += (uint32_t)take;
	if (!complete)
		return UU_MORE;
	step = uu->cut ? UU_MORE : take_line(uu, uu->line, uu->line_bytes);
	uu->line_bytes = 0;
	uu->cut = false;
	return step;
}

enum uu_step uu_scan(struct uu *uu, const uint8_t *data, size_t n, size_t *used)
{
	enum uu_step step = UU_MORE;
	size_t at = 0;

	if (uu->ended) {
		uu->ended = false;
		*used = 0;
		return UU_END;
	}
	while (step == UU_MORE && at < n) {
		const uint8_t *lf = find_lf(data + at, n - at);
		size_t bytes = lf != NULL ? (size_t)(lf - data) - at : n - at;

		step = feed_line(uu, data + at, bytes, lf != NULL);
		at += bytes + (lf != NULL);
		if (step == UU_MORE && uu->ended) {
			uu->ended = false;
			step = UU_END;
		}
	}
	*used = at;
	return step;
}

enum uu_step uu_finish(struct uu *uu)
{
	enum uu_step step = UU_MORE;

	if (uu->line_bytes > 0) {
		step = feed_line(uu, uu->line, 0, true);
		if (step != UU_MORE)
			return step;
	}
	if (uu->state == UU_INSIDE) {
		uu->state = UU_OUTSIDE;
		uu->ended = true;
	}
	if (uu->out_bytes > 0)
		return UU_DATA;
	step = uu->ended ? UU_END : UU_MORE;
	uu->ended = false;
	uu->state = UU_OUTSIDE;
	return step;
}
