// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session.h"

#include "dataplane/divert.h"
#include "dataplane/gather.h"
#include "dataplane/keep.h"
#include "dataplane/message.h"
#include "dataplane/splice.h"
#include "dataplane/takeover.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct session) <= 832, "idle connections are many");

#define CHALLENGE_NS 20000000ull // between challenge ACKs of one connection
// When pages get scarce a stream that would grow past this, or leave a hole, has to wait: the rest is
// for those that fill a hole, and so give pages back.
#define SCARCE_SHARE 8
#define SCARCE_PAGES 16
// Before that, connections that are silent just now give back what both sides have had.
#define RECLAIM_SHARE 4
#define RECLAIM_SESSIONS 4

void session_count_drop(struct engine *engine, enum tcp_reason reason)
{
	engine->counters.dropped_tcp++;
	engine->tcp_drops[reason]++;
}

static const char *end_reason(const struct session *session)
{
	if (session->reset)
		return "reset";
	if (session->tcp.state == TCP_OPENING)
		return "half-open";
	return session->tcp.state >= TCP_CLOSING ? "fin" : "idle";
}

// Messages first, then the session itself, once.
static void report(struct engine *engine, struct session *session, const char *why, uint64_t now_ns)
{
	struct session_record record = {
		.time_ns = now_ns,
		.start_ns = session->start_ns,
		.link = session->flow.key.link,
		.direction =
			session->client_at == LINK_OUTSIDE ? DIRECTION_INBOUND : DIRECTION_OUTBOUND,
		.address = session_address(session),
		.session = session->id,
		.why = why,
		.inspected = session->mode != SESSION_OPAQUE && !session->tls,
		.client_bytes = session->stream[TCP_CLIENT].next,
		.server_bytes = session->stream[TCP_SERVER].next,
		.messages = session->messages,
	};

	session_source_give(engine, session);
	message_abandon(engine, session, now_ns);
	if (session->reported)
		return;
	session->reported = true;
	if (session->tcp.state != TCP_OPENING && engine->ops.session != NULL)
		engine->ops.session(engine->ops.ctx, &record);
}

static void release(struct engine *engine, struct session *session)
{
	takeover_free(engine, session);
	splice_free(engine, session);
	smtp_fini(&session->smtp, engine->lines);
	stream_fini(&session->stream[TCP_CLIENT], engine->pages);
	stream_fini(&session->stream[TCP_SERVER], engine->pages);
}

void session_end(struct engine *engine, struct session *session, const char *why, uint64_t now_ns)
{
	if (session->gathered)
		gather_settle(engine);
	report(engine, session, why != NULL ? why : end_reason(session), now_ns);
	release(engine, session);
	flow_remove(engine->flows, &session->flow);
}

void session_bury(struct engine *engine, struct session *session, const char *why, uint64_t now_ns)
{
	if (session->gathered)
		gather_settle(engine);
	report(engine, session, why, now_ns);
	release(engine, session);
	stream_init(&session->stream[TCP_CLIENT], 0);
	stream_init(&session->stream[TCP_SERVER], 0);
	session->mode = SESSION_DEAD;
	flow_touch(engine->flows, &session->flow, FLOW_CLOSING, now_ns);
}

static bool has_to_wait_for_pages(const struct engine *engine, const struct session *session,
	enum tcp_side side, uint64_t from, uint64_t to)
{
	const struct stream *stream = &session->stream[side];

	if (stream_pool_free_pages(engine->pages) >= engine->options.max_pages / SCARCE_SHARE ||
		to <= stream->next)
		return false;
	if (from > stream->next)
		return true;
	return stream->pages >= SCARCE_PAGES && stream->end == stream->next;
}

static bool store(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, struct tcp_result *result)
{
	struct packet *packet = arrival->packet;
	struct stream *stream = &session->stream[side];
	uint32_t rewritten = 0;
	uint64_t to = result->offset + packet->tcp.payload_bytes;

	if (stream_pool_free_pages(engine->pages) < engine->options.max_pages / RECLAIM_SHARE)
		session_trim_quiet(engine, RECLAIM_SESSIONS, arrival->now_ns, 0);
	// Forgotten bytes cannot be compared any more: nobody sees them a second time.
	if (result->offset < stream->trimmed && to > stream->trimmed) {
		packet_trim(
			arrival->frame, packet, (uint32_t)(stream->trimmed - result->offset), 0);
		result->offset = stream->trimmed;
	}
	if (has_to_wait_for_pages(engine, session, side, result->offset, to)) {
		engine->counters.dropped_memory++;
		return false;
	}
	switch (stream_put(stream, engine->pages, result->offset, packet->payload,
		packet->tcp.payload_bytes, &rewritten)) {
	case STREAM_NEW:
	case STREAM_OLD:
		break;
	case STREAM_FORGOTTEN:
		// The receiver has had it long ago: its sender lost the acknowledgement.
		if (session->mode == SESSION_INSPECT || session->mode == SESSION_DIVERT)
			emit_ack(engine, session, tcp_other(side));
		else if (session->mode == SESSION_TAKEOVER)
			takeover_acknowledge(engine, session);
		return false;
	case STREAM_FULL:
		engine->counters.dropped_memory++;
		return false;
	}
	if (rewritten > 0) {
		engine->counters.rewritten_bytes += rewritten;
		packet_fix_tcp_checksum(arrival->frame, packet);
	}
	return true;
}

