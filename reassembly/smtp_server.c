// SPDX-License-Identifier: BSD-3-Clause
// The server's side: replies, and which command each of them answers.
#include "reassembly/smtp_private.h"

// PRDR (draft-hall-prdr) gives a message one reply for each of its recipients, behind a 353: a queue of one for
// each command would take them for what nobody asked, and a sender that is told so sends again what has arrived.
static bool keyword_is_hidden(const struct smtp *smtp, const struct smtp_word *word)
{
	static const char *const refused[] = {
		"XEXCH50", "XCLIENT", "BURL", "TURN", "ATRN", "X-LINK2STATE", "X-EXPS"};
	const struct smtp_options *options = smtp->options;

	if (smtp_word_is(word, "STARTTLS"))
		return options->starttls == SMTP_STARTTLS_MASK;
	if (smtp_word_is(word, "CHUNKING") || smtp_word_is(word, "BINARYMIME"))
		return options->hide_chunking;
	if (smtp_word_is(word, "PRDR"))
		return true;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (smtp_word_is(word, refused[i]))
			return !options->pass_unknown_verbs;
	}
	return false;
}

static enum smtp_verb head(const struct smtp *smtp)
{
	if (smtp->queue_count == 0)
		return SMTP_VERB_NONE;
	return (enum smtp_verb)(smtp->queue[smtp->queue_head] & ~QUEUE_LAST);
}

static void message_is_void(struct smtp *smtp)
{
	if ((smtp->flags & FLAG_MESSAGE) != 0)
		smtp->flags |= FLAG_ABORT;
	smtp->flags &= ~(FLAG_MESSAGE | FLAG_BDAT);
}

// A chunk was refused. Does it belong to the message in progress, or to one that is complete on the
// client's side already?
static void chunk_is_refused(struct smtp *smtp, bool is_last)
{
	unsigned int later_ends = 0;
	bool last_in_progress = smtp->state == STATE_CHUNK && (smtp->flags & FLAG_LAST) != 0;

	for (unsigned int i = 0; i < smtp->queue_count; i++) {
		if ((smtp->queue[(smtp->queue_head + i) % SMTP_QUEUE] & QUEUE_LAST) != 0)
			later_ends++;
	}
	if (is_last)
		later_ends++;
	if (last_in_progress && later_ends > 0)
		later_ends--;
	if (later_ends > 0 || (smtp->flags & FLAG_MESSAGE) == 0)
		return;
	message_is_void(smtp);
	smtp->flags |= FLAG_FAILED;
}

static void answer_greeting(struct smtp *smtp, enum smtp_verb verb)
{
	message_is_void(smtp);
	smtp->flags &= ~(FLAG_FAILED | FLAG_CHUNKING);
	if (verb == SMTP_VERB_EHLO && (smtp->flags & FLAG_EHLO_CHUNKING) != 0)
		smtp->flags |= FLAG_CHUNKING;
}

static void answer_starttls(struct smtp *smtp, uint16_t code)
{
	if (code != 220)
		return;
	smtp->state = STATE_HELLO;
	smtp->scan = 0;
	smtp->reply_state = REPLY_TLS;
	smtp->flags |= (smtp->flags & FLAG_BEHIND_TLS) != 0 ? FLAG_INJECTED : FLAG_TLS;
}

// What a reply changes. The client waits behind the commands where that is more than a transaction.
static void answer(struct smtp *smtp, enum smtp_verb verb, uint16_t code, bool is_last)
{
	bool accepted = code / 100 == 2;
	// "Go on", whatever its other digits: senders look at the first one (RFC 5321 section 4.2.1).
	bool goes_on = code / 100 == 3;

	if (smtp->state == STATE_WAIT && smtp->queue_count == 0)
		smtp->state = STATE_COMMAND;
	if (verb == SMTP_VERB_DATA && goes_on) {
		smtp->state = STATE_BODY;
		smtp->flags &= ~(FLAG_FAILED | FLAG_BDAT);
		smtp->flags |= FLAG_MESSAGE | FLAG_SERVER_BEGIN;
		smtp_body_begin(smtp);
	} else if (verb == SMTP_VERB_AUTH || verb == SMTP_VERB_AUTH_DATA) {
		if (goes_on)
			smtp->state = STATE_AUTH;
	} else if (verb == SMTP_VERB_STARTTLS) {
		answer_starttls(smtp, code);
	} else if (verb == SMTP_VERB_BDAT) {
		if (!accepted)
			chunk_is_refused(smtp, is_last);
	} else if (accepted && (verb == SMTP_VERB_EHLO || verb == SMTP_VERB_HELO)) {
		answer_greeting(smtp, verb);
	}
}

