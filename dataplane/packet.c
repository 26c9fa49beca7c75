// SPDX-License-Identifier: BSD-3-Clause
// Frames to headers. What a careful receiver would drop is BAD; what is no TCP over IP is OTHER.
#include "dataplane/packet.h"

#include "dataplane/packet_link.h"
#include "dataplane/packet_wire.h"

#define MAX_EXTENSIONS 8u // a longer chain is not read by anybody in good faith

static const char *const fault_names[] = {
#define X(name, help) #name,
	PACKET_FAULTS(X)
#undef X
};

const char *packet_fault_name(enum packet_fault fault)
{
	return (size_t)fault < sizeof(fault_names) / sizeof(fault_names[0]) ? fault_names[fault]
									    : "";
}

static void set_bad(struct packet *packet, enum packet_fault why)
{
	packet->kind = PACKET_BAD;
	packet->why = why;
}

// Packets of UDP that carry others: VXLAN (RFC 7348, and the port that it had before), with a protocol of its own, too;
// Geneve (RFC 8926), GTP-U (3GPP TS 29.281), data of L2TP (RFC 2661). Others may use the ports, so its header counts.
static bool wraps_in_udp(const uint8_t *udp, uint32_t bytes)
{
	const uint8_t *header = udp + UDP_BYTES;
	uint16_t type;

	if (bytes < UDP_BYTES + 8)
		return false;
	switch (wire_get16(udp + UDP_DESTINATION)) {
	case 4789:
	case 8472:
	case 4790:
		return (header[0] & 0x08) != 0 && header[7] == 0;
	case 6081:
		type = wire_get16(header + 2);
		return header[0] >> 6 == 0 &&
		       (type == ETHER_TYPE_ETHERNET || type == ETHER_TYPE_IPV4 ||
			       type == ETHER_TYPE_IPV6);
	case 2152:
		return (header[0] & 0xf0) == 0x30 && header[1] == 0xff;
	case 1701:
		return (header[0] & 0x80) == 0 && (header[1] & 0x0f) == 2;
	default:
		return false;
	}
}

// Protocols of IP that carry packets: IPv4 (RFC 2003), IPv6 (4213), GRE (2784), ESP (4303), IPIP, EtherIP (3378), L2TPv3
// (3931), MPLS (4023), ETHERNET (8986).
static bool wraps_in_ip(int protocol, const uint8_t *at, uint32_t bytes)
{
	static const uint8_t wrappers[] = {4, 41, 47, 50, 94, 97, 115, 137, 143};

	if (protocol == IP_PROTOCOL_UDP)
		return wraps_in_udp(at, bytes);
	return protocol >= 0 && memchr(wrappers, protocol, sizeof(wrappers)) != NULL;
}

// The checksum field holds the pseudo-header's sum alone, with or without the length: the port was
// to do the rest.
static bool is_partial_checksum(const uint8_t *l3, uint8_t family, const uint8_t *tcp, uint32_t n)
{
	uint16_t field = wire_raw16(tcp + TCP_CHECKSUM);

	return field == packet_fold(wire_sum_pseudo(l3, family, n)) ||
	       field == packet_fold(wire_sum_pseudo(l3, family, 0));
}

static bool check_tcp_checksum(
	struct frame *frame, const struct packet *packet, unsigned int flags, uint32_t tcp_bytes)
{
	const uint8_t *l3 = frame->data + packet->l3_offset;
	uint8_t *tcp = frame->data + packet->l4_offset;
	uint8_t family = packet->from.family;

	if (flags & PACKET_CHECKSUMS_DONE)
		return true;
	if (packet_fold(wire_sum_pseudo(l3, family, tcp_bytes) + packet_sum(tcp, tcp_bytes)) ==
		0xffff)
		return true;
	if (!(flags & PACKET_PARTIAL_CHECKSUMS) || !is_partial_checksum(l3, family, tcp, tcp_bytes))
		return false;
	wire_put_tcp_checksum(l3, family, tcp, tcp_bytes);
	return true;
}

