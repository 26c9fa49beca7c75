// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/peer.h"

#include "tests/support/frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RTO_NS 200000000ull
#define RTO_MAX_NS 3000000000ull
#define WINDOW 65535u
#define REFUSED_NS 500000000ull

static const uint8_t addresses[2][16] = {{192, 0, 2, 7}, {198, 51, 100, 2}};

static void make_template(struct peer *peer, int family, bool is_client)
{
	struct packet_template *template = &peer->template;
	int self = is_client ? 0 : 1;
	uint8_t *l3 = template->header + 14;

	template->l2_bytes = 14;
	template->family = (uint8_t)family;
	memset(template->header, 2, 12);
	template->header[5] = (uint8_t)(1 + (self ^ 1));
	template->header[11] = (uint8_t)(1 + self);
	template->port_be[0] = __builtin_bswap16(is_client ? 40000 : 25);
	template->port_be[1] = __builtin_bswap16(is_client ? 25 : 40000);
	if (family == 4) {
		template->header[12] = 0x08;
		l3[0] = 0x45;
		l3[8] = 64;
		l3[9] = 6;
		memcpy(l3 + 12, addresses[self], 4);
		memcpy(l3 + 16, addresses[self ^ 1], 4);
	} else {
		template->header[12] = 0x86;
		template->header[13] = 0xdd;
		l3[0] = 0x60;
		l3[6] = 6;
		l3[7] = 64;
		memcpy(l3 + 8, addresses[self], 16);
		memcpy(l3 + 24, addresses[self ^ 1], 16);
	}
}

void peer_init(struct peer *peer, int family, bool is_client, uint32_t iss)
{
	memset(peer, 0, sizeof(*peer));
	make_template(peer, family, is_client);
	peer->out = calloc(1, PEER_BUFFER);
	peer->in = calloc(1, PEER_BUFFER);
	peer->in_have = calloc(1, PEER_BUFFER);
	peer->out_sacked = calloc(1, PEER_BUFFER);
	assert(peer->out_sacked != NULL);
	assert(peer->out != NULL && peer->in != NULL && peer->in_have != NULL);
	peer->iss = iss;
	peer->mss = 1448;
	peer->window = WINDOW;
	peer->flight = 16ul * 1448;
	peer->timestamps = true;
	peer->listening = !is_client;
	peer->rto_ns = RTO_NS;
}

void peer_fini(struct peer *peer)
{
	free(peer->out);
	free(peer->in);
	free(peer->in_have);
	free(peer->out_sacked);
}

static uint32_t rcv_nxt(const struct peer *peer)
{
	return peer->irs + 1 + (uint32_t)peer->in_bytes + (peer->fin_received ? 1 : 0);
}

static uint32_t now_ts(uint64_t now_ns)
{
	return (uint32_t)(now_ns / 1000000) + 1;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, sizeof(value));
}

// Up to two blocks of what arrived out of order.
static uint32_t sack_option(const struct peer *peer, uint8_t out[20])
{
	size_t at = peer->in_bytes;
	uint32_t n = 4;

	while (at < peer->in_high && n < 20) {
		size_t from;

		while (at < peer->in_high && !peer->in_have[at])
			at++;
		from = at;
		while (at < peer->in_high && peer->in_have[at])
			at++;
		if (from == at)
			break;
		put32(out + n, peer->irs + 1 + (uint32_t)from);
		put32(out + n + 4, peer->irs + 1 + (uint32_t)at);
		n += 8;
	}
	if (n == 4)
		return 0;
	out[0] = 1;
	out[1] = 1;
	out[2] = 5;
	out[3] = (uint8_t)(n - 2);
	return n;
}

// Of what it has offered.
static uint32_t left(const struct peer *peer)
{
	return peer->offered > peer->in_bytes ? (uint32_t)(peer->offered - peer->in_bytes) : 0;
}

// The window as a segment says it. Its right edge never moves back.
static uint16_t offer(struct peer *peer, uint8_t shift)
{
	size_t window = peer->window;
	size_t edge;

	if (peer->shut)
		window = left(peer);
	window >>= shift;
	edge = peer->in_bytes + (window << shift);
	if (peer->offered < edge)
		peer->offered = edge;
	return (uint16_t)window;
}