// RSET, and what begins a transaction. The client waits behind them when a message is open or void;
// when it does not, there is nothing to end, and what began since is of the next transaction.
static void answer_transaction(struct smtp *smtp, enum smtp_verb verb, uint16_t code, bool waited)
{
	bool ends = verb == SMTP_VERB_RSET || verb == SMTP_VERB_MAIL || verb == SMTP_VERB_SEND ||
		    verb == SMTP_VERB_SOML || verb == SMTP_VERB_SAML;

	if (!ends || !waited || code / 100 != 2)
		return;
	message_is_void(smtp);
	smtp->flags &= ~FLAG_FAILED;
}

static bool is_bad_answer(
	const struct smtp *smtp, enum smtp_verb verb, uint16_t code, enum smtp_violation *why)
{
	if (code == 354 && verb != SMTP_VERB_DATA) {
		*why = SMTP_VIOLATION_FALSE_354;
		return true;
	}
	if (verb == SMTP_VERB_DATA && code / 100 == 3 && (smtp->flags & FLAG_MESSAGE) != 0) {
		*why = SMTP_VIOLATION_DATA_AFTER_BDAT;
		return true;
	}
	// A chunk of a transaction that was void was read by nobody but this server.
	if (verb == SMTP_VERB_BDAT && code / 100 == 2 && (smtp->flags & FLAG_FAILED) != 0) {
		*why = SMTP_VIOLATION_UNSOLICITED_REPLY;
		return true;
	}
	return false;
}

// A message is on its way, no reply is owed, and this is one that refuses: of what else than the message?
static bool is_early_refusal(const struct smtp *smtp, uint16_t code)
{
	return smtp->reply_state == REPLY_LOOSE && code / 100 == 5 && smtp_in_message(smtp) &&
	       (smtp->flags & FLAG_MESSAGE) != 0;
}

// One that answers nothing: a farewell, or the end of this connection.
static bool loose_reply(
	struct smtp_reader *reader, const struct smtp_view *view, uint16_t code, bool is_early)
{
	if (code / 100 == 4)
		return smtp_emit(reader, SMTP_REPLY, view->from, view->to);
	return smtp_emit_violation(reader,
		is_early ? SMTP_VIOLATION_EARLY_REFUSAL : SMTP_VIOLATION_UNSOLICITED_REPLY,
		view->from, view->to);
}