static void parse_tcp(struct frame *frame, unsigned int flags, struct packet *packet)
{
	uint32_t available = packet->ip_end - packet->l4_offset;
	uint8_t *tcp = frame->data + packet->l4_offset;
	struct tcp_segment *segment = &packet->tcp;
	uint32_t header_bytes;

	if (available >= sizeof(packet->from.port_be))
		memcpy(packet->from.port_be, tcp, sizeof(packet->from.port_be));
	if (available < TCP_BYTES) {
		set_bad(packet, PACKET_BAD_TCP_HEADER_FAULT);
		return;
	}
	header_bytes = (uint32_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
	if (header_bytes < TCP_BYTES || header_bytes > available) {
		set_bad(packet, PACKET_BAD_TCP_HEADER_FAULT);
		return;
	}
	if (!check_tcp_checksum(frame, packet, flags, available)) {
		set_bad(packet, PACKET_BAD_TCP_CHECKSUM_FAULT);
		return;
	}
	packet->kind = PACKET_TCP;
	segment->seq = wire_get32(tcp + TCP_SEQ);
	segment->ack = wire_get32(tcp + TCP_ACK);
	segment->window = wire_get16(tcp + TCP_WINDOW);
	segment->flags = tcp[TCP_FLAGS];
	segment->options = tcp + TCP_BYTES;
	segment->options_bytes = (uint16_t)(header_bytes - TCP_BYTES);
	segment->payload_bytes = available - header_bytes;
	packet->payload = tcp + header_bytes;
}

static void set_fragment(struct packet *packet, uint32_t payload_offset, uint32_t offset_bytes)
{
	struct packet_fragment *fragment = &packet->fragment;

	packet->kind = PACKET_FRAGMENT;
	packet->l4_offset = (uint16_t)payload_offset;
	fragment->payload_offset = payload_offset;
	fragment->payload_bytes = packet->ip_end - payload_offset;
	fragment->offset_bytes = offset_bytes;
	// RFC 791 section 3.2, RFC 8200 section 4.5: all but the last are multiples of eight, and
	// the whole fits 64 KiB. An empty one is never made in good faith.
	if (fragment->payload_bytes == 0 || offset_bytes + fragment->payload_bytes > IP_MAX_BYTES ||
		(fragment->more && fragment->payload_bytes % 8 != 0))
		set_bad(packet, PACKET_BAD_FRAGMENT_FAULT);
}

// AH stands before TCP in IPv4 too (RFC 4302); its length is in words, less two. Moves l4_offset past
// it and returns the next protocol, or a negative number when it is cut.
static int skip_ah(const struct frame *frame, struct packet *packet)
{
	const uint8_t *at = frame->data + packet->l4_offset;
	uint32_t available = packet->ip_end - packet->l4_offset;
	uint32_t bytes;

	if (available < 12)
		return -1;
	bytes = ((uint32_t)at[1] + 2) * 4;
	if (bytes < 12 || bytes > available)
		return -1;
	packet->l4_offset = (uint16_t)(packet->l4_offset + bytes);
	return at[0];
}

// Total length 0: a capture on the sender, taken before the port cut the segment up. Returns false
// when the length cannot be right.
static bool ipv4_length(struct frame *frame, struct packet *packet, unsigned int flags)
{
	uint8_t *l3 = frame->data + packet->l3_offset;
	uint32_t available = packet->ip_end - packet->l3_offset;
	uint32_t header_bytes = (uint32_t)(l3[0] & 0x0f) * 4;
	uint32_t total = wire_get16(l3 + IPV4_TOTAL_LENGTH);

	if (total == 0 && (flags & PACKET_PARTIAL_CHECKSUMS) && available <= IP_MAX_BYTES) {
		total = available;
		// A checksum of 0 was left to the port too, and stays for check_ipv4_checksum.
		if (wire_raw16(l3 + IPV4_CHECKSUM) == 0)
			wire_put16(l3 + IPV4_TOTAL_LENGTH, (uint16_t)total);
		else
			wire_change16(l3 + IPV4_TOTAL_LENGTH, (uint16_t)total, l3 + IPV4_CHECKSUM);
	}
	packet->ip_end = packet->l3_offset + total;
	return total >= header_bytes && total <= available;
}

// A header checksum of 0 beside a partial TCP checksum was left to the port as well.
static bool check_ipv4_checksum(struct frame *frame, struct packet *packet, unsigned int flags)
{
	uint8_t *l3 = frame->data + packet->l3_offset;
	uint32_t header_bytes = (uint32_t)(l3[0] & 0x0f) * 4;
	uint32_t tcp_bytes = packet->ip_end - packet->l3_offset - header_bytes;

	if (flags & PACKET_CHECKSUMS_DONE)
		return true;
	if (packet_fold(wire_sum_header(l3, header_bytes)) == 0xffff)
		return true;
	if (!(flags & PACKET_PARTIAL_CHECKSUMS) || wire_raw16(l3 + IPV4_CHECKSUM) != 0 ||
		l3[IPV4_PROTOCOL] != IP_PROTOCOL_TCP || tcp_bytes < TCP_BYTES ||
		!is_partial_checksum(l3, 4, l3 + header_bytes, tcp_bytes))
		return false;
	wire_put_ipv4_checksum(l3, header_bytes);
	return true;
}

// Bytes behind the header, of other protocols than TCP; 0 in a fragment but the first.
static uint32_t ipv4_first_bytes(const uint8_t *l3, uint32_t available)
{
	uint32_t header_bytes = (uint32_t)(l3[0] & 0x0f) * 4;

	if ((wire_get16(l3 + IPV4_FRAGMENT) & IPV4_OFFSET_MASK) != 0 || header_bytes > available)
		return 0;
	return available - header_bytes;
}

static void parse_ipv4(struct frame *frame, unsigned int flags, struct packet *packet)
{
	uint8_t *l3 = frame->data + packet->l3_offset;
	uint32_t available = packet->ip_end - packet->l3_offset;
	uint32_t header_bytes;
	uint16_t fragment;
	int protocol;

	if (available < IPV4_BYTES || l3[0] >> 4 != 4 || (l3[0] & 0x0f) < 5) {
		set_bad(packet, PACKET_BAD_IP_HEADER_FAULT);
		return;
	}
	protocol = l3[IPV4_PROTOCOL];
	header_bytes = (uint32_t)(l3[0] & 0x0f) * 4;
	if (protocol != IP_PROTOCOL_TCP && protocol != IP_PROTOCOL_AH) {
		packet->is_wrapped =
			wraps_in_ip(protocol, l3 + header_bytes, ipv4_first_bytes(l3, available));
		return;
	}
	if (header_bytes > available || !ipv4_length(frame, packet, flags)) {
		set_bad(packet, PACKET_BAD_IP_HEADER_FAULT);
		return;
	}
	if (!check_ipv4_checksum(frame, packet, flags)) {
		set_bad(packet, PACKET_BAD_IP_CHECKSUM_FAULT);
		return;
	}
	packet->from.family = 4;
	memcpy(packet->from.address[0], l3 + IPV4_SOURCE, 4);
	memcpy(packet->from.address[1], l3 + IPV4_SOURCE + 4, 4);
	packet->l4_offset = (uint16_t)(packet->l3_offset + header_bytes);
	fragment = wire_get16(l3 + IPV4_FRAGMENT);
	if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) {
		packet->fragment.id = wire_get16(l3 + IPV4_ID);
		packet->fragment.protocol = (uint8_t)protocol;
		packet->fragment.more = (fragment & IPV4_MORE_FRAGMENTS) != 0;
		set_fragment(
			packet, packet->l4_offset, (uint32_t)(fragment & IPV4_OFFSET_MASK) * 8);
		return;
	}
	if (protocol == IP_PROTOCOL_AH)
		protocol = skip_ah(frame, packet);
	if (protocol < 0)
		set_bad(packet, PACKET_BAD_EXTENSION_FAULT);
	else if (protocol == IP_PROTOCOL_TCP)
		parse_tcp(frame, flags, packet);
	else
		packet->is_wrapped = wraps_in_ip(protocol, frame->data + packet->l4_offset,
			packet->ip_end - packet->l4_offset);
}

