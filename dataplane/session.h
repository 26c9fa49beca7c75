// SPDX-License-Identifier: BSD-3-Clause
// Private to the engine: one SMTP connection and the state that all sessions of a worker share.
//
//   session    a packet of the connection in, its fate out
//   dialogue   pulls both sides' bytes through the SMTP parser and acts on its events
//   message    envelope, scan and record of one message
//   deferral   messages whose verdict waits for another thread
//   gather     messages whose digests are computed with those of others
//   takeover   the engine in the server's place, once a message must not go on
//   engine_rules  the scanner in force and those before it
//   divert     one message taken in before its body, the connection goes on behind it
//   splice     the two sides' numbers, once they are not the same any more
//   keep       a message's copy in the spool
//   emit       segments made from stored bytes, or of the engine's own
#pragma once

#include "dataplane/engine.h"
#include "dataplane/flow.h"
#include "dataplane/fragment.h"
#include "reassembly/reassembly.h"

#include <stdbool.h>
#include <stdint.h>

struct message;
struct message_pool;
struct splice;
struct source_table;
struct splice_pool;
struct takeover;
struct takeover_pool;
struct deferral_pool;

enum session_mode {
	SESSION_INSPECT,  // forwarded as it is read and scanned
	SESSION_OPAQUE,   // forwarded unread: TLS, or by policy
	SESSION_DIVERT,   // the engine takes a message in and answers the client; the server waits
	SESSION_TAKEOVER, // the engine answers the client; nothing goes to the server any more
	SESSION_DEAD,     // over; the slot absorbs what still arrives until it ages
};

#define SESSION_HELO_BYTES 64
#define SESSION_NO_FIN UINT64_MAX

// Everything by side is indexed by enum tcp_side of the side that sent it.
struct session {
	struct flow flow; // first
	struct tcp_connection tcp;
	struct stream stream[2];
	struct packet_template template[2];
	struct smtp smtp;
	struct message *building;    // envelope being put together, or message in progress
	struct message *ended_first; // complete, the server's reply outstanding; oldest first
	struct message *ended_last;
	struct takeover *takeover; // not NULL in SESSION_TAKEOVER
	struct splice *splice;     // not NULL in SESSION_DIVERT, and ever after
	uint64_t id;
	uint64_t start_ns;
	uint64_t fin[2]; // stream offset of its FIN, or SESSION_NO_FIN
	uint64_t hold;   // client bytes from here on wait, whatever was read; UINT64_MAX: none
	uint64_t waived; // where a command line begins that is not withheld again
	uint64_t challenge_ns; // last challenge ACK
	uint64_t deciding_ns;  // since when another thread works for the building message's verdict
	uint32_t messages;
	uint16_t ip_id;
	uint8_t mode;      // enum session_mode
	uint8_t client_at; // enum link_side
	bool key_swapped;  // the client is the key's second address
	bool fin_sent[2];
	bool changed[2]; // stored bytes were overwritten since the packet at hand was stored
	bool pending;    // a takeover or a divert waits for replies to earlier commands
	bool diverting;  // it is a divert
	bool deciding;   // the client's bytes are not read on before the verdict
	bool gathered;   // until the burst is over (gather.h): its packet waits, too
	bool reported;   // the session record was written
	bool tls;        // went over to TLS: read as opaque bytes
	bool reset;      // a RST was forwarded
	bool counted;    // among those of its source
	char helo[SESSION_HELO_BYTES]; // as the client said it last, cut to fit
};

// What a session is found by.
struct session_key {
	struct flow_key key;
	uint32_t hash;
	bool swapped;
};

// A packet at hand: where it came from and what is known of it.
struct arrival {
	struct frame *frame;
	struct packet *packet;
	uint32_t link;
	enum link_side at;
	uint64_t now_ns;
	bool made; // put together from fragments in the engine's scratch: not to be sent itself
	const struct session_key *key; // of the packet, NULL: not made yet
};

// A message that waits for the burst's end, and the packet that brought its own.
struct gathered {
	struct session *session; // NULL: it has gone on
	struct frame frame;
	struct packet packet;
	struct arrival arrival;
	struct tcp_result result;
	uint64_t began_ns;
	bool ack_is_new;
};

// As many as fill the lanes of digests if each has only one.
#define GATHER_MESSAGES 16

struct gather {
	bool is_open;    // a burst is at hand
	bool may_take;   // the packet at hand can wait
	uint32_t frames; // of the burst
	uint32_t count;
	struct gathered all[GATHER_MESSAGES];
};

