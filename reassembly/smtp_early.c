// SPDX-License-Identifier: BSD-3-Clause
// Bytes that came out of order: may they go on before what precedes them was read?
//
// Inside a body that is not known: what precedes them may end the message, and then they are
// commands. Commands that only lead to another 354 do no harm, as that message's end is not passed
// early either. Those that hand over data or the connection themselves do.
#include "reassembly/smtp_private.h"

static bool is_break(uint8_t byte)
{
	return byte == '\r' || byte == '\n' || byte == '\0';
}

// A dot that may be alone on its line, whatever stands before and behind the slice.
static bool has_lone_dot(const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n;) {
		const uint8_t *dot = memchr(data + i, '.', n - i);

		if (dot == NULL)
			return false;
		i = (size_t)(dot - data) + 1;
		if ((i == 1 || is_break(data[i - 2])) && i < n && is_break(data[i]))
			return true;
	}
	return false;
}

// The end of "BDAT 5 LAST", without its LF: digits, or LAST behind anything.
static bool is_end_of_size(const uint8_t *line, size_t n)
{
	size_t at = 0;

	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	if (n >= 4 && strncasecmp((const char *)line + n - 4, "LAST", 4) == 0)
		return true;
	while (at < n && strchr("0123456789 \tLASTlast", line[at]) != NULL)
		at++;
	return at == n;
}

// A line, or the first part of one, or the rest of one, that may be a command of that kind.
static bool has_handover(const uint8_t *data, size_t n)
{
	const uint8_t *lf = memchr(data, '\n', n);

	if (smtp_ends_handover(data, n) ||
		(lf != NULL && is_end_of_size(data, (size_t)(lf - data))))
		return true;
	for (size_t at = 0;; lf = memchr(data + at, '\n', n - at)) {
		if (smtp_begins_handover(data + at, n - at))
			return true;
		if (lf == NULL)
			return false;
		at = (size_t)(lf - data) + 1;
	}
}

bool smtp_may_pass_early(const struct smtp *smtp, uint64_t from, const uint8_t *data, size_t n)
{
	uint64_t next = smtp->offset[TCP_CLIENT];

	if (from < next || n == 0)
		return false;
	if (smtp->state == STATE_BODY)
		return !is_break(data[0]) && !has_lone_dot(data, n) && !has_handover(data, n);
	if (smtp->state != STATE_CHUNK || from - next > smtp->chunk_left)
		return false;
	// The last byte of the last chunk is what completes the message.
	return n <= smtp->chunk_left - (from - next) - ((smtp->flags & FLAG_LAST) != 0 ? 1u : 0u);
}
