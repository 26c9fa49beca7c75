// SPDX-License-Identifier: BSD-3-Clause
// flow: against a plain map, under a flood, full, and in order of age.
#include "dataplane/flow.h"
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

struct item {
	struct flow flow;
	uint32_t number;
};

struct fixture {
	void *memory;
	struct flow_table *table;
};

static struct flow_table_options basic_options(uint32_t flows, uint32_t half_open)
{
	return (struct flow_table_options){.flows = flows,
		.half_open = half_open,
		.flow_bytes = sizeof(struct item),
		.idle_ns = {30 * SECOND, 600 * SECOND, 5 * SECOND},
		.hash_key = "0123456789abcde"};
}

static struct fixture open_table(const struct flow_table_options *options)
{
	struct fixture fixture;
	size_t bytes = (flow_table_bytes(options) + 63) / 64 * 64;

	fixture.memory = aligned_alloc(64, bytes);
	assert_non_null(fixture.memory);
	memset(fixture.memory, 0xa5, bytes);
	fixture.table = flow_table_init(fixture.memory, options);
	return fixture;
}

// The number-th connection of a family; a property of the number alone.
static void make_key(uint32_t number, struct flow_key *key)
{
	struct packet_address address;

	frames_address(&address, number % 3 == 0 ? 6 : 4, (uint16_t)(number * 7));
	memcpy(address.address[0], &number, sizeof(number));
	address.vlan[number % 2] = (uint16_t)(number % 5);
	(void)flow_key_make(&address, number % 2, key);
}

static struct item *insert(struct flow_table *table, uint32_t number, uint64_t now_ns)
{
	struct flow_key key;
	struct flow *evicted;
	struct flow *flow;

	make_key(number, &key);
	flow = flow_insert(table, &key, flow_hash(table, &key), now_ns, &evicted);
	while (flow == NULL && evicted != NULL) {
		flow_remove(table, evicted);
		flow = flow_insert(table, &key, flow_hash(table, &key), now_ns, &evicted);
	}
	if (flow != NULL)
		((struct item *)flow)->number = number;
	return (struct item *)flow;
}

static struct item *find(struct flow_table *table, uint32_t number)
{
	struct flow_key key;
	uint32_t hash;

	make_key(number, &key);
	hash = flow_hash(table, &key);
	return (struct item *)flow_find(table, &key, hash);
}