static bool reply(struct smtp_reader *reader, const struct smtp_view *view, uint16_t code)
{
	struct smtp *smtp = reader->smtp;
	struct smtp_event *event = reader->event;
	enum smtp_verb verb = smtp->reply_state == REPLY_LOOSE ? SMTP_VERB_NONE : head(smtp);
	bool waited = smtp->state == STATE_WAIT && smtp->queue_count == 1;
	bool is_early = is_early_refusal(smtp, code);
	enum smtp_violation why;

	smtp->reply_state = REPLY_NONE;
	event->verb = verb;
	event->code = code;
	event->text = view->text;
	event->text_bytes = view->text_bytes;
	if (verb == SMTP_VERB_NONE)
		return loose_reply(reader, view, code, is_early);
	event->bdat = (smtp->queue[smtp->queue_head] & QUEUE_LAST) != 0;
	if (is_bad_answer(smtp, verb, code, &why))
		return smtp_emit_violation(reader, why, view->from, view->to);
	smtp->queue_head = (uint8_t)((smtp->queue_head + 1) % SMTP_QUEUE);
	smtp->queue_count--;
	answer(smtp, verb, code, event->bdat);
	answer_transaction(smtp, verb, code, waited);
	if (waited)
		smtp->flags &= ~FLAG_BEHIND_TLS;
	// The server had nothing behind that LF, for the client waits: it took the line for a whole one. A refusal
	// may be for its end, and a 4yz for a line that did not come to one in time.
	if (waited && (smtp->flags & FLAG_WAITS_LF) != 0 && (code / 100 == 2 || code / 100 == 3))
		smtp->flags |= FLAG_LF_ENDS;
	return smtp_emit(reader, SMTP_REPLY, view->from, view->to);
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

// The code of a reply line (RFC 5321 section 4.2), 0 if it is none.
static uint16_t code_of(const struct smtp_view *view, bool *more)
{
	const uint8_t *text = view->text;

	if (view->text_bytes < 3 || text[0] < '1' || text[0] > '5' || !is_digit(text[1]) ||
		!is_digit(text[2]))
		return 0;
	*more = view->text_bytes > 3 && text[3] == '-';
	if (view->text_bytes > 3 && text[3] != '-' && text[3] != ' ')
		return 0;
	return (uint16_t)((text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0');
}

static bool read_line(
	struct smtp_reader *reader, const struct smtp_view *view, const struct smtp_word *keyword)
{
	struct smtp *smtp = reader->smtp;
	bool more = false;
	uint16_t code = code_of(view, &more);

	if (code == 0) {
		reader->event->text = view->text;
		reader->event->text_bytes = view->text_bytes;
		return smtp_emit_violation(reader, SMTP_VIOLATION_BAD_REPLY, view->from, view->to);
	}
	if (smtp->reply_state == REPLY_NONE) {
		smtp->flags &= ~FLAG_EHLO_CHUNKING;
		smtp->reply_state = smtp->queue_count > 0 ? REPLY_MORE : REPLY_LOOSE;
	}
	if (keyword != NULL && smtp_word_is(keyword, "CHUNKING") && !smtp->options->hide_chunking)
		smtp->flags |= FLAG_EHLO_CHUNKING;
	if (more && (smtp->reply_state != REPLY_LOOSE || code / 100 == 4 ||
			    is_early_refusal(smtp, code)))
		return false;
	return reply(reader, view, code);
}

// The word behind "250-". Whether these four bytes are right is seen when the line is complete.
static void find_keyword(const struct smtp_reader *reader, struct smtp_word *word)
{
	*word = (struct smtp_word){0};
	for (size_t i = 0; i < 4; i++) {
		if (smtp_line_byte(reader, i) == '\n')
			return;
	}
	smtp_find_word(reader, 4, true, word);
}

static bool read_reply(struct smtp_reader *reader)
{
	bool has_keyword = head(reader->smtp) == SMTP_VERB_EHLO;
	struct smtp_word word;
	struct smtp_view view;
	enum smtp_taken taken;

	if (smtp_left(reader) == 0)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	if (has_keyword) {
		find_keyword(reader, &word);
		if (keyword_is_hidden(reader->smtp, &word) && smtp_mask_word(reader, &word))
			return true;
	}
	taken = smtp_take_line(reader, &view);
	if (taken == TAKEN_PART)
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	if (taken == TAKEN_NO_MEMORY)
		return smtp_emit_violation(reader, SMTP_VIOLATION_NO_MEMORY, view.from, view.to);
	if (taken == TAKEN_TOO_LONG) {
		view.text = NULL;
		return smtp_emit_violation(reader, SMTP_VIOLATION_BAD_REPLY, view.from, view.to);
	}
	return read_line(reader, &view, has_keyword ? &word : NULL);
}

static bool emit_later(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;
	uint64_t at = smtp->offset[TCP_SERVER];
	uint64_t client = smtp->offset[TCP_CLIENT];
	uint32_t first = smtp->flags & FLAG_SERVER_LATER;

	first &= ~first + 1;
	smtp->flags &= ~first;
	switch (first) {
	case FLAG_ABORT:
		reader->event->bdat = true; // only such a message outlives its command
		return smtp_emit(reader, SMTP_MESSAGE_ABORT, at, at);
	case FLAG_SERVER_BEGIN:
		return smtp_emit(reader, SMTP_MESSAGE_BEGIN, at, at);
	case FLAG_TLS:
		return smtp_emit(reader, SMTP_TLS, at, at);
	default:
		return smtp_emit_violation(
			reader, SMTP_VIOLATION_INJECTED_BEFORE_TLS, client, client);
	}
}

static bool server_step(struct smtp_reader *reader)
{
	struct smtp *smtp = reader->smtp;

	if ((smtp->flags & FLAG_SERVER_LATER) != 0)
		return emit_later(reader);
	if (smtp->reply_state == REPLY_TLS || smtp->reply_state == REPLY_DEAD) {
		smtp_use(reader, smtp_left(reader));
		return smtp_emit(reader, SMTP_NEED_INPUT, 0, 0);
	}
	return read_reply(reader);
}

size_t smtp_server(struct smtp *smtp, struct smtp_pool *pool, const uint8_t *data, size_t n,
	struct smtp_event *event)
{
	static const uint8_t nothing[1];
	struct smtp_reader reader = {.smtp = smtp,
		.pool = pool,
		.data = n > 0 ? data : nothing,
		.n = n,
		.side = TCP_SERVER,
		.event = event};

	*event = (struct smtp_event){0};
	smtp_release_line(&reader);
	while (!server_step(&reader))
		smtp_release_line(&reader); // of a line that had no event
	return reader.used;
}
