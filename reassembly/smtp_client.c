// SPDX-License-Identifier: BSD-3-Clause
// The client's side: commands, chunks, and what follows STARTTLS.
#include "reassembly/smtp_private.h"

static bool emit_line_failure(
	struct smtp_reader *reader, enum smtp_taken taken, const struct smtp_view *view)
{
	if (taken == TAKEN_NO_MEMORY)
		return smtp_emit_violation(reader, SMTP_VIOLATION_NO_MEMORY, view->from, view->to);
	return smtp_emit_violation(reader, SMTP_VIOLATION_LONG_COMMAND, view->from, view->to);
}

// The client goes on only when the reply to this command is in: it decides what the next bytes are.
static bool must_wait(const struct smtp *smtp, enum smtp_verb verb)
{
	static const uint64_t always = 1u << SMTP_VERB_DATA | 1u << SMTP_VERB_EHLO |
				       1u << SMTP_VERB_HELO | 1u << SMTP_VERB_AUTH |
				       1u << SMTP_VERB_AUTH_DATA | 1u << SMTP_VERB_STARTTLS;
	// Whether a chunk that follows belongs to the old message or to a new one.
	static const uint64_t in_chunks = 1u << SMTP_VERB_RSET | 1u << SMTP_VERB_MAIL |
					  1u << SMTP_VERB_SEND | 1u << SMTP_VERB_SOML |
					  1u << SMTP_VERB_SAML;

	if ((always >> verb & 1u) != 0)
		return true;
	return (in_chunks >> verb & 1u) != 0 && (smtp->flags & (FLAG_MESSAGE | FLAG_FAILED)) != 0;
}

static void chunk_is_over(struct smtp *smtp)
{
	smtp->state = STATE_COMMAND;
	if ((smtp->flags & FLAG_LAST) != 0 && (smtp->flags & FLAG_MESSAGE) != 0)
		smtp->flags |= FLAG_CLIENT_END;
}

static bool chunk_command(struct smtp_reader *reader, const struct smtp_view *view)
{
	struct smtp *smtp = reader->smtp;
	bool last;

	// A bare LF is the end for some servers alone, and for the others the chunk were more of the command: so this one
	// must have shown what it does (smtp_server). Blanks the server sees as smtp_mask_blanks leaves them.
	if ((!view->crlf && (smtp->flags & FLAG_LF_ENDS) == 0) || view->text_bytes < 6 ||
		(view->text[4] != ' ' && view->text[4] != '\t') ||
		!smtp_parse_chunk(view->text + 5, view->text_bytes - 5, &smtp->chunk_left, &last))
		return smtp_emit_violation(reader, SMTP_VIOLATION_BAD_BDAT, view->from, view->to);
	smtp_queue_push(smtp, (uint8_t)(SMTP_VERB_BDAT | (last ? QUEUE_LAST : 0)));
	smtp->flags = last ? smtp->flags | FLAG_LAST : smtp->flags & ~FLAG_LAST;
	if ((smtp->flags & (FLAG_MESSAGE | FLAG_FAILED)) == 0)
		smtp->flags |= FLAG_MESSAGE | FLAG_BDAT | FLAG_CLIENT_BEGIN;
	smtp->state = STATE_CHUNK;
	if (smtp->chunk_left == 0)
		chunk_is_over(smtp);
	return smtp_emit(reader, SMTP_COMMAND, view->from, view->to);
}

static bool is_path_verb(enum smtp_verb verb)
{
	return verb == SMTP_VERB_MAIL || verb == SMTP_VERB_RCPT || verb == SMTP_VERB_SEND ||
	       verb == SMTP_VERB_SOML || verb == SMTP_VERB_SAML;
}

static bool command(
	struct smtp_reader *reader, const struct smtp_view *view, const struct smtp_word *word)
{
	struct smtp *smtp = reader->smtp;
	struct smtp_event *event = reader->event;
	enum smtp_verb verb = SMTP_VERB_UNKNOWN;
	size_t skip = word->start < word->end ? word->end : 0;

	if (word->start < word->end && !smtp_verb_is_refused(smtp, word))
		verb = smtp_verb_of(word);
	event->verb = verb;
	if (skip < view->text_bytes && (view->text[skip] == ' ' || view->text[skip] == '\t'))
		skip++;
	event->text = view->text + skip;
	event->text_bytes = view->text_bytes - skip;
	if (verb == SMTP_VERB_BDAT)
		return chunk_command(reader, view);
	if (is_path_verb(verb))
		smtp_parse_path(event);
	smtp_queue_push(smtp, (uint8_t)verb);
	if (must_wait(smtp, verb)) {
		smtp->state = STATE_WAIT;
		smtp->flags =
			view->crlf ? smtp->flags & ~FLAG_WAITS_LF : smtp->flags | FLAG_WAITS_LF;
	}
	return smtp_emit(reader, SMTP_COMMAND, view->from, view->to);
}

static bool read_command(struct smtp_reader *reader)
{
	struct smtp_word word;
	struct smtp_view view;
	enum smtp_taken taken;

	if (reader->smtp->queue_count == SMTP_QUEUE)
		return smtp_emit(reader, SMTP_WAIT, 0, 0);
	if (smtp_left(reader) == 0)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	smtp_find_word(reader, 0, false, &word);
	if (smtp_verb_is_refused(reader->smtp, &word)) {
		// "DA", typed byte by byte: until its line ended it could become DATA.
		reader->event->may_stay = smtp_verb_is_cut(&word);
		if (smtp_mask_word(reader, &word))
			return true;
	} else if (word.complete && smtp_verb_of(&word) == SMTP_VERB_BDAT &&
		   smtp_mask_blanks(reader, word.end)) {
		return true;
	}
	taken = smtp_take_line(reader, &view);
	if (taken == TAKEN_PART)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	if (taken != TAKEN_LINE)
		return emit_line_failure(reader, taken, &view);
	return command(reader, &view, &word);
}

