// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/sealed.h"

#include "tests/support/unit.h"

#include <string.h>

struct world world;

static union {
	struct engine_seals head;
	uint8_t room[sizeof(struct engine_seals) + sizeof(struct seal)];
} snapshot;

struct seal *sealed_on(enum seal_mode mode)
{
	struct seal *seal = snapshot.head.seals;

	memset(&snapshot, 0, sizeof(snapshot));
	snapshot.head.count = 1;
	seal->mode = mode;
	seal->directions = SEAL_INBOUND;
	strcpy(seal->virus_id, "CV-1");
	engine_set_seals(world.engine, &snapshot.head);
	return seal;
}

void sealed_off(void)
{
	engine_set_seals(world.engine, NULL);
}

void sealed_begin(uint64_t seed)
{
	sealed_begin_limited(seed, 0);
}

void sealed_begin_limited(uint64_t seed, uint32_t max_held)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_held = max_held;
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = 8;
	world_init(&world, &options, seed % 3 == 0 ? 6 : 4, SEALED_RULES, seed);
}

void sealed_connect(void)
{
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
}

void sealed_finish(void)
{
	const struct peer *peers[] = {&world.client, &world.server};

	for (int i = 0; i < 2; i++) {
		assert_int_equal(peers[i]->bad_frames, 0);
		assert_int_equal(peers[i]->conflicts, 0);
		assert_int_equal(peers[i]->bad_acks, 0);
		assert_int_equal(peers[i]->bad_sacks, 0);
		assert_int_equal(peers[i]->bad_clocks, 0);
		assert_int_equal(peers[i]->overruns, 0);
	}
	world_fini(&world);
}

bool sealed_is_over(struct world *at, uint32_t value)
{
	(void)value;
	return at->client.reset || (at->client.fin_received && at->client.fin_acked);
}

void sealed_quit(void)
{
	assert_true(world_say(&world, "QUIT\r\n", 1));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_true(world_run(&world, sealed_is_over, 0, 60000));
	assert_int_equal(world.client.retransmissions + world.server.retransmissions, 0);
	assert_int_equal(world.client.old_clocks + world.server.old_clocks, 0);
	assert_int_equal(world.client.strays + world.server.strays, 0);
}

void sealed_expect_held(uint32_t i, const char *text)
{
	const struct sink_record *record = &world.sink.records[i];

	assert_true(i < world.sink.count);
	assert_int_equal(record->bytes, strlen(text));
	assert_memory_equal(record->data, text, strlen(text));
}