static void transmit(struct peer *peer, struct packet_segment *segment, uint64_t now_ns)
{
	uint8_t buffer[12288];
	struct frame frame = {buffer, 0, sizeof(buffer), NULL};
	uint8_t options[20];
	uint32_t n = 0;

	if (peer->stopped)
		return;
	segment->window = offer(peer,
		(segment->flags & TCP_FLAG_SYN) != 0 || peer->wscale_taken == 0 ? 0 : peer->wscale);
	segment->has_timestamp = peer->timestamps;
	segment->ts_value = now_ts(now_ns);
	segment->ts_echo = peer->ts_recent;
	if (peer->synchronised && (segment->flags & TCP_FLAG_RST) == 0) {
		segment->flags |= TCP_FLAG_ACK;
		segment->ack = rcv_nxt(peer);
		peer->told = segment->ack;
	}
	if ((segment->flags & TCP_FLAG_SYN) != 0) {
		if (peer->sack) {
			put32(options, 0x01010402);
			n = 4;
		}
		if (peer->wscale > 0) {
			put32(options + n, 0x01030300u | peer->wscale);
			n += 4;
		}
	} else if (peer->sack_taken && segment->payload_bytes == 0) {
		n = sack_option(peer, options);
	}
	packet_build(&frame, &peer->template, segment, &peer->ip_id);
	if (n > 0)
		frames_insert_options(&frame, options, n);
	peer->send(peer->ctx, peer, &frame);
}

static void transmit_syn(struct peer *peer, uint64_t now_ns)
{
	struct packet_segment segment = {.seq = peer->iss, .flags = TCP_FLAG_SYN};

	transmit(peer, &segment, now_ns);
	peer->syn_sent = true;
	peer->due_ns = now_ns + peer->rto_ns;
}

static void transmit_ack(struct peer *peer, uint64_t now_ns)
{
	struct packet_segment segment = {.seq = peer->iss + 1 + (uint32_t)peer->sent};

	if (peer->fin_sent)
		segment.seq++;
	transmit(peer, &segment, now_ns);
}

void peer_open_window(struct peer *peer, uint64_t now_ns)
{
	peer->shut = false;
	transmit_ack(peer, now_ns);
}

void peer_keep_alive(struct peer *peer, bool has_byte, uint64_t now_ns)
{
	static const uint8_t garbage = 0;
	struct packet_segment segment = {.seq = peer->iss + (uint32_t)peer->sent,
		.payload = &garbage,
		.payload_bytes = has_byte};

	transmit(peer, &segment, now_ns);
}

void peer_connect(struct peer *peer, uint64_t now_ns)
{
	transmit_syn(peer, now_ns);
}

void peer_write(struct peer *peer, const void *data, size_t n)
{
	assert(peer->out_bytes + n <= PEER_BUFFER);
	memcpy(peer->out + peer->out_bytes, data, n);
	peer->out_bytes += n;
}

void peer_close(struct peer *peer)
{
	peer->fin_queued = true;
}

void peer_abort(struct peer *peer, uint64_t now_ns)
{
	struct packet_segment segment = {
		.seq = peer->iss + 1 + (uint32_t)peer->sent + (peer->fin_sent ? 1 : 0),
		.flags = TCP_FLAG_RST};

	transmit(peer, &segment, now_ns);
	peer->reset = true;
}

// A segment that begins inside the window is taken whole, as far as there is memory, as by Linux.
static void take_payload(struct peer *peer, const struct packet *packet)
{
	int64_t begin = (int64_t)(int32_t)(packet->tcp.seq - peer->irs - 1);

	if (begin >= (int64_t)peer->offered) {
		// One byte asks for the window (RFC 9293 section 3.8.6.1).
		if (packet->tcp.payload_bytes > 1)
			peer->overruns += packet->tcp.payload_bytes;
		return;
	}
	for (uint32_t i = 0; i < packet->tcp.payload_bytes; i++) {
		int64_t at = (int64_t)(int32_t)(packet->tcp.seq + i - peer->irs - 1);

		if (at >= (int64_t)peer->offered)
			peer->overruns++;
		if (at < 0 || at >= PEER_BUFFER)
			continue;
		if (at < (int64_t)peer->in_bytes)
			continue;
		if (peer->in_have[at] && peer->in[at] != packet->payload[i])
			peer->conflicts++;
		if (!peer->in_have[at])
			peer->in[at] = packet->payload[i];
		peer->in_have[at] = 1;
		if ((size_t)at >= peer->in_high)
			peer->in_high = (size_t)at + 1;
	}
	while (peer->in_bytes < PEER_BUFFER && peer->in_have[peer->in_bytes])
		peer->in_bytes++;
}

