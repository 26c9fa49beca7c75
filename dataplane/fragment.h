// SPDX-License-Identifier: BSD-3-Clause
// IP fragments back to datagrams, for those that may carry TCP.
//
// The fragments of a datagram are kept until it is whole. A datagram whose fragments overlap with
// different bytes (IPv4) or overlap at all (IPv6, RFC 5722) is dropped whole, and so is what is late
// or does not fit the limits. Fixed memory; the caller owns what comes out.
#pragma once

#include "dataplane/packet.h"

#include <stddef.h>
#include <stdint.h>

#define FRAGMENT_MAX_PIECES 64

struct fragment_options {
	// Being put together at once; past that the oldest is dropped (by fragment_expired, soon).
	uint32_t datagrams;
	uint64_t timeout_ns;
};

struct fragment_table;

size_t fragment_table_bytes(const struct fragment_options *options);
struct fragment_table *fragment_table_init(void *memory, const struct fragment_options *options);

enum fragment_fate {
	FRAGMENT_KEPT,  // frame taken; nothing to do yet
	FRAGMENT_WHOLE, // result is filled in
	FRAGMENT_DROP, // this frame (not taken) and those in result->frames (given back) are to be freed
};

// Frames that leave the table: all pieces in order of offset. For a whole datagram their payloads put
// together are the IP payload; payload_bytes is 0 where another piece brought the same bytes.
struct fragment_result {
	struct frame frames[FRAGMENT_MAX_PIECES];
	struct packet packets[FRAGMENT_MAX_PIECES];
	uint32_t count;
	uint32_t payload_bytes;
	// FRAGMENT_DROP: "overlap" (also ends that disagree), "duplicate" (this frame alone), "late",
	// "too-many", "too-large", "timeout".
	const char *why;
};

// Adds a fragment (packet->kind is PACKET_FRAGMENT). link keeps ports' datagrams apart.
enum fragment_fate fragment_add(struct fragment_table *table, uint32_t link,
	const struct frame *frame, const struct packet *packet, uint64_t now_ns,
	struct fragment_result *result);
// Takes out one datagram whose time is over. Returns how many frames are in result; 0: none.
uint32_t fragment_expired(
	struct fragment_table *table, uint64_t now_ns, struct fragment_result *result);
// Builds the whole datagram's frame, headers of the first fragment and all checks of packet_parse, in
// out (room checked). Returns 0 or -EMSGSIZE.
int fragment_join(const struct fragment_result *result, struct frame *out)
	__attribute__((warn_unused_result));
