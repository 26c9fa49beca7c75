// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet_link.h"

#include "dataplane/packet_wire.h"

// A frame of more tags is not read by anybody in good faith. Labels and sessions share their room: that of
// packet_template.
#define MAX_TAGS 4u
#define MOST_L3_OFFSET (ETHER_BYTES + MAX_TAGS * ETHER_TAG_BYTES)

#define ETHER_TYPE_LABELS 0x8847u
#define ETHER_TYPE_LABELS_UPSTREAM                                                                 \
	0x8848u // RFC 5332: multicast, or labels that the sender has given out
#define ETHER_TYPE_SESSION 0x8864u

#define LABEL_BYTES 4u
#define FRAME_CHECK_BYTES 4u // that some captures have at a frame's end

#define SESSION_VERSION 0x11u
#define SESSION_ID 2u
#define SESSION_LENGTH 4u // of what follows the header
#define SESSION_BYTES 6u
#define PPP_IPV4 0x0021u
#define PPP_IPV6 0x0057u
#define PPP_CONTROL                                                                                \
	0x8000u // from here on: of networks and of the link, no data (RFC 1661 section 2)

// Types of Ethernet that carry packets: backbone bridges (IEEE 802.1ah), MACsec (802.1AE), network service headers
// (RFC 8300), TRILL (6325), Ethernet in itself (1701), rings (IEC 62439-3), what switches put in front for their own
// ports (802.1BR, VN-Tag, FabricPath, Cisco's metadata), tags of other makers; and lengths, behind which 802.2 names a
// type (RFC 1042).
static bool wraps(uint16_t type, const struct frame *frame, uint32_t at)
{
	static const uint16_t wrappers[] = {0x88e7, 0x88e5, 0x894f, 0x22f3, 0x6558, 0x892f, 0x893f,
		0x8926, 0x8903, 0x8909, 0x9200, 0x9300};
	static const uint8_t snap[] = {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00};
	const uint8_t *llc = frame->data + at;
	bool found = false;

	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		found = found || type == wrappers[i];
	if (found || type == 0 || type > ETHER_MOST_LENGTH ||
		frame->bytes < at + sizeof(snap) + 2 || memcmp(llc, snap, sizeof(snap)) != 0)
		return found;
	type = wire_get16(llc + sizeof(snap));
	return type == ETHER_TYPE_IPV4 || type == ETHER_TYPE_IPV6;
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static void set_bad(struct packet *packet)
{
	packet->kind = PACKET_BAD;
	packet->why = PACKET_BAD_IP_HEADER_FAULT;
}

// The protocol in front of a frame of PPP, which takes one byte where that is odd, and its bytes; 0 when it is cut.
static uint16_t ppp_protocol(const uint8_t *at, uint32_t left, uint32_t *bytes)
{
	*bytes = left > 0 && at[0] % 2 != 0 ? 1 : 2;
	if (left < *bytes)
		return 0;
	return *bytes == 1 ? at[0] : wire_get16(at);
}

// A frame of PPP with a datagram in it is a packet of that datagram. What is compressed, encrypted or in several links is
// not read.
static uint16_t read_session(const struct frame *frame, struct packet *packet)
{
	const uint8_t *at = frame->data + packet->l3_offset;
	uint32_t left = frame->bytes - packet->l3_offset;
	uint32_t ppp_bytes;
	uint32_t length;
	uint16_t protocol;

	packet->is_wrapped = true;
	if (left < SESSION_BYTES || at[0] != SESSION_VERSION || at[1] != 0)
		return 0;
	left -= SESSION_BYTES;
	protocol = ppp_protocol(at + SESSION_BYTES, left, &ppp_bytes);
	if (protocol != PPP_IPV4 && protocol != PPP_IPV6) {
		packet->is_wrapped = protocol < PPP_CONTROL;
		return 0;
	}
	if (packet->l3_offset + SESSION_BYTES + ppp_bytes > MOST_L3_OFFSET)
		return 0;
	packet->is_wrapped = false;
	length = wire_get16(at + SESSION_LENGTH);
	if (length < ppp_bytes || length > left) {
		set_bad(packet);
		return 0;
	}
	packet->from.session = wire_get16(at + SESSION_ID);
	packet->ip_end = packet->l3_offset + SESSION_BYTES + length;
	packet->l3_offset = (uint16_t)(packet->l3_offset + SESSION_BYTES + ppp_bytes);
	return protocol == PPP_IPV4 ? ETHER_TYPE_IPV4 : ETHER_TYPE_IPV6;
}

// Labels do not say what they are in front of: only who gave them out knows. What is as long as it says, but for a
// frame's own checksum, or has a good checksum of its header, is taken for IP: a frame of a pseudo-wire is that about
// once in 10,000.
static uint16_t type_behind_labels(const uint8_t *at, uint32_t left)
{
	uint32_t header_bytes = left > 0 ? (uint32_t)(at[0] & 0x0f) * 4 : 0;
	uint32_t total;

	if (left >= IPV4_BYTES && at[0] >> 4 == 4) {
		total = wire_get16(at + IPV4_TOTAL_LENGTH);
		if (header_bytes >= IPV4_BYTES && header_bytes <= total && total <= left &&
			(left - total <= FRAME_CHECK_BYTES ||
				packet_fold(wire_sum_header(at, header_bytes)) == 0xffff))
			return ETHER_TYPE_IPV4;
	} else if (left >= IPV6_BYTES && at[0] >> 4 == 6) {
		total = IPV6_BYTES + wire_get16(at + IPV6_PAYLOAD_LENGTH);
		if (total <= left && left - total <= FRAME_CHECK_BYTES)
			return ETHER_TYPE_IPV6;
	}
	return 0;
}

static uint16_t read_labels(const struct frame *frame, struct packet *packet)
{
	uint32_t at = packet->l3_offset;
	uint16_t type;

	packet->is_wrapped = true;
	do {
		if (at + LABEL_BYTES > MOST_L3_OFFSET || at + LABEL_BYTES > frame->bytes)
			return 0;
		at += LABEL_BYTES;
	} while (frame->data[at - 2] % 2 == 0); // the bottom of the stack
	type = type_behind_labels(frame->data + at, frame->bytes - at);
	if (type == 0)
		return 0;
	packet->is_wrapped = false;
	packet->is_labelled = true;
	packet->l3_offset = (uint16_t)at;
	return type;
}

uint16_t packet_link_read(const struct frame *frame, struct packet *packet)
{
	uint32_t at = ETHER_TYPE_OFFSET;
	uint32_t tags = 0;
	uint16_t type;

	packet->ip_end = frame->bytes;
	if (frame->bytes < ETHER_BYTES)
		return 0;
	type = wire_get16(frame->data + at);
	while (is_tag(type) && tags < MAX_TAGS && frame->bytes >= at + 2 + ETHER_TAG_BYTES) {
		packet->from.vlan[tags > 0] = wire_get16(frame->data + at + 2) & 0x0fff;
		at += ETHER_TAG_BYTES;
		type = wire_get16(frame->data + at);
		tags++;
	}
	packet->l3_offset = (uint16_t)(at + 2);
	if (type == ETHER_TYPE_IPV4 || type == ETHER_TYPE_IPV6)
		return type;
	if (type == ETHER_TYPE_SESSION)
		return read_session(frame, packet);
	if (type == ETHER_TYPE_LABELS || type == ETHER_TYPE_LABELS_UPSTREAM)
		return read_labels(frame, packet);
	if (tags == MAX_TAGS && is_tag(type))
		set_bad(packet);
	packet->is_wrapped = wraps(type, frame, packet->l3_offset);
	return type;
}

void packet_link_fix(uint8_t *data, uint32_t l3_offset, uint32_t ip_bytes)
{
	uint32_t at = ETHER_TYPE_OFFSET;
	uint32_t length;

	if (l3_offset <= ETHER_BYTES + SESSION_BYTES)
		return;
	while (is_tag(wire_get16(data + at)))
		at += ETHER_TAG_BYTES;
	if (wire_get16(data + at) != ETHER_TYPE_SESSION)
		return;
	at += 2;
	length = l3_offset - at - SESSION_BYTES + ip_bytes;
	// What fragments may add up to and no such frame can hold is shorter than it says, so it is refused.
	wire_put16(data + at + SESSION_LENGTH, length < UINT16_MAX ? (uint16_t)length : UINT16_MAX);
}
