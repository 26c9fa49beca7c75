// SPDX-License-Identifier: BSD-3-Clause
// How connections begin, begin again and crowd each other: simultaneous open, ports used again, floods,
// and every kind of memory running out.
#include "dataplane/session.h"
#include "tests/support/bench.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAIL "S: x\r\n\r\n" BENCH_EVIL "\r\n.\r\n"
#define CLEAN "S: x\r\n\r\nx\r\n.\r\n"

static struct bench bench;

static void expect_refusal(void)
{
	bench_say(&bench, TCP_CLIENT, MAIL);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_true(bench_client_has(&bench, "554 5.7.1"));
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
}

// The client's numbers are new, the server's too.
static void renumber(void)
{
	for (int i = 0; i < 2; i++) {
		bench.talk.next[i] += 0x10000000;
		memset(bench.view[i], 0, sizeof(*bench.view[i]));
	}
}

static void both_may_open_at_once(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		enum tcp_side one = first == 0 ? TCP_CLIENT : TCP_SERVER;
		uint32_t *next = bench.talk.next;

		bench_init(&bench, 4, NULL);
		bench_segment(&bench, one, 0, TCP_FLAG_SYN, "");
		bench_segment(&bench, tcp_other(one), 0, TCP_FLAG_SYN, "");
		for (int i = 0; i < 2; i++) {
			next[i]++;
			bench.view[tcp_other((enum tcp_side)i)]->base = next[i];
		}
		for (int i = 0; i < 2; i++)
			bench_segment(
				&bench, (enum tcp_side)i, -1, TCP_FLAG_SYN | TCP_FLAG_ACK, "");
		bench_ack(&bench, TCP_CLIENT);
		bench_ack(&bench, TCP_SERVER);
		bench_say(&bench, TCP_SERVER, "220 mx\r\n");
		bench_say(&bench, TCP_CLIENT, "HELO c\r\n");
		bench_say(&bench, TCP_SERVER, "250 mx\r\n");
		bench_say(&bench, TCP_CLIENT, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
		bench_say(&bench, TCP_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n");
		expect_refusal();
		bench_finish(&bench);
	}
}

static void a_new_syn_opens_anew_while_half_open(void **state)
{
	(void)state;
	bench_init(&bench, 4, NULL);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
	renumber();
	bench_to_body(&bench);
	expect_refusal();
	bench_finish(&bench);
}

static void a_new_syn_on_an_open_connection_is_challenged_then_opens(void **state)
{
	struct bench_view *client;

	(void)state;
	bench_begin(&bench, 4);
	client = bench.view[TCP_CLIENT];
	bench_segment(&bench, TCP_CLIENT, 0x10000000, TCP_FLAG_SYN, "");
	assert_int_equal(client->last_ack, bench.talk.next[TCP_CLIENT]);
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST, "");
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	renumber();
	bench_to_body(&bench);
	expect_refusal();
	bench_finish(&bench);
}

static void ports_are_used_again_after_a_close_and_after_a_reset(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		bench_begin(&bench, 4);
		if (how == 0)
			frames_talk_close(&bench.talk, TCP_CLIENT);
		else
			frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
				TCP_FLAG_RST, NULL, 0);
		bench_feed(&bench);
		renumber();
		bench_to_body(&bench);
		expect_refusal();
		bench_finish(&bench);
	}
}

static void ports_are_used_again_in_and_after_a_takeover(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		bench_begin(&bench, 4);
		expect_refusal();
		bench.talk.next[TCP_SERVER] += (uint32_t)how; // whatever it has read
		if (how == 0) {
			uint32_t frames = bench.view[TCP_CLIENT]->frames;

			bench_pass(&bench, 50);
			bench_segment(&bench, TCP_CLIENT, 0x10000000, TCP_FLAG_SYN, "");
			assert_int_equal(bench.view[TCP_CLIENT]->frames, frames + 1);
			assert_int_equal(
				bench.view[TCP_CLIENT]->last_ack, bench.talk.next[TCP_CLIENT]);
		}
		bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST, "");
		renumber();
		bench_to_body(&bench);
		expect_refusal();
		bench_finish(&bench);
	}
}

