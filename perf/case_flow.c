// SPDX-License-Identifier: BSD-3-Clause
// Finding a connection among many, in any order, one by one and in bursts as a worker does, beside one read of a line of
// memory for each. Memory is as the engine's: of entries as large as its own, in huge pages where there are any.
#include "dataplane/session.h"
#include "perf/perf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LOOKUPS ((size_t)4096)
#define ROUNDS 16u
#define LINE_BYTES 64u
#define BURST 32u

struct flow_state {
	void *memory;
	size_t bytes;
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

static void *take_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	perf_need(memory != MAP_FAILED, "memory");
	(void)madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

static int begin(struct perf_run *run)
{
	struct flow_state *state = perf_alloc(sizeof(*state));
	uint32_t flows = (uint32_t)run->it->number;
	const struct flow_table_options options = {.flows = flows,
		.half_open = flows,
		.flow_bytes = sizeof(struct session),
		.idle_ns = {UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2},
		.hash_key = "a secret of 16b"};

	perf_need(flows > 0, "flows");
	state->flows = flows;
	state->bytes = flow_table_bytes(&options);
	state->memory = take_memory(state->bytes);
	state->table = flow_table_init(state->memory, &options);
	state->wanted = perf_alloc(sizeof(*state->wanted) * LOOKUPS * ROUNDS);
	state->places = perf_alloc(sizeof(*state->places) * LOOKUPS * ROUNDS);
	state->lines = take_memory((size_t)flows * LINE_BYTES);
	memset(state->lines, 1, (size_t)flows * LINE_BYTES);
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

static void run_burst(void *ctx)
{
	struct flow_state *state = ctx;
	const struct packet_address *wanted = state->wanted + state->turn++ % ROUNDS * LOOKUPS;
	uint64_t sum = 0;

	for (size_t at = 0; at < LOOKUPS; at += BURST) {
		struct flow_key keys[BURST];
		uint32_t hashes[BURST];

		for (size_t i = 0; i < BURST; i++) {
			(void)flow_key_make(&wanted[at + i], 0, &keys[i]);
			hashes[i] = flow_hash(state->table, &keys[i]);
			flow_prefetch(state->table, hashes[i]);
		}
		for (size_t i = 0; i < BURST; i++)
			flow_prefetch_state(state->table, hashes[i], sizeof(struct flow));
		for (size_t i = 0; i < BURST; i++) {
			const struct flow *flow = flow_find(state->table, &keys[i], hashes[i]);

			perf_need(flow != NULL, "the flow");
			if (flow != NULL)
				sum += flow->used_ns;
		}
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

	(void)munmap(state->memory, state->bytes);
	free(state->wanted);
	free(state->places);
	(void)munmap(state->lines, (size_t)state->flows * LINE_BYTES);
	free(state);
}

static const struct perf_case cases[] = {
	{"flow/find/1000", "one read of memory", "lookups/s", 1000, false, false, begin, run,
		run_read, end},
	{"flow/find-burst/1000", "one read of memory", "lookups/s", 1000, false, false, begin,
		run_burst, run_read, end},
	{"flow/find-burst/1000000", "one read of memory", "lookups/s", 1000000, false, false, begin,
		run_burst, run_read, end},
	{"flow/find/1000000", "one read of memory", "lookups/s", 1000000, true, false, begin, run,
		run_read, end},
};
PERF_CASES(cases)
