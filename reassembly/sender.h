// SPDX-License-Identifier: BSD-3-Clause
// Bytes that the engine sends of its own accord to one side, in the other side's name, and keeps until
// they are acknowledged: replies (354, 250, 554), commands (RSET), and the FIN after them.
//
// Retransmission by RFC 6298 (no samples: 1 s at first, doubled, at most 60 s), never beyond the peer's
// window, at most its MSS a segment. The sender makes no packets: sender_next says which bytes to put
// into the next segment.
//
// A receiver that shuts its window and answers the probes is there (RFC 9293 section 3.8.6.1): how long it is
// waited for is the caller's to say (sender_shut_ns).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDER_BYTES 1024 // what one connection may have outstanding; replies are short

struct sender {
	uint32_t seq;   // number of bytes[0] as the receiver sees it
	uint16_t bytes; // in the buffer
	uint16_t sent;  // of these, given out at least once
	bool fin;       // a FIN follows the last byte
	bool fin_sent;
	bool fin_acked;
	uint8_t tries; // retransmissions of the first unacknowledged byte, as far as they double the wait
	uint8_t vain;     // of these, since the receiver was last heard behind a shut window
	bool heard;       // it said something since the last of them
	uint64_t due_ns;  // when to retransmit or probe; 0: set by the next sender_next, if at all
	uint64_t shut_ns; // since when its window is shut and probed; 0: it is not
	uint8_t data[SENDER_BYTES];
};

struct sender_segment {
	uint32_t seq;
	const uint8_t *data;
	uint16_t bytes;
	bool fin;
};

// Starts at seq, the next number that the receiver expects from the engine's side.
void sender_init(struct sender *sender, uint32_t seq);
// Queues bytes. Returns 0, or -ENOSPC, or -EPIPE behind a FIN (nothing queued).
int sender_push(struct sender *sender, const void *data, size_t n);
void sender_push_fin(struct sender *sender);
// The first n bytes in the buffer were sent already, by whoever sent before the engine.
void sender_sent(struct sender *sender, size_t n, uint64_t now_ns);
// Next number after everything queued.
uint32_t sender_end(const struct sender *sender);
// The receiver's newest acknowledgement is ack; to be called with each segment of its, for what acknowledges
// nothing new may answer a probe. Returns true when everything, the FIN included, is acknowledged.
bool sender_ack(struct sender *sender, uint32_t ack);
// The next segment to send now: new bytes as far as window_edge and mss allow, or a retransmission
// that is due, or one byte (or the FIN) beyond a closed window, to probe it. segment->data is valid
// until the sender is changed. False: nothing to send now. Call again until false.
bool sender_next(struct sender *sender, uint32_t window_edge, uint16_t mss, uint64_t now_ns,
	struct sender_segment *segment);
// True when it has been retransmitted, or the window probed, in vain so often that the peer must be taken as
// gone: after about four minutes.
bool sender_is_dead(const struct sender *sender);
// For how long the receiver has had no room for anything, and was asked for some.
uint64_t sender_shut_ns(const struct sender *sender, uint64_t now_ns);
