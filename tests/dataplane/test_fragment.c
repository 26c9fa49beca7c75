// SPDX-License-Identifier: BSD-3-Clause
// fragment: whole again from any cut and order, dropped whole when two pieces disagree.
#include "dataplane/fragment.h"
#include "tests/support/frames.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define SECOND 1000000000ull
#define TIMEOUT (30 * SECOND)
#define PAYLOAD 900u

struct fixture {
	void *memory;
	struct fragment_table *table;
	struct fragment_result result;
	uint8_t whole[FRAMES_MAX_BYTES];
	uint32_t whole_bytes;
	uint32_t l4;   // where the IP payload begins
	uint32_t live; // frames on the heap
};

static int setup(void **state)
{
	struct fragment_options options = {.datagrams = 4, .timeout_ns = TIMEOUT};
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->memory = aligned_alloc(64, (fragment_table_bytes(&options) + 63) / 64 * 64);
	assert_non_null(fixture->memory);
	fixture->table = fragment_table_init(fixture->memory, &options);
	*state = fixture;
	return 0;
}

static void free_frame(struct fixture *fixture, struct frame *frame)
{
	free(frame->handle);
	fixture->live--;
}

static void free_result(struct fixture *fixture)
{
	for (uint32_t i = 0; i < fixture->result.count; i++)
		free_frame(fixture, &fixture->result.frames[i]);
	fixture->result.count = 0;
}

// Every frame that went in came out once.
static int teardown(void **state)
{
	struct fixture *fixture = *state;

	while (fragment_expired(fixture->table, UINT64_MAX, &fixture->result) > 0)
		free_result(fixture);
	assert_int_equal(fixture->live, 0);
	free(fixture->memory);
	free(fixture);
	return 0;
}

static void make_whole(struct fixture *fixture, uint8_t family, uint32_t bytes)
{
	static uint8_t payload[66000];
	struct frames_spec spec = {
		.flags = TCP_FLAG_ACK, .payload = payload, .payload_bytes = bytes};

	for (uint32_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)(i ^ i >> 8);
	frames_address(&spec.address, family, 41022);
	spec.tag_types[0] = 0x8100;
	spec.tag_ids[0] = 7;
	fixture->whole_bytes = frames_tcp(fixture->whole, &spec);
	fixture->l4 = 18 + (family == 6 ? 40 : 20);
}

// Adds bytes [from, to) of the whole datagram's IP payload, each xored with change.
static enum fragment_fate add(
	struct fixture *fixture, uint32_t from, uint32_t to, uint8_t change, uint64_t now_ns)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	struct frame frame;
	struct packet packet;
	enum fragment_fate fate;

	frame.bytes = frames_fragment(
		fixture->whole, fixture->whole_bytes, 4711, from, to - from, buffer);
	frame.data = malloc(frame.bytes);
	assert_non_null(frame.data);
	memcpy(frame.data, buffer, frame.bytes);
	frame.room = frame.bytes;
	frame.handle = frame.data;
	packet_parse(&frame, 0, &packet);
	assert_int_equal(packet.kind, PACKET_FRAGMENT);
	for (uint32_t i = 0; i < packet.fragment.payload_bytes; i++)
		frame.data[packet.fragment.payload_offset + i] ^= change;
	fixture->live++;
	fate = fragment_add(fixture->table, 0, &frame, &packet, now_ns, &fixture->result);
	if (fate == FRAGMENT_DROP)
		free_frame(fixture, &frame);
	return fate;
}

static uint32_t ip_payload(const struct fixture *fixture)
{
	return fixture->whole_bytes - fixture->l4;
}

// Joins what came out and compares it with the frame that was cut.
static void check_joined(struct fixture *fixture)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	struct frame joined = {.data = buffer, .room = fixture->whole_bytes};
	struct packet packet;

	assert_int_equal(fragment_join(&fixture->result, &joined), 0);
	assert_int_equal(joined.bytes, fixture->whole_bytes);
	assert_true(frames_are_sums_right(buffer, joined.bytes));
	assert_memory_equal(
		buffer + fixture->l4, fixture->whole + fixture->l4, ip_payload(fixture));
	packet_parse(&joined, 0, &packet);
	assert_int_equal(packet.kind, PACKET_TCP);
	assert_int_equal(packet.from.vlan[0], 7);
	joined.room--;
	assert_int_not_equal(fragment_join(&fixture->result, &joined), 0);
	free_result(fixture);
}