static void take_ack(struct peer *peer, const struct tcp_segment *tcp, uint64_t now_ns)
{
	size_t ack = (size_t)(uint32_t)(tcp->ack - peer->iss - 1);
	size_t all = peer->sent + (peer->fin_sent ? 1 : 0);
	size_t window;

	if (ack > all) {
		// An acknowledgement of the SYN, or of what is older still, comes out as a large number.
		// One who has closed may be disturbed by what is left of a connection that was
		// forgotten on the way.
		peer->bad_acks += ack < (1u << 31) && !peer->fin_acked;
		return;
	}
	// That of a SYN is not scaled (RFC 7323 section 2.2).
	window = (size_t)tcp->window << ((tcp->flags & TCP_FLAG_SYN) != 0 ? 0 : peer->wscale_taken);
	if (ack + window > peer->granted)
		peer->granted = ack + window;
	if (peer->fin_sent && ack == peer->out_bytes + 1) {
		peer->fin_acked = true;
		ack--;
	}
	if (ack > peer->acked) {
		peer->acked = ack;
		peer->rto_ns = RTO_NS;
		peer->due_ns = now_ns + peer->rto_ns;
		peer->duplicate_acks = 0;
	} else if (ack == peer->acked && tcp->payload_bytes == 0 && peer->sent > peer->acked &&
		   ++peer->duplicate_acks == 3) {
		peer->due_ns = now_ns;
	}
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

// One SACK option: what the other has of ours. A first block below the acknowledgement says that it came
// twice (RFC 2883).
static void take_sack(
	struct peer *peer, const uint8_t *option, uint32_t n, const struct tcp_segment *tcp)
{
	if (!peer->sack_taken)
		peer->bad_sacks++;
	for (uint32_t i = 2; i + 8 <= n; i += 8) {
		size_t from = (size_t)(uint32_t)(get32(option + i) - peer->iss - 1);
		size_t to = (size_t)(uint32_t)(get32(option + i + 4) - peer->iss - 1);

		if (from >= to || to > peer->sent || tcp_seq_before(get32(option + i), tcp->ack)) {
			peer->bad_sacks++;
			continue;
		}
		memset(peer->out_sacked + from, 1, to - from);
		if (to > peer->sacked_high)
			peer->sacked_high = to;
	}
}

static void take_timestamp(
	struct peer *peer, const struct packet *packet, const uint8_t *option, uint64_t now_ns)
{
	uint32_t value = get32(option + 2);

	if (!peer->timestamps) {
		// A SYN may offer it to one that does not have it.
		peer->bad_clocks += (packet->tcp.flags & TCP_FLAG_SYN) == 0;
		return;
	}
	if (tcp_seq_before(now_ts(now_ns), get32(option + 6)))
		peer->bad_clocks++;
	peer->ts_value = value;
	if (peer->ts_recent == 0)
		peer->ts_recent = value;
}

static void take_options(struct peer *peer, const struct packet *packet, uint64_t now_ns)
{
	const uint8_t *options = packet->tcp.options;
	bool is_syn = (packet->tcp.flags & TCP_FLAG_SYN) != 0;
	bool has_timestamp = false;

	for (uint32_t i = 0; i < packet->tcp.options_bytes && options[i] != 0;) {
		uint32_t n = options[i] == 1 ? 1 : options[i + 1];

		if (options[i] == 8) {
			take_timestamp(peer, packet, options + i, now_ns);
			has_timestamp = true;
		} else if (options[i] == 5) {
			take_sack(peer, options + i, n, &packet->tcp);
		} else if (options[i] == 4 && is_syn) {
			peer->sack_taken = peer->sack;
		} else if (options[i] == 3 && is_syn && peer->wscale > 0) {
			peer->wscale_taken = options[i + 2];
		}
		i += n;
	}
	if (is_syn && !has_timestamp)
		peer->timestamps = false;
	if (peer->timestamps && !has_timestamp)
		peer->bad_clocks++;
}

static void handshake(struct peer *peer, const struct tcp_segment *tcp, uint64_t now_ns)
{
	struct packet_segment refusal = {.seq = tcp->ack, .flags = TCP_FLAG_RST};

	if ((tcp->flags & TCP_FLAG_SYN) == 0) {
		// Of an older connection (RFC 9293 section 3.10.7.3).
		if ((tcp->flags & TCP_FLAG_ACK) != 0 && tcp->ack != peer->iss + 1)
			transmit(peer, &refusal, now_ns);
		return;
	}
	peer->irs = tcp->seq;
	peer->synchronised = true;
	if (peer->listening)
		transmit_syn(peer, now_ns);
	else
		transmit_ack(peer, now_ns);
}

static void take_reset(struct peer *peer, const struct tcp_segment *tcp, uint64_t now_ns)
{
	if (!peer->synchronised) {
		if ((tcp->flags & TCP_FLAG_ACK) != 0 && tcp->ack == peer->iss + 1)
			peer->reset = true;
		return;
	}
	if (tcp->seq == rcv_nxt(peer)) {
		peer->reset = true;
		return;
	}
	peer->challenges++;
	transmit_ack(peer, now_ns);
}

// What Linux drops before it looks at anything else, the acknowledgement included. Two clocks may differ
// by one tick.
static bool is_acceptable(struct peer *peer, const struct packet *packet)
{
	uint32_t fin = (packet->tcp.flags & TCP_FLAG_FIN) != 0;
	uint32_t end = packet->tcp.seq + packet->tcp.payload_bytes + fin;
	bool is_next = packet->tcp.seq == rcv_nxt(peer);

	if (peer->timestamps && tcp_seq_before(peer->ts_value + 1, peer->ts_recent)) {
		peer->old_clocks += is_next && end != packet->tcp.seq;
		return false;
	}
	if (tcp_seq_before(end, peer->told) ||
		tcp_seq_before(rcv_nxt(peer) + left(peer), packet->tcp.seq)) {
		peer->strays++;
		return false;
	}
	if (!tcp_seq_before(peer->told, packet->tcp.seq) &&
		!tcp_seq_before(peer->ts_value, peer->ts_recent))
		peer->ts_recent = peer->ts_value;
	return true;
}

// At most two a second to what carries nothing, or two ends would go on for ever (tcp_invalid_ratelimit).
static void answer_refused(struct peer *peer, const struct packet *packet, uint64_t now_ns)
{
	if (packet->tcp.payload_bytes == 0 && now_ns - peer->refused_ns < REFUSED_NS)
		return;
	if (packet->tcp.payload_bytes == 0)
		peer->refused_ns = now_ns;
	transmit_ack(peer, now_ns);
}

static bool is_news(const struct peer *peer, const struct packet *packet)
{
	return packet->tcp.payload_bytes > 0 ||
	       (packet->tcp.flags & (TCP_FLAG_FIN | TCP_FLAG_SYN)) != 0 ||
	       tcp_seq_before(packet->tcp.seq, rcv_nxt(peer));
}

// There is no connection any more (RFC 9293 section 3.5.2).
static void refuse(struct peer *peer, const struct packet *packet, uint64_t now_ns)
{
	struct packet_segment segment = {.seq = packet->tcp.ack, .flags = TCP_FLAG_RST};

	if (packet->kind == PACKET_TCP && (packet->tcp.flags & TCP_FLAG_RST) == 0)
		transmit(peer, &segment, now_ns);
}

void peer_input(struct peer *peer, struct frame *frame, uint64_t now_ns)
{
	struct packet packet;
	bool answer;

	packet_parse(frame, 0, &packet);
	if (peer->stopped)
		return;
	if (peer->reset) {
		refuse(peer, &packet, now_ns);
		return;
	}
	if (packet.kind != PACKET_TCP) {
		peer->bad_frames++;
		return;
	}
	if (packet.tcp.flags & TCP_FLAG_RST) {
		take_reset(peer, &packet.tcp, now_ns);
		return;
	}
	peer->taken++;
	take_options(peer, &packet, now_ns);
	if (!peer->synchronised) {
		handshake(peer, &packet.tcp, now_ns);
		if (!peer->synchronised)
			return;
	}
	answer = is_news(peer, &packet);
	if ((packet.tcp.flags & TCP_FLAG_SYN) == 0 && !is_acceptable(peer, &packet)) {
		answer_refused(peer, &packet, now_ns);
		return;
	}
	if ((packet.tcp.flags & TCP_FLAG_ACK) != 0) {
		if (packet.tcp.ack != peer->iss)
			peer->established = true;
		take_ack(peer, &packet.tcp, now_ns);
	}
	take_payload(peer, &packet);
	if ((packet.tcp.flags & TCP_FLAG_FIN) != 0 && !peer->fin_received &&
		packet.tcp.seq + packet.tcp.payload_bytes == rcv_nxt(peer))
		peer->fin_received = true;
	if (answer && peer->established)
		transmit_ack(peer, now_ns);
}

// Up to the window's edge.
static size_t segment_at(const struct peer *peer, size_t at)
{
	size_t n = peer->chunk > 0 && peer->chunk < peer->mss ? peer->chunk : peer->mss;

	if (at < peer->granted && peer->granted - at < n)
		n = peer->granted - at;
	return peer->out_bytes - at < n ? peer->out_bytes - at : n;
}

static void transmit_from(struct peer *peer, size_t at, uint64_t now_ns)
{
	struct packet_segment segment = {.seq = peer->iss + 1 + (uint32_t)at};
	size_t n = segment_at(peer, at);

	segment.payload = peer->out + at;
	segment.payload_bytes = (uint32_t)n;
	segment.flags = TCP_FLAG_PSH;
	if (peer->fin_queued && at + n == peer->out_bytes) {
		segment.flags |= TCP_FLAG_FIN;
		peer->fin_sent = true;
	}
	if (at + n > peer->sent)
		peer->sent = at + n;
	transmit(peer, &segment, now_ns);
}

// The first byte that was not acknowledged, and the holes behind it that the other has told of.
static void retransmit(struct peer *peer, uint64_t now_ns)
{
	size_t at = peer->acked;

	transmit_from(peer, at, now_ns);
	at += segment_at(peer, at);
	for (int i = 0; i < 8; i++) {
		while (at < peer->sacked_high && peer->out_sacked[at])
			at++;
		if (at >= peer->sacked_high)
			return;
		transmit_from(peer, at, now_ns);
		at += segment_at(peer, at);
	}
}

static bool all_acked(const struct peer *peer)
{
	return peer->acked == peer->sent && (!peer->fin_sent || peer->fin_acked);
}

void peer_poll(struct peer *peer, uint64_t now_ns)
{
	if (peer->stopped || peer->reset)
		return;
	if (!peer->established) {
		if (peer->syn_sent && now_ns >= peer->due_ns)
			transmit_syn(peer, now_ns);
		return;
	}
	if (!all_acked(peer) && now_ns >= peer->due_ns) {
		peer->retransmissions++;
		peer->rto_ns = peer->rto_ns * 2 > RTO_MAX_NS ? RTO_MAX_NS : peer->rto_ns * 2;
		peer->due_ns = now_ns + peer->rto_ns;
		retransmit(peer, now_ns);
	}
	while (peer->sent < peer->out_bytes && peer->sent - peer->acked < peer->flight &&
		peer->sent < peer->granted &&
		!(peer->nagle && peer->sent > peer->acked &&
			segment_at(peer, peer->sent) < peer->mss)) {
		if (all_acked(peer))
			peer->due_ns = now_ns + peer->rto_ns;
		transmit_from(peer, peer->sent, now_ns);
	}
	if (peer->fin_queued && !peer->fin_sent && peer->sent == peer->out_bytes) {
		peer->due_ns = now_ns + peer->rto_ns;
		transmit_from(peer, peer->sent, now_ns);
	}
}
