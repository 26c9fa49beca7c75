// SPDX-License-Identifier: BSD-3-Clause
// A direction of a connection put in order, parsed and acknowledged, beside a copy of the same segments.
#include "perf/perf.h"
#include "reassembly/reassembly.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 1448u
#define SEGMENTS 700u
#define BYTES ((size_t)SEGMENTS * SEGMENT_BYTES)
#define PAGES 256u
#define WINDOW_BYTES (64u * SEGMENT_BYTES)
#define LATE 8u // segments later than it should

struct stream_state {
	uint8_t *data;
	uint8_t *out;
	uint32_t order[SEGMENTS];
	void *memory;
	struct stream_pool *pool;
};

static int begin(struct perf_run *run)
{
	struct stream_state *state = perf_alloc(sizeof(*state));
	uint32_t every = (uint32_t)run->it->number;

	state->data = perf_alloc(BYTES);
	state->out = perf_alloc(BYTES);
	perf_fill(state->data, BYTES, 3);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		state->order[i] = i;
	// One in so many comes behind those that follow it.
	for (uint32_t i = every / 2; every > 0 && i + LATE < SEGMENTS; i += every) {
		uint32_t late = state->order[i];

		memmove(&state->order[i], &state->order[i + 1], LATE * sizeof(state->order[0]));
		state->order[i + LATE] = late;
	}
	state->memory = perf_alloc(stream_pool_bytes(PAGES));
	state->pool = stream_pool_init(state->memory, PAGES);
	run->state = state;
	run->amount = (double)BYTES;
	return 0;
}

static void run(void *ctx)
{
	struct stream_state *state = ctx;
	struct stream stream;
	uint64_t sum = 0;

	stream_init(&stream, WINDOW_BYTES * 4);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		uint64_t offset = (uint64_t)state->order[i] * SEGMENT_BYTES;
		uint32_t rewritten = 0;
		uint8_t *data;
		size_t n;

		perf_need(stream_put(&stream, state->pool, offset, state->data + offset,
				  SEGMENT_BYTES, &rewritten) == STREAM_NEW,
			"room in the stream");
		while ((n = stream_peek(&stream, &data)) > 0) {
			sum += data[0];
			stream_consume(&stream, n);
		}
		(void)stream_mark_sent(&stream, state->pool, stream.sent, stream.next);
		stream_release(&stream, state->pool, stream.next);
	}
	perf_need(stream.next == BYTES, "all bytes in order");
	stream_fini(&stream, state->pool);
	perf_keep(sum);
}

static void run_copy(void *ctx)
{
	const struct stream_state *state = ctx;

	for (uint32_t i = 0; i < SEGMENTS; i++) {
		size_t offset = (size_t)state->order[i] * SEGMENT_BYTES;

		memcpy(state->out + offset, state->data + offset, SEGMENT_BYTES);
	}
	perf_keep(state->out[SEGMENT_BYTES]);
}

static void end(void *ctx)
{
	struct stream_state *state = ctx;

	free(state->data);
	free(state->out);
	free(state->memory);
	free(state);
}

static const struct perf_case cases[] = {
	{"stream/in-order", "memcpy", "B/s", 0, false, false, begin, run, run_copy, end},
	{"stream/disorder-1%", "memcpy", "B/s", 100, false, false, begin, run, run_copy, end},
};
PERF_CASES(cases)
