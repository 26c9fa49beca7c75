// SPDX-License-Identifier: BSD-3-Clause
// The body of DATA: dots, its end, and what looks like its end to some servers (RFC 5321 section
// 4.5.2; the look-alikes: "SMTP smuggling").
//
// The one thing that is searched for is a dot behind a CR, LF or NUL: every stuffed dot, every end
// and every look-alike begins so, and clean mail has few of them. What lies between two goes out in
// one piece.
#include "reassembly/smtp_find.h"
#include "reassembly/smtp_private.h"

static bool is_break(uint8_t byte)
{
	return byte == '\r' || byte == '\n' || byte == '\0';
}

void smtp_body_begin(struct smtp *smtp)
{
	smtp->body = BODY_START;
	smtp->line_bytes = 0;
	smtp->flags &= ~(FLAG_BARE_DONE | FLAG_LONG_DONE);
}

// Bytes of data that may go out before a bare CR, LF or NUL has to be reported, that one included; n
// when there is none. *found: there is one at the end of them (0 bytes: the one before data).
static size_t limit_bare(const struct smtp *smtp, const uint8_t *data, size_t n, bool *found)
{
	size_t i = 0;

	*found = true;
	if (smtp->body == BODY_CR && data[0] != '\n')
		return 0;
	if (data[0] != 0 && (data[0] != '\n' || smtp->body == BODY_CR))
		i = smtp_find_bare(data, n);
	if (i == n)
		*found = false;
	else if (i == 0 || data[i - 1] != '\r' || data[i] == '\n')
		i++;
	return i;
}

// The same for a line that gets longer than is allowed (its CRLF not counted); counts line_bytes.
static size_t limit_long(struct smtp *smtp, const uint8_t *data, size_t n, bool *found)
{
	uint64_t limit = smtp->options->max_line_bytes;
	uint64_t count = smtp->line_bytes;
	size_t at = 0;

	*found = true;
	while (at < n) {
		// Up to the LF of the longest line that is allowed. A count over the limit ends in CR.
		uint64_t room = limit + 2 - count;
		size_t window = n - at < room ? n - at : (size_t)room;
		const uint8_t *lf = memrchr(data + at, '\n', window);
		size_t over = at + (size_t)(room - 2); // the byte that is one too many, unless a CR

		if (lf == NULL && window < room) {
			count += window;
			at = n;
			if (count > limit && data[n - 1] != '\r')
				return n;
		} else if (lf == NULL) {
			return count > limit || data[over] == '\r' ? at + window : over + 1;
		} else {
			size_t next = (size_t)(lf - data) + 1;

			if (next - at == room && room > 1 && data[over] != '\r' &&
				memchr(data + at, '\n', window - 1) == NULL)
				return over + 1;
			at = next;
			count = 0;
		}
	}
	smtp->line_bytes = (uint32_t)count;
	*found = false;
	return n;
}

static enum smtp_body body_behind(enum smtp_body body, const uint8_t *data, size_t n)
{
	uint8_t last = data[n - 1];

	if (last == '\r')
		return BODY_CR;
	if (last == '\0')
		return BODY_NUL;
	if (last != '\n')
		return BODY_TEXT;
	return (n > 1 ? data[n - 2] == '\r' : body == BODY_CR) ? BODY_START : BODY_LF;
}

// Gives out n bytes of text, or less up to something that is to be reported behind it.
static bool emit_text(struct smtp_reader *reader, size_t n)
{
	struct smtp *smtp = reader->smtp;
	const struct smtp_options *options = smtp->options;
	const uint8_t *data = smtp_rest(reader);
	uint64_t from = smtp->offset[TCP_CLIENT];
	bool is_bare = false;
	bool is_long = false;

	if (options->report_bare_newline && (smtp->flags & FLAG_BARE_DONE) == 0)
		n = limit_bare(smtp, data, n, &is_bare);
	if (options->max_line_bytes > 0 && (smtp->flags & FLAG_LONG_DONE) == 0 && n > 0) {
		size_t bytes = limit_long(smtp, data, n, &is_long);

		is_bare = is_bare && bytes == n;
		n = bytes;
	}
	if (is_bare)
		smtp->flags |= FLAG_BARE | FLAG_BARE_DONE;
	if (is_long)
		smtp->flags |= FLAG_LONG_LINE | FLAG_LONG_DONE;
	if (n == 0)
		return false;
	reader->event->text = data;
	reader->event->text_bytes = n;
	smtp->body = (uint8_t)body_behind((enum smtp_body)smtp->body, data, n);
	smtp_use(reader, n);
	return smtp_emit(reader, SMTP_MESSAGE_DATA, from, from + n);
}

static bool step_text(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;
	const uint8_t *data = smtp_rest(reader);
	bool is_dot = data[0] == '.' && smtp->body != BODY_TEXT;

	if (is_dot && smtp->body == BODY_START) {
		smtp->body = BODY_DOT;
		smtp_use(reader, 1);
		return false;
	}
	if (!is_dot)
		return emit_text(reader, smtp_find_dot(data, smtp_left(reader)));
	if (!emit_text(reader, 1))
		return false;
	smtp->body = BODY_ODD_DOT;
	return true;
}

// The byte behind a dot that is at the start of a line in somebody's eyes.
static bool step_dot(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;
	uint8_t byte = *smtp_rest(reader);

	if (smtp->body == BODY_DOT && byte == '\r') {
		smtp->body = BODY_DOT_CR;
		smtp_use(reader, 1);
		return false;
	}
	smtp->body = BODY_TEXT;
	if (is_break(byte)) {
		smtp->flags |= FLAG_FALSE_END;
		return emit_text(reader, 1);
	}
	return false;
}

static bool step_dot_cr(struct smtp_reader *reader)
{
	static const uint8_t cr[] = "\r";
	struct smtp *smtp = reader->smtp;
	uint64_t at = smtp->offset[TCP_CLIENT];

	if (*smtp_rest(reader) == '\n') {
		smtp_use(reader, 1);
		smtp->state = STATE_COMMAND;
		smtp->flags &= ~FLAG_MESSAGE;
		smtp_queue_push(smtp, SMTP_VERB_END_OF_DATA);
		return smtp_emit(reader, SMTP_MESSAGE_END, at - 2, at + 1);
	}
	smtp->body = BODY_CR;
	smtp->line_bytes = 1;
	smtp->flags |= FLAG_FALSE_END;
	reader->event->text = cr;
	reader->event->text_bytes = 1;
	return smtp_emit(reader, SMTP_MESSAGE_DATA, at - 1, at);
}

bool smtp_body_step(struct smtp_reader *reader)
{
	if (smtp_left(reader) == 0)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	switch ((enum smtp_body)reader->smtp->body) {
	case BODY_START:
	case BODY_TEXT:
	case BODY_CR:
	case BODY_LF:
	case BODY_NUL:
		return step_text(reader);
	case BODY_DOT:
	case BODY_ODD_DOT:
		return step_dot(reader);
	case BODY_DOT_CR:
		break;
	}
	return step_dot_cr(reader);
}