// Reads the fragment header at l4_offset. An atomic fragment (RFC 6946) is passed over like any other
// header and its next header returned; a real one ends the packet's parsing: -1, kind is set.
static int parse_ipv6_fragment(struct frame *frame, struct packet *packet, uint32_t header_offset)
{
	const uint8_t *at = frame->data + packet->l4_offset;
	uint16_t offset;

	if (packet->ip_end - packet->l4_offset < IPV6_FRAGMENT_BYTES) {
		set_bad(packet, PACKET_BAD_EXTENSION_FAULT);
		return -1;
	}
	offset = wire_get16(at + 2);
	if ((offset & 0xfff9) == 0) {
		packet->l4_offset = (uint16_t)(packet->l4_offset + IPV6_FRAGMENT_BYTES);
		return at[0];
	}
	// Whatever the next header of a later fragment says, the first one's holds (RFC 8200 section
	// 4.5): each may carry TCP.
	packet->fragment.id = wire_get32(at + 4);
	packet->fragment.protocol = at[0];
	packet->fragment.more = (offset & 1) != 0;
	packet->fragment.header_offset = header_offset;
	set_fragment(packet, packet->l4_offset + IPV6_FRAGMENT_BYTES, offset & 0xfff8);
	return -1;
}

// Hop-by-hop, routing and destination options: moves l4_offset past one and returns the next header,
// or -1 when it is cut, in the wrong place or not for this destination.
static int skip_option_header(
	const struct frame *frame, struct packet *packet, int header, uint32_t count)
{
	const uint8_t *at = frame->data + packet->l4_offset;
	uint32_t available = packet->ip_end - packet->l4_offset;
	uint32_t bytes;

	if (available < 8 || (header == IP_PROTOCOL_HOP_BY_HOP && count > 0))
		return -1;
	// Segments left: the packet still goes elsewhere, under another checksum.
	if (header == IP_PROTOCOL_ROUTING && at[3] != 0)
		return -1;
	bytes = ((uint32_t)at[1] + 1) * 8;
	if (bytes > available)
		return -1;
	packet->l4_offset = (uint16_t)(packet->l4_offset + bytes);
	return at[0];
}

