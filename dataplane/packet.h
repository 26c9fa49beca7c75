// SPDX-License-Identifier: BSD-3-Clause
// Frames to headers and back: Ethernet II, 802.1Q and 802.1ad tags, PPPoE, MPLS labels, IPv4 with options,
// IPv6 with extension headers, TCP. No DPDK: a frame is memory that somebody else manages.
//
// Sources: IEEE 802.1Q, RFC 791, RFC 8200, RFC 9293; checksum update RFC 1624.
#pragma once

#include "reassembly/reassembly.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A frame and the room it stands in. handle belongs to whoever manages the memory (an mbuf in the
// dataplane, a heap block in replay and tests).
struct frame {
	uint8_t *data;
	uint32_t bytes;
	uint32_t room; // from data to the end of the buffer
	void *handle;
};

enum packet_kind {
	PACKET_OTHER, // not TCP over IP, or not parseable as such but harmless: forward untouched
	PACKET_TCP,   // all fields below are set
	PACKET_FRAGMENT, // of an IP datagram that may carry TCP; `fragment` and addresses are set
	PACKET_BAD,      // claims to be TCP over IP but must be dropped: `why`
};

// X(NAME, help)
#define PACKET_FAULTS(X)                                                                           \
	X(NONE, "good")                                                                            \
	X(BAD_IP_HEADER, "IP version, header length or total length wrong")                        \
	X(BAD_IP_CHECKSUM, "IPv4 header checksum wrong")                                           \
	X(BAD_EXTENSION, "IPv6 extension header chain broken or too long")                         \
	X(BAD_TCP_HEADER, "TCP header cut or its data offset wrong")                               \
	X(BAD_TCP_CHECKSUM, "TCP checksum wrong")                                                  \
	X(BAD_FRAGMENT, "fragment offset or length impossible")

enum packet_fault {
#define X(name, help) PACKET_##name##_FAULT,
	PACKET_FAULTS(X)
#undef X
};

// Addresses and ports of a packet as sent: [0] source, [1] destination. IPv4 addresses stand in the
// first four bytes, the rest zero. Network order.
struct packet_address {
	uint8_t address[2][16];
	uint16_t port_be[2];
	uint16_t vlan[2]; // outer, inner tag identifiers, 0 where untagged
	uint8_t family;   // 4 or 6
	uint16_t session; // of PPPoE, 0 where there is none
};

struct packet_fragment {
	uint32_t id;
	uint32_t offset_bytes;
	uint32_t payload_offset; // from frame->data
	uint32_t payload_bytes;
	uint32_t
		header_offset; // IPv6: where the fragment header's "next header" byte is named; IPv4: 0
	uint8_t protocol;      // of the payload, as the (first) fragment says
	bool more;
};

struct packet {
	enum packet_kind kind;
	enum packet_fault why;
	bool is_wrapped;  // PACKET_OTHER: in it is another packet, or may be, that nobody looks at
	bool is_labelled; // by MPLS; the other direction has labels of its own
	uint16_t type;    // of Ethernet, of what begins at l3_offset; 0: not known
	uint16_t l3_offset; // from frame->data
	uint16_t l4_offset;
	uint32_t ip_end; // one past the last byte of the IP datagram; the rest is Ethernet padding
	struct packet_address from;
	struct packet_fragment fragment;
	struct tcp_segment tcp; // options point into the frame
	uint8_t *payload;       // into the frame; tcp.payload_bytes of it
};

// Flags of packet_parse. PARTIAL accepts a TCP checksum left to hardware (the pseudo-header's sum alone),
// with it an IPv4 header checksum of 0, and an IP length of 0, as captures made on the sender have
// them; the frame is put right.
#define PACKET_CHECKSUMS_DONE 1u // the port has verified them
#define PACKET_PARTIAL_CHECKSUMS 2u

// Up to four tags, or as many bytes of tags, PPPoE and labels, and eight extension headers; an atomic IPv6 fragment is parsed as unfragmented. All
// real fragments of IPv6 are PACKET_FRAGMENT: only the first one says what they carry.
void packet_parse(struct frame *frame, unsigned int flags, struct packet *packet);
// The checksums alone, of a packet that was parsed with PACKET_CHECKSUMS_DONE: so that traffic which
// only passes by costs no sum over its bytes. Sets kind to PACKET_BAD when one is wrong.
void packet_verify(struct frame *frame, unsigned int flags, struct packet *packet);

// Each of these keeps frame, packet and checksums consistent.
// Cuts payload bytes off the front (the sequence number moves up, but not that of a SYN) and off the
// end (FIN and PSH are cleared when anything is cut off the end). Payload moves within the frame;
// Ethernet padding goes.
void packet_trim(struct frame *frame, struct packet *packet, uint32_t front, uint32_t back);
void packet_clear_urgent(struct frame *frame, struct packet *packet);
void packet_clear_flags(struct frame *frame, struct packet *packet, uint8_t tcp_flags);
// After bytes of the payload or of the TCP header were changed in place.
void packet_fix_tcp_checksum(struct frame *frame, struct packet *packet);

// Gives the segment other numbers, its SACK blocks those of map, whose sender is the other side; blocks of
// which nothing is left are taken out. The checksum is made anew.
void packet_renumber(struct frame *frame, struct packet *packet, uint32_t seq, uint32_t ack,
	const struct seqmap *map);

// What it takes to send a segment of one's own in one side's name: its headers as last seen.
#define PACKET_TEMPLATE_BYTES 70 // 14 + 4 * 4 + 40: as many tags as packet_parse takes
struct packet_template {
	// Ethernet, tags and what else stands there, IP without options or extensions
	uint8_t header[PACKET_TEMPLATE_BYTES];
	uint8_t l2_bytes;
	uint8_t family; // 0: none seen yet
	uint16_t port_be[2];
};

// Takes the headers of a good TCP packet.
void packet_learn(
	struct packet_template *template, const struct frame *frame, const struct packet *packet);

// Is something between Ethernet and IP that counts for what a link carries, as tags do not?
bool packet_has_shim(const struct packet_template *template);

#define PACKET_SACK_BLOCKS 3 // that fit beside a time stamp
struct packet_segment {
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint8_t flags;
	bool has_timestamp;
	uint32_t ts_value;
	uint32_t ts_echo;
	uint8_t sack_count; // blocks of a SACK option (RFC 2018)
	uint32_t sack[PACKET_SACK_BLOCKS][2];
	const uint8_t
		*payload; // may be NULL when the caller fills it in before packet_build_finish
	uint32_t payload_bytes;
};

// Bytes of the frame that packet_build makes; padding to 60 is left to the port.
uint32_t packet_build_bytes(
	const struct packet_template *template, const struct packet_segment *segment);
// Builds headers, payload and checksums in frame->data (room was checked by the caller with
// packet_build_bytes); sets frame->bytes. IPv4: DF set, a fresh identification from *ip_id.
void packet_build(struct frame *frame, const struct packet_template *template,
	const struct packet_segment *segment, uint16_t *ip_id);
// The checksum of a frame whose payload (the last payload_bytes of it) was filled in after packet_build.
void packet_build_finish(struct frame *frame, const struct packet_template *template);

const char *packet_fault_name(enum packet_fault fault);
