// SPDX-License-Identifier: BSD-3-Clause
// What a turn of the worker's loop costs without packets: timers and ageing of no connections, and of many that are
// silent.
#include "dataplane/engine.h"
#include "perf/perf.h"
#include "perf/rules.h"

#include <stdlib.h>
#include <string.h>

#define TICKS 1024u
#define TICK_NS 1000u
#define SETTLE_NS 3000000000ull // after which all of them have been looked at once
#define FRAME_BYTES 54u
#define ROOM 2048u

enum { SYN = 2, ACK = 16 };

struct idle_state {
	struct engine *engine;
	struct rules rules;
	struct ruleset *ruleset;
	void *image;
	uint64_t now_ns;
	uint8_t in[ROOM];
	uint8_t out[ROOM];
};

static bool give_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	struct idle_state *state = ctx;

	*out = (struct frame){state->out, 0, ROOM, NULL};
	return bytes <= ROOM;
}

static void take_frame(void *ctx, struct frame *frame)
{
	(void)ctx;
	(void)frame;
}

static void take_sent(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	(void)ctx;
	(void)link;
	(void)side;
	(void)frame;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, sizeof(value));
}

// A segment without payload of the number-th client or of the server; nobody looks at its sums.
static void feed(struct idle_state *state, uint32_t number, enum link_side at, uint8_t flags)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 40, 0,
		1, 0x40, 0, 64, 6, 0, 0};
	bool is_client = at == LINK_OUTSIDE;
	struct frame frame = {state->in, FRAME_BYTES, ROOM, NULL};
	uint8_t *tcp = state->in + 34;

	memset(state->in, 0, FRAME_BYTES);
	memcpy(state->in, head, sizeof(head));
	put32(state->in + (is_client ? 26 : 30), 0x0a000001u + number);
	put32(state->in + (is_client ? 30 : 26), 0xc6336402u);
	put32(tcp, is_client ? 0x80000019u : 0x00198000u); // ports 32768 and 25
	put32(tcp + 4, 1000 + (flags == ACK));
	put32(tcp + 8, (flags & ACK) != 0 ? 1001 : 0);
	tcp[12] = 0x50;
	tcp[13] = flags;
	tcp[14] = 0x40;
	engine_input(state->engine, 0, at, &frame, state->now_ns);
}

static void open_all(struct idle_state *state, uint32_t connections)
{
	for (uint32_t i = 0; i < connections; i++) {
		feed(state, i, LINK_OUTSIDE, SYN);
		feed(state, i, LINK_INSIDE, SYN | ACK);
		feed(state, i, LINK_OUTSIDE, ACK);
		state->now_ns += TICK_NS;
	}
	perf_need(engine_open_connections(state->engine) == connections &&
			  engine_counters(state->engine)->dropped_tcp == 0,
		"connections that are open");
}

static void run(void *ctx)
{
	struct idle_state *state = ctx;

	for (uint32_t i = 0; i < TICKS; i++) {
		state->now_ns += TICK_NS;
		engine_tick(state->engine, state->now_ns);
	}
}

static int begin(struct perf_run *run_of)
{
	struct idle_state *state = perf_alloc(sizeof(*state));
	const struct engine_ops ops = {
		.ctx = state, .alloc = give_frame, .free = take_frame, .send = take_sent};
	uint32_t connections = (uint32_t)run_of->it->number;
	struct engine_options options;

	rules_make(&state->rules, RULES_LITERAL, 1);
	state->ruleset = rules_build(&state->rules, &state->image);
	engine_options_init(&options);
	options.max_connections = connections + 16;
	options.max_half_open = 16;
	options.packet_flags = PACKET_CHECKSUMS_DONE;
	options.scan.max_messages = 16;
	perf_need(engine_new(&options, &ops, state->ruleset, &state->engine) == 0, "an engine");
	state->now_ns = 1;
	open_all(state, connections);
	for (uint64_t until_ns = state->now_ns + SETTLE_NS; state->now_ns < until_ns;)
		run(state);
	run_of->state = state;
	run_of->amount = TICKS;
	return 0;
}

static void end(void *ctx)
{
	struct idle_state *state = ctx;

	engine_free(state->engine);
	ruleset_close(state->ruleset);
	rules_free(&state->rules);
	free(state->image);
	free(state);
}

static const struct perf_case cases[] = {
	{"tick/no-connection", NULL, "ticks/s", 0, false, false, begin, run, NULL, end},
	{"tick/idle-100000", NULL, "ticks/s", 100000, false, false, begin, run, NULL, end},
	{"tick/idle-1000000", NULL, "ticks/s", 1000000, true, false, begin, run, NULL, end},
};
PERF_CASES(cases)