static uint32_t next_random(uint32_t *random, uint32_t below)
{
	*random = *random * 1664525 + 1013904223;
	return (*random >> 10) % below;
}

static void any_cut_in_any_order_is_whole_again(void **state)
{
	struct fixture *fixture = *state;
	uint32_t random = 1;

	for (uint32_t round = 0; round < 400; round++) {
		uint32_t cuts[FRAGMENT_MAX_PIECES + 1] = {0};
		uint32_t order[FRAGMENT_MAX_PIECES];
		uint32_t n = 0;

		make_whole(fixture, round % 2 == 0 ? 4 : 6, PAYLOAD);
		while (n < FRAGMENT_MAX_PIECES && (n < 2 || cuts[n] < ip_payload(fixture))) {
			cuts[n + 1] = cuts[n] + 8 + 8 * next_random(&random, round % 30 + 2);
			order[n] = n;
			n++;
		}
		cuts[n] = ip_payload(fixture);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t with = i + next_random(&random, n - i);
			uint32_t piece = order[with];

			order[with] = order[i];
			assert_int_equal(add(fixture, cuts[piece], cuts[piece + 1], 0, 1),
				i + 1 < n ? FRAGMENT_KEPT : FRAGMENT_WHOLE);
		}
		check_joined(fixture);
	}
}

static void sixty_four_tiny_pieces_are_taken_and_no_more(void **state)
{
	struct fixture *fixture = *state;

	make_whole(fixture, 4, 64 * 8 - 20);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(add(fixture, i * 8, i * 8 + 8, 0, 1),
			i < 63 ? FRAGMENT_KEPT : FRAGMENT_WHOLE);
	check_joined(fixture);
	make_whole(fixture, 4, 65 * 8 - 20);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(add(fixture, i * 8, i * 8 + 8, 0, 1), FRAGMENT_KEPT);
	assert_int_equal(add(fixture, 512, 520, 0, 1), FRAGMENT_DROP);
	assert_string_equal(fixture->result.why, "too-many");
	assert_int_equal(fixture->result.count, 64);
	free_result(fixture);
}

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of the table
struct overlap_case {
	uint32_t pieces[6][2]; // the last one is the one that matters
	uint32_t count;
	uint32_t change;
	enum fragment_fate v4;
	const char *v4_why;
	enum fragment_fate v6;
	const char *v6_why;
};

#define END (20 + PAYLOAD)

