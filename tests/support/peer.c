// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RTO_NS 200000000ull
#define RTO_MAX_NS 3000000000ull
#define WINDOW 65535u

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
	assert(peer->out != NULL && peer->in != NULL && peer->in_have != NULL);
	peer->iss = iss;
	peer->mss = 1448;
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
}

static uint32_t rcv_nxt(const struct peer *peer)
{
	return peer->irs + 1 + (uint32_t)peer->in_bytes + (peer->fin_received ? 1 : 0);
}

static uint32_t now_ts(uint64_t now_ns)
{
	return (uint32_t)(now_ns / 1000000) + 1;
}

static void transmit(struct peer *peer, struct packet_segment *segment, uint64_t now_ns)
{
	uint8_t buffer[4096];
	struct frame frame = {buffer, 0, sizeof(buffer), NULL};

	if (peer->stopped)
		return;
	segment->window = WINDOW;
	segment->has_timestamp = peer->timestamps;
	segment->ts_value = now_ts(now_ns);
	segment->ts_echo = peer->ts_recent;
	if (peer->synchronised && (segment->flags & TCP_FLAG_RST) == 0) {
		segment->flags |= TCP_FLAG_ACK;
		segment->ack = rcv_nxt(peer);
	}
	packet_build(&frame, &peer->template, segment, &peer->ip_id);
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

static void take_payload(struct peer *peer, const struct packet *packet)
{
	for (uint32_t i = 0; i < packet->tcp.payload_bytes; i++) {
		int64_t at = (int64_t)(int32_t)(packet->tcp.seq + i - peer->irs - 1);

		// Only what is beyond the acknowledged edge can still change anything here.
		if (at < 0 || at >= PEER_BUFFER || at >= (int64_t)peer->in_bytes + WINDOW)
			continue;
		if (at < (int64_t)peer->in_bytes)
			continue;
		if (peer->in_have[at] && peer->in[at] != packet->payload[i])
			peer->conflicts++;
		if (!peer->in_have[at])
			peer->in[at] = packet->payload[i];
		peer->in_have[at] = 1;
	}
	while (peer->in_bytes < PEER_BUFFER && peer->in_have[peer->in_bytes])
		peer->in_bytes++;
}

static void take_ack(struct peer *peer, const struct tcp_segment *tcp, uint64_t now_ns)
{
	size_t ack = (size_t)(uint32_t)(tcp->ack - peer->iss - 1);
	size_t all = peer->sent + (peer->fin_sent ? 1 : 0);

	if (ack > all)
		return;
	if (ack + tcp->window > peer->granted)
		peer->granted = ack + tcp->window;
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
	if (packet.tcp.options_bytes >= 12 && packet.tcp.options[2] == 8) {
		memcpy(&peer->ts_recent, packet.tcp.options + 4, 4);
		peer->ts_recent = __builtin_bswap32(peer->ts_recent);
	}
	if (!peer->synchronised) {
		handshake(peer, &packet.tcp, now_ns);
		if (!peer->synchronised)
			return;
	}
	answer = is_news(peer, &packet);
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

static size_t segment_at(const struct peer *peer, size_t at)
{
	size_t n = peer->chunk > 0 && peer->chunk < peer->mss ? peer->chunk : peer->mss;

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
		transmit_from(peer, peer->acked, now_ns);
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