static void both_directions_have_one_key(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct packet_address there;
		struct packet_address back;
		struct flow_key a;
		struct flow_key b;

		frames_address(&there, family, 41022);
		back = there;
		frames_swap(&back);
		assert_false(flow_key_make(&there, 3, &a));
		assert_true(flow_key_make(&back, 3, &b));
		assert_memory_equal(&a, &b, sizeof(a));
		// One address, two ports: the lower port is first.
		memcpy(there.address[1], there.address[0], 16);
		assert_true(flow_key_make(&there, 3, &a));
		back = there;
		frames_swap(&back);
		assert_false(flow_key_make(&back, 3, &b));
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void every_field_of_the_key_tells_flows_apart(void **state)
{
	struct flow_table_options options = basic_options(64, 64);
	struct fixture fixture = open_table(&options);
	struct packet_address base;
	struct flow_key keys[9];
	struct flow *evicted;

	(void)state;
	frames_address(&base, 4, 41022);
	for (uint32_t i = 0; i < 9; i++) {
		struct packet_address address = base;

		address.address[0][3] ^= i == 1;
		address.address[1][3] ^= i == 2;
		address.port_be[0] ^= i == 3;
		address.port_be[1] ^= i == 4;
		address.vlan[0] ^= i == 5;
		address.vlan[1] ^= i == 6;
		address.session ^= i == 8;
		(void)flow_key_make(&address, i == 7, &keys[i]);
	}
	for (uint32_t i = 0; i < 9; i++) {
		uint32_t hash = flow_hash(fixture.table, &keys[i]);

		assert_null(flow_find(fixture.table, &keys[i], hash));
		assert_non_null(flow_insert(fixture.table, &keys[i], hash, 1, &evicted));
		for (uint32_t j = 0; j < i; j++) {
			assert_int_not_equal(hash, flow_hash(fixture.table, &keys[j]));
			// Even under one hash they are told apart.
			assert_ptr_not_equal(flow_find(fixture.table, &keys[j],
						     flow_hash(fixture.table, &keys[j])),
				flow_find(fixture.table, &keys[i], hash));
		}
	}
	free(fixture.memory);
}

static void another_secret_gives_other_hashes(void **state)
{
	struct flow_table_options options = basic_options(64, 64);
	struct fixture a = open_table(&options);
	struct fixture b;
	uint32_t same = 0;

	(void)state;
	options.hash_key[15] ^= 1;
	b = open_table(&options);
	for (uint32_t i = 0; i < 1000; i++) {
		struct flow_key key;

		make_key(i, &key);
		same += (flow_hash(a.table, &key) & 0xff) == (flow_hash(b.table, &key) & 0xff);
	}
	assert_in_range(same, 0, 20);
	free(a.memory);
	free(b.memory);
}

#define NUMBERS 700u

// Random inserts, finds, touches and removals; model[n] is the class of number n, or -1.
static void a_table_behaves_like_a_plain_map(void **state)
{
	struct flow_table_options options = basic_options(500, 500);
	struct fixture fixture = open_table(&options);
	int model[NUMBERS];
	uint32_t random = 12345;
	uint32_t live = 0;

	(void)state;
	for (uint32_t i = 0; i < NUMBERS; i++)
		model[i] = -1;
	for (uint32_t step = 0; step < 200000; step++) {
		uint32_t number = (random = random * 1664525 + 1013904223) >> 8;
		uint32_t what = (number >> 12) % 4;
		struct item *item;

		number %= NUMBERS;
		item = find(fixture.table, number);
		assert_int_equal(item != NULL, model[number] >= 0);
		if (item == NULL) {
			if (live == options.flows || what == 0)
				continue;
			item = insert(fixture.table, number, step);
			assert_non_null(item);
			model[number] = FLOW_HALF_OPEN;
			live++;
			continue;
		}
		assert_int_equal(item->number, number);
		assert_int_equal(item->flow.class, model[number]);
		if (what == 0) {
			flow_remove(fixture.table, &item->flow);
			model[number] = -1;
			live--;
		} else {
			model[number] = (int)(what - 1);
			flow_touch(fixture.table, &item->flow, (enum flow_class)(what - 1), step);
		}
	}
	for (uint32_t cursor = 0, n = 0;; n++) {
		struct item *item = (struct item *)flow_walk(fixture.table, &cursor);

		if (item == NULL) {
			assert_int_equal(n, live);
			break;
		}
		assert_int_equal(model[item->number], item->flow.class);
	}
	free(fixture.memory);
}

static void a_flood_of_syns_displaces_nothing_but_itself(void **state)
{
	struct flow_table_options options = basic_options(1000, 100);
	struct fixture fixture = open_table(&options);
	struct flow_counts counts;

	(void)state;
	for (uint32_t i = 0; i < 900; i++) {
		struct item *item = insert(fixture.table, i, i);

		assert_non_null(item);
		flow_touch(fixture.table, &item->flow, FLOW_OPEN, i);
	}
	for (uint32_t i = 10000; i < 60000; i++)
		assert_non_null(insert(fixture.table, i, i));
	flow_get_counts(fixture.table, &counts);
	assert_int_equal(counts.flows[FLOW_OPEN], 900);
	assert_int_equal(counts.flows[FLOW_HALF_OPEN], 100);
	for (uint32_t i = 0; i < 900; i++)
		assert_non_null(find(fixture.table, i));
	// Of the flood the newest are left.
	assert_null(find(fixture.table, 59899));
	for (uint32_t i = 59900; i < 60000; i++)
		assert_non_null(find(fixture.table, i));
	free(fixture.memory);
}

static void a_full_table_still_finds_and_refuses(void **state)
{
	struct flow_table_options options = basic_options(333, 333);
	struct fixture fixture = open_table(&options);
	struct flow_counts counts;
	struct item *item;

	(void)state;
	for (uint32_t i = 0; i < 333; i++) {
		item = insert(fixture.table, i, i);
		assert_non_null(item);
		flow_touch(fixture.table, &item->flow, FLOW_OPEN, i);
	}
	assert_null(insert(fixture.table, 5000, 400));
	for (uint32_t i = 0; i < 333; i++)
		assert_non_null(find(fixture.table, i));
	for (uint32_t i = 333; i < 20000; i++)
		assert_null(find(fixture.table, i));
	// A closing one makes room, and only it.
	flow_touch(fixture.table, &find(fixture.table, 7)->flow, FLOW_CLOSING, 401);
	assert_non_null(insert(fixture.table, 5000, 402));
	assert_null(find(fixture.table, 7));
	flow_get_counts(fixture.table, &counts);
	assert_int_equal(counts.flows[FLOW_OPEN], 332);
	assert_int_equal(counts.capacity, 333);
	free(fixture.memory);
}

static void a_new_flow_is_zeroed_behind_its_head(void **state)
{
	struct flow_table_options options = basic_options(1, 1);
	struct fixture fixture = open_table(&options);
	struct item *item = insert(fixture.table, 1, 1);
	struct flow_key key;
	struct flow *evicted;

	(void)state;
	assert_int_equal(item->number, 1);
	make_key(2, &key);
	assert_null(flow_insert(fixture.table, &key, flow_hash(fixture.table, &key), 2, &evicted));
	assert_ptr_equal(evicted, item);
	flow_remove(fixture.table, evicted);
	item = (struct item *)flow_insert(
		fixture.table, &key, flow_hash(fixture.table, &key), 2, &evicted);
	assert_non_null(item);
	assert_null(evicted);
	assert_int_equal(item->number, 0);
	free(fixture.memory);
}

// What a plain list says of the flow that was silent longest and not given since its last use.
struct silent {
	int class; // -1: there is none
	bool given;
	uint32_t used;
};

static int expected_silent(const struct silent *model, uint32_t now, uint32_t quiet)
{
	for (int class = FLOW_CLASSES - 1; class >= 0; class --) {
		int oldest = -1;

		for (int i = 0; i < 60; i++) {
			if (model[i].class == class && !model[i].given &&
				(oldest < 0 || model[i].used < model[oldest].used))
				oldest = i;
		}
		if (oldest >= 0 && now - model[oldest].used >= quiet)
			return oldest;
	}
	return -1;
}

static void silent_flows_are_given_once_after_each_use(void **state)
{
	struct flow_table_options options = basic_options(60, 60);
	struct fixture fixture = open_table(&options);
	struct silent model[60];
	uint32_t random = 99;
	uint32_t given = 0;

	(void)state;
	for (int i = 0; i < 60; i++)
		model[i].class = -1;
	for (uint32_t step = 1; step < 100000; step++) {
		uint32_t number = (random = random * 1664525 + 1013904223) >> 8;
		uint32_t what = (number >> 12) % 8;
		struct silent *it = &model[number %= 60];

		if (what < 3) {
			uint32_t quiet = what * 20;
			int expected = expected_silent(model, step, quiet);
			struct item *item = (struct item *)flow_quiet(fixture.table, step, quiet);

			assert_int_equal(item != NULL ? (int)item->number : -1, expected);
			if (expected >= 0)
				model[expected].given = true;
			given += expected >= 0;
		} else if (it->class < 0) {
			assert_non_null(insert(fixture.table, number, step));
			*it = (struct silent){FLOW_HALF_OPEN, false, step};
		} else if (what == 3) {
			flow_remove(fixture.table, &find(fixture.table, number)->flow);
			it->class = -1;
		} else {
			*it = (struct silent){(int)(what % FLOW_CLASSES), false, step};
			flow_touch(fixture.table, &find(fixture.table, number)->flow,
				(enum flow_class)it->class, step);
		}
	}
	assert_true(given > 10000);
	free(fixture.memory);
}

static void a_step_looks_at_one_slot(void **state)
{
	struct flow_table_options options = basic_options(50, 50);
	struct fixture fixture = open_table(&options);
	uint32_t cursor = 0;
	uint32_t seen = 0;

	(void)state;
	assert_null(flow_step(fixture.table, &cursor));
	for (uint32_t i = 0; i < 40; i++)
		assert_non_null(insert(fixture.table, i, i));
	for (uint32_t i = 0; i < 40; i += 2)
		flow_remove(fixture.table, &find(fixture.table, i)->flow);
	// Twice round: each slot, and once the way back to the first.
	for (uint32_t i = 0; i < 2 * 41; i++) {
		struct item *item = (struct item *)flow_step(fixture.table, &cursor);

		if (item != NULL) {
			assert_int_equal(item->number % 2, 1);
			seen += item->number;
		}
	}
	assert_int_equal(seen, 2 * 400);
	for (uint32_t i = 1; i < 40; i += 2)
		flow_remove(fixture.table, &find(fixture.table, i)->flow);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t before = cursor;

		assert_null(flow_step(fixture.table, &cursor));
		assert_true(cursor == before + 1 || cursor == 0);
	}
	free(fixture.memory);
}

