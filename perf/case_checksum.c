// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum over what passes, and the numbers of a segment changed, beside a copy of the frame.
#include "dataplane/packet.h"
#include "dataplane/packet_checksum.h"
#include "perf/perf.h"
#include "reassembly/reassembly.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES 1514u
#define TCP_AT 34u

struct checksum_state {
	uint8_t data[2048];
	uint8_t out[2048];
	uint32_t bytes;
	struct frame frame;
	struct packet packet;
	struct seqmap map;
	uint32_t seq;
};

static int begin(struct perf_run *run)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0,
		1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 10, 192, 0, 2, 25, 0xa0, 0x28, 0, 25, 0, 0, 1,
		0, 0, 0, 2, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0};
	struct checksum_state *state = perf_alloc(sizeof(*state));
	uint32_t bytes = (uint32_t)run->it->number;

	state->bytes = bytes;
	perf_fill(state->data, sizeof(state->data), 11);
	memcpy(state->data, head, sizeof(head));
	state->data[16] = (uint8_t)((bytes - 14) >> 8);
	state->data[17] = (uint8_t)(bytes - 14);
	state->frame = (struct frame){state->data, bytes, sizeof(state->data), NULL};
	packet_parse(&state->frame, PACKET_CHECKSUMS_DONE, &state->packet);
	if (state->packet.kind != PACKET_TCP) {
		free(state);
		run->why = "the frame was not understood";
		return -1;
	}
	run->state = state;
	run->amount = 1;
	return 0;
}

static int begin_sum(struct perf_run *run)
{
	int err = begin(run);

	run->amount = (double)run->it->number;
	return err;
}

static void run_sum(void *ctx)
{
	struct checksum_state *state = ctx;

	perf_keep(packet_fold(packet_sum(state->data, state->bytes)));
}

static void run_renumber(void *ctx)
{
	struct checksum_state *state = ctx;

	state->seq += FRAME_BYTES;
	packet_renumber(&state->frame, &state->packet, state->seq, state->seq / 2, &state->map);
	perf_keep(state->data[TCP_AT + 16]);
}

static void run_clear(void *ctx)
{
	struct checksum_state *state = ctx;

	// Two changes of one word: off and on again.
	state->data[TCP_AT + 13] ^= TCP_FLAG_PSH;
	state->packet.tcp.flags |= TCP_FLAG_PSH;
	packet_clear_flags(&state->frame, &state->packet, TCP_FLAG_PSH);
	perf_keep(state->data[TCP_AT + 16]);
}

static void run_parse(void *ctx)
{
	struct checksum_state *state = ctx;

	packet_parse(&state->frame, PACKET_CHECKSUMS_DONE, &state->packet);
	perf_keep(state->packet.tcp.payload_bytes);
}

static void run_copy(void *ctx)
{
	struct checksum_state *state = ctx;

	memcpy(state->out, state->data, state->bytes);
	perf_keep(state->out[state->bytes / 2]);
}

static const struct perf_case cases[] = {
	{"checksum/sum/1514", "memcpy", "B/s", FRAME_BYTES, false, false, begin_sum, run_sum,
		run_copy, free},
	{"checksum/renumber/1514", "memcpy of the frame", "frames/s", FRAME_BYTES, false, false,
		begin, run_renumber, run_copy, free},
	{"checksum/one-word/1514", "memcpy of the frame", "frames/s", FRAME_BYTES, false, false,
		begin, run_clear, run_copy, free},
	{"packet/parse/1514", "memcpy of the frame", "frames/s", FRAME_BYTES, false, false, begin,
		run_parse, run_copy, free},
};
PERF_CASES(cases)