// Opens nothing: a data segment out of the blue.
static void out_of_the_blue(enum policy_midstream policy)
{
	struct engine_options options;

	bench_options(&options);
	options.policy[0].midstream = policy;
	options.policy[1].midstream = policy;
	bench_init(&bench, 4, &options);
	bench.view[TCP_SERVER]->base = bench.talk.next[TCP_CLIENT];
	bench.view[TCP_CLIENT]->base = bench.talk.next[TCP_SERVER];
	bench_say(&bench, TCP_CLIENT, MAIL);
}

static void midstream_is_reset_dropped_or_passed_by_policy(void **state)
{
	(void)state;
	out_of_the_blue(MIDSTREAM_RESET);
	assert_int_equal(bench.view[TCP_CLIENT]->resets, 1);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	assert_int_equal(bench.view[TCP_CLIENT]->last_seq, bench.talk.next[TCP_SERVER]);
	assert_false(bench_server_has(&bench, "evil"));
	bench_finish(&bench);

	out_of_the_blue(MIDSTREAM_DROP);
	assert_int_equal(bench.view[TCP_CLIENT]->frames + bench.view[TCP_SERVER]->frames, 0);
	bench_finish(&bench);

	out_of_the_blue(MIDSTREAM_PASS);
	assert_true(bench_server_has(&bench, "evil"));
	// What is passed uninspected does not stand in the way of a new connection.
	bench_ack(&bench, TCP_SERVER);
	bench_segment(&bench, TCP_CLIENT, 0x10000000, TCP_FLAG_SYN, "");
	assert_int_equal(bench.view[TCP_CLIENT]->last_ack, bench.talk.next[TCP_CLIENT]);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST, "");
	assert_int_equal(bench.sessions, 0);
	renumber();
	bench_to_body(&bench);
	assert_int_equal(bench.sessions, 1);
	assert_false(bench.inspected);
	expect_refusal();
	bench_finish(&bench);
}

static void flood(uint32_t syns)
{
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.flags = TCP_FLAG_SYN, .window = 1000};

	for (uint32_t i = 0; i < syns; i++) {
		frames_address(&spec.address, 4, (uint16_t)(1024 + i % 60000));
		spec.address.address[0][1] = (uint8_t)(i >> 8);
		spec.address.address[0][2] = (uint8_t)i;
		spec.seq = i * 77777;
		bench_feed_raw(&bench, LINK_OUTSIDE, frame, frames_tcp(frame, &spec));
	}
}

static void a_flood_of_syns_leaves_open_connections_alone(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	flood(5000);
	assert_true(engine_counters(bench.engine)->half_open_evicted > 4000);
	expect_refusal();
	// And one more can open in the middle of it.
	bench_switch(&bench, 1);
	bench_to_body(&bench);
	expect_refusal();
	bench_finish(&bench);
}

