// SPDX-License-Identifier: BSD-3-Clause
// A small TCP endpoint for tests in virtual time: a careful receiver (RFC 5961: a RST counts only at
// the next expected number, everything else doubtful gets a challenge ACK), a sender with
// retransmission. What Linux drops whole it drops too: segments outside the window, bare acknowledgements
// below it among them (RFC 9293 section 3.10.7.4), and those with an old time stamp. It is written
// without the code under test.
#pragma once

#include "dataplane/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_BUFFER (4u << 20)

struct peer;

// Where its frames go.
typedef void (*peer_send_fn)(void *ctx, struct peer *peer, struct frame *frame);

struct peer {
	struct packet_template template;
	peer_send_fn send;
	void *ctx;
	uint8_t *out; // bytes to send: [0] is numbered iss + 1
	size_t out_bytes;
	uint8_t *in;      // bytes received in order
	uint8_t *in_have; // by byte: arrived
	size_t in_bytes;
	uint32_t iss;
	uint32_t irs;
	size_t acked;    // of out
	size_t sent;     // of out
	size_t window;   // bytes that it offers, at most 65,535
	size_t offered;  // of in: the right edge of the window, which never moves back
	bool shut;       // its program reads no more: the edge stands
	size_t flight;   // most unacknowledged bytes
	size_t granted;  // of out, by the other's window
	size_t chunk;    // most payload of a segment, as its program writes it; 0: the MSS
	bool nagle;      // a segment short of the MSS waits until all is acknowledged
	uint64_t due_ns; // next retransmission
	uint64_t rto_ns;
	uint64_t refused_ns; // last answer to what was dropped
	uint32_t ts_recent;
	uint32_t ts_value; // of the segment at hand
	uint32_t told;     // the number last acknowledged: the window begins there (Linux: rcv_wup)
	uint32_t duplicate_acks;
	uint16_t mss;
	uint16_t ip_id;
	bool timestamps;
	bool sack;            // offers and uses selective acknowledgements
	uint8_t wscale;       // offered, 0: none
	bool sack_taken;      // both offered it
	uint8_t wscale_taken; // of the other, where both offered one
	bool listening;
	bool syn_sent;
	bool synchronised; // the other's SYN was seen
	bool established;
	bool fin_queued;
	bool fin_sent;
	bool fin_acked;
	bool fin_received;
	bool reset;
	bool stopped; // vanished: neither hears nor speaks
	// What a test may look at.
	uint32_t retransmissions;
	uint32_t challenges;
	uint32_t bad_frames; // wrong checksum
	uint32_t conflicts;  // a byte that arrived twice with different values
	uint32_t bad_acks;   // acknowledged what was never sent
	uint32_t bad_sacks;  // the same in a SACK block
	uint32_t
		bad_clocks; // an option that was not negotiated or missing, an echo of what was never sent
	uint32_t overruns;   // bytes beyond the window that was granted
	uint32_t old_clocks; // dropped for a time stamp of the past (PAWS)
	uint32_t strays;     // dropped, outside the window: their acknowledgements were not heard
	uint64_t taken;      // frames
	size_t in_high;      // highest byte that arrived, in order or not
	size_t sacked_high;  // of out
	uint8_t *out_sacked; // by byte
};

// family 4 or 6; is_client gives the addresses: a client at port 40000, a server at port 25.
void peer_init(struct peer *peer, int family, bool is_client, uint32_t iss);
void peer_fini(struct peer *peer);
void peer_connect(struct peer *peer, uint64_t now_ns);
void peer_write(struct peer *peer, const void *data, size_t n);
void peer_close(struct peer *peer);
// A segment below what was sent last, all of which is acknowledged, empty or with a byte that means nothing
// (RFC 9293 section 3.8.4): whoever is there answers it.
void peer_keep_alive(struct peer *peer, bool has_byte, uint64_t now_ns);
// Its program reads again; the other hears of it once.
void peer_open_window(struct peer *peer, uint64_t now_ns);
void peer_abort(struct peer *peer, uint64_t now_ns);
void peer_input(struct peer *peer, struct frame *frame, uint64_t now_ns);
// Sends what can be sent and what is due again.
void peer_poll(struct peer *peer, uint64_t now_ns);
