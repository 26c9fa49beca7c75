// SPDX-License-Identifier: BSD-3-Clause
// Frames in bursts: what leaves, and what is counted, is what it is when they come one by one.
#include "dataplane/engine.h"
#include "tests/support/bench.h"
#include "tests/support/outputs.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TALKS 60u
#define AT_ONCE 10u
#define CLEAN "Subject: x\r\n\r\nnothing to see\r\n"
#define INFECTED "Subject: x\r\n\r\n" BENCH_EVIL "\r\n"

struct item {
	const uint8_t *data;
	uint32_t bytes;
	uint32_t link;
	enum link_side side;
};

static struct frames_talk *talks;

static void take_frame(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct output *output = ctx;
	uint8_t head[2] = {(uint8_t)link, (uint8_t)side};

	output_append(output, head, sizeof(head));
	output_append(output, frame->data, frame->bytes);
	output->frames++;
	free(frame->data);
}

static void take_mail(void *ctx, const struct mail_record *record)
{
	struct output *output = ctx;

	output_append(output, record->action, strlen(record->action));
	output_append(output, &record->session, sizeof(record->session));
	output->mails++;
}

static void take_session(void *ctx, const struct session_record *record)
{
	struct output *output = ctx;

	output_append(output, record->why, strlen(record->why));
	output->sessions++;
}

static struct engine *make_engine(const struct ruleset *ruleset, struct output *output)
{
	const struct engine_ops ops = {.ctx = output,
		.alloc = output_give_frame,
		.free = output_drop_frame,
		.send = take_frame,
		.mail = take_mail,
		.session = take_session};
	struct engine_options options;
	struct engine *engine = NULL;

	bench_options(&options);
	options.max_connections = 48; // fewer than come: slots are taken and given within a burst
	options.max_half_open = 8;
	memset(output, 0, sizeof(*output));
	assert_int_equal(engine_new(&options, &ops, ruleset, &engine), 0);
	return engine;
}

static struct frame copy_of(const struct item *item)
{
	struct frame frame = {malloc(OUTPUT_FRAME_ROOM), item->bytes, OUTPUT_FRAME_ROOM, NULL};

	assert_non_null(frame.data);
	memcpy(frame.data, item->data, item->bytes);
	return frame;
}

static void make_talks(void)
{
	for (uint32_t i = 0; i < TALKS; i++) {
		const char *mail = i % 5 == 0 ? INFECTED : CLEAN;

		// Each two differ by their links alone. Some use the ports of others before them; some are no SMTP.
		frames_talk_init(&talks[i], i / 2 % 3 == 0 ? 6 : 4, (uint16_t)(30000 + i / 2 % 20));
		talks[i].tag_ids[0] = i / 2 % 7 == 0 ? 12 : 0;
		if (i % 11 == 0)
			talks[i].address.port_be[1] = 0x5000;
		for (int side = 0; side < 2; side++)
			talks[i].next[side] += i * 100000;
		frames_talk_mail(&talks[i], mail, strlen(mail));
	}
}

// The next frame of one of the first conversations that are not over; now and then one that is cut short.
static bool next_item(uint32_t *at, uint32_t *random, struct item *out)
{
	uint32_t number = (*random = *random * 1664525 + 1013904223) >> 8;
	uint32_t skip = number % AT_ONCE;

	for (uint32_t i = 0; i < 2 * TALKS; i++) {
		uint32_t which = i % TALKS;
		const struct frames_item *item;

		if (at[which] == talks[which].count || skip-- > 0)
			continue;
		item = &talks[which].items[at[which]++];
		*out = (struct item){item->data, item->bytes, which % 2,
			item->side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE};
		if (number % 997 == 0)
			out->bytes = out->bytes / 2;
		return true;
	}
	return false;
}

static void expect_same(
	struct engine *one, struct engine *other, const struct output *a, const struct output *b)
{
	assert_int_equal(a->frames, b->frames);
	assert_int_equal(a->mails, b->mails);
	assert_int_equal(a->sessions, b->sessions);
	assert_int_equal(a->bytes, b->bytes);
	assert_memory_equal(a->data, b->data, a->bytes);
	assert_memory_equal(engine_counters(one), engine_counters(other), sizeof(struct counters));
}

static void one_round(const struct ruleset *ruleset, uint32_t random)
{
	struct output outputs[2];
	struct engine *one = make_engine(ruleset, &outputs[0]);
	struct engine *many = make_engine(ruleset, &outputs[1]);
	uint32_t at[TALKS] = {0};
	uint64_t now_ns = 1000000000;
	bool more = true;

	while (more) {
		struct engine_frame burst[ENGINE_BURST];
		uint32_t wanted = 1 + (random >> 5) % ENGINE_BURST;
		uint32_t count = 0;
		struct item item;

		while (count < wanted && (more = next_item(at, &random, &item))) {
			struct frame frame = copy_of(&item);

			burst[count++] =
				(struct engine_frame){copy_of(&item), item.link, item.side};
			engine_input(one, item.link, item.side, &frame, now_ns);
		}
		engine_input_burst(many, burst, count, now_ns);
		now_ns += 100000;
		engine_tick(one, now_ns);
		engine_tick(many, now_ns);
	}
	engine_stop(one, now_ns);
	engine_stop(many, now_ns);
	assert_true(outputs[0].frames > 500 && outputs[0].mails > 10);
	expect_same(one, many, &outputs[0], &outputs[1]);
	engine_free(one);
	engine_free(many);
	free(outputs[0].data);
	free(outputs[1].data);
}

static void a_burst_does_what_its_frames_do(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, 4, NULL); // for its rules
	talks = calloc(TALKS, sizeof(*talks));
	assert_non_null(talks);
	make_talks();
	for (uint32_t round = 0; round < 20; round++)
		one_round(bench.ruleset, round * 77777 + 1);
	for (uint32_t i = 0; i < TALKS; i++)
		frames_talk_free(&talks[i]);
	free(talks);
	bench_finish(&bench);
}

static void an_empty_burst_is_nothing(void **state)
{
	struct bench bench;
	struct output output;
	struct engine *engine;

	(void)state;
	bench_init(&bench, 4, NULL);
	engine = make_engine(bench.ruleset, &output);
	engine_input_burst(engine, NULL, 0, 1);
	assert_int_equal(output.frames, 0);
	engine_free(engine);
	bench_finish(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_does_what_its_frames_do),
		cmocka_unit_test(an_empty_burst_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