static void overlaps_are_judged_by_family(void **state)
{
	static const struct overlap_case cases[] = {
		{{{0, 16}, {0, 16}}, 2, 0, FRAGMENT_DROP, "duplicate", FRAGMENT_DROP, "duplicate"},
		{{{0, 16}, {0, 16}}, 2, 1, FRAGMENT_DROP, "overlap", FRAGMENT_DROP, "overlap"},
		{{{0, 32}, {8, 24}}, 2, 0, FRAGMENT_DROP, "duplicate", FRAGMENT_DROP, "overlap"},
		{{{0, 32}, {16, 48}}, 2, 0, FRAGMENT_KEPT, "", FRAGMENT_DROP, "overlap"},
		{{{0, 32}, {16, 48}}, 2, 1, FRAGMENT_DROP, "overlap", FRAGMENT_DROP, "overlap"},
		{{{16, 48}, {0, 32}}, 2, 0, FRAGMENT_KEPT, "", FRAGMENT_DROP, "overlap"},
		{{{16, 24}, {32, 40}, {0, 48}}, 3, 0, FRAGMENT_KEPT, "", FRAGMENT_DROP, "overlap"},
		{{{16, 24}, {32, 40}, {0, 48}}, 3, 1, FRAGMENT_DROP, "overlap", FRAGMENT_DROP,
			"overlap"},
		{{{0, 16}, {16, 32}, {8, 24}}, 3, 0, FRAGMENT_DROP, "duplicate", FRAGMENT_DROP,
			"overlap"},
		{{{16, END}, {0, 32}}, 2, 0, FRAGMENT_WHOLE, "", FRAGMENT_DROP, "overlap"},
		{{{0, 16}, {32, END}, {8, 80}}, 3, 0, FRAGMENT_WHOLE, "", FRAGMENT_DROP, "overlap"},
		{{{8, 16}, {48, 56}, {80, END}, {0, 88}}, 4, 0, FRAGMENT_WHOLE, "", FRAGMENT_DROP,
			"overlap"},
	};

	struct fixture *fixture = *state;

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct overlap_case *this = &cases[i / 2];
		enum fragment_fate fate = FRAGMENT_KEPT;

		make_whole(fixture, i % 2 == 0 ? 4 : 6, PAYLOAD);
		for (uint32_t piece = 0; piece < this->count; piece++) {
			bool is_last = piece == this->count - 1;

			assert_int_equal(fate, FRAGMENT_KEPT);
			fate = add(fixture, this->pieces[piece][0], this->pieces[piece][1],
				is_last ? (uint8_t)this->change : 0, 1);
		}
		if (fate != (i % 2 == 0 ? this->v4 : this->v6) ||
			strcmp(fixture->result.why, i % 2 == 0 ? this->v4_why : this->v6_why) != 0)
			fail_msg("case %zu: fate %d %s", i, fate, fixture->result.why);
		if (fate == FRAGMENT_WHOLE)
			check_joined(fixture);
		free_result(fixture);
		while (fragment_expired(fixture->table, UINT64_MAX, &fixture->result) > 0)
			free_result(fixture);
	}
}

static void after_a_conflict_the_rest_is_dropped_too(void **state)
{
	struct fixture *fixture = *state;

	make_whole(fixture, 6, PAYLOAD);
	assert_int_equal(add(fixture, 0, 16, 0, 1), FRAGMENT_KEPT);
	assert_int_equal(add(fixture, 8, 24, 0, 1), FRAGMENT_DROP);
	assert_int_equal(fixture->result.count, 1);
	free_result(fixture);
	assert_int_equal(add(fixture, 0, 16, 0, 2), FRAGMENT_DROP);
	assert_int_equal(add(fixture, 16, END, 0, 2), FRAGMENT_DROP);
	// Once its time is over the same identification may be used again.
	assert_int_equal(fragment_expired(fixture->table, 1 + TIMEOUT, &fixture->result), 0);
	assert_int_equal(add(fixture, 0, 16, 0, 2 + TIMEOUT), FRAGMENT_KEPT);
	assert_int_equal(add(fixture, 16, END, 0, 2 + TIMEOUT), FRAGMENT_WHOLE);
	check_joined(fixture);
}

static void two_ends_that_disagree_end_the_datagram(void **state)
{
	static const uint32_t sizes[2] = {PAYLOAD - 100, PAYLOAD};
	struct fixture *fixture = *state;

	for (int longer_first = 0; longer_first < 2; longer_first++) {
		make_whole(fixture, 4, sizes[longer_first]);
		assert_int_equal(add(fixture, 800, ip_payload(fixture), 0, 1), FRAGMENT_KEPT);
		make_whole(fixture, 4, sizes[!longer_first]);
		assert_int_equal(add(fixture, 800, ip_payload(fixture), 0, 1), FRAGMENT_DROP);
		assert_string_equal(fixture->result.why, "overlap");
		free_result(fixture);
		assert_int_equal(
			fragment_expired(fixture->table, 1 + TIMEOUT, &fixture->result), 0);
	}
	// A piece beyond the end that is known.
	make_whole(fixture, 4, PAYLOAD - 100);
	assert_int_equal(add(fixture, 800, ip_payload(fixture), 0, 1), FRAGMENT_KEPT);
	make_whole(fixture, 4, PAYLOAD);
	assert_int_equal(add(fixture, 840, 848, 0, 1), FRAGMENT_DROP);
	free_result(fixture);
}

