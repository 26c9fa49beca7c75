// SPDX-License-Identifier: BSD-3-Clause
// Frames for tests: single ones by description, and whole TCP conversations. Made without the code
// under test; checksums are computed one word at a time.
#pragma once

#include "dataplane/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMES_MAX_BYTES 70000

// One TCP segment in one frame. Zero is a sensible value for every field but the addresses.
struct frames_spec {
	struct packet_address address; // family 0 is taken as 4
	uint16_t tag_types[8];         // 0 ends the list
	uint16_t tag_ids[8];
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint16_t urgent;
	uint8_t flags;
	uint8_t tos;
	uint16_t ip_id;
	const uint8_t *ip_options; // multiple of four
	uint32_t ip_options_bytes;
	const uint8_t *extensions; // IPv6 extension headers, the last one naming TCP
	uint32_t extensions_bytes;
	uint8_t first_extension; // next header of the IPv6 header when there are extensions
	const uint8_t *options;  // of TCP, multiple of four
	uint32_t options_bytes;
	const void *payload;
	uint32_t payload_bytes;
	uint32_t padding; // Ethernet padding after the datagram
};

// Fills in addresses: 192.0.2.7 to 198.51.100.2, or 2001:db8::7 to 2001:db8:1::2; port 25 last.
void frames_address(struct packet_address *address, uint8_t family, uint16_t client_port);
// The same pair seen from the other side.
void frames_swap(struct packet_address *address);

// Writes the frame and returns its bytes.
uint32_t frames_tcp(uint8_t out[FRAMES_MAX_BYTES], const struct frames_spec *spec);

// Cuts the IP payload of an unfragmented frame of IPv4 without options or IPv6 without extensions into
// a fragment: bytes [offset, offset + n) of it.
uint32_t frames_fragment(const uint8_t *frame, uint32_t bytes, uint32_t id, uint32_t offset,
	uint32_t n, uint8_t out[FRAMES_MAX_BYTES]);

// Ones' complement checksum, as slow and plain as it can be.
uint16_t frames_checksum(const uint8_t *data, size_t n, uint32_t sum);
// Are all checksums and lengths of a TCP frame right (recomputed by the slow way)?
bool frames_are_sums_right(const uint8_t *frame, uint32_t bytes);

// ---- conversations -------------------------------------------------------------------------------

struct frames_item {
	uint8_t *data;
	uint32_t bytes;
	enum tcp_side side; // that sent it
	uint64_t time_ns;
};

struct frames_talk {
	struct packet_address address; // of the client's packets
	uint32_t next[2];              // sequence numbers by enum tcp_side
	uint16_t mss;                  // most payload of a segment
	uint64_t now_ns;               // of the next frame; each takes a millisecond
	uint16_t tag_ids[2];           // 0: none
	struct frames_item *items;
	uint32_t count;
	uint32_t room;
};

void frames_talk_init(struct frames_talk *talk, uint8_t family, uint16_t client_port);
void frames_talk_free(struct frames_talk *talk);
// SYN, SYN-ACK, ACK with an MSS option.
void frames_talk_open(struct frames_talk *talk);
// Payload from side in segments of at most mss bytes, then the other side's ACK.
void frames_talk_send(struct frames_talk *talk, enum tcp_side side, const void *data, size_t n);
void frames_talk_text(struct frames_talk *talk, enum tcp_side side, const char *text);
// One segment as described, at the end of the list; numbers are not moved.
void frames_talk_segment(struct frames_talk *talk, enum tcp_side side, uint32_t seq, uint8_t flags,
	const void *data, uint32_t n);
// FIN both ways.
void frames_talk_close(struct frames_talk *talk, enum tcp_side side);
// A whole SMTP session that delivers message (dot-stuffed here), from greeting to QUIT.
void frames_talk_mail(struct frames_talk *talk, const char *message, size_t n);
// Puts options, a multiple of four bytes, behind the TCP header of a frame that has none or a time stamp alone.
void frames_insert_options(struct frame *frame, const uint8_t *options, uint32_t n);
