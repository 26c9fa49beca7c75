// SPDX-License-Identifier: BSD-3-Clause
// The SMTP dialogue of one connection, both sides, to events (RFC 5321, 2920, 3030, 3207, 4954, 6152,
// 6531).
//
// Pull style. The session feeds the client's bytes to smtp_client and the server's bytes to
// smtp_server, each in stream order, in any chunks, and before they are forwarded: what an event asks
// to change (SMTP_MASK) or to keep back (SMTP_WAIT, SMTP_MESSAGE_END, SMTP_VIOLATION) can still be
// changed or kept back. A queue of outstanding commands says which command a reply answers, so a
// message is a message only when the server really said 354 (or another 3yz) to DATA.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_QUEUE 64         // outstanding commands; past that the client waits
#define SMTP_LINE_BYTES 12288 // longest command or reply line that is kept (RFC 4954 section 4)

// Verbs that are known; every other one is SMTP_VERB_UNKNOWN. The last line is refused: they carry
// data, reverse roles, or fetch what was not scanned. X(name)
// clang-format off
#define SMTP_VERBS(X)                                                                              \
	X(HELO) X(EHLO) X(MAIL) X(RCPT) X(DATA) X(BDAT) X(RSET) X(NOOP) X(QUIT) X(VRFY) X(EXPN)    \
	X(HELP) X(AUTH) X(STARTTLS) X(ETRN) X(SEND) X(SOML) X(SAML) X(XFORWARD)                    \
	X(XEXCH50) X(XCLIENT) X(BURL) X(TURN) X(ATRN) X(XLINK2STATE) X(LHLO)
// clang-format on

enum smtp_verb {
	SMTP_VERB_NONE,    // no command: an unsolicited reply
	SMTP_VERB_CONNECT, // the greeting
	SMTP_VERB_UNKNOWN,
	SMTP_VERB_AUTH_DATA,   // a client line that answers 334; opaque
	SMTP_VERB_END_OF_DATA, // the reply to a whole message (CRLF.CRLF)
#define X(name) SMTP_VERB_##name,
	SMTP_VERBS(X)
#undef X
};

enum smtp_starttls { SMTP_STARTTLS_MASK, SMTP_STARTTLS_REFUSE, SMTP_STARTTLS_PASS };

struct smtp_options {
	enum smtp_starttls
		starttls;        // mask: hide the keyword and the command; refuse: the command only
	bool pass_unknown_verbs; // default: masked, so the server refuses them as unknown
	bool hide_chunking;      // mask CHUNKING and BINARYMIME in EHLO replies
	bool report_bare_newline; // SMTP_VIOLATION for bare CR, LF or NUL anywhere in a DATA body
	uint32_t max_line_bytes;  // SMTP_VIOLATION for longer body lines in DATA; 0: never
};

enum smtp_event_type {
	SMTP_NEED_INPUT, // everything given was consumed
	SMTP_WAIT,       // client only: read no further until the server has replied
	SMTP_COMMAND,    // client: one complete command line; verb, text = arguments, address
	SMTP_MASK, // overwrite stream bytes [from, to) of this side with `fill`, as far as not sent
	// Server: one complete reply; verb it answers, code, text = its last line, code included and
	// CRLF not; bdat: it answers BDAT ... LAST, so a whole message.
	SMTP_REPLY,
	SMTP_MESSAGE_BEGIN, // server (354, or another 3yz, to DATA) or client (first BDAT of a message)
	SMTP_MESSAGE_DATA, // client: text is the next piece of the message, dots unstuffed
	SMTP_MESSAGE_END,  // client: `to` is one past the last byte that completes the message
	SMTP_MESSAGE_ABORT, // either: the message in progress will never be completed (RSET, refusal)
	SMTP_TLS,       // server: 220 to STARTTLS under SMTP_STARTTLS_PASS: all that follows is TLS
	SMTP_VIOLATION, // why, from, to; the caller's policy decides (see below)
};

// X(name, fatal, reply, help). A fatal one leaves no common reading: the connection must end. After
// one that is not fatal the caller may go on (the bytes [from, to) filled with `fill` first, where
// fill is not 0, normalise it) or refuse the message with the reply. EARLY_REFUSAL is the server's side's: text is its
// reply, which the client takes for that to its message; what the server makes of the rest of it nobody knows, so that
// nothing more must reach it.
#define SMTP_VIOLATIONS(X)                                                                         \
	X(FALSE_END, false, "550 5.5.2 Line breaks must be CRLF",                                  \
		"end of data look-alike (smuggling)")                                              \
	X(BARE_NEWLINE, false, "550 5.5.2 Line breaks must be CRLF",                               \
		"bare CR, LF or NUL in the body")                                                  \
	X(LONG_LINE, false, "550 5.5.2 Line too long", "body line over the limit")                 \
	X(EARLY_REFUSAL, false, "554 5.0.0 Refused",                                               \
		"the server refuses a message that is still on its way")                           \
	X(LONG_COMMAND, true, "500 5.5.2 Line too long", "command line over 12288 bytes")          \
	X(BAD_BDAT, true, "501 5.5.4 Bad chunk size", "BDAT without a usable size")                \
	X(DATA_AFTER_BDAT, true, "503 5.5.1 Bad sequence",                                         \
		"DATA inside a BDAT transaction accepted")                                         \
	X(UNSOLICITED_REPLY, true, "421 4.3.0 Service not available",                              \
		"a reply, not 4yz, that answers nothing")                                          \
	X(FALSE_354, true, "421 4.3.0 Service not available", "354 to something other than DATA")  \
	X(BAD_REPLY, true, "421 4.3.0 Service not available", "a server line that is no reply")    \
	X(INJECTED_BEFORE_TLS, true, "421 4.7.0 Bad sequence", "plain text behind STARTTLS")       \
	X(NOT_TLS, true, "421 4.7.0 TLS expected", "no ClientHello after STARTTLS")                \
	X(NO_MEMORY, true, "421 4.3.2 Try again later", "no line buffer left")

