// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session.h"
#include "dataplane/splice.h"

#include <string.h>

#define EMIT_MIN_MSS 64
#define EMIT_TAGS_BYTES 8u // at most, of max_frame_bytes, beside Ethernet and what the link carries

void emit_drop(struct engine *engine, const struct arrival *arrival)
{
	if (!arrival->made)
		engine->ops.free(engine->ops.ctx, arrival->frame);
}

static void send(struct engine *engine, const struct session *session, enum tcp_side from,
	struct frame *frame)
{
	engine->ops.send(engine->ops.ctx, session->flow.key.link,
		session_port(session, tcp_other(from)), frame);
}

uint16_t emit_mss(const struct engine *engine, const struct session *session, enum tcp_side side)
{
	const struct packet_template *template = &session->template[side];
	uint32_t headers = template->l2_bytes + (template->family == 6 ? 40u : 20u) + 20u;
	uint32_t mss = session->tcp.end[tcp_other(side)].mss;

	// Tags come on top of what a link carries, other headers out of it.
	if (packet_has_shim(template))
		headers += EMIT_TAGS_BYTES;
	if (mss + headers > engine->options.max_frame_bytes)
		mss = engine->options.max_frame_bytes - headers;
	if (session->tcp.end[side].flags & TCP_END_TS)
		mss -= 12;
	return (uint16_t)(mss < EMIT_MIN_MSS ? EMIT_MIN_MSS : mss);
}

void emit_segment(struct engine *engine, struct session *session, enum tcp_side side,
	struct packet_segment *segment)
{
	// What a takeover still says to a server it says in that server's numbers.
	if (session->splice != NULL && side == TCP_CLIENT && session->mode != SESSION_TAKEOVER)
		splice_number(session, segment);
	emit_numbered(engine, session, side, segment);
}

void emit_numbered(struct engine *engine, struct session *session, enum tcp_side side,
	struct packet_segment *segment)
{
	const struct packet_template *template = &session->template[side];
	const struct tcp_endpoint *self = &session->tcp.end[side];
	const struct tcp_endpoint *peer = &session->tcp.end[tcp_other(side)];
	struct frame frame;

	if (template->family == 0)
		return;
	segment->has_timestamp = (self->flags & peer->flags & TCP_END_TS) != 0;
	segment->ts_value = self->ts_recent;
	// What this side has echoed last may be older than what its peer has sent since.
	segment->ts_echo = peer->ts_recent;
	if (!engine->ops.alloc(engine->ops.ctx, packet_build_bytes(template, segment), &frame)) {
		engine->counters.dropped_memory++;
		return;
	}
	packet_build(&frame, template, segment, &session->ip_id);
	engine->counters.made_packets++;
	send(engine, session, side, &frame);
}

// The acknowledgement that side has last given: all it can vouch for.
static struct packet_segment newest(const struct session *session, enum tcp_side side)
{
	return (struct packet_segment){
		.ack = session->tcp.end[tcp_other(side)].acked,
		.window = session->tcp.end[side].window,
		.flags = TCP_FLAG_ACK,
	};
}

void emit_stored(struct engine *engine, struct session *session, enum tcp_side side, uint64_t from,
	uint64_t to)
{
	const struct stream *stream = &session->stream[side];
	uint16_t mss = emit_mss(engine, session, side);

	while (from < to) {
		struct packet_segment segment = newest(session, side);
		size_t n = to - from < mss ? (size_t)(to - from) : mss;

		n = stream_copy(stream, from, engine->scratch, n);
		if (n == 0)
			return;
		segment.seq = tcp_seq_of(&session->tcp, side, from);
		segment.payload = engine->scratch;
		segment.payload_bytes = (uint32_t)n;
		from += n;
		if (from == to)
			segment.flags |= TCP_FLAG_PSH;
		emit_segment(engine, session, side, &segment);
	}
}

