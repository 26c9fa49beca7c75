// SPDX-License-Identifier: BSD-3-Clause
// Complete SMTP conversations over many connections at once, both ends of each: clients that send mails, and
// servers that take them, with the TCP of either. No clock, no DPDK: frames in, frames out. Nothing is
// retransmitted: on a link that loses nothing a gateway must not lose anything either, and whatever is
// missing, comes twice, out of order or changed shows in the totals.
#pragma once

#include "perf/mails.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFIC_SEGMENT_BYTES 1460u
#define TRAFFIC_FRAME_BYTES 1514u

enum traffic_side { TRAFFIC_CLIENT, TRAFFIC_SERVER }; // that sends: clients are outside

struct traffic_ops {
	void *ctx;
	// Room for a frame that the side sends now. NULL: it cannot send, it will try again.
	uint8_t *(*frame)(void *ctx, enum traffic_side side, uint32_t bytes);
};

struct traffic_options {
	uint32_t connections;    // at once
	uint32_t per_connection; // mails; a connection ends with an infected one, too
	uint32_t mails;          // to be sent; UINT32_MAX: no end
	uint32_t sealed_percent; // of them, spread evenly, go to <sealed@perf.example>
	uint32_t flight_bytes;   // most that is not acknowledged
	bool idle;               // connections rest after EHLO, until they are roused or closed
	uint32_t opening;        // of idle ones: at once at most; 0: all
	uint32_t mail_each;      // of idle ones: each so many-th sends a mail before; 0: none
	bool unseen;             // nobody looks at the mails: infected ones arrive, too
	uint32_t first;          // of the clients' addresses, behind 10.0.0.1
	uint16_t port;           // of the servers
	const struct mail *set;  // sent in turn
	uint32_t set_count;
};

// What has become of them. Exact.
struct traffic_totals {
	uint32_t begun;      // mails
	uint32_t accepted;   // that a client was told 250 for
	uint32_t rejected;   // 554
	uint32_t refused;    // anything else
	uint32_t wrong;      // a reply that is not the one that was due
	uint32_t delivered;  // whole to a server
	uint64_t mail_bytes; // of mails that were answered
	uint64_t frames;     // sent, both sides
	uint64_t frame_bytes;
	uint64_t lost; // segments that came before others that are missing
	uint64_t
		repeated; // segments that came twice: the gateway sends its own again when they are late
	uint64_t changed; // segments that are not what was sent
	uint64_t strays;  // of connections that had ended
	uint32_t greeted; // connections
	uint32_t resting; // idle ones, now
	uint32_t ended;
	uint32_t resets; // connections that a client saw reset
};

struct traffic;

struct traffic *traffic_new(const struct traffic_options *options, const struct traffic_ops *ops);
void traffic_free(struct traffic *traffic);
// A frame that came to this side.
void traffic_input(struct traffic *traffic, enum traffic_side side, const uint8_t *frame,
	uint32_t bytes, uint64_t now_ns);
// Whether a frame that came to this side is of one of these connections.
bool traffic_owns(const struct traffic *traffic, enum traffic_side side, const uint8_t *frame);
// An idle connection that rests sends a mail and rests again, if the mail was taken; or is closed. False: it does
// not rest.
bool traffic_rouse(struct traffic *traffic, uint32_t connection);
bool traffic_close(struct traffic *traffic, uint32_t connection);
// Idle connections that were opened, do not rest and are not closed.
uint32_t traffic_busy(const struct traffic *traffic);
// Sends what is due, up to most frames' worth of it. Returns whether there was anything.
bool traffic_step(struct traffic *traffic, uint64_t now_ns, uint32_t most);
// All mails are answered and all connections closed; idle ones: or at rest.
bool traffic_is_done(const struct traffic *traffic);
const struct traffic_totals *traffic_totals(const struct traffic *traffic);
// From the last segment of a clean mail leaving its client to its reaching the server; sorted after this
// call. Returns how many.
uint32_t traffic_latencies(struct traffic *traffic, const uint32_t **ns);
