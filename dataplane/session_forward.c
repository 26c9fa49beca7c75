// SPDX-License-Identifier: BSD-3-Clause
// What goes on of a session's bytes, and when: what was read, is not withheld and has room at its receiver.
#include "dataplane/keep.h"
#include "dataplane/message.h"
#include "dataplane/session.h"
#include "dataplane/splice.h"

#define REASSURE_NS 1000000000ull // that a verdict is waited for before the client is told to wait

// What of side's bytes may be forwarded, and has room at its receiver: everything below this offset. What a
// tracker of the session itself judges fits.
static uint64_t limit_of(const struct session *session, enum tcp_side side)
{
	uint64_t limit = session_limit(session, side);
	uint64_t room = side == TCP_CLIENT ? splice_room(session) : UINT64_MAX;

	return room < limit ? room : limit;
}

bool session_passes(const struct session *session, enum tcp_side side)
{
	return session->mode == SESSION_INSPECT ||
	       (session->mode == SESSION_DIVERT && side == TCP_SERVER && session->splice->recorded);
}

// The byte that asked a server without room comes first when there is some: its sender may be patient by now.
static void repeat_probe(struct engine *engine, struct session *session)
{
	struct splice *splice = session->splice;
	const uint64_t probed = splice != NULL ? splice->probed : 0;

	if (probed == 0 || splice_room(session) < probed)
		return;
	splice->probed = 0;
	if (session->stream[TCP_CLIENT].released < probed)
		emit_stored(engine, session, TCP_CLIENT, probed - 1, probed);
}

void session_flush(struct engine *engine, struct session *session)
{
	if (session_passes(session, TCP_CLIENT))
		repeat_probe(engine, session);
	for (enum tcp_side side = TCP_CLIENT; side <= TCP_SERVER; side++) {
		struct stream *stream = &session->stream[side];
		uint64_t limit = limit_of(session, side);
		uint64_t from;
		uint64_t to;

		if (!session_passes(session, side))
			continue;
		while (stream->sent < limit && stream_unsent(stream, limit, &from, &to)) {
			emit_stored(engine, session, side, from, to);
			// The first range without a hole before it: there is always room to mark it.
			(void)stream_mark_sent(stream, engine->pages, from, to);
		}
		if (!session->fin_sent[side] && session->fin[side] <= limit &&
			stream->sent >= session->fin[side]) {
			emit_fin(engine, session, side);
			session->fin_sent[side] = true;
		}
	}
}

// A packet whose payload waits: only its acknowledgement goes on, and only when it says something new.
static void forward_rest(struct engine *engine, struct session *session,
	const struct arrival *arrival, bool ack_is_new)
{
	if (arrival->packet->tcp.payload_bytes > 0 || ack_is_new)
		emit_forward(engine, session, arrival);
	else
		emit_drop(engine, arrival);
}

// For long enough that the client should hear of it.
static bool has_to_wait(const struct session *session, uint64_t now_ns)
{
	const struct message *message = session->building;

	if (session->deciding)
		return now_ns - session->deciding_ns >= REASSURE_NS;
	return message != NULL && message_waits_for_room(message);
}

// The client's next byte for a server whose window is shut, which might never say that it has opened it.
static bool asks_for_room(
	const struct session *session, enum tcp_side side, uint64_t from, uint64_t to)
{
	return side == TCP_CLIENT && session->splice != NULL && !session->splice->recorded &&
	       from == splice_room(session) && from < to && from < session_limit(session, side) &&
	       splice_is_shut(session);
}

void session_forward(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, uint64_t from, bool ack_is_new)
{
	struct packet *packet = arrival->packet;
	struct stream *stream = &session->stream[side];
	uint64_t limit = limit_of(session, side);
	uint64_t to = from + packet->tcp.payload_bytes;

	if (asks_for_room(session, side, from, to)) {
		// A FIN would lie behind the edge, and is not for asking.
		packet_clear_flags(arrival->frame, packet, TCP_FLAG_FIN);
		limit = from + 1;
		session->splice->probed = limit;
	}
	if (to <= limit) {
		// What cannot be marked is sent from the stream, in its turn.
		if (!stream_mark_sent(stream, engine->pages, from, to)) {
			emit_drop(engine, arrival);
			return;
		}
		if (session->fin[side] == to && stream->sent == to)
			session->fin_sent[side] |= (packet->tcp.flags & TCP_FLAG_FIN) != 0;
		else
			packet_clear_flags(arrival->frame, packet, TCP_FLAG_FIN);
		emit_forward(engine, session, arrival);
		return;
	}
	packet_clear_flags(arrival->frame, packet, TCP_FLAG_FIN);
	if (side == TCP_CLIENT && from > stream->next && session->hold == UINT64_MAX &&
		to <= splice_room(session) &&
		smtp_may_pass_early(
			&session->smtp, from, packet->payload, packet->tcp.payload_bytes) &&
		stream_mark_sent(stream, engine->pages, from, to)) {
		engine->counters.passed_early++;
		emit_forward(engine, session, arrival);
		return;
	}
	engine->counters.held_packets++;
	if (from < limit && !stream_mark_sent(stream, engine->pages, from, limit))
		limit = from;
	// A sender whose bytes stay unacknowledged would give up; one that is told to wait does not
	// (RFC 9293 section 3.8.6.1).
	if (side == TCP_CLIENT && from >= limit && has_to_wait(session, arrival->now_ns))
		emit_wait(engine, session, TCP_SERVER);
	packet_trim(arrival->frame, packet, 0, (uint32_t)(to - (from < limit ? limit : from)));
	forward_rest(engine, session, arrival, ack_is_new);
}