static void parse_ipv6_chain(struct frame *frame, unsigned int flags, struct packet *packet)
{
	uint32_t named_at = packet->l3_offset + IPV6_NEXT_HEADER;
	int header = frame->data[named_at];
	bool had_fragment = false;

	for (uint32_t count = 0; header != IP_PROTOCOL_TCP; count++) {
		uint32_t here = packet->l4_offset;

		if (header == IP_PROTOCOL_FRAGMENT && !had_fragment && count < MAX_EXTENSIONS) {
			had_fragment = true;
			header = parse_ipv6_fragment(frame, packet, named_at);
			if (header < 0)
				return;
		} else if (header == IP_PROTOCOL_AH) {
			header = skip_ah(frame, packet);
		} else if (header == IP_PROTOCOL_HOP_BY_HOP || header == IP_PROTOCOL_ROUTING ||
			   header == IP_PROTOCOL_DESTINATION) {
			header = skip_option_header(frame, packet, header, count);
		} else if (header != IP_PROTOCOL_FRAGMENT) {
			packet->is_wrapped = wraps_in_ip(header, frame->data + packet->l4_offset,
				packet->ip_end - packet->l4_offset);
			return;
		} else {
			header = -1;
		}
		if (header < 0 || count >= MAX_EXTENSIONS) {
			set_bad(packet, PACKET_BAD_EXTENSION_FAULT);
			return;
		}
		named_at = here;
	}
	parse_tcp(frame, flags, packet);
}

static void parse_ipv6(struct frame *frame, unsigned int flags, struct packet *packet)
{
	uint8_t *l3 = frame->data + packet->l3_offset;
	uint32_t available = packet->ip_end - packet->l3_offset;
	uint32_t payload_bytes;

	if (available < IPV6_BYTES || l3[0] >> 4 != 6) {
		set_bad(packet, PACKET_BAD_IP_HEADER_FAULT);
		return;
	}
	payload_bytes = wire_get16(l3 + IPV6_PAYLOAD_LENGTH);
	if (payload_bytes == 0 && (flags & PACKET_PARTIAL_CHECKSUMS) &&
		l3[IPV6_NEXT_HEADER] == IP_PROTOCOL_TCP && available - IPV6_BYTES <= IP_MAX_BYTES) {
		payload_bytes = available - IPV6_BYTES;
		wire_put16(l3 + IPV6_PAYLOAD_LENGTH, (uint16_t)payload_bytes);
	}
	if (payload_bytes > available - IPV6_BYTES) {
		set_bad(packet, PACKET_BAD_IP_HEADER_FAULT);
		return;
	}
	packet->ip_end = packet->l3_offset + IPV6_BYTES + payload_bytes;
	packet->from.family = 6;
	memcpy(packet->from.address, l3 + IPV6_SOURCE, 32);
	packet->l4_offset = (uint16_t)(packet->l3_offset + IPV6_BYTES);
	parse_ipv6_chain(frame, flags, packet);
}

void packet_parse(struct frame *frame, unsigned int flags, struct packet *packet)
{
	*packet = (struct packet){.kind = PACKET_OTHER};
	packet->type = packet_link_read(frame, packet);
	if (packet->type == ETHER_TYPE_IPV4)
		parse_ipv4(frame, flags, packet);
	else if (packet->type == ETHER_TYPE_IPV6)
		parse_ipv6(frame, flags, packet);
}

void packet_verify(struct frame *frame, unsigned int flags, struct packet *packet)
{
	if (packet->kind != PACKET_TCP && packet->kind != PACKET_FRAGMENT)
		return;
	if (packet->from.family == 4 && !check_ipv4_checksum(frame, packet, flags))
		set_bad(packet, PACKET_BAD_IP_CHECKSUM_FAULT);
	else if (packet->kind == PACKET_TCP &&
		 !check_tcp_checksum(frame, packet, flags, packet->ip_end - packet->l4_offset))
		set_bad(packet, PACKET_BAD_TCP_CHECKSUM_FAULT);
}
