// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/tcp.h"

#include "reassembly/tcp_options.h"

#include <assert.h>
#include <string.h>

#define MSS_DEFAULT 536                                      // RFC 9293 section 3.7.1
#define PAWS_MAX_NS (24ull * 24 * 3600 * 1000 * 1000 * 1000) // RFC 7323 section 5.5
#define WINDOW_UNKNOWN (1u << 30)                            // the largest that can be granted

static_assert(sizeof(struct tcp_connection) <= 192, "idle connections are many");

// A position is a sequence number without the wrap, 0 at the sender's ISN: so 1 is the first byte.
// It is negative for numbers below the ISN.
struct judge {
	struct tcp_connection *tcp;
	struct tcp_endpoint *me;
	struct tcp_endpoint *peer;
	const struct tcp_segment *segment;
	struct tcp_result *result;
	struct tcp_options options;
	uint64_t now_ns;
	int64_t seq;   // position of the segment
	int64_t ack;   // position in the peer's numbers
	int64_t acked; // what the peer has acknowledged of mine
	int64_t edge;  // what the peer has granted me
};

static int64_t position(const struct tcp_endpoint *end, uint32_t number)
{
	return (int64_t)end->count + (int32_t)(number - end->isn - (uint32_t)end->count);
}

// One past the highest position sent. The caller may have raised next for what it sent itself.
static int64_t sent_to(const struct tcp_endpoint *end)
{
	return position(end, end->next);
}

static bool has(const struct tcp_endpoint *end, unsigned int flag)
{
	return (end->flags & flag) != 0;
}

static bool both_have(const struct tcp_connection *tcp, unsigned int flag)
{
	return (tcp->end[0].flags & tcp->end[1].flags & flag) != 0;
}

static enum tcp_fate refuse(struct judge *judge, enum tcp_reason reason)
{
	judge->result->reason = reason;
	return TCP_DROP;
}

static enum tcp_fate challenge(struct judge *judge, enum tcp_reason reason)
{
	judge->result->reason = reason;
	return TCP_CHALLENGE;
}

// ---- handshake ----------------------------------------------------------------------------------

// Offers of a SYN. A retransmission may offer less than the first did (stacks that fall back), and the
// peer may answer either: what was offered once counts, for the SYN/ACK says what was taken.
static void take_offers(struct tcp_endpoint *me, const struct tcp_options *options)
{
	if (options->mss != 0)
		me->mss = options->mss;
	if (options->has_sack_permitted)
		me->flags |= TCP_END_SACK;
	if (options->has_ws) {
		me->flags |= TCP_END_WS;
		if (options->wscale > me->wscale)
			me->wscale = options->wscale;
	}
	if (options->has_ts)
		me->flags |= TCP_END_TS;
}

static void take_timestamp(
	struct tcp_endpoint *me, const struct tcp_options *options, bool in_order, uint64_t now_ns)
{
	if (!options->has_ts)
		return;
	if (me->ts_ns == 0 || (int32_t)(options->ts_value - me->ts_recent) > 0 ||
		now_ns - me->ts_ns > PAWS_MAX_NS)
		me->ts_recent = options->ts_value;
	if (me->ts_echo == 0 || (int32_t)(options->ts_echo - me->ts_echo) > 0)
		me->ts_echo = options->ts_echo;
	if (!in_order || (me->ts_ns != 0 && (int32_t)(options->ts_value - me->ts_paws) < 0 &&
				 now_ns - me->ts_ns <= PAWS_MAX_NS))
		return;
	me->ts_paws = options->ts_value;
	me->ts_ns = now_ns != 0 ? now_ns : 1;
}

static void start(struct tcp_endpoint *me, const struct tcp_segment *segment,
	const struct tcp_options *options, uint64_t now_ns)
{
	me->isn = segment->seq;
	me->next = segment->seq + 1;
	me->count = 1;
	me->acked = segment->seq;
	me->window = segment->window;
	me->mss = MSS_DEFAULT;
	me->flags |= TCP_END_SYN;
	if ((segment->flags & TCP_FLAG_ACK) == 0)
		me->flags |= TCP_END_BARE;
	take_offers(me, options);
	take_timestamp(me, options, true, now_ns);
}