// Stored bytes [from, to) of a stream that stand in the packet at hand as well.
struct lent {
	const struct stream *stream; // NULL: none
	const uint8_t *data;
	uint64_t from;
	uint64_t to;
};

struct engine {
	struct engine_options options;
	struct engine_ops ops;
	struct scanner *scanner;                    // of the rules in force
	struct scanner *older[ENGINE_SCANNERS - 1]; // oldest first: messages are on them still
	uint32_t older_count;
	struct flow_table *flows;
	struct fragment_table *fragments;
	struct stream_pool *pages;
	struct smtp_pool *lines;
	struct message_pool *messages;
	struct message *waiting; // a ring: the next to be looked at
	const struct engine_seals *seals;
	struct takeover_pool *takeovers;
	struct deferral_pool *deferrals;
	struct gather gather;
	struct lent lent;
	struct splice_pool *splices;
	struct source_table *sources; // NULL: they may have any number of connections
	struct fragment_result fragment_result;
	void *memory;
	size_t memory_bytes;
	size_t message_bytes; // of one in progress; written by the engine, read by any thread
	uint64_t sessions;    // ever begun
	uint64_t walked_ns;
	uint32_t walk_cursor;
	uint32_t outdate_cursor; // of sessions whose rules have to be given up
	bool any_window;         // engine_heed_windows
	struct counters counters;
	uint64_t tcp_drops[32];      // by enum tcp_reason
	uint64_t packet_faults[16];  // by enum packet_fault
	uint8_t scratch[65536];      // a payload on its way into a segment
	uint8_t joined[65536 + 256]; // a datagram put together from fragments
};

static inline const struct engine_policy *session_policy(
	const struct engine *engine, const struct session *session)
{
	return &engine->options.policy[session->client_at == LINK_OUTSIDE ? DIRECTION_INBOUND
									  : DIRECTION_OUTBOUND];
}

// Which port of the link a side is behind.
static inline enum link_side session_port(const struct session *session, enum tcp_side side)
{
	enum link_side client_at = (enum link_side)session->client_at;

	return side == TCP_CLIENT ? client_at : link_other(client_at);
}

// Client first, server second.
static inline struct packet_address session_address(const struct session *session)
{
	struct packet_address address = session->flow.key.address;

	if (session->key_swapped) {
		for (int i = 0; i < 16; i++) {
			uint8_t byte = address.address[0][i];

			address.address[0][i] = address.address[1][i];
			address.address[1][i] = byte;
		}
		address.port_be[0] = session->flow.key.address.port_be[1];
		address.port_be[1] = session->flow.key.address.port_be[0];
	}
	return address;
}

// What of side's bytes may be forwarded: everything below this offset.
static inline uint64_t session_limit(const struct session *session, enum tcp_side side)
{
	uint64_t read = session->stream[side].read;

	return side == TCP_CLIENT && session->hold < read ? session->hold : read;
}

// ---- session.c ----

// One TCP packet with an SMTP port. Takes arrival->frame.
void session_arrival(struct engine *engine, const struct arrival *arrival);
// Ends a session: reports its messages and itself, gives everything back, forgets the flow.
void session_end(struct engine *engine, struct session *session, const char *why, uint64_t now_ns);
// The same, but the slot stays for a while to absorb what still arrives.
void session_bury(struct engine *engine, struct session *session, const char *why, uint64_t now_ns);

// The building message, which waited with its packet for the end of the burst, is to be decided now.
void session_go_on(struct engine *engine, struct gathered *gathered);
// Counts a segment that the TCP checks refused.
void session_count_drop(struct engine *engine, enum tcp_reason reason);

// ---- session_forward.c ----

// What side sends goes on. In a divert nothing does but what a recorded server says.
bool session_passes(const struct session *session, enum tcp_side side);
// Forwards what may go of the packet's bytes [from, from + payload), which are in the stream. Takes arrival->frame.
void session_forward(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, uint64_t from, bool ack_is_new);
// Sends what may go on now, of both directions, and FINs whose turn has come.
void session_flush(struct engine *engine, struct session *session);

// ---- session_open.c ----

void session_key_make(const struct engine *engine, const struct packet *packet, uint32_t link,
	struct session_key *key);
// The session of another packet, NULL: none. What of it waits for the end of the burst comes first.
struct session *session_find(struct engine *engine, const struct session_key *key);
// Is this the first segment of a connection: a SYN and nothing else?
bool session_opens(const struct tcp_segment *tcp);
bool session_is_smtp_port(const struct engine *engine, uint16_t port_be);
// A new connection by its SYN; a packet of one whose beginning was not seen. Both take the frame. key and
// swapped are those of the packet's addresses (flow_key_make).
void session_open(struct engine *engine, const struct arrival *arrival, const struct flow_key *key,
	bool swapped);