// What is prefetched changes nothing, whatever the hash, and is asked for before the first flow as well.
static void prefetching_finds_what_a_find_does(void **state)
{
	struct flow_table_options options = basic_options(300, 300);
	struct fixture fixture = open_table(&options);

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		struct flow_key key;
		uint32_t hash;

		make_key(i, &key);
		hash = flow_hash(fixture.table, &key);
		flow_prefetch(fixture.table, hash);
		flow_prefetch_state(fixture.table, hash, sizeof(struct item));
		assert_null(flow_find(fixture.table, &key, hash));
		assert_non_null(insert(fixture.table, i, i));
		flow_prefetch(fixture.table, hash);
		flow_prefetch_state(fixture.table, hash, sizeof(struct item));
		assert_int_equal(find(fixture.table, i)->number, i);
	}
	free(fixture.memory);
}

static void each_class_ages_by_last_use(void **state)
{
	struct flow_table_options options = basic_options(16, 16);
	struct fixture fixture = open_table(&options);
	struct flow_table *table = fixture.table;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		struct item *item = insert(table, i, i * SECOND);

		flow_touch(table, &item->flow, (enum flow_class)(i / 2), i * SECOND);
	}
	// 0, 1 half-open; 2, 3 open; 4, 5 closing. Used again: 0.
	flow_touch(table, &find(table, 0)->flow, FLOW_HALF_OPEN, 6 * SECOND);
	assert_null(flow_expired(table, 9 * SECOND - 1));
	assert_ptr_equal(flow_expired(table, 9 * SECOND), find(table, 4));
	flow_remove(table, &find(table, 4)->flow);
	assert_null(flow_expired(table, 9 * SECOND));
	assert_ptr_equal(flow_expired(table, 10 * SECOND), find(table, 5));
	flow_remove(table, &find(table, 5)->flow);
	assert_null(flow_expired(table, 31 * SECOND - 1));
	assert_ptr_equal(flow_expired(table, 31 * SECOND), find(table, 1));
	flow_remove(table, &find(table, 1)->flow);
	assert_ptr_equal(flow_expired(table, 36 * SECOND), find(table, 0));
	flow_remove(table, &find(table, 0)->flow);
	assert_null(flow_expired(table, 602 * SECOND - 1));
	assert_ptr_equal(flow_expired(table, 602 * SECOND), find(table, 2));
	free(fixture.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_have_one_key),
		cmocka_unit_test(every_field_of_the_key_tells_flows_apart),
		cmocka_unit_test(another_secret_gives_other_hashes),
		cmocka_unit_test(a_table_behaves_like_a_plain_map),
		cmocka_unit_test(a_flood_of_syns_displaces_nothing_but_itself),
		cmocka_unit_test(a_full_table_still_finds_and_refuses),
		cmocka_unit_test(a_new_flow_is_zeroed_behind_its_head),
		cmocka_unit_test(silent_flows_are_given_once_after_each_use),
		cmocka_unit_test(a_step_looks_at_one_slot),
		cmocka_unit_test(prefetching_finds_what_a_find_does),
		cmocka_unit_test(each_class_ages_by_last_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