// The client asks again: neither side may be told that there is nothing.
static void a_connection_that_a_flood_displaced_opens_all_the_same(void **state)
{
	uint32_t *next = bench.talk.next;

	(void)state;
	bench_init(&bench, 4, NULL);
	bench.several = true;
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
	flood(100);
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	next[TCP_CLIENT]++;
	bench_segment(&bench, TCP_SERVER, 0, TCP_FLAG_SYN | TCP_FLAG_ACK, "");
	assert_int_equal(bench.view[TCP_CLIENT]->frames, 0);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 0);
	bench_segment(&bench, TCP_CLIENT, -1, TCP_FLAG_SYN, "");
	bench_segment(&bench, TCP_SERVER, 0, TCP_FLAG_SYN | TCP_FLAG_ACK, "");
	assert_int_equal(bench.view[TCP_CLIENT]->syns, 1);
	next[TCP_SERVER]++;
	for (int i = 0; i < 2; i++)
		bench.view[tcp_other((enum tcp_side)i)]->base = next[i];
	bench_ack(&bench, TCP_CLIENT);
	bench_say(&bench, TCP_SERVER, "220 mx\r\n");
	bench_say(&bench, TCP_CLIENT, "HELO c\r\n");
	bench_say(&bench, TCP_SERVER, "250 mx\r\n");
	bench_say(&bench, TCP_CLIENT, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	bench_say(&bench, TCP_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n");
	expect_refusal();
	bench_finish(&bench);
}

static void a_full_table_lets_nothing_pass(void **state)
{
	struct engine_options options;

	(void)state;
	bench_options(&options);
	options.max_connections = 2;
	options.max_half_open = 2;
	bench_begin_with(&bench, 4, &options);
	bench_switch(&bench, 1);
	bench_to_body(&bench);
	bench_switch(&bench, 2);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
	assert_int_equal(bench.view[TCP_SERVER]->syns, 0);
	assert_int_equal(engine_counters(bench.engine)->dropped_flow_table, 1);
	for (uint32_t i = 0; i < 2; i++) {
		bench_switch(&bench, i);
		expect_refusal();
	}
	bench_finish(&bench);
}

// Fills pages with bytes that have to wait: a line end first, out of order.
static uint32_t hoard(uint32_t segments)
{
	static char text[1401];

	memset(text, 'h', sizeof(text) - 1);
	text[0] = '\n';
	for (uint32_t i = 0; i < segments; i++)
		bench_client(&bench, 3000 + (int32_t)i * 1400, text);
	return stream_pool_free_pages(bench.engine->pages);
}

static void pages_run_out_and_come_back(void **state)
{
	struct engine_options options;
	uint32_t free_pages = 0;

	(void)state;
	bench_options(&options);
	options.max_pages = 128;
	bench_begin_with(&bench, 4, &options);
	for (uint32_t i = 1; i < 6; i++) {
		bench_switch(&bench, i);
		bench_to_body(&bench);
		free_pages = hoard(42);
	}
	// There is something left for those that come in order: nobody has to wait for the hoarders.
	assert_true(free_pages >= 4 && free_pages < 16);
	assert_true(engine_counters(bench.engine)->dropped_memory > 0);
	bench_switch(&bench, 0);
	expect_refusal();
	// A hoarder that fills its hole goes on.
	bench_switch(&bench, 1);
	{
		char filler[3001];

		memset(filler, 'f', sizeof(filler) - 1);
		filler[3000] = '\0';
		memcpy(filler, "S: x\r\n\r\n" BENCH_EVIL, 38);
		bench_client(&bench, 0, filler);
		assert_true(bench_server_has(&bench, "ff\nhh"));
	}
	bench_finish(&bench);
}

static void without_a_page_nothing_passes_and_nothing_hangs(void **state)
{
	struct engine_options options;

	(void)state;
	bench_options(&options);
	options.max_pages = 6;
	bench_begin_with(&bench, 4, &options);
	// What was acknowledged is given back: what fills the pages is not.
	for (uint32_t i = 1; i < 7; i++) {
		bench_switch(&bench, i);
		bench_open(&bench);
		bench_say(&bench, TCP_SERVER, "220 mx\r\n");
		bench_say(&bench, TCP_CLIENT, "EHLO c\r\n");
		bench_client(&bench, 0, "held behind EHLO");
	}
	assert_int_equal(stream_pool_free_pages(bench.engine->pages), 0);
	bench_switch(&bench, 0);
	bench_pass(&bench, 1500);
	bench_switch(&bench, 7);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
	for (uint32_t i = 1; i < 7; i++) {
		bench_switch(&bench, i);
		bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST, "");
	}
	bench_pass(&bench, 12000);
	assert_true(stream_pool_free_pages(bench.engine->pages) >= 4);
	bench_switch(&bench, 0);
	expect_refusal();
	bench_finish(&bench);
}