void session_midstream(struct engine *engine, const struct arrival *arrival,
	const struct flow_key *key, bool swapped);
// Overwrites the options of a SYN that would let bytes travel in ways that are not followed here.
void session_strip_options(struct frame *frame, struct packet *packet);
// Takes the headers for the engine's own segments in side's name.
void session_learn(struct session *session, enum tcp_side side, const struct arrival *arrival);

// ---- session_payload.c ----

// The payload of a packet, which was stored at offset, is at hand until engine->lent is emptied.
void session_lend(struct engine *engine, const struct session *session, enum tcp_side side,
	const struct arrival *arrival, uint64_t offset);
// The next bytes for the parser, or 0: as stream_peek, of longer pieces.
size_t session_peek(
	struct engine *engine, struct session *session, enum tcp_side side, const uint8_t **data);
// What the parser masked, or a first copy that came before, stands in the stream: so the packet leaves.
void session_restore(struct session *session, enum tcp_side side, const struct arrival *arrival,
	uint64_t offset);

// ---- session_trim.c ----

// Gives back the pages of what both sides have had: of one session; of as many as are given, of those that were
// silent for so long, the one that was silent longest first.
void session_trim(struct engine *engine, struct session *session);
void session_trim_quiet(struct engine *engine, uint32_t most, uint64_t now_ns, uint64_t quiet_ns);

// ---- session_source.c ----

// Whether a client may open one more connection.
bool session_source_has_room(const struct engine *engine, const struct arrival *arrival);
// The connection is established: it counts from now on. False: there are as many as there may be.
bool session_source_take(struct engine *engine, struct session *session);
// It is over.
void session_source_give(struct engine *engine, struct session *session);

// ---- dialogue.c ----

// Reads what has arrived in order from one side, as far as it can be read.
void dialogue_pull(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns);
// A takeover that waited for the replies to earlier commands begins when they are in. What waits for
// replies of a server that has closed is answered with 421.
void dialogue_settle(struct engine *engine, struct session *session, uint64_t now_ns);
// The building message's verdict has to be waited for. The client's bytes wait from this offset on, unless they
// have gone already, or the packet waits as a whole.
void dialogue_wait(struct session *session, uint64_t from);
// The verdict that was waited for is there.
void dialogue_decided(struct engine *engine, struct session *session, uint64_t now_ns);
// In a takeover: reads the rest of the client's message.
void dialogue_pull_rest(struct engine *engine, struct session *session, uint64_t now_ns);
// In a divert: reads the client's message as far as it is there, and what the engine itself has said.
void dialogue_pull_divert(struct engine *engine, struct session *session, uint64_t now_ns);
void dialogue_pull_own(struct engine *engine, struct session *session, uint64_t now_ns);
// The message in progress is durable, or cannot be: action and reply say which.
void dialogue_kept(struct engine *engine, struct session *session, uint64_t now_ns);
// The message in progress is over without an end.
void dialogue_abort(struct engine *engine, struct session *session, uint64_t now_ns);

// ---- emit.c ----

void emit_drop(struct engine *engine, const struct arrival *arrival);
// Forwards the arrival's packet as it stands now to the other side.
void emit_forward(struct engine *engine, struct session *session, const struct arrival *arrival);
// Sends stored bytes [from, to) of side's stream to the other side, in segments of its MSS.
void emit_stored(struct engine *engine, struct session *session, enum tcp_side side, uint64_t from,
	uint64_t to);
// Sends a FIN, or a bare ACK, in side's name with its newest numbers.
void emit_fin(struct engine *engine, struct session *session, enum tcp_side side);
void emit_ack(struct engine *engine, struct session *session, enum tcp_side side);
// The same with a window of zero: what was sent has to wait.
void emit_wait(struct engine *engine, struct session *session, enum tcp_side side);
// Sends any segment in side's name to its peer. Numbers are the client's view; a splice gives the server
// its own.
void emit_segment(struct engine *engine, struct session *session, enum tcp_side side,
	struct packet_segment *segment);
// The same with the peer's own numbers.
void emit_numbered(struct engine *engine, struct session *session, enum tcp_side side,
	struct packet_segment *segment);
// Resets side's peer in side's name at seq.
void emit_reset(struct engine *engine, struct session *session, enum tcp_side side, uint32_t seq);
// Answers a packet that belongs to no session with resets to both ends (RFC 9293 section 3.5.2).
void emit_stray_reset(struct engine *engine, const struct arrival *arrival);
uint16_t emit_mss(const struct engine *engine, const struct session *session, enum tcp_side side);
