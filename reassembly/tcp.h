// SPDX-License-Identifier: BSD-3-Clause
// TCP connection tracking between two endpoints (RFC 9293, 7323, 5961, 2018).
//
// tcp_input judges one segment before anything of it touches a stream: what a careful receiver would
// refuse is refused here, so that the two endpoints and the engine never read it differently. The
// connection is symmetric: either side may have opened it (simultaneous open included); TCP_CLIENT is
// the side that sent the first SYN, or in midstream the side that does not own the SMTP port.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tcp_side { TCP_CLIENT, TCP_SERVER };

static inline enum tcp_side tcp_other(enum tcp_side side)
{
	return side == TCP_CLIENT ? TCP_SERVER : TCP_CLIENT;
}

#define TCP_FLAG_FIN 0x01u
#define TCP_FLAG_SYN 0x02u
#define TCP_FLAG_RST 0x04u
#define TCP_FLAG_PSH 0x08u
#define TCP_FLAG_ACK 0x10u
#define TCP_FLAG_URG 0x20u

// Modulo 2^32 (RFC 9293 section 3.4).
static inline bool tcp_seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

// One segment as it stands in the packet, host byte order. The checksum was verified by the caller.
struct tcp_segment {
	uint32_t seq;
	uint32_t ack;
	uint16_t window;        // raw field, not scaled
	uint16_t options_bytes; // data offset was verified: options lie inside the packet
	uint8_t flags;
	const uint8_t *options;
	uint32_t payload_bytes; // by the IP length, never by the frame's
};

enum tcp_fate {
	TCP_ACCEPT, // go on with the fields below
	TCP_DROP,   // drop the packet; nothing was changed
	TCP_CHALLENGE, // drop it and answer its sender with an ACK (RFC 5961), rate-limited by the caller
	TCP_NEW, // a SYN that opens a new connection over this one: forget this one, begin again
};

// Why a packet was dropped (or trimmed): one counter each. X(name, help)
#define TCP_REASONS(X)                                                                             \
	X(NONE, "accepted")                                                                        \
	X(BAD_FLAGS, "no ACK flag, SYN with FIN, or no flags at all")                              \
	X(BAD_OPTION, "malformed option list")                                                     \
	X(UNSOLICITED_OPTION, "MD5, TCP-AO or another option that was not negotiated")             \
	X(OLD_TIMESTAMP, "timestamp older than the last one (PAWS)")                               \
	X(FUTURE_ACK, "acknowledges what was never sent")                                          \
	X(OLD_ACK, "acknowledgement too old to be valid (RFC 5961 section 5)")                     \
	X(OUT_OF_WINDOW, "outside the receiver's window")                                          \
	X(BAD_RST, "RST not at the next expected number (RFC 5961 section 3)")                     \
	X(BAD_SYN, "SYN inside a connection (RFC 5961 section 4)")                                 \
	X(BAD_HANDSHAKE, "does not fit the state of the handshake")                                \
	X(AFTER_FIN, "data after its sender's FIN")

enum tcp_reason {
#define X(name, help) TCP_REASON_##name,
	TCP_REASONS(X)
#undef X
};

// One side: what it has sent and what its peer has told it.
struct tcp_endpoint {
	uint32_t isn;         // its initial sequence number
	uint32_t next;        // one past the highest number it has sent (SYN and FIN count)
	uint32_t acked;       // highest acknowledgement that its peer has sent for its bytes
	uint32_t window_edge; // right edge its peer has granted: highest ack + (window << shift)
	uint32_t ts_recent;   // newest valid timestamp value it sent (0 until one was)
	uint32_t ts_echo;     // newest echo it sent
	uint32_t ts_paws;     // what its peer compares with: TS.Recent of RFC 7323, newest in order
	uint32_t max_window;  // largest window its peer has granted
	uint64_t
		count; // of numbers from isn to next, 64 bits; private: follows next when that is raised
	uint64_t ts_ns;  // when ts_paws was taken, for the 24-day rule
	uint16_t mss;    // from its SYN, 536 where absent
	uint16_t window; // its last raw window field
	uint8_t wscale;  // its own shift, applied to windows it advertises; 0 unless both sent one
	uint8_t flags;   // TCP_END_*
};

#define TCP_END_SYN 0x01u       // its SYN was seen
#define TCP_END_FIN 0x02u       // its FIN was seen, at next - 1
#define TCP_END_TS 0x04u        // it offered timestamps
#define TCP_END_SACK 0x08u      // it offered SACK
#define TCP_END_WS 0x10u        // it offered window scaling
#define TCP_END_BARE 0x20u      // its SYN came without ACK: it opened (both did: simultaneous open)
#define TCP_END_MIDSTREAM 0x40u // its SYN was not seen: window and options are unknown

// CLOSING: a FIN was seen. CLOSED: both FINs are acknowledged, or a RST was accepted; segments are
// judged as before (a receiver may have refused the RST), and a SYN opens anew.
enum tcp_state { TCP_OPENING, TCP_ESTABLISHED, TCP_CLOSING, TCP_CLOSED };

struct tcp_connection {
	struct tcp_endpoint end[2]; // by enum tcp_side
	uint8_t state;
};

// What to do with an accepted segment. Offsets count payload bytes from 0, 64 bits, per direction:
// offset 0 is the byte numbered isn + 1.
struct tcp_result {
	enum tcp_fate fate;
	enum tcp_reason reason;
	uint64_t
		offset; // of the first payload byte that is kept; below the acknowledged edge is normal
	uint32_t trim_front; // payload bytes to cut: what lies below offset 0
	uint32_t
		trim_back; // payload bytes to cut: in a SYN or RST, beyond the window, beyond a FIN
	uint64_t acked;    // the other direction is acknowledged up to here
	bool has_payload;  // payload is left after trimming
	bool syn;
	bool fin; // its FIN, in sequence space right after the payload, not trimmed away
	bool rst;
	bool clear_urg;  // URG was set: the caller clears flag and pointer
	bool keep_alive; // probe: 0 or 1 byte just below what was acknowledged (or a retransmission)
	bool window_probe; // one byte at the edge of a closed window: kept, not trimmed
};

// Starts tracking with the first segment seen, a SYN without ACK from side. The caller cuts data off
// it. Returns TCP_REASON_NONE, or why the SYN must be dropped; then tcp was not set.
enum tcp_reason tcp_open(struct tcp_connection *tcp, enum tcp_side side,
	const struct tcp_segment *segment, uint64_t now_ns);
// Starts in midstream: both directions established with the numbers of this segment, no window
// known (taken as open), options unknown (none is unsolicited).
void tcp_open_midstream(struct tcp_connection *tcp, enum tcp_side side,
	const struct tcp_segment *segment, uint64_t now_ns);

// Judges one segment from side. Changes tcp only when the fate is TCP_ACCEPT.
void tcp_input(struct tcp_connection *tcp, enum tcp_side side, const struct tcp_segment *segment,
	uint64_t now_ns, struct tcp_result *result);

// What side sent from this number on has not gone to its peer: here it counts as not sent.
void tcp_unsend(struct tcp_connection *tcp, enum tcp_side side, uint32_t number);

// 32-bit number of a stream offset of side's direction.
static inline uint32_t tcp_seq_of(
	const struct tcp_connection *tcp, enum tcp_side side, uint64_t offset)
{
	return tcp->end[side].isn + 1 + (uint32_t)offset;
}