static void what_is_not_whole_in_time_is_given_back(void **state)
{
	struct fixture *fixture = *state;

	make_whole(fixture, 4, PAYLOAD);
	assert_int_equal(add(fixture, 0, 16, 0, 5), FRAGMENT_KEPT);
	assert_int_equal(add(fixture, 32, 48, 0, 6), FRAGMENT_KEPT);
	assert_int_equal(fragment_expired(fixture->table, 4 + TIMEOUT, &fixture->result), 0);
	assert_int_equal(fragment_expired(fixture->table, 5 + TIMEOUT, &fixture->result), 2);
	assert_string_equal(fixture->result.why, "timeout");
	free_result(fixture);
	// The same when it is found by the piece that comes too late.
	assert_int_equal(add(fixture, 0, 16, 0, 5), FRAGMENT_KEPT);
	assert_int_equal(add(fixture, 16, END, 0, 5 + TIMEOUT), FRAGMENT_DROP);
	assert_string_equal(fixture->result.why, "late");
	assert_int_equal(fixture->result.count, 1);
	free_result(fixture);
}

static void past_the_limit_the_oldest_goes(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < 6; i++) {
		make_whole(fixture, 4, PAYLOAD);
		fixture->whole[18 + 15] = (uint8_t)i; // another source
		assert_int_equal(add(fixture, 0, 16, 0, i), FRAGMENT_KEPT);
	}
	// Two of six had to go, without waiting for their time.
	assert_int_equal(fragment_expired(fixture->table, 6, &fixture->result), 1);
	assert_int_equal(fixture->result.frames[0].data[18 + 15], 0);
	free_result(fixture);
	assert_int_equal(fragment_expired(fixture->table, 6, &fixture->result), 1);
	free_result(fixture);
	assert_int_equal(fragment_expired(fixture->table, 6, &fixture->result), 0);
	fixture->whole[18 + 15] = 2;
	assert_int_equal(add(fixture, 16, END, 0, 7), FRAGMENT_WHOLE);
	assert_int_equal(fixture->result.count, 2);
	free_result(fixture);
}

static void a_flood_without_housekeeping_is_refused_not_lost(void **state)
{
	struct fixture *fixture = *state;
	uint32_t dropped = 0;

	for (uint32_t i = 0; i < 250; i++) {
		make_whole(fixture, 6, PAYLOAD);
		fixture->whole[18 + 23] = (uint8_t)i;
		if (add(fixture, 0, 16, 0, 1) == FRAGMENT_DROP)
			dropped++;
	}
	assert_in_range(dropped, 1, 200);
}

static void the_largest_datagram_is_taken_and_a_larger_one_is_not(void **state)
{
	struct fixture *fixture = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		uint32_t most = family == 4 ? 65535 - 40 : 65535 - 20;

		make_whole(fixture, family, most);
		assert_int_equal(add(fixture, 0, 40000, 0, 1), FRAGMENT_KEPT);
		assert_int_equal(add(fixture, 40000, ip_payload(fixture), 0, 1), FRAGMENT_WHOLE);
		check_joined(fixture);
	}
	// The payload alone would fit.
	make_whole(fixture, 4, 65535 - 20);
	assert_int_equal(add(fixture, 40000, ip_payload(fixture), 0, 1), FRAGMENT_KEPT);
	assert_int_equal(add(fixture, 0, 40000, 0, 1), FRAGMENT_DROP);
	assert_string_equal(fixture->result.why, "too-large");
	free_result(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_cut_in_any_order_is_whole_again),
		TEST(sixty_four_tiny_pieces_are_taken_and_no_more),
		TEST(overlaps_are_judged_by_family),
		TEST(after_a_conflict_the_rest_is_dropped_too),
		TEST(two_ends_that_disagree_end_the_datagram),
		TEST(what_is_not_whole_in_time_is_given_back),
		TEST(past_the_limit_the_oldest_goes),
		TEST(a_flood_without_housekeeping_is_refused_not_lost),
		TEST(the_largest_datagram_is_taken_and_a_larger_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