static void begin_with_messages(uint32_t messages, enum policy_action unscannable)
{
	struct engine_options options;

	bench_options(&options);
	options.scan.max_messages = messages;
	options.policy[DIRECTION_INBOUND].unscannable = unscannable;
	bench_begin_with(&bench, 4, &options);
}

static void without_a_scanner_the_sender_keeps_the_mail(void **state)
{
	(void)state;
	begin_with_messages(1, POLICY_TEMPFAIL); // the first one has it
	bench_switch(&bench, 1);
	bench_to_body(&bench);
	bench_say(&bench, TCP_CLIENT, CLEAN);
	assert_int_equal(bench.verdict, VERDICT_UNSCANNABLE);
	assert_string_equal(bench.action, "tempfail");
	assert_true(bench_client_has(&bench, "451 4.7.1"));
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_finish(&bench);
}

static void without_memory_for_a_message_the_policy_decides(void **state)
{
	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		begin_with_messages(1, pass ? POLICY_DELIVER : POLICY_TEMPFAIL);
		for (uint32_t i = 1; i < 4; i++) { // four blocks: one has gone
			bench_switch(&bench, i);
			bench_open(&bench);
			bench_say(&bench, TCP_SERVER, "220 mx\r\n");
			bench_say(&bench, TCP_CLIENT, "MAIL FROM:<a@x>\r\n");
		}
		bench_switch(&bench, 5);
		bench_to_body(&bench);
		bench_say(&bench, TCP_CLIENT, "S: x\r\n\r\nx\r\n.\r");
		bench_say(&bench, TCP_CLIENT, "\n");
		assert_int_equal(bench_server_has(&bench, "\r\n.\r\n"), pass);
		assert_int_equal(bench_client_has(&bench, "451 4.3.2"), !pass);
		assert_int_equal(engine_counters(bench.engine)->messages_unscannable, 1);
		bench_finish(&bench);
	}
}

static void without_a_takeover_both_sides_are_reset(void **state)
{
	(void)state;
	begin_with_messages(1, POLICY_TEMPFAIL);
	expect_refusal(); // has the only one
	bench_switch(&bench, 1);
	bench_to_body(&bench);
	bench_say(&bench, TCP_CLIENT, MAIL);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_int_equal(bench.view[TCP_CLIENT]->resets, 1);
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_client(&bench, 0, "more");
	assert_false(bench_server_has(&bench, "more"));
	bench_finish(&bench);
}

static void without_frames_nothing_passes(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	bench.no_frames = true;
	bench_say(&bench, TCP_CLIENT, MAIL);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench.no_frames = false;
	bench_pass(&bench, 5000); // the answer is repeated
	assert_true(bench_client_has(&bench, "554 5.7.1"));
	assert_true(bench.view[TCP_SERVER]->resets > 0);
	bench_finish(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_may_open_at_once),
		cmocka_unit_test(a_new_syn_opens_anew_while_half_open),
		cmocka_unit_test(a_new_syn_on_an_open_connection_is_challenged_then_opens),
		cmocka_unit_test(ports_are_used_again_after_a_close_and_after_a_reset),
		cmocka_unit_test(ports_are_used_again_in_and_after_a_takeover),
		cmocka_unit_test(midstream_is_reset_dropped_or_passed_by_policy),
		cmocka_unit_test(a_flood_of_syns_leaves_open_connections_alone),
		cmocka_unit_test(a_connection_that_a_flood_displaced_opens_all_the_same),
		cmocka_unit_test(a_full_table_lets_nothing_pass),
		cmocka_unit_test(pages_run_out_and_come_back),
		cmocka_unit_test(without_a_page_nothing_passes_and_nothing_hangs),
		cmocka_unit_test(without_a_scanner_the_sender_keeps_the_mail),
		cmocka_unit_test(without_memory_for_a_message_the_policy_decides),
		cmocka_unit_test(without_a_takeover_both_sides_are_reset),
		cmocka_unit_test(without_frames_nothing_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