enum smtp_violation {
#define X(name, fatal, reply, help) SMTP_VIOLATION_##name,
	SMTP_VIOLATIONS(X)
#undef X
};

struct smtp_event {
	enum smtp_event_type type;
	enum smtp_verb verb;
	enum smtp_violation why;
	uint16_t code; // of a reply
	bool bdat;     // MESSAGE_*: by BDAT
	uint8_t fill;  // MASK, VIOLATION: the byte to overwrite with, 0: none
	bool may_stay; // MASK: as far as it has gone on already it does no harm
	uint64_t from; // stream offsets of the side that was read
	uint64_t to;
	const uint8_t *text; // not terminated; valid until the next call
	size_t text_bytes;
	const uint8_t *address; // MAIL, RCPT (and SEND, SOML, SAML): the path without <>
	size_t address_bytes;
	const uint8_t *params; // ESMTP parameters behind it
	size_t params_bytes;
};

// Line buffers, shared by the connections of one worker: a connection holds one only while half a
// line has arrived. memory: smtp_pool_bytes(lines), the caller's, 64-aligned.
struct smtp_pool;
uint32_t smtp_pool_free_lines(const struct smtp_pool *pool);
size_t smtp_pool_bytes(uint32_t lines);
struct smtp_pool *smtp_pool_init(void *memory, uint32_t lines);

struct smtp_line; // of the pool

// State of one dialogue; private to smtp.c but for its size. At most 256 bytes: idle connections are
// many.
struct smtp {
	const struct smtp_options *options;
	struct smtp_line *line[2]; // by side (enum tcp_side order): a line that is not complete yet
	uint64_t offset[2];        // stream offset of the next byte to read
	uint64_t chunk_left;       // of a BDAT chunk
	uint8_t queue[SMTP_QUEUE]; // enum smtp_verb, a ring
	uint8_t queue_head;
	uint8_t queue_count;
	uint8_t state; // of the client side; see smtp.c
	uint8_t body;  // position in the end-of-data automaton
	uint8_t reply_state;
	uint8_t scan; // progress inside a verb or keyword that may have to be masked
	uint32_t flags;
	uint32_t line_bytes; // of the body line in progress
	uint32_t masked[2];  // bytes of the line in progress up to the end of a masked word
};

// A new connection, the greeting outstanding. options must outlive it.
void smtp_init(struct smtp *smtp, const struct smtp_options *options);
void smtp_fini(struct smtp *smtp, struct smtp_pool *pool);

// Each reads from data and stops after one event; returns how many bytes were consumed. Bytes of a
// line that is not complete are consumed too (and kept in a line buffer). Call again with the rest,
// also when nothing is left, until SMTP_NEED_INPUT or SMTP_WAIT: one byte can cause several events.
// SMTP_MASK often comes with nothing consumed: it precedes the SMTP_COMMAND of its line; whether the
// caller overwrites data before it calls again makes no difference. When client bytes wait, read them
// after each event of the server's side, before its next reply: it may answer what they ask. After a fatal violation the
// client side gives SMTP_WAIT for ever and the server side consumes without events.
size_t smtp_client(struct smtp *smtp, struct smtp_pool *pool, const uint8_t *data, size_t n,
	struct smtp_event *event);
size_t smtp_server(struct smtp *smtp, struct smtp_pool *pool, const uint8_t *data, size_t n,
	struct smtp_event *event);

// The client is inside a message (DATA accepted, or a BDAT chunk is open).
bool smtp_in_message(const struct smtp *smtp);
// A message begins with the command that was just read: DATA if the server takes it, or the first BDAT.
bool smtp_begins_message(const struct smtp *smtp);
// A chunk of a message is complete, and the reply to it is all that is outstanding.
bool smtp_awaits_chunk_reply(const struct smtp *smtp);
// Client bytes of a command line in progress that may become DATA or BDAT, 0 if it cannot.
size_t smtp_message_command_bytes(const struct smtp *smtp);
// How many of the last client bytes that were consumed may be the beginning of an end of data, or of
// something that a server may take for one: 1 for a dot at the start of a line, 2 for a CR behind it,
// which is the end for a server that takes a CR for a line end: the verdict must be given before that
// goes on. Only at the end of the input that was given.
size_t smtp_undecided(const struct smtp *smtp);
// May bytes of the client that arrived out of order, [from, from + n), go to the server before what
// precedes them was read? True only where they cannot complete the message in any server's eyes:
// inside a DATA body without anything like an end-of-data (split ones included) and without what may
// be a BDAT, STARTTLS or refused command should the message end before, inside a BDAT chunk short of
// its last byte.
bool smtp_may_pass_early(const struct smtp *smtp, uint64_t from, const uint8_t *data, size_t n);

const char *smtp_violation_name(enum smtp_violation why); // "false-end", ...
const char *smtp_violation_reply(enum smtp_violation why);
bool smtp_violation_is_fatal(enum smtp_violation why);
const char *smtp_verb_name(enum smtp_verb verb);