void emit_fin(struct engine *engine, struct session *session, enum tcp_side side)
{
	struct packet_segment segment = newest(session, side);

	segment.seq = tcp_seq_of(&session->tcp, side, session->fin[side]);
	segment.flags |= TCP_FLAG_FIN;
	emit_segment(engine, session, side, &segment);
}

static struct packet_segment bare_ack(const struct session *session, enum tcp_side side)
{
	struct packet_segment segment = newest(session, side);

	segment.seq = tcp_seq_of(&session->tcp, side, session->stream[side].sent);
	if (session->fin_sent[side])
		segment.seq++;
	if (session->mode == SESSION_OPAQUE)
		segment.seq = session->tcp.end[side].next;
	return segment;
}

// What the engine, which takes the message in, has of it behind a hole (RFC 2018).
static void add_islands(const struct session *session, struct packet_segment *segment)
{
	uint64_t islands[PACKET_SACK_BLOCKS][2];
	uint32_t n;

	if ((session->tcp.end[TCP_CLIENT].flags & session->tcp.end[TCP_SERVER].flags &
		    TCP_END_SACK) == 0)
		return;
	n = stream_islands(&session->stream[TCP_CLIENT], islands, PACKET_SACK_BLOCKS);
	for (uint32_t i = 0; i < n; i++) {
		segment->sack[i][0] = tcp_seq_of(&session->tcp, TCP_CLIENT, islands[i][0]);
		segment->sack[i][1] = tcp_seq_of(&session->tcp, TCP_CLIENT, islands[i][1]);
	}
	segment->sack_count = (uint8_t)n;
}

void emit_ack(struct engine *engine, struct session *session, enum tcp_side side)
{
	struct packet_segment segment = bare_ack(session, side);

	if (session->mode == SESSION_DIVERT && side == TCP_SERVER)
		add_islands(session, &segment);

	emit_segment(engine, session, side, &segment);
}

void emit_wait(struct engine *engine, struct session *session, enum tcp_side side)
{
	struct packet_segment segment = bare_ack(session, side);

	segment.window = 0;
	emit_segment(engine, session, side, &segment);
}

void emit_reset(struct engine *engine, struct session *session, enum tcp_side side, uint32_t seq)
{
	struct packet_segment segment = newest(session, side);

	segment.seq = seq;
	segment.flags = TCP_FLAG_RST | TCP_FLAG_ACK;
	segment.window = 0;
	emit_segment(engine, session, side, &segment);
}

// A datagram that was put together from fragments stands in the engine's scratch and may be larger
// than a frame: its payload goes on as segments.
static void forward_made(struct engine *engine, struct session *session,
	const struct arrival *arrival, enum tcp_side side)
{
	struct packet *packet = arrival->packet;
	uint16_t mss = emit_mss(engine, session, side);
	uint32_t at = 0;

	do {
		struct packet_segment segment = newest(session, side);
		uint32_t n = packet->tcp.payload_bytes - at;

		if (n > mss)
			n = mss;
		segment.seq = packet->tcp.seq + at;
		segment.ack = packet->tcp.ack;
		segment.window = packet->tcp.window;
		segment.flags = packet->tcp.flags;
		if (at + n < packet->tcp.payload_bytes)
			segment.flags &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
		segment.payload = packet->payload + at;
		segment.payload_bytes = n;
		emit_segment(engine, session, side, &segment);
		at += n;
	} while (at < packet->tcp.payload_bytes);
}

void emit_forward(struct engine *engine, struct session *session, const struct arrival *arrival)
{
	enum tcp_side side =
		arrival->at == (enum link_side)session->client_at ? TCP_CLIENT : TCP_SERVER;
	struct frame copy;

	if (session->splice != NULL && side == TCP_CLIENT) {
		splice_cut(engine, session, arrival);
		if (splice_is_for_engine(session, arrival->packet)) {
			emit_drop(engine, arrival);
			return;
		}
		if (!arrival->made && !splice_to_server(session, arrival)) {
			engine->counters.dropped_tcp++;
			emit_drop(engine, arrival);
			return;
		}
	}
	if (!arrival->made) {
		send(engine, session, side, arrival->frame);
		return;
	}
	if ((arrival->packet->tcp.flags & TCP_FLAG_SYN) == 0) {
		forward_made(engine, session, arrival, side);
		return;
	}
	// A SYN carries options that only its own headers hold.
	if (!engine->ops.alloc(engine->ops.ctx, arrival->frame->bytes, &copy)) {
		engine->counters.dropped_memory++;
		return;
	}
	memcpy(copy.data, arrival->frame->data, arrival->frame->bytes);
	copy.bytes = arrival->frame->bytes;
	send(engine, session, side, &copy);
}