// The beginning of a command comes once more: its sender says no more of it before that is acknowledged
// (Nagle). So it goes on, and the message is judged at its end.
static void waive_hold(struct session *session, enum tcp_side side, const struct arrival *arrival,
	const struct tcp_result *result)
{
	uint64_t to = result->offset + arrival->packet->tcp.payload_bytes;

	if (side != TCP_CLIENT || session->hold == UINT64_MAX || session->pending ||
		session->deciding || to <= session->hold || to > session->stream[side].next)
		return;
	session->waived = session->hold;
	session->hold = UINT64_MAX;
}

// What has arrived was read, and its messages are decided.
static void inspected(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, const struct tcp_result *result, bool ack_is_new)
{
	dialogue_settle(engine, session, arrival->now_ns);
	if (!session_passes(session, side)) {
		if (session->mode == SESSION_TAKEOVER && side == TCP_CLIENT)
			takeover_client(engine, session, result, arrival->now_ns);
		else if (session->mode == SESSION_DIVERT && side == TCP_CLIENT)
			divert_client(engine, session, result, true, arrival->now_ns);
		emit_drop(engine, arrival);
		return;
	}
	if (session->changed[side])
		session_restore(session, side, arrival, result->offset);
	session_forward(engine, session, side, arrival, result->offset, ack_is_new);
	session_flush(engine, session);
}

static void inspect_bytes(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, struct tcp_result *result, bool ack_is_new)
{
	struct packet *packet = arrival->packet;
	struct gather *gather = &engine->gather;

	waive_hold(session, side, arrival, result);
	if (packet->tcp.payload_bytes > 0 && !store(engine, session, side, arrival, result)) {
		emit_drop(engine, arrival);
		return;
	}
	session->changed[side] = false;
	gather->may_take = side == TCP_CLIENT && gather->is_open && !arrival->made &&
			   !result->fin && !session->reset;
	session_lend(engine, session, side, arrival, result->offset);
	dialogue_pull(engine, session, side, arrival->now_ns);
	engine->lent = (struct lent){0};
	gather->may_take = false;
	if (session->gathered)
		gather_keep(engine, arrival, result, ack_is_new);
	else
		inspected(engine, session, side, arrival, result, ack_is_new);
}

static void inspect(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, struct tcp_result *result, bool ack_is_new)
{
	struct packet *packet = arrival->packet;

	if (result->fin && session->fin[side] == SESSION_NO_FIN)
		session->fin[side] = result->offset + packet->tcp.payload_bytes;
	if (result->keep_alive && packet->tcp.payload_bytes > 0)
		packet_trim(arrival->frame, packet, 0, packet->tcp.payload_bytes);
	if (packet->tcp.payload_bytes == 0 && !result->fin) {
		emit_forward(engine, session, arrival);
		return;
	}
	inspect_bytes(engine, session, side, arrival, result, ack_is_new);
}

static enum flow_class age_class(const struct session *session)
{
	// A takeover ends by its own clock, and half closed may last as long as open.
	if (session->mode == SESSION_TAKEOVER || session->mode == SESSION_DIVERT)
		return FLOW_OPEN;
	if (session->mode == SESSION_DEAD || session->reset || session->tcp.state == TCP_CLOSED)
		return FLOW_CLOSING;
	return session->tcp.state == TCP_OPENING ? FLOW_HALF_OPEN : FLOW_OPEN;
}

// The client of a takeover or a divert, or the server of a takeover.
static void accepted_alone(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, struct tcp_result *result)
{
	bool is_new = result->offset + arrival->packet->tcp.payload_bytes >
		      session->stream[TCP_CLIENT].next;

	if (side == TCP_SERVER) {
		takeover_server(engine, session, arrival);
		emit_drop(engine, arrival);
		return;
	}
	if (result->fin && session->fin[side] == SESSION_NO_FIN)
		session->fin[side] = result->offset + arrival->packet->tcp.payload_bytes;
	if (!result->has_payload || result->keep_alive ||
		store(engine, session, side, arrival, result)) {
		if (session->mode == SESSION_TAKEOVER)
			takeover_client(engine, session, result, arrival->now_ns);
		else
			divert_client(engine, session, result, is_new, arrival->now_ns);
	}
	emit_drop(engine, arrival);
}

