// SPDX-License-Identifier: BSD-3-Clause
// The engine in the server's place: the server's side is reset, the client's bytes are acknowledged
// and swallowed, the client gets its answer and then 221 or 421 and an orderly close.
//
// The 421 answers the client's next command. A server may say it unasked, right behind the answer (RFC 5321
// section 3.8), but clients pair replies with commands: one that keeps its connection for the next message
// would find a reply that nobody owes it, and one that has sent that message already might take the 421 for
// the answer that it is still to get. A client that says nothing is not waited for longer than a minute: then
// it is told 421 unasked, and the FIN follows. Should neither be acknowledged, they are repeated; a client that
// does not close within 90 seconds more is reset. Neither time passes while it has shut its window and answers
// the probes of it.
//
// Resets may be lost without a trace, so the first is repeated, and whatever the server still sends is
// answered with a reset at its own acknowledgement (RFC 5961 challenge ACKs included).
#pragma once

#include "dataplane/session.h"

#include <stddef.h>
#include <stdint.h>

enum takeover_phase {
	TAKEOVER_BODY,   // the rest of the message is still to come
	TAKEOVER_STORE,  // it is whole, and is being made durable
	TAKEOVER_ANSWER, // the reply is given; the next command gets 221 or 421
	TAKEOVER_CLOSE,  // FIN queued
};

#define TAKEOVER_OWN_BYTES 320 // two replies; longer than what the client is told of a message

struct takeover {
	struct sender sender; // to the client, in the server's name
	struct session *session;
	struct takeover *next;
	struct takeover *previous;
	uint64_t begin_ns; // of the phase; of the body: when the client was last heard
	uint64_t reset_ns; // when the server is reset again; 0: no more
	uint32_t reset_seq;
	uint8_t resets;
	uint8_t phase; // enum takeover_phase
	char line[8];  // beginning of the client's next command
	uint8_t line_bytes;
	// What the sender has no room for yet: what the server has said, and behind it the engine's own words.
	bool fin;           // behind them
	uint16_t own_bytes; // of own
	uint64_t told;  // up to here, by stream offset, the server's words were given to the sender
	uint64_t until; // they end
	char own[TAKEOVER_OWN_BYTES];
	const char *why;
};

size_t takeover_pool_bytes(uint32_t count);
struct takeover_pool *takeover_pool_init(void *memory, uint32_t count);
uint32_t takeover_pool_free(const struct takeover_pool *pool);

// Begins: resets the server, and from now on answers the client. why ends up in the session record.
// Returns 0, or -ENOMEM: then both sides were reset instead (the sender comes back) and the session is
// buried.
int takeover_begin(
	struct engine *engine, struct session *session, const char *why, uint64_t now_ns);
// Resets both sides and buries the session: the sender comes back.
void takeover_reset_both(
	struct engine *engine, struct session *session, const char *why, uint64_t now_ns);
// The message is over: gives the reply (without CRLF), unless that is empty; with close set, FIN at once.
void takeover_reply(struct engine *engine, struct session *session, const char *reply, bool close,
	uint64_t now_ns);
// The message was answered: what the client says next gets 221 or 421, and the close.
void takeover_answered(struct engine *engine, struct session *session, uint64_t now_ns);
// A segment of the client (accepted, its payload stored) or of the server during a takeover.
void takeover_client(struct engine *engine, struct session *session,
	const struct tcp_result *result, uint64_t now_ns);
void takeover_server(struct engine *engine, struct session *session, const struct arrival *arrival);
// Reads what the client has sent while its message was waited for, and answers.
void takeover_go_on(struct engine *engine, struct session *session, uint64_t now_ns);
// Tells the client how far it has been read.
void takeover_acknowledge(struct engine *engine, struct session *session);
// Retransmissions and time-outs of a few takeovers.
void takeover_tick(struct engine *engine, uint64_t now_ns);
// Whether its receiver is to be taken as gone: it says nothing any more, or has shut its window for as long as a
// connection may be idle; four minutes, when what it holds is scarce.
bool takeover_gives_up(
	const struct engine *engine, const struct sender *sender, bool is_scarce, uint64_t now_ns);
// Gives the takeover's memory back.
void takeover_free(struct engine *engine, struct session *session);
