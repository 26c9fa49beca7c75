// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the SMTP dialogue share; not for others.
#pragma once

#include "reassembly/smtp.h"
#include "reassembly/tcp.h"

#include <string.h>

// struct smtp.state: what the client's next byte is.
enum smtp_state {
	STATE_COMMAND,
	STATE_AUTH, // an opaque line that answers 334
	STATE_WAIT, // behind a command whose reply decides what follows; it is the last in the queue
	STATE_BODY,
	STATE_CHUNK,
	STATE_HELLO, // the first bytes behind an accepted STARTTLS
	STATE_TLS,
	STATE_DEAD, // after a fatal violation: nothing more is read
};

// struct smtp.body: what stands before the next byte of a DATA body.
enum smtp_body {
	BODY_START, // CRLF, or the body begins
	BODY_TEXT,
	BODY_CR,
	BODY_LF, // without CR before it
	BODY_NUL,
	BODY_DOT,     // CRLF and a dot, which is not given out
	BODY_DOT_CR,  // the same and a CR, which is given out only if no LF follows
	BODY_ODD_DOT, // a dot behind a CR, LF or NUL that is not CRLF; given out
};

// struct smtp.reply_state.
enum smtp_reply_state {
	REPLY_NONE,
	REPLY_MORE,  // inside the reply to the queue's head
	REPLY_LOOSE, // inside one that answers nothing: a time-out, 421 or another 4yz
	REPLY_TLS,
	REPLY_DEAD,
};

#define FLAG_MESSAGE 0x0001u       // begun, neither ended nor aborted
#define FLAG_BDAT 0x0002u          // it comes in chunks
#define FLAG_FAILED 0x0004u        // a chunk was refused: the rest of that transaction is void
#define FLAG_LAST 0x0008u          // the chunk in progress is the last
#define FLAG_CHUNKING 0x0010u      // the client was told of CHUNKING
#define FLAG_EHLO_CHUNKING 0x0020u // seen in the EHLO reply in progress
#define FLAG_BEHIND_TLS 0x0040u    // client bytes behind STARTTLS came before its reply
#define FLAG_BARE_DONE 0x0080u     // reported in this message
#define FLAG_LONG_DONE 0x0100u     // the same
#define FLAG_RELEASE 0x0200u       // << side: the line was complete, it goes back to the pool
// Events that follow the last one without any byte in between.
#define FLAG_CLIENT_BEGIN 0x01000u
#define FLAG_CLIENT_END 0x02000u
#define FLAG_FALSE_END 0x04000u
#define FLAG_LONG_LINE 0x08000u
#define FLAG_BARE 0x10000u
#define FLAG_CLIENT_LATER 0x1f000u
#define FLAG_ABORT 0x020000u
#define FLAG_SERVER_BEGIN 0x040000u
#define FLAG_TLS 0x080000u
#define FLAG_INJECTED 0x100000u
#define FLAG_SERVER_LATER 0x1e0000u
#define FLAG_WAITS_LF 0x200000u // the line whose reply the client waits for ended with a bare LF
#define FLAG_LF_ENDS 0x400000u  // this server has shown that such a line is whole to it

#define QUEUE_LAST 0x80u // marks a BDAT LAST in the queue

// One call of smtp_client or smtp_server.
struct smtp_reader {
	struct smtp *smtp;
	struct smtp_pool *pool;
	const uint8_t *data;
	size_t n;
	size_t used;
	enum tcp_side side;
	struct smtp_event *event;
};

static inline const uint8_t *smtp_rest(const struct smtp_reader *reader)
{
	return reader->data + reader->used;
}

static inline size_t smtp_left(const struct smtp_reader *reader)
{
	return reader->n - reader->used;
}

static inline void smtp_use(struct smtp_reader *reader, size_t n)
{
	reader->used += n;
	reader->smtp->offset[reader->side] += n;
}

// Sets the event; true, as the step functions return it.
static inline bool smtp_emit(
	struct smtp_reader *reader, enum smtp_event_type type, uint64_t from, uint64_t to)
{
	reader->event->type = type;
	reader->event->from = from;
	reader->event->to = to;
	return true;
}

bool smtp_emit_violation(
	struct smtp_reader *reader, enum smtp_violation why, uint64_t from, uint64_t to);

// A line, whole: in the input where that is possible, else in the line buffer.
struct smtp_view {
	const uint8_t *text; // without CR and LF at its end
	size_t text_bytes;
	uint64_t from; // stream offsets, CR and LF included
	uint64_t to;
	bool crlf;
};

enum smtp_taken { TAKEN_LINE, TAKEN_PART, TAKEN_TOO_LONG, TAKEN_NO_MEMORY };
// Consumes bytes up to the end of the line. TAKEN_PART: all there was is in the line buffer.
enum smtp_taken smtp_take_line(struct smtp_reader *reader, struct smtp_view *view);
// Gives back the line buffer of a line that the last event has pointed into.
void smtp_release_line(struct smtp_reader *reader);

// A word of a line in progress, of which part may be in the line buffer.
struct smtp_word {
	size_t start; // in the line
	size_t end;
	bool complete;    // something that is no part of it follows
	uint8_t text[16]; // upper case, the first 16 bytes
};
// The first word from byte `start` of the line on, behind whatever cannot be in a word. A word is of
// letters, digits and "-", with `dots` of dots as well.
void smtp_find_word(
	const struct smtp_reader *reader, size_t start, bool dots, struct smtp_word *word);
// Byte `at` of the line in progress, -1 past what there is.
int smtp_line_byte(const struct smtp_reader *reader, size_t at);
bool smtp_is_word_byte(int byte, bool dots);
bool smtp_word_is(const struct smtp_word *word, const char *name);
bool smtp_word_begins(const struct smtp_word *word, const char *name);
// Emits SMTP_MASK for the word's bytes unless that was done.
bool smtp_mask_word(struct smtp_reader *reader, const struct smtp_word *word);
// Of a BDAT command whose verb ends at start: emits SMTP_MASK for the next blank that servers may read differently, if there
// is one. A tab becomes a space, and what blanks follow the first one are zeros in front of the size (RFC 3030 section 2).
bool smtp_mask_blanks(struct smtp_reader *reader, size_t start);

void smtp_queue_push(struct smtp *smtp, uint8_t entry);

// smtp_command.c
enum smtp_verb smtp_verb_of(const struct smtp_word *word);
bool smtp_verb_is_refused(const struct smtp *smtp, const struct smtp_word *word);
// The word is the beginning of verbs, none of which hands over data or the connection without a 354.
bool smtp_verb_is_cut(const struct smtp_word *word);
// The line begins with a verb that hands over data or the connection without a 354; or its first
// word is the end of such a verb.
bool smtp_begins_handover(const uint8_t *line, size_t n);
bool smtp_ends_handover(const uint8_t *line, size_t n);
void smtp_parse_path(struct smtp_event *event);
// "n" or "n LAST", with any blanks; false when it is anything else.
bool smtp_parse_chunk(const uint8_t *text, size_t n, uint64_t *bytes, bool *last);

// smtp_body.c
void smtp_body_begin(struct smtp *smtp);
bool smtp_body_step(struct smtp_reader *reader);
