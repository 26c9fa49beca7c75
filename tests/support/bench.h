// SPDX-License-Identifier: BSD-3-Clause
// The engine on a bench: scripted frames of both sides in, and whatever leaves is collected byte by
// byte. No sequence number may ever have been given two values, no sum may be wrong, and in the end
// every pool must be whole again: bench_finish checks.
#pragma once

#include "dataplane/engine.h"
#include "tests/support/frames.h"
#include "tests/support/shims.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The signature BENCH_RULES names is of the text BENCH_EVIL.
#define BENCH_EVIL "the-quick-evil-fox-of-the-test"
#define BENCH_RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"
#define BENCH_SEEN_BYTES (1u << 20)

// One side's view of what came to it.
struct bench_view {
	uint8_t bytes[BENCH_SEEN_BYTES];
	uint8_t have[BENCH_SEEN_BYTES];
	uint32_t base; // sequence number of bytes[0]
	uint32_t conflicts;
	uint32_t frames;
	uint32_t resets;
	uint32_t fins;
	uint32_t syns;
	uint32_t urgent;
	uint32_t fast_opens; // with that option (RFC 7413)
	uint32_t last_seq;
	uint32_t last_ack;
	uint32_t least_hops; // of any frame
	uint32_t longest;    // frame, without what bench.shim says
};

#define BENCH_CONNECTIONS 8

struct bench {
	struct engine *engine;
	struct ruleset *ruleset;
	void *image;
	struct frames_talk talk;
	uint32_t fed;               // items of the talk that were given to the engine
	struct bench_view *view[2]; // by side that receives
	enum verdict verdict;
	char action[16]; // of the last record
	uint32_t mails;
	uint32_t sessions; // session records
	bool inspected;    // of the last one
	uint32_t others;   // frames that left and are no TCP of this connection
	bool no_frames;    // the engine is given none
	// What each frame has on its way in, and is to have on its way out: labels of each direction's own.
	enum shim shim;
	uint32_t bad_shims;
	bool bad_sums;
	// Connections that are not looked at just now; [connection] is.
	struct {
		struct frames_talk talk;
		uint32_t fed;
		struct bench_view *view[2];
	} parked[BENCH_CONNECTIONS];
	uint32_t connection;
	bool several;          // frames of the others are not looked at
	bool ignore_conflicts; // the test uses one 5-tuple for several connections
};

// Small pools, default policy.
void bench_options(struct engine_options *options);
// An engine, and a talk that has not begun.
void bench_init(struct bench *bench, uint8_t family, const struct engine_options *options);
// The handshake.
void bench_open(struct bench *bench);
// The same and the greeting, EHLO, MAIL, RCPT, DATA and 354: the body may follow.
void bench_begin(struct bench *bench, uint8_t family);
// An open connection, with the dialogue up to 354.
void bench_to_body(struct bench *bench);
void bench_begin_with(struct bench *bench, uint8_t family, const struct engine_options *options);
// Goes over to another connection of the same engine: 0 is the first one, port 41000 + connection.
void bench_switch(struct bench *bench, uint32_t connection);
void bench_finish(struct bench *bench);

// Gives the engine what was added to the talk since.
void bench_feed(struct bench *bench);
void bench_feed_raw(struct bench *bench, enum link_side at, const uint8_t *data, uint32_t bytes);
// The next bytes of a side, in one segment, without anybody's acknowledgement.
void bench_say(struct bench *bench, enum tcp_side side, const char *text);
// A bare ACK with the side's newest numbers.
void bench_ack(struct bench *bench, enum tcp_side side);
// A segment of the side at offset from the next byte it would send; its numbers stay.
void bench_segment(
	struct bench *bench, enum tcp_side side, int32_t offset, uint8_t flags, const char *text);
// The same of the client with ACK and PSH.
void bench_client(struct bench *bench, int32_t offset, const char *text);
// Lets time pass, with ticks.
void bench_pass(struct bench *bench, uint32_t ms);

bool bench_server_has(const struct bench *bench, const char *text);
bool bench_client_has(const struct bench *bench, const char *text);