// me may send up to number + window; edges never move down (RFC 9293 section 3.8.6).
static void grant(struct tcp_endpoint *me, uint32_t number, uint32_t window)
{
	if (position(me, number + window) > position(me, me->window_edge))
		me->window_edge = number + window;
	if (window > me->max_window)
		me->max_window = window;
}

static enum tcp_reason check_syn(const struct tcp_segment *segment, struct tcp_options *options)
{
	if ((segment->flags & (TCP_FLAG_FIN | TCP_FLAG_RST)) != 0 ||
		(segment->flags & TCP_FLAG_SYN) == 0)
		return TCP_REASON_BAD_FLAGS;
	if (!tcp_options_parse(segment->options, segment->options_bytes, options))
		return TCP_REASON_BAD_OPTION;
	return options->has_signature ? TCP_REASON_UNSOLICITED_OPTION : TCP_REASON_NONE;
}

enum tcp_reason tcp_open(struct tcp_connection *tcp, enum tcp_side side,
	const struct tcp_segment *segment, uint64_t now_ns)
{
	struct tcp_options options;
	enum tcp_reason reason = check_syn(segment, &options);

	if (reason != TCP_REASON_NONE)
		return reason;
	if ((segment->flags & TCP_FLAG_ACK) != 0)
		return TCP_REASON_BAD_HANDSHAKE;
	memset(tcp, 0, sizeof(*tcp));
	tcp->state = TCP_OPENING;
	start(&tcp->end[side], segment, &options, now_ns);
	tcp->end[side].window_edge = tcp->end[side].next;
	return TCP_REASON_NONE;
}

void tcp_open_midstream(struct tcp_connection *tcp, enum tcp_side side,
	const struct tcp_segment *segment, uint64_t now_ns)
{
	struct tcp_endpoint *me = &tcp->end[side];
	struct tcp_endpoint *peer = &tcp->end[tcp_other(side)];

	(void)now_ns;
	memset(tcp, 0, sizeof(*tcp));
	tcp->state = TCP_ESTABLISHED;
	me->isn = segment->seq - 1;
	me->acked = segment->seq;
	me->window = segment->window;
	peer->isn = segment->ack - 1;
	peer->acked = segment->ack;
	for (int i = 0; i < 2; i++) {
		tcp->end[i].next = tcp->end[i].acked;
		tcp->end[i].count = 1;
		tcp->end[i].mss = MSS_DEFAULT;
		tcp->end[i].max_window = WINDOW_UNKNOWN;
		tcp->end[i].window_edge = tcp->end[i].acked + WINDOW_UNKNOWN;
		tcp->end[i].flags = TCP_END_SYN | TCP_END_MIDSTREAM;
	}
}

static void accept_syn(struct judge *judge)
{
	struct tcp_endpoint *me = judge->me;
	struct tcp_endpoint *peer = judge->peer;
	const struct tcp_segment *segment = judge->segment;
	bool first = !has(me, TCP_END_SYN);

	judge->result->syn = true;
	judge->result->trim_back = segment->payload_bytes;
	if (first) {
		start(me, segment, &judge->options, judge->now_ns);
		me->window_edge = me->next + peer->window;
		me->max_window = peer->window;
	} else if (!has(peer, TCP_END_SYN)) {
		take_offers(me, &judge->options);
		take_timestamp(me, &judge->options, true, judge->now_ns);
		if (segment->window > me->window)
			me->window = segment->window;
	}
	if (has(peer, TCP_END_SYN))
		grant(peer, peer->isn + 1, segment->window);
	if ((segment->flags & TCP_FLAG_ACK) != 0 && position(peer, peer->acked) < 1)
		peer->acked = peer->isn + 1;
	if (first && !both_have(judge->tcp, TCP_END_WS)) {
		me->wscale = 0;
		peer->wscale = 0;
	}
	if (judge->tcp->state == TCP_OPENING && position(me, me->acked) >= 1 &&
		position(peer, peer->acked) >= 1)
		judge->tcp->state = TCP_ESTABLISHED;
}

static enum tcp_fate judge_bare_syn(struct judge *judge)
{
	if (judge->tcp->state == TCP_CLOSED)
		return TCP_NEW;
	if (judge->tcp->state != TCP_OPENING)
		return challenge(judge, TCP_REASON_BAD_SYN);
	if (!has(judge->me, TCP_END_SYN))
		return TCP_ACCEPT;
	if (judge->segment->seq == judge->me->isn)
		return has(judge->me, TCP_END_BARE) ? TCP_ACCEPT
						    : refuse(judge, TCP_REASON_BAD_HANDSHAKE);
	if (has(judge->peer, TCP_END_SYN))
		return challenge(judge, TCP_REASON_BAD_SYN);
	return TCP_NEW;
}