// Acknowledgements may be what a divert waits for, to begin or to be over.
static void heard(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns)
{
	if (session->mode != SESSION_INSPECT)
		return;
	if (session->splice != NULL && side == TCP_CLIENT)
		splice_acked(session, TCP_CLIENT);
	if (!session->diverting)
		return;
	dialogue_settle(engine, session, now_ns);
	if (session->mode != SESSION_INSPECT || session->diverting)
		return;
	dialogue_pull(engine, session, TCP_CLIENT, now_ns);
	session_flush(engine, session);
}

// A packet of an inspected connection has gone on.
static void passed(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns)
{
	heard(engine, session, side, now_ns);
	// The server may have room for what waits.
	if (side == TCP_SERVER && session->splice != NULL)
		session_flush(engine, session);
	if (session->mode == SESSION_INSPECT && session->tcp.state == TCP_CLOSED && !session->reset)
		report(engine, session, "fin", now_ns);
}

void session_go_on(struct engine *engine, struct gathered *gathered)
{
	struct session *session = gathered->session;
	const uint64_t now_ns = gathered->arrival.now_ns;

	if (message_decide_gathered(engine, session, gathered->began_ns, now_ns))
		dialogue_decided(engine, session, now_ns);
	else
		dialogue_wait(session, session->stream[TCP_CLIENT].read - 2);
	dialogue_pull(engine, session, TCP_CLIENT, now_ns);
	inspected(engine, session, TCP_CLIENT, &gathered->arrival, &gathered->result,
		gathered->ack_is_new);
	passed(engine, session, TCP_CLIENT, now_ns);
}

static void accepted(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, struct tcp_result *result)
{
	struct packet *packet = arrival->packet;
	struct stream *other = &session->stream[tcp_other(side)];
	uint64_t released = other->released;

	session_learn(session, side, arrival);
	flow_touch(engine->flows, &session->flow, age_class(session), arrival->now_ns);
	if (session->flow.class == FLOW_CLOSING)
		session_source_give(engine, session);
	if (session->flow.class == FLOW_OPEN && !session_source_take(engine, session)) {
		// Others of its source were established since its SYN.
		engine->counters.source_refused++;
		takeover_reset_both(engine, session, "source", arrival->now_ns);
		emit_drop(engine, arrival);
		return;
	}
	stream_release(other, engine->pages, result->acked);
	if (result->clear_urg) {
		engine->counters.urgent_cleared++;
		packet_clear_urgent(arrival->frame, packet);
	}
	if (result->trim_front > 0 || result->trim_back > 0)
		packet_trim(arrival->frame, packet, result->trim_front, result->trim_back);
	if (result->syn)
		session_strip_options(arrival->frame, packet);
	if (session->mode == SESSION_TAKEOVER ||
		(session->mode == SESSION_DIVERT && !session_passes(session, side))) {
		accepted_alone(engine, session, side, arrival, result);
		return;
	}
	session->reset = session->reset || result->rst;
	if (session->reset)
		session_source_give(engine, session);
	if (session->mode == SESSION_OPAQUE || result->syn || result->rst)
		emit_forward(engine, session, arrival);
	else
		inspect(engine, session, side, arrival, result, other->released > released);
	if (!session->gathered)
		passed(engine, session, side, arrival->now_ns);
}

// A slot that is over: whoever still talks is told so. A client that closed in good order only gets
// its last acknowledgement once more, for it may have been lost.
static void disturb_dead(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival)
{
	const struct tcp_segment *tcp = &arrival->packet->tcp;
	struct packet_segment last = {
		.seq = session->tcp.end[TCP_SERVER].next,
		.ack = session->tcp.end[TCP_CLIENT].acked,
		.flags = TCP_FLAG_ACK,
	};
	bool closed_well = side == TCP_CLIENT && session->fin[TCP_CLIENT] != SESSION_NO_FIN;
	bool needs_ack = tcp->payload_bytes > 0 || (tcp->flags & TCP_FLAG_FIN) != 0;

	if ((tcp->flags & (TCP_FLAG_RST | TCP_FLAG_ACK)) == TCP_FLAG_ACK &&
		(needs_ack || !closed_well) &&
		arrival->now_ns - session->challenge_ns >= CHALLENGE_NS) {
		session->challenge_ns = arrival->now_ns;
		if (closed_well)
			emit_segment(engine, session, TCP_SERVER, &last);
		else
			emit_reset(engine, session, tcp_other(side), tcp->ack);
	}
	emit_drop(engine, arrival);
}

// RFC 5961: its sender is told where the connection stands, and resets it when it knows of none.
static void answer_challenge(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns)
{
	if (now_ns - session->challenge_ns < CHALLENGE_NS ||
		(session->mode == SESSION_TAKEOVER && side == TCP_SERVER))
		return;
	session->challenge_ns = now_ns;
	engine->counters.challenge_acks++;
	if (session->mode == SESSION_TAKEOVER)
		takeover_acknowledge(engine, session);
	else
		emit_ack(engine, session, tcp_other(side));
}

