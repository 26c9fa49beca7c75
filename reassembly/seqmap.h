// SPDX-License-Identifier: BSD-3-Clause
// Translation of sequence numbers in one direction of a connection that the engine has edited: it has
// withheld bytes of the sender's, or put in bytes of its own, so every later byte has one number at its
// sender and another at its receiver.
//
// A map knows one place, the edge: the first byte behind the last edit, by its numbers on both sides.
// What lies below the edge is settled. The engine has acknowledged it to its sender, and sees to it that
// the receiver gets what it is to get: so nothing below the edge is translated, and edits may follow one
// another as fast as they like. Plain arithmetic: no allocation, no clock. Host byte order.
//
// Source: RFC 9293 section 3.4 (numbers are modulo 2^32), RFC 2018.
#pragma once

#include "reassembly/tcp.h"

#include <stdbool.h>
#include <stdint.h>

struct seqmap {
	uint32_t sender;   // number of the edge at the sender
	uint32_t receiver; // the same byte's number at the receiver
};

// Nothing was edited yet: both sides have the same numbers.
void seqmap_init(struct seqmap *map, uint32_t number);
// An edit: the sender's next byte `sender`, nothing behind which was forwarded, will be `receiver` at the
// receiver. Everything before it must be settled.
void seqmap_edit(struct seqmap *map, uint32_t sender, uint32_t receiver);
// The receiver has acknowledged what has the number `sender` at the sender: the edge moves up to it, so
// that it stays within half the number space of what is under way.
void seqmap_settle(struct seqmap *map, uint32_t sender);

// A number of the sender's, at or above the edge, as the receiver has it.
uint32_t seqmap_to_receiver(const struct seqmap *map, uint32_t seq);
// An acknowledgement of the receiver's as the sender has it. Below the edge everything is settled, so the
// sender is told of no less than the edge, and never of a byte that it has not sent.
uint32_t seqmap_to_sender(const struct seqmap *map, uint32_t ack);
// The same for a SACK block of the receiver's. False: nothing of it is above the edge.
bool seqmap_block_to_sender(const struct seqmap *map, uint32_t *from, uint32_t *to);