static enum tcp_fate judge_syn_ack(struct judge *judge)
{
	const struct tcp_endpoint *me = judge->me;
	bool opening = judge->tcp->state == TCP_OPENING;
	bool fits = has(judge->peer, TCP_END_SYN) && judge->segment->ack == judge->peer->isn + 1;

	// A side that opened answers a SYN with SYN/ACK only when the other opened as well.
	if (has(me, TCP_END_BARE) && !has(judge->peer, TCP_END_BARE))
		fits = false;
	// Once it has gone on it has no reason to repeat its SYN.
	if (has(me, TCP_END_SYN) && (judge->segment->seq != me->isn || sent_to(me) != 1))
		fits = false;
	if (!has(me, TCP_END_SYN) && !opening)
		fits = false;
	if (fits)
		return TCP_ACCEPT;
	return opening ? refuse(judge, TCP_REASON_BAD_HANDSHAKE)
		       : challenge(judge, TCP_REASON_BAD_SYN);
}

static enum tcp_fate judge_syn(struct judge *judge)
{
	enum tcp_fate fate;

	if (has(judge->me, TCP_END_MIDSTREAM) && judge->tcp->state != TCP_CLOSED)
		return challenge(judge, TCP_REASON_BAD_SYN);
	fate = (judge->segment->flags & TCP_FLAG_ACK) != 0 ? judge_syn_ack(judge)
							   : judge_bare_syn(judge);
	if (fate == TCP_ACCEPT)
		accept_syn(judge);
	return fate;
}

// ---- RST ----------------------------------------------------------------------------------------

// The receiver takes a RST at its next expected number alone (RFC 5961 section 3.2), which lies
// between what it has acknowledged and what was sent. In answer to a SYN the acknowledgement counts
// (RFC 9293 section 3.10.7.3).
static enum tcp_fate judge_rst(struct judge *judge)
{
	const struct tcp_endpoint *me = judge->me;
	int64_t low;

	if (!has(me, TCP_END_SYN)) {
		if ((judge->segment->flags & TCP_FLAG_ACK) == 0 ||
			judge->segment->ack != judge->peer->next)
			return refuse(judge, TCP_REASON_BAD_RST);
	} else {
		low = judge->acked < 1 ? 1 : judge->acked;
		if (judge->seq < low)
			return refuse(judge, TCP_REASON_BAD_RST);
		if (judge->seq > sent_to(me))
			return judge->seq <= judge->edge ? challenge(judge, TCP_REASON_BAD_RST)
							 : refuse(judge, TCP_REASON_BAD_RST);
	}
	judge->result->rst = true;
	judge->result->trim_back = judge->segment->payload_bytes;
	judge->tcp->state = TCP_CLOSED;
	return TCP_ACCEPT;
}

// ---- everything else ----------------------------------------------------------------------------

static enum tcp_reason check_timestamp(const struct judge *judge)
{
	const struct tcp_endpoint *me = judge->me;

	if (!both_have(judge->tcp, TCP_END_TS))
		return TCP_REASON_NONE;
	if (!judge->options.has_ts)
		return TCP_REASON_OLD_TIMESTAMP;
	if ((int32_t)(judge->options.ts_value - me->ts_paws) < 0 &&
		judge->now_ns - me->ts_ns <= PAWS_MAX_NS)
		return TCP_REASON_OLD_TIMESTAMP;
	return TCP_REASON_NONE;
}

static enum tcp_reason check_ack(const struct judge *judge)
{
	const struct tcp_endpoint *peer = judge->peer;
	bool opening = judge->tcp->state == TCP_OPENING;

	if (!has(judge->me, TCP_END_SYN) || !has(peer, TCP_END_SYN))
		return TCP_REASON_BAD_HANDSHAKE;
	if (judge->ack > sent_to(peer))
		return TCP_REASON_FUTURE_ACK;
	if (judge->ack < 1)
		return opening ? TCP_REASON_BAD_HANDSHAKE : TCP_REASON_OLD_ACK;
	if (judge->ack < position(peer, peer->acked) - (int64_t)peer->max_window)
		return TCP_REASON_OLD_ACK;
	return TCP_REASON_NONE;
}