static void known(struct engine *engine, struct session *session, enum tcp_side side,
	const struct arrival *arrival, struct tcp_result *result)
{
	switch (result->fate) {
	case TCP_ACCEPT:
	case TCP_NEW:
		accepted(engine, session, side, arrival, result);
		return;
	case TCP_CHALLENGE:
		answer_challenge(engine, session, side, arrival->now_ns);
		break;
	case TCP_DROP:
		// The server still has a connection of these addresses whose client is long gone, and
		// answers the new SYN for the old one: as the client would, tell it (RFC 9293 3.5.2).
		if (result->reason == TCP_REASON_BAD_HANDSHAKE && side == TCP_SERVER &&
			(arrival->packet->tcp.flags &
				(TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_ACK)
			emit_reset(engine, session, TCP_CLIENT, arrival->packet->tcp.ack);
		break;
	}
	session_count_drop(engine, result->reason);
	emit_drop(engine, arrival);
}

// What the server of a spliced connection sends, by its own numbers. True: it goes on to the client's.
static bool splice_arrival(
	struct engine *engine, struct session *session, const struct arrival *arrival)
{
	struct splice *splice = session->splice;
	struct packet *packet = arrival->packet;
	struct tcp_result result;

	tcp_input(&splice->tcp, TCP_SERVER, &packet->tcp, arrival->now_ns, &result);
	if (result.fate != TCP_ACCEPT) {
		if (result.fate == TCP_CHALLENGE)
			answer_challenge(engine, session, TCP_SERVER, arrival->now_ns);
		session_count_drop(engine, result.reason);
		emit_drop(engine, arrival);
		return false;
	}
	if (result.trim_front > 0 || result.trim_back > 0)
		packet_trim(arrival->frame, packet, result.trim_front, result.trim_back);
	session_learn(session, TCP_SERVER, arrival);
	if (session->mode == SESSION_INSPECT) {
		splice_acked(session, TCP_SERVER);
		splice_from_server(engine, session, arrival);
		return true;
	}
	if (session->mode == SESSION_TAKEOVER)
		takeover_server(engine, session, arrival);
	else
		divert_server(engine, session, arrival, &result);
	emit_drop(engine, arrival);
	return false;
}

void session_arrival(struct engine *engine, const struct arrival *arrival)
{
	struct packet *packet = arrival->packet;
	const struct session_key *key = arrival->key;
	struct tcp_result result;
	struct session_key own;
	struct session *session;
	enum tcp_side side;

	if (key == NULL) {
		session_key_make(engine, packet, arrival->link, &own);
		key = &own;
	}
	session = session_find(engine, key);
	engine->counters.smtp_packets++;
	engine->counters.smtp_bytes += packet->tcp.payload_bytes;
	if (session != NULL && session->mode == SESSION_DEAD && session_opens(&packet->tcp)) {
		session_end(engine, session, "dead", arrival->now_ns);
		session = NULL;
	}
	if (session == NULL) {
		if (session_opens(&packet->tcp))
			session_open(engine, arrival, &key->key, key->swapped);
		else
			session_midstream(engine, arrival, &key->key, key->swapped);
		return;
	}
	side = key->swapped == session->key_swapped ? TCP_CLIENT : TCP_SERVER;
	if (session_port(session, side) != arrival->at) {
		// Its addresses belong to the other end of the link.
		engine->counters.dropped_tcp++;
		emit_drop(engine, arrival);
		return;
	}
	if (session->mode == SESSION_DEAD) {
		disturb_dead(engine, session, side, arrival);
		return;
	}
	// Both opened and the server was first: it is the server none the less.
	if (session->mode == SESSION_OPAQUE && session->tcp.state == TCP_OPENING &&
		side == TCP_SERVER && session_opens(&packet->tcp) &&
		session_is_smtp_port(engine, packet->from.port_be[1])) {
		session_end(engine, session, NULL, arrival->now_ns);
		session_open(engine, arrival, &key->key, key->swapped);
		return;
	}
	if (side == TCP_SERVER && session->splice != NULL && !session->splice->recorded &&
		!splice_arrival(engine, session, arrival))
		return;
	if (engine->any_window)
		session->tcp.end[side].window_edge = session->tcp.end[side].next + (1u << 30);
	tcp_input(&session->tcp, side, &packet->tcp, arrival->now_ns, &result);
	if (result.fate == TCP_NEW && session_opens(&packet->tcp)) {
		session_end(engine, session, NULL, arrival->now_ns);
		session_open(engine, arrival, &key->key, key->swapped);
		return;
	}
	known(engine, session, side, arrival, &result);
}