// Headers of the opposite direction.
static void reverse(const struct packet_template *template, struct packet_template *out)
{
	uint32_t size = template->family == 6 ? 16 : 4;
	uint32_t at = template->l2_bytes + (template->family == 6 ? 8u : 12u);

	*out = *template;
	memcpy(out->header, template->header + 6, 6);
	memcpy(out->header + 6, template->header, 6);
	memcpy(out->header + at, template->header + at + size, size);
	memcpy(out->header + at + size, template->header + at, size);
	out->port_be[0] = template->port_be[1];
	out->port_be[1] = template->port_be[0];
}

// The stray packet itself goes on, without what it carries.
static void send_empty(struct engine *engine, const struct arrival *arrival)
{
	struct frame *frame = arrival->frame;
	struct frame copy;

	packet_trim(frame, arrival->packet, 0, arrival->packet->tcp.payload_bytes);
	packet_clear_flags(frame, arrival->packet, TCP_FLAG_FIN | TCP_FLAG_PSH);
	if (!engine->ops.alloc(engine->ops.ctx, frame->bytes, &copy)) {
		engine->counters.dropped_memory++;
		return;
	}
	memcpy(copy.data, frame->data, frame->bytes);
	copy.bytes = frame->bytes;
	engine->counters.made_packets++;
	engine->ops.send(engine->ops.ctx, arrival->link, link_other(arrival->at), &copy);
}

void emit_stray_reset(struct engine *engine, const struct arrival *arrival)
{
	const struct tcp_segment *tcp = &arrival->packet->tcp;
	struct packet_segment segment = {.flags = TCP_FLAG_RST};
	struct packet_template forth = {0};
	struct packet_template back = {0};
	enum link_side sides[2] = {link_other(arrival->at), arrival->at};
	uint16_t ip_id = 0;

	packet_learn(&forth, arrival->frame, arrival->packet);
	reverse(&forth, &back);
	// The labels of the way back are not known.
	for (int i = 0; i < (arrival->packet->is_labelled ? 1 : 2); i++) {
		const struct packet_template *template = i == 0 ? &forth : &back;
		struct frame frame;

		if (i == 0) {
			segment.seq = tcp->seq;
		} else if (tcp->flags & TCP_FLAG_ACK) {
			segment.seq = tcp->ack;
		} else {
			segment.seq = 0;
			segment.ack = tcp->seq + tcp->payload_bytes +
				      ((tcp->flags & TCP_FLAG_SYN) ? 1 : 0) +
				      ((tcp->flags & TCP_FLAG_FIN) ? 1 : 0);
			segment.flags = TCP_FLAG_RST | TCP_FLAG_ACK;
		}
		if (!engine->ops.alloc(
			    engine->ops.ctx, packet_build_bytes(template, &segment), &frame)) {
			engine->counters.dropped_memory++;
			continue;
		}
		packet_build(&frame, template, &segment, &ip_id);
		engine->counters.made_packets++;
		engine->ops.send(engine->ops.ctx, arrival->link, sides[i], &frame);
	}
	// A receiver that is ahead of this segment ignores the reset. It answers old numbers with an
	// acknowledgement, though, which is as stray as this segment and is reset in its turn.
	if ((tcp->flags & (TCP_FLAG_ACK | TCP_FLAG_SYN)) == TCP_FLAG_ACK)
		send_empty(engine, arrival);
}
