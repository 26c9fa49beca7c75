// SPDX-License-Identifier: BSD-3-Clause
// Changes to packets that pass, and packets of the engine's own. Each leaves frame, packet and
// checksums consistent.
#include "dataplane/packet_link.h"
#include "dataplane/packet_wire.h"

#define TIMESTAMP_BYTES 12u // two NOPs before it (RFC 7323 appendix A)

void packet_fix_tcp_checksum(struct frame *frame, struct packet *packet)
{
	wire_put_tcp_checksum(frame->data + packet->l3_offset, packet->from.family,
		frame->data + packet->l4_offset, packet->ip_end - packet->l4_offset);
}

// The word that holds data offset and flags, by its memory image.
static void write_flags(struct frame *frame, struct packet *packet, uint8_t tcp_flags)
{
	uint8_t *tcp = frame->data + packet->l4_offset;
	uint16_t word = (uint16_t)((tcp[TCP_DATA_OFFSET] << 8) | tcp_flags);

	wire_change16(tcp + TCP_DATA_OFFSET, word, tcp + TCP_CHECKSUM);
	packet->tcp.flags = tcp_flags;
}

void packet_clear_flags(struct frame *frame, struct packet *packet, uint8_t tcp_flags)
{
	if (packet->tcp.flags & tcp_flags)
		write_flags(frame, packet, (uint8_t)(packet->tcp.flags & ~tcp_flags));
}

void packet_clear_urgent(struct frame *frame, struct packet *packet)
{
	uint8_t *tcp = frame->data + packet->l4_offset;

	packet_clear_flags(frame, packet, TCP_FLAG_URG);
	wire_change16(tcp + TCP_URGENT, 0, tcp + TCP_CHECKSUM);
}

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_SACK 5

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// The blocks of one SACK option of n bytes; what gets free at its end becomes NOPs.
static void renumber_blocks(uint8_t *option, uint32_t n, const struct seqmap *map)
{
	uint32_t kept = 2;

	for (uint32_t at = 2; at + 8 <= n; at += 8) {
		uint32_t from = read32(option + at);
		uint32_t to = read32(option + at + 4);

		if (!seqmap_block_to_sender(map, &from, &to))
			continue;
		wire_put32(option + kept, from);
		wire_put32(option + kept + 4, to);
		kept += 8;
	}
	option[1] = (uint8_t)kept;
	if (kept == 2)
		kept = 0;
	memset(option + kept, OPTION_NOP, n - kept);
}

static void renumber_options(uint8_t *options, uint32_t n, const struct seqmap *map)
{
	for (uint32_t i = 0; i < n && options[i] != OPTION_END;) {
		uint32_t len = options[i] == OPTION_NOP ? 1 : i + 1 < n ? options[i + 1] : 0;

		if (len == 0 || i + len > n)
			return;
		if (options[i] == OPTION_SACK && len >= 2)
			renumber_blocks(options + i, len, map);
		i += len;
	}
}

void packet_renumber(struct frame *frame, struct packet *packet, uint32_t seq, uint32_t ack,
	const struct seqmap *map)
{
	uint8_t *tcp = frame->data + packet->l4_offset;

	packet->tcp.seq = seq;
	wire_put32(tcp + TCP_SEQ, seq);
	if ((packet->tcp.flags & TCP_FLAG_ACK) != 0) {
		packet->tcp.ack = ack;
		wire_put32(tcp + TCP_ACK, ack);
	}
	renumber_options(tcp + TCP_BYTES, packet->tcp.options_bytes, map);
	packet_fix_tcp_checksum(frame, packet);
}

// Cuts bytes off the end of the IP datagram, and the Ethernet padding with them.
static void shrink(struct frame *frame, struct packet *packet, uint32_t bytes)
{
	uint8_t *l3 = frame->data + packet->l3_offset;

	packet->ip_end -= bytes;
	frame->bytes = packet->ip_end;
	if (packet->from.family == 4)
		wire_change16(l3 + IPV4_TOTAL_LENGTH,
			(uint16_t)(packet->ip_end - packet->l3_offset), l3 + IPV4_CHECKSUM);
	else
		wire_put16(l3 + IPV6_PAYLOAD_LENGTH,
			(uint16_t)(packet->ip_end - packet->l3_offset - IPV6_BYTES));
	packet_link_fix(frame->data, packet->l3_offset, packet->ip_end - packet->l3_offset);
}

void packet_trim(struct frame *frame, struct packet *packet, uint32_t front, uint32_t back)
{
	struct tcp_segment *segment = &packet->tcp;
	uint8_t *tcp = frame->data + packet->l4_offset;
	uint32_t bytes = segment->payload_bytes;

	if (front > bytes)
		front = bytes;
	if (back > bytes - front)
		back = bytes - front;
	if (front + back == 0)
		return;
	segment->payload_bytes = bytes - front - back;
	if (front > 0)
		memmove(packet->payload, packet->payload + front, segment->payload_bytes);
	// A SYN keeps its number: what follows it is cut, not acknowledged.
	if (!(segment->flags & TCP_FLAG_SYN))
		segment->seq += front;
	wire_put32(tcp + TCP_SEQ, segment->seq);
	if (back > 0) {
		segment->flags &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
		tcp[TCP_FLAGS] = segment->flags;
	}
	shrink(frame, packet, front + back);
	packet_fix_tcp_checksum(frame, packet);
}

void packet_learn(
	struct packet_template *template, const struct frame *frame, const struct packet *packet)
{
	uint8_t *l3 = template->header + packet->l3_offset;
	bool is_ipv4 = packet->from.family == 4;
	uint32_t ip_bytes = is_ipv4 ? IPV4_BYTES : IPV6_BYTES;