// A line that answers 334 may look like anything (RFC 4954 section 4).
static bool read_auth(struct smtp_reader *reader)
{
	struct smtp_view view;
	enum smtp_taken taken;

	if (smtp_left(reader) == 0)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	taken = smtp_take_line(reader, &view);
	if (taken == TAKEN_PART)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	if (taken != TAKEN_LINE)
		return emit_line_failure(reader, taken, &view);
	reader->event->verb = SMTP_VERB_AUTH_DATA;
	reader->event->text = view.text;
	reader->event->text_bytes = view.text_bytes;
	smtp_queue_push(reader->smtp, SMTP_VERB_AUTH_DATA);
	reader->smtp->state = STATE_WAIT;
	reader->smtp->flags &= ~FLAG_WAITS_LF;
	return smtp_emit(reader, SMTP_COMMAND, view.from, view.to);
}

static bool read_chunk(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;
	uint64_t from = smtp->offset[TCP_CLIENT];
	size_t n = smtp_left(reader);

	if (n == 0)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	if (n > smtp->chunk_left)
		n = (size_t)smtp->chunk_left;
	reader->event->text = smtp_rest(reader);
	reader->event->text_bytes = n;
	smtp_use(reader, n);
	smtp->chunk_left -= n;
	if (smtp->chunk_left == 0)
		chunk_is_over(smtp);
	if ((smtp->flags & FLAG_MESSAGE) == 0)
		return false;
	reader->event->bdat = true;
	return smtp_emit(reader, SMTP_MESSAGE_DATA, from, from + n);
}

// A TLS record of a ClientHello (RFC 8446 sections 4 and 5.1; its length and minor version are free).
static bool read_hello(struct smtp_reader *reader)
{
	static const int pattern[] = {0x16, 0x03, -1, -1, -1, 0x01};
	struct smtp *smtp = reader->smtp;
	uint64_t at = smtp->offset[TCP_CLIENT];
	int want = pattern[smtp->scan];

	if (smtp_left(reader) == 0)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	smtp_use(reader, 1);
	if (want >= 0 && reader->data[reader->used - 1] != want)
		return smtp_emit_violation(reader, SMTP_VIOLATION_NOT_TLS, at, at + 1);
	smtp->scan++;
	if (smtp->scan == sizeof(pattern) / sizeof(pattern[0]))
		smtp->state = STATE_TLS;
	return false;
}

static bool emit_later(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;
	uint64_t at = smtp->offset[TCP_CLIENT];
	uint32_t first = smtp->flags & FLAG_CLIENT_LATER;

	first &= ~first + 1;
	smtp->flags &= ~first;
	switch (first) {
	case FLAG_CLIENT_BEGIN:
		reader->event->bdat = true;
		return smtp_emit(reader, SMTP_MESSAGE_BEGIN, at, at);
	case FLAG_CLIENT_END:
		reader->event->bdat = true;
		smtp->flags &= ~(FLAG_MESSAGE | FLAG_BDAT);
		return smtp_emit(reader, SMTP_MESSAGE_END, at - 1, at);
	case FLAG_FALSE_END:
		// The dot, and the one byte behind it that makes it look like an end.
		reader->event->fill = ' ';
		return smtp_emit_violation(reader, SMTP_VIOLATION_FALSE_END, at - 2, at - 1);
	case FLAG_LONG_LINE:
		return smtp_emit_violation(reader, SMTP_VIOLATION_LONG_LINE, at - 1, at);
	default:
		return smtp_emit_violation(reader, SMTP_VIOLATION_BARE_NEWLINE, at - 1, at);
	}
}

// Whether there is an event. Without one it is called again.
static bool client_step(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;

	if ((smtp->flags & FLAG_CLIENT_LATER) != 0)
		return emit_later(reader);
	// The server's side has more to say of its last reply: a message begins before its bytes.
	if ((smtp->flags & FLAG_SERVER_LATER) != 0)
		return smtp_emit(reader, SMTP_WAIT, 0, 0);
	switch ((enum smtp_state)smtp->state) {
	case STATE_COMMAND:
		return read_command(reader);
	case STATE_AUTH:
		return read_auth(reader);
	case STATE_WAIT:
		if (smtp_left(reader) > 0)
			smtp->flags |= FLAG_BEHIND_TLS;
		return smtp_emit(reader, SMTP_WAIT, 0, 0);
	case STATE_BODY:
		return smtp_body_step(reader);
	case STATE_CHUNK:
		return read_chunk(reader);
	case STATE_HELLO:
		return read_hello(reader);
	case STATE_TLS:
		smtp_use(reader, smtp_left(reader));
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	case STATE_DEAD:
		break;
	}
	return smtp_emit(reader, SMTP_WAIT, 0, 0);
}

size_t smtp_client(struct smtp *smtp, struct smtp_pool *pool, const uint8_t *data, size_t n,
	struct smtp_event *event)
{
	static const uint8_t nothing[1];
	struct smtp_reader reader = {.smtp = smtp,
		.pool = pool,
		.data = n > 0 ? data : nothing,
		.n = n,
		.side = TCP_CLIENT,
		.event = event};

	*event = (struct smtp_event){0};
	smtp_release_line(&reader);
	while (!client_step(&reader))
		;
	return reader.used;
}