// Cuts what lies outside the window, and what is numbered like the SYN or below it.
static enum tcp_reason check_window(struct judge *judge)
{
	struct tcp_result *result = judge->result;
	uint32_t bytes = judge->segment->payload_bytes;
	int64_t end = judge->seq + bytes;
	int64_t highest = judge->edge > sent_to(judge->me) ? judge->edge : sent_to(judge->me);

	if (end < judge->acked - (int64_t)judge->me->max_window - 1 || end < 0)
		return TCP_REASON_OUT_OF_WINDOW;
	result->keep_alive = bytes <= 1 && judge->seq == judge->acked - 1 && !result->fin;
	if (end <= 1 && judge->seq < 1 && !result->fin) {
		// The number stays where nothing is left: its receiver answers an old one.
		result->trim_back = bytes;
		return TCP_REASON_NONE;
	}
	if (judge->seq < 1)
		result->trim_front = (uint32_t)(1 - judge->seq);
	if (bytes == 0)
		return judge->seq > highest ? TCP_REASON_OUT_OF_WINDOW : TCP_REASON_NONE;
	if (judge->seq >= judge->edge) {
		result->window_probe = bytes == 1 && judge->seq == judge->edge && !result->fin;
		return result->window_probe ? TCP_REASON_NONE : TCP_REASON_OUT_OF_WINDOW;
	}
	if (end > judge->edge) {
		result->trim_back = (uint32_t)(end - judge->edge);
		result->fin = false;
	}
	return TCP_REASON_NONE;
}

// Nothing follows a FIN, and a FIN does not stand before what has been sent already.
static enum tcp_reason check_fin(struct judge *judge)
{
	const struct tcp_endpoint *me = judge->me;
	struct tcp_result *result = judge->result;
	uint32_t bytes = judge->segment->payload_bytes;
	int64_t end = judge->seq + bytes;
	int64_t fin = sent_to(me) - 1;

	if (!has(me, TCP_END_FIN))
		return result->fin && end < sent_to(me) ? TCP_REASON_AFTER_FIN : TCP_REASON_NONE;
	if (result->fin && end != fin)
		return TCP_REASON_AFTER_FIN;
	if (bytes == 0)
		return judge->seq > fin + 1 ? TCP_REASON_AFTER_FIN : TCP_REASON_NONE;
	if (judge->seq >= fin && !result->keep_alive)
		return TCP_REASON_AFTER_FIN;
	if (end - (int64_t)result->trim_back > fin)
		result->trim_back = (uint32_t)(judge->seq < fin ? end - fin : bytes);
	return TCP_REASON_NONE;
}

static void update_state(struct tcp_connection *tcp)
{
	const struct tcp_endpoint *end = tcp->end;
	bool fins = both_have(tcp, TCP_END_FIN);

	if (tcp->state == TCP_OPENING && position(&end[0], end[0].acked) >= 1 &&
		position(&end[1], end[1].acked) >= 1)
		tcp->state = TCP_ESTABLISHED;
	if (tcp->state == TCP_ESTABLISHED &&
		(has(&end[0], TCP_END_FIN) || has(&end[1], TCP_END_FIN)))
		tcp->state = TCP_CLOSING;
	if (fins && end[0].acked == end[0].next && end[1].acked == end[1].next)
		tcp->state = TCP_CLOSED;
}

static void accept_segment(struct judge *judge)
{
	struct tcp_endpoint *me = judge->me;
	struct tcp_endpoint *peer = judge->peer;
	const struct tcp_segment *segment = judge->segment;
	const struct tcp_result *result = judge->result;
	uint32_t shift = both_have(judge->tcp, TCP_END_WS) ? me->wscale : 0;
	uint32_t kept = segment->payload_bytes - result->trim_back + result->fin;
	int64_t end = judge->seq + kept;

	// In order, that is at or below what was acknowledged (RFC 7323 section 4.3), so that a
	// segment which overtook others does not make them look old.
	if (both_have(judge->tcp, TCP_END_TS))
		take_timestamp(me, &judge->options, judge->seq <= judge->acked, judge->now_ns);
	// A bare ACK may stand behind bytes that were lost on the way here: they do not count as sent.
	if (kept > 0 && end > sent_to(me)) {
		me->count = (uint64_t)end;
		me->next = segment->seq + kept;
	}
	if (result->fin)
		me->flags |= TCP_END_FIN;
	if (judge->ack >= position(peer, peer->acked)) {
		peer->acked = segment->ack;
		me->window = segment->window;
	}
	if (has(peer, TCP_END_MIDSTREAM))
		peer->window_edge = peer->acked + WINDOW_UNKNOWN;
	else
		grant(peer, segment->ack, (uint32_t)segment->window << shift);
	update_state(judge->tcp);
}

