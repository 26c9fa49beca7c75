// SPDX-License-Identifier: BSD-3-Clause
// The two sides of a connection whose numbers are not the same any more, because the engine has taken in
// what the client sent, or has said something itself.
//
// All of the session but this works with the client's view: the numbers, bytes and replies as the client has
// them. Only at the server's side they are translated, when a segment comes from it or goes to it. The
// server's side has a tracker of its own; a segment is judged by the numbers of the side it comes from, and
// again by those of the side it goes to.
//
// In a divert (SESSION_DIVERT) nothing of the two sides meets: the client is acknowledged, answered and
// retransmitted to by the engine in the server's name, the server the other way round. When it ends, both
// maps have their edges at what comes next, and everything before is settled (see reassembly/seqmap.h).
//
// Behind a capture (engine_options.recorded) the server's side cannot follow: it says in the capture's numbers
// what it said then. So nothing of it is translated, its replies stand for the engine's, and only what goes
// to it has other numbers.
#pragma once

#include "dataplane/session.h"

#include <stddef.h>
#include <stdint.h>

enum splice_phase {
	SPLICE_PASS,   // no divert: numbers are translated
	SPLICE_BODY,   // the client's message is coming in
	SPLICE_WAIT,   // it is whole, and is being made durable
	SPLICE_SETTLE, // it can be answered once the server has answered what the engine asked it
};

#define SPLICE_LINE_BYTES 4 // of a server's reply: its code and what follows it

struct splice {
	struct sender client;      // what the engine says to the client, in the server's name
	struct sender server;      // and the other way round
	struct tcp_connection tcp; // the server's side, in its numbers
	struct seqmap map[2];      // by side that sends
	struct session *session;
	struct splice *next; // in the ring of those in use
	struct splice *previous;
	uint64_t heard_ns; // when the client was last heard; of the other phases: when they began
	uint64_t asked_ns; // when the server was last asked something
	uint64_t probed;   // one past the client's byte that has asked for room; 0: none
	uint32_t server_next; // in a divert: the server's next byte
	uint8_t phase;        // enum splice_phase
	uint8_t asked;        // commands of the engine's that the server owes a reply to
	uint8_t noops;
	uint32_t window;   // that the client may be told
	uint32_t taken_in; // messages, on this connection
	bool server_lost;  // it has closed, was reset or says so; it is told nothing any more
	bool server_quits; // the client has said QUIT: the server is told when the divert ends
	bool recorded;     // the server's side is a capture's
	uint8_t line_bytes;
	char line[SPLICE_LINE_BYTES];
};

size_t splice_pool_bytes(uint32_t count);
struct splice_pool *splice_pool_init(void *memory, uint32_t count);
uint32_t splice_pool_used(const struct splice_pool *pool);
uint32_t splice_pool_free(const struct splice_pool *pool);

// The next of those in use, round and round; NULL: there are none.
struct splice *splice_next(struct splice_pool *pool);
// Makes the connection a spliced one; it may be one already. Returns 0 or -ENOMEM.
int splice_make(struct engine *engine, struct session *session);
void splice_free(struct engine *engine, struct session *session);

// ---- passing ----

// A segment of the server's side by its own numbers, to those of the client's view. What the engine has
// acknowledged before is cut off, and acknowledged again.
void splice_from_server(
	struct engine *engine, struct session *session, const struct arrival *arrival);
// A segment that is to go to the server: what the engine has taken in is cut off, and acknowledged again.
void splice_cut(struct engine *engine, struct session *session, const struct arrival *arrival);
// It only acknowledges what the engine has said: to the server it would be a repetition of what it was told
// last, and three of those look like a loss.
bool splice_is_for_engine(const struct session *session, const struct packet *packet);
// The same segment to the server's numbers, without what lies outside the server's window. False: nothing of
// it would be taken.
bool splice_to_server(struct session *session, const struct arrival *arrival);
// What of the client's bytes the server has room for: everything below this offset. In a divert the client was
// granted more, so the rest waits in its stream; the server's acknowledgements make room for it.
uint64_t splice_room(const struct session *session);
// The server has no room for anything: one byte may ask it (RFC 9293 section 3.8.6.1).
bool splice_is_shut(const struct session *session);
// The same for a segment of the engine's own.
void splice_number(struct session *session, struct packet_segment *segment);
// The number at the server of what the client's view calls seq.
uint32_t splice_server_seq(const struct session *session, uint32_t seq);

// side has acknowledged something: perhaps what the engine has said to it, and with that what passed behind.
void splice_acked(struct session *session, enum tcp_side side);

// ---- in a divert ----

#define SPLICE_WINDOW_BYTES (256u * 1024u) // to the client, at most

// Both maps and both trackers as the engine's senders and the streams stand now.
void splice_sync(struct session *session);
// Sends what is due to either side. Returns whether anything that carries an acknowledgement went to side.
bool splice_pump(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns);
