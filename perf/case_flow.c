// SPDX-License-Identifier: BSD-3-Clause
// Finding a connection among many, in any order, beside one read of a line of memory for each.
#include "dataplane/flow.h"
#include "perf/perf.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUPS ((size_t)4096)
#define ROUNDS 16u
#define LINE_BYTES 64u

struct flow_state {
	void *memory;
	struct flow_table *table;
	struct packet_address *wanted;
	uint32_t *places;
	uint8_t *lines;
	uint32_t flows;
	uint32_t turn;
};

static void address_of(uint32_t i, struct packet_address *address)
{
	memset(address, 0, sizeof(*address));
	address->family = 4;
	memcpy(address->address[0], &i, sizeof(i));
	address->address[1][0] = 192;
	address->port_be[0] = (uint16_t)(i * 7);
	address->port_be[1] = 6400;
}

static int begin(struct perf_run *run)
{
	struct flow_state *state = perf_alloc(sizeof(*state));
	uint32_t flows = (uint32_t)run->it->number;
	const struct flow_table_options options = {.flows = flows,
		.half_open = flows,
		.flow_bytes = sizeof(struct flow) + 64,
		.idle_ns = {UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2},
		.hash_key = "a secret of 16b"};

	perf_need(flows > 0, "flows");
	state->flows = flows;
	state->memory = perf_alloc(flow_table_bytes(&options));
	state->table = flow_table_init(state->memory, &options);
	state->wanted = perf_alloc(sizeof(*state->wanted) * LOOKUPS * ROUNDS);
	state->places = perf_alloc(sizeof(*state->places) * LOOKUPS * ROUNDS);
	state->lines = perf_alloc((size_t)flows * LINE_BYTES);
	for (uint32_t i = 0; i < flows; i++) {
		struct packet_address address;
		struct flow *evicted = NULL;
		struct flow_key key;

		address_of(i, &address);
		(void)flow_key_make(&address, 0, &key);
		perf_need(flow_insert(state->table, &key, flow_hash(state->table, &key), i,
				  &evicted) != NULL,
			"room in the table");
	}
	perf_fill((uint8_t *)state->places, sizeof(*state->places) * LOOKUPS * ROUNDS, 5);
	for (size_t i = 0; i < LOOKUPS * ROUNDS; i++) {
		state->places[i] %= flows > 0 ? flows : 1;
		address_of(state->places[i], &state->wanted[i]);
	}
	run->state = state;
	run->amount = LOOKUPS;
	return 0;
}

static void run(void *ctx)
{
	struct flow_state *state = ctx;
	const struct packet_address *wanted = state->wanted + state->turn++ % ROUNDS * LOOKUPS;
	uint64_t sum = 0;

	for (size_t i = 0; i < LOOKUPS; i++) {
		struct flow_key key;
		const struct flow *flow;

		(void)flow_key_make(&wanted[i], 0, &key);
		flow = flow_find(state->table, &key, flow_hash(state->table, &key));
		perf_need(flow != NULL, "the flow");
		if (flow != NULL)
			sum += flow->used_ns;
	}
	perf_keep(sum);
}

static void run_read(void *ctx)
{
	struct flow_state *state = ctx;
	const uint32_t *places = state->places + state->turn++ % ROUNDS * LOOKUPS;
	uint64_t sum = 0;

	for (size_t i = 0; i < LOOKUPS; i++)
		sum += state->lines[(size_t)places[i] * LINE_BYTES];
	perf_keep(sum);
}

static void end(void *ctx)
{
	struct flow_state *state = ctx;

	free(state->memory);
	free(state->wanted);
	free(state->places);
	free(state->lines);
	free(state);
}

static const struct perf_case cases[] = {
	{"flow/find/1000", "one read of memory", "lookups/s", 1000, false, false, begin, run,
		run_read, end},
	{"flow/find/1000000", "one read of memory", "lookups/s", 1000000, false, false, begin, run,
		run_read, end},
};
PERF_CASES(cases)
