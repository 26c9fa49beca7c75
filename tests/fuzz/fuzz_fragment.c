// SPDX-License-Identifier: BSD-3-Clause
// Random pieces of one datagram, four bytes each: offset, length, change, family and step of time. Every
// frame that went in comes out once, and what is whole is the datagram, changed nowhere or from one end
// to the other.
#include "dataplane/fragment.h"
#include "tests/support/frames.h"

#include <stdlib.h>
#include <string.h>

#define PAYLOAD 480u // of IP
#define MAX_STEPS 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct world {
	struct fragment_table *table;
	struct fragment_result result;
	uint8_t whole[2][FRAMES_MAX_BYTES]; // IPv4, IPv6
	uint32_t bytes[2];
	uint32_t live;
	uint8_t have[2][PAYLOAD]; // per family: versions of this byte that were sent, as bits
};

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static void free_frame(struct world *world, const struct frame *frame)
{
	free(frame->handle);
	world->live--;
}

static void free_result(struct world *world)
{
	for (uint32_t i = 0; i < world->result.count; i++)
		free_frame(world, &world->result.frames[i]);
}

// Every byte of the joined datagram is one that was sent.
static void check_whole(struct world *world, uint32_t which)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	struct frame joined = {.data = buffer, .room = sizeof(buffer)};
	uint32_t l4 = world->bytes[which] - PAYLOAD;

	require(world->result.payload_bytes == PAYLOAD);
	require(fragment_join(&world->result, &joined) == 0);
	require(joined.bytes == world->bytes[which]);
	for (uint32_t i = 0; i < PAYLOAD; i++) {
		uint8_t change = buffer[l4 + i] ^ world->whole[which][l4 + i];

		require(change <= 1 && (world->have[which][i] & (1 << change)) != 0);
	}
}

static void step(struct world *world, const uint8_t *data, uint64_t *now_ns)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	uint32_t which = data[2] >> 7;
	uint8_t change = (data[2] & 0x7f) == 0x7f;
	uint32_t from = data[0] % (PAYLOAD / 8) * 8;
	uint32_t bytes = 8 + data[1] % 32u * 8;
	struct frame frame;
	struct packet packet;
	enum fragment_fate fate;

	if (from + bytes > PAYLOAD)
		bytes = PAYLOAD - from;
	if (from == 0 && bytes == PAYLOAD)
		return;
	frame.bytes =
		frames_fragment(world->whole[which], world->bytes[which], 7, from, bytes, buffer);
	frame.data = malloc(frame.bytes);
	require(frame.data != NULL);
	memcpy(frame.data, buffer, frame.bytes);
	frame.room = frame.bytes;
	frame.handle = frame.data;
	packet_parse(&frame, 0, &packet);
	require(packet.kind == PACKET_FRAGMENT);
	for (uint32_t i = 0; i < bytes; i++) {
		frame.data[packet.fragment.payload_offset + i] ^= change;
		world->have[which][from + i] |= (uint8_t)(1 << change);
	}
	*now_ns += (uint64_t)data[3] * 10;
	world->live++;
	fate = fragment_add(world->table, 0, &frame, &packet, *now_ns, &world->result);
	if (fate == FRAGMENT_DROP)
		free_frame(world, &frame);
	if (fate == FRAGMENT_WHOLE)
		check_whole(world, which);
	if (fate != FRAGMENT_KEPT)
		free_result(world);
	if (data[3] % 4 == 0 && fragment_expired(world->table, *now_ns, &world->result) > 0)
		free_result(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t payload[PAYLOAD - 20] = {1, 2, 3};
	static struct world world;
	struct fragment_options options = {.datagrams = 2, .timeout_ns = 20000};
	void *memory = aligned_alloc(64, (fragment_table_bytes(&options) + 63) / 64 * 64);
	uint64_t now_ns = 1;

	require(memory != NULL);
	world.table = fragment_table_init(memory, &options);
	memset(world.have, 0, sizeof(world.have));
	for (uint32_t which = 0; which < 2; which++) {
		struct frames_spec spec = {.flags = TCP_FLAG_ACK,
			.payload = payload,
			.payload_bytes = sizeof(payload)};

		frames_address(&spec.address, which == 0 ? 4 : 6, 4711);
		world.bytes[which] = frames_tcp(world.whole[which], &spec);
	}
	for (size_t i = 0; i + 4 <= n && i / 4 < MAX_STEPS; i += 4)
		step(&world, data + i, &now_ns);
	while (fragment_expired(world.table, UINT64_MAX, &world.result) > 0)
		free_result(&world);
	require(world.live == 0);
	free(memory);
	return 0;
}