	if (packet->l3_offset + ip_bytes > sizeof(template->header))
		return;
	// With each packet, most of which are so: a copy of known length is a few instructions.
	if (is_ipv4 && packet->l3_offset == ETHER_BYTES)
		memcpy(template->header, frame->data, ETHER_BYTES + IPV4_BYTES);
	else
		memcpy(template->header, frame->data, packet->l3_offset + ip_bytes);
	template->l2_bytes = (uint8_t)packet->l3_offset;
	template->family = packet->from.family;
	memcpy(template->port_be, packet->from.port_be, sizeof(template->port_be));
	// No options, no extension headers; a congestion mark was meant for the packet that bore it
	// (RFC 3168 section 6.1.5).
	if (is_ipv4) {
		l3[0] = 0x45;
		l3[1] &= 0xfc;
		l3[IPV4_PROTOCOL] = IP_PROTOCOL_TCP;
	} else {
		l3[1] &= 0xcf;
		l3[IPV6_NEXT_HEADER] = IP_PROTOCOL_TCP;
	}
}

bool packet_has_shim(const struct packet_template *template)
{
	uint16_t type;

	if (template->l2_bytes < ETHER_BYTES)
		return false;
	// The lowest label ends in a bit that no type of IP has there, and PPP has types of its own.
	type = wire_get16(template->header + template->l2_bytes - 2);
	return type != ETHER_TYPE_IPV4 && type != ETHER_TYPE_IPV6;
}

static uint32_t segment_header_bytes(const struct packet_segment *segment)
{
	return TCP_BYTES + (segment->has_timestamp ? TIMESTAMP_BYTES : 0) +
	       (segment->sack_count > 0 ? 4 + segment->sack_count * 8u : 0);
}

static uint32_t template_ip_bytes(const struct packet_template *template)
{
	return template->family == 4 ? IPV4_BYTES : IPV6_BYTES;
}

uint32_t packet_build_bytes(
	const struct packet_template *template, const struct packet_segment *segment)
{
	return template->l2_bytes + template_ip_bytes(template) + segment_header_bytes(segment) +
	       segment->payload_bytes;
}

static void build_ip(
	uint8_t *l3, const struct packet_template *template, uint32_t tcp_bytes, uint16_t *ip_id)
{
	if (template->family == 6) {
		wire_put16(l3 + IPV6_PAYLOAD_LENGTH, (uint16_t)tcp_bytes);
		return;
	}
	wire_put16(l3 + IPV4_TOTAL_LENGTH, (uint16_t)(IPV4_BYTES + tcp_bytes));
	wire_put16(l3 + IPV4_ID, (*ip_id)++);
	wire_put16(l3 + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
	wire_put_ipv4_checksum(l3, IPV4_BYTES);
}

static void build_tcp(uint8_t *tcp, const uint16_t port_be[2], const struct packet_segment *segment)
{
	uint32_t header_bytes = segment_header_bytes(segment);
	uint8_t *option = tcp + TCP_BYTES;

	memcpy(tcp, port_be, 2 * sizeof(port_be[0]));
	wire_put32(tcp + TCP_SEQ, segment->seq);
	wire_put32(tcp + TCP_ACK, segment->ack);
	tcp[TCP_DATA_OFFSET] = (uint8_t)(header_bytes / 4 << 4);
	tcp[TCP_FLAGS] = segment->flags;
	wire_put16(tcp + TCP_WINDOW, segment->window);
	wire_put16(tcp + TCP_CHECKSUM, 0);
	wire_put16(tcp + TCP_URGENT, 0);
	if (segment->has_timestamp) {
		wire_put32(tcp + TCP_BYTES, 0x0101080a);
		wire_put32(tcp + TCP_BYTES + 4, segment->ts_value);
		wire_put32(tcp + TCP_BYTES + 8, segment->ts_echo);
		option += TIMESTAMP_BYTES;
	}
	if (segment->sack_count == 0)
		return;
	wire_put32(option, 0x01010500u | (2u + segment->sack_count * 8u));
	for (uint32_t i = 0; i < segment->sack_count; i++) {
		option += i == 0 ? 4 : 8;
		wire_put32(option, segment->sack[i][0]);
		wire_put32(option + 4, segment->sack[i][1]);
	}
}

void packet_build_finish(struct frame *frame, const struct packet_template *template)
{
	uint8_t *l3 = frame->data + template->l2_bytes;
	uint8_t *tcp = l3 + template_ip_bytes(template);

	wire_put_tcp_checksum(
		l3, template->family, tcp, (uint32_t)(frame->data + frame->bytes - tcp));
}

void packet_build(struct frame *frame, const struct packet_template *template,
	const struct packet_segment *segment, uint16_t *ip_id)
{
	uint32_t ip_bytes = template_ip_bytes(template);
	uint32_t tcp_bytes = segment_header_bytes(segment);
	uint8_t *l3 = frame->data + template->l2_bytes;
	uint8_t *tcp = l3 + ip_bytes;

	memcpy(frame->data, template->header, template->l2_bytes + ip_bytes);
	frame->bytes = packet_build_bytes(template, segment);
	build_ip(l3, template, tcp_bytes + segment->payload_bytes, ip_id);
	packet_link_fix(frame->data, template->l2_bytes, frame->bytes - template->l2_bytes);
	build_tcp(tcp, template->port_be, segment);
	if (segment->payload_bytes > 0 && segment->payload == NULL)
		return;
	if (segment->payload_bytes > 0)
		memcpy(tcp + tcp_bytes, segment->payload, segment->payload_bytes);
	packet_build_finish(frame, template);
}
