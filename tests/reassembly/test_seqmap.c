// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/seqmap.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

static void without_an_edit_both_sides_have_the_same_numbers(void **state)
{
	static const uint32_t numbers[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
	struct seqmap map;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		seqmap_init(&map, numbers[i]);
		for (uint32_t n = 0; n < 70000; n += 777) {
			assert_int_equal(seqmap_to_receiver(&map, numbers[i] + n), numbers[i] + n);
			assert_int_equal(seqmap_to_sender(&map, numbers[i] + n), numbers[i] + n);
		}
	}
}

static void the_sender_is_told_of_no_less_than_the_edge_and_of_nothing_it_has_not_sent(void **state)
{
	static const uint32_t edges[] = {100000, 5, 0xfffffffb, 0x80000000};

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		uint32_t edge = edges[i];
		struct seqmap map;

		seqmap_init(&map, edge - 1000);
		// Ten bytes were put in before the sender's byte `edge`.
		seqmap_edit(&map, edge, edge + 10);
		for (uint32_t ack = edge - 1000; ack != edge + 11; ack++)
			assert_int_equal(seqmap_to_sender(&map, ack), edge);
		assert_int_equal(seqmap_to_sender(&map, edge + 11), edge + 1);
		assert_int_equal(seqmap_to_receiver(&map, edge), edge + 10);
	}
}

static void a_block_below_the_edge_is_none_and_one_across_it_is_cut(void **state)
{
	struct seqmap map;
	uint32_t from = 900;
	uint32_t to = 1000;

	(void)state;
	seqmap_init(&map, 0);
	seqmap_edit(&map, 5000, 1000);
	assert_false(seqmap_block_to_sender(&map, &from, &to));
	to = 1001;
	assert_true(seqmap_block_to_sender(&map, &from, &to));
	assert_int_equal(from, 5000);
	assert_int_equal(to, 5001);
	from = 2000;
	to = 3000;
	assert_true(seqmap_block_to_sender(&map, &from, &to));
	assert_int_equal(from, 6000);
	assert_int_equal(to, 7000);
}

static void what_is_settled_changes_no_number_above_it(void **state)
{
	struct seqmap map;

	(void)state;
	seqmap_init(&map, 7);
	seqmap_edit(&map, 0xfffffff0, 0x10);
	for (uint32_t i = 0; i < 100; i++) {
		seqmap_settle(&map, 0xfffffff0 + i * 3);
		seqmap_settle(&map, 0xfffffff0); // of the past
		assert_int_equal(map.sender, 0xfffffff0 + i * 3);
		assert_int_equal(
			seqmap_to_receiver(&map, 0xfffffff0 + i * 3 + 5), 0x10 + i * 3 + 5);
	}
	// More than the number space goes through in all.
	for (uint64_t n = 0; n < (1ull << 34); n += 1u << 30) {
		uint32_t before = map.receiver - map.sender;

		seqmap_settle(&map, map.sender + (1u << 30));
		assert_int_equal(map.receiver - map.sender, before);
	}
}

// The model: a stream of bytes, each known by a name, and what the receiver got of it and of the engine.
#define MODEL_BYTES 4096
#define OWN (-1)

struct model {
	struct seqmap map;
	uint32_t sender_isn;
	uint32_t receiver_isn;
	int received[MODEL_BYTES]; // by number at the receiver: index at the sender, or OWN
	uint32_t received_count;
	uint32_t sent; // at the sender
	uint32_t edge; // of these, the first that is not settled
};

static void model_pass(struct model *model, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = seqmap_to_receiver(&model->map, model->sender_isn + model->sent);

		assert_int_equal(number, model->receiver_isn + model->received_count);
		model->received[model->received_count++] = (int)model->sent++;
	}
}

static void model_edit(struct model *model, uint32_t withheld, uint32_t own)
{
	model->sent += withheld;
	for (uint32_t i = 0; i < own; i++)
		model->received[model->received_count++] = OWN;
	model->edge = model->sent;
	seqmap_edit(&model->map, model->sender_isn + model->sent,
		model->receiver_isn + model->received_count);
}

// The receiver acknowledges its first n bytes: what must the sender be told?
static void model_check(const struct model *model, uint32_t n)
{
	uint32_t want = model->edge;

	for (uint32_t i = 0; i < n; i++) {
		if (model->received[i] != OWN && (uint32_t)model->received[i] + 1 > want)
			want = (uint32_t)model->received[i] + 1;
	}
	assert_int_equal(
		seqmap_to_sender(&model->map, model->receiver_isn + n), model->sender_isn + want);
}

static void numbers_are_those_of_a_receiver_that_knows_every_byte(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 2000; seed++) {
		struct random random = {seed * 0x9e3779b97f4a7c15u};
		struct model model = {.sender_isn = random_below(&random, UINT32_MAX),
			.receiver_isn = random_below(&random, UINT32_MAX)};

		seqmap_edit(&model.map, model.sender_isn, model.receiver_isn);
		for (int turn = 0; turn < 12; turn++) {
			model_pass(&model, random_below(&random, 100));
			if (random_below(&random, 2) == 0)
				model_edit(&model, random_below(&random, 90),
					random_below(&random, 60));
			if (random_below(&random, 3) == 0 && model.received_count > 0 &&
				model.received[model.received_count - 1] != OWN) {
				model.edge = model.sent;
				seqmap_settle(&model.map, model.sender_isn + model.sent);
			}
			model_check(&model, random_below(&random, model.received_count + 1));
			model_check(&model, model.received_count);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_edit_both_sides_have_the_same_numbers),
		cmocka_unit_test(
			the_sender_is_told_of_no_less_than_the_edge_and_of_nothing_it_has_not_sent),
		cmocka_unit_test(a_block_below_the_edge_is_none_and_one_across_it_is_cut),
		cmocka_unit_test(what_is_settled_changes_no_number_above_it),
		cmocka_unit_test(numbers_are_those_of_a_receiver_that_knows_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