static enum tcp_fate judge_segment(struct judge *judge)
{
	enum tcp_reason reason;

	judge->result->fin = (judge->segment->flags & TCP_FLAG_FIN) != 0;
	if ((reason = check_ack(judge)) != TCP_REASON_NONE ||
		(reason = check_timestamp(judge)) != TCP_REASON_NONE ||
		(reason = check_window(judge)) != TCP_REASON_NONE ||
		(reason = check_fin(judge)) != TCP_REASON_NONE)
		return refuse(judge, reason);
	accept_segment(judge);
	return TCP_ACCEPT;
}

static enum tcp_fate judge_any(struct judge *judge)
{
	const struct tcp_segment *segment = judge->segment;
	unsigned int kind = segment->flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST);

	// At most one of the three, and an ACK with all but the first SYN and a RST.
	if ((kind & (kind - 1)) != 0)
		return refuse(judge, TCP_REASON_BAD_FLAGS);
	if ((segment->flags & TCP_FLAG_ACK) == 0 && kind != TCP_FLAG_SYN && kind != TCP_FLAG_RST)
		return refuse(judge, TCP_REASON_BAD_FLAGS);
	if (!tcp_options_parse(segment->options, segment->options_bytes, &judge->options))
		return refuse(judge, TCP_REASON_BAD_OPTION);
	if (judge->options.has_signature &&
		(kind == TCP_FLAG_SYN || !has(judge->me, TCP_END_MIDSTREAM)))
		return refuse(judge, TCP_REASON_UNSOLICITED_OPTION);
	if (kind == TCP_FLAG_SYN)
		return judge_syn(judge);
	if (kind == TCP_FLAG_RST)
		return judge_rst(judge);
	return judge_segment(judge);
}

// Payload offset of a position: SYN and FIN take a number but are no payload.
static uint64_t payload_offset(const struct tcp_endpoint *end, int64_t at)
{
	if (has(end, TCP_END_FIN) && at == sent_to(end))
		at--;
	return at < 1 ? 0 : (uint64_t)at - 1;
}

void tcp_unsend(struct tcp_connection *tcp, enum tcp_side side, uint32_t number)
{
	struct tcp_endpoint *end = &tcp->end[side];

	if (!tcp_seq_before(number, end->next))
		return;
	end->count = (uint64_t)position(end, number);
	end->next = number;
	end->flags &= (uint8_t)~TCP_END_FIN;
	if (tcp->state == TCP_CLOSING && !has(&tcp->end[tcp_other(side)], TCP_END_FIN))
		tcp->state = TCP_ESTABLISHED;
}

void tcp_input(struct tcp_connection *tcp, enum tcp_side side, const struct tcp_segment *segment,
	uint64_t now_ns, struct tcp_result *result)
{
	struct judge judge = {
		.tcp = tcp,
		.me = &tcp->end[side],
		.peer = &tcp->end[tcp_other(side)],
		.segment = segment,
		.result = result,
		.now_ns = now_ns,
	};

	memset(result, 0, sizeof(*result));
	judge.seq = position(judge.me, segment->seq);
	judge.ack = position(judge.peer, segment->ack);
	judge.acked = position(judge.me, judge.me->acked);
	judge.edge = position(judge.me, judge.me->window_edge);
	result->fate = judge_any(&judge);
	if (result->fate != TCP_ACCEPT) {
		*result = (struct tcp_result){.fate = result->fate, .reason = result->reason};
		return;
	}
	result->clear_urg = (segment->flags & TCP_FLAG_URG) != 0;
	result->has_payload = segment->payload_bytes > result->trim_front + result->trim_back;
	judge.seq = result->syn ? 1 : judge.seq + result->trim_front;
	result->offset = judge.seq < 1 ? 0 : (uint64_t)judge.seq - 1;
	result->acked = payload_offset(judge.peer, position(judge.peer, judge.peer->acked));
}
