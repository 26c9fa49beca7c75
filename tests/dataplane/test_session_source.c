// SPDX-License-Identifier: BSD-3-Clause
// A limit to the connections of one client: who is over it waits for its turn, nobody else notices.
#include "dataplane/session.h"
#include "tests/support/bench.h"
#include "tests/support/replayed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAIL "S: x\r\n\r\n" BENCH_EVIL "\r\n.\r\n"
#define CLEAN "Subject: x\r\n\r\nx\r\n"

static struct bench bench;

static void begin(uint8_t family, uint32_t most)
{
	struct engine_options options;

	bench_options(&options);
	options.max_per_source = most;
	bench_init(&bench, family, &options);
	bench.several = true;
}

static uint64_t refused(void)
{
	return engine_counters(bench.engine)->source_refused;
}

static void expect_refusal_of_mail(void)
{
	bench_to_body(&bench);
	bench_say(&bench, TCP_CLIENT, MAIL);
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_true(bench_client_has(&bench, "554 5.7.1"));
}

static void one_more_than_the_limit_waits_for_its_turn(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		begin(family, 2);
		bench_open(&bench);
		bench_switch(&bench, 1);
		bench_open(&bench);
		bench_switch(&bench, 2);
		for (uint32_t i = 0; i < 3; i++)
			bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
		assert_int_equal(bench.view[TCP_SERVER]->frames, 0);
		assert_int_equal(bench.view[TCP_CLIENT]->frames, 0);
		assert_int_equal(refused(), 3);
		// One of the others ends.
		bench_switch(&bench, 1);
		bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST, "");
		bench_switch(&bench, 2);
		expect_refusal_of_mail();
		assert_int_equal(refused(), 3);
		bench_finish(&bench);
	}
}

// At once, though its slot stays for a while.
static void a_connection_that_closed_counts_no_more(void **state)
{
	(void)state;
	begin(4, 1);
	for (uint32_t i = 0; i < BENCH_CONNECTIONS; i++) {
		bench_switch(&bench, i);
		bench_open(&bench);
		assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
		frames_talk_close(&bench.talk, i % 2 == 0 ? TCP_CLIENT : TCP_SERVER);
		bench_feed(&bench);
	}
	assert_int_equal(refused(), 0);
	assert_int_equal(engine_counters(bench.engine)->connections, BENCH_CONNECTIONS);
	bench_finish(&bench);
}

static void a_client_that_is_taken_over_counts_to_its_end(void **state)
{
	(void)state;
	begin(4, 1);
	expect_refusal_of_mail();
	bench_switch(&bench, 1);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
	assert_int_equal(refused(), 1);
	bench_switch(&bench, 0);
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_RST | TCP_FLAG_ACK, "");
	bench_pass(&bench, 20);
	bench_switch(&bench, 1);
	bench_open(&bench);
	assert_int_equal(refused(), 1);
	bench_finish(&bench);
}

// byte: of the client's address, that differs.
static void open_another(uint32_t connection, uint32_t byte)
{
	bench_switch(&bench, connection);
	bench.talk.address.address[0][byte] ^= 0x40;
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
}

static void sources_are_addresses_and_networks(void **state)
{
	(void)state;
	begin(4, 1);
	bench_open(&bench);
	open_another(1, 3);
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	open_another(2, 0);
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	assert_int_equal(refused(), 0);
	bench_finish(&bench);
	begin(6, 1);
	bench_open(&bench);
	open_another(1, 15);
	open_another(2, 8);
	assert_int_equal(refused(), 2);
	open_another(3, 7);
	assert_int_equal(bench.view[TCP_SERVER]->syns, 1);
	assert_int_equal(refused(), 2);
	bench_finish(&bench);
}

// Whoever sends them need not be who they name.
static void syns_alone_take_nothing_from_a_source(void **state)
{
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.flags = TCP_FLAG_SYN, .window = 1000};

	(void)state;
	begin(4, 1);
	for (uint32_t i = 0; i < 100; i++) {
		frames_address(&spec.address, 4, (uint16_t)(2000 + i));
		spec.seq = i * 77777;
		bench_feed_raw(&bench, LINK_OUTSIDE, frame, frames_tcp(frame, &spec));
	}
	assert_int_equal(refused(), 0);
	expect_refusal_of_mail();
	bench_finish(&bench);
}

static void who_is_established_too_late_is_reset(void **state)
{
	(void)state;
	begin(4, 1);
	for (uint32_t i = 0; i < 2; i++) {
		bench_switch(&bench, i);
		bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_SYN, "");
		bench.talk.next[TCP_CLIENT]++;
		bench_segment(&bench, TCP_SERVER, 0, TCP_FLAG_SYN | TCP_FLAG_ACK, "");
		bench.talk.next[TCP_SERVER]++;
	}
	for (uint32_t i = 0; i < 2; i++) {
		bench_switch(&bench, i);
		bench_ack(&bench, TCP_CLIENT);
		assert_int_equal(bench.view[TCP_SERVER]->resets, i);
		assert_int_equal(bench.view[TCP_CLIENT]->resets, i);
	}
	assert_int_equal(refused(), 1);
	// What it says now goes nowhere.
	bench_say(&bench, TCP_CLIENT, "EHLO c\r\n");
	assert_false(bench_server_has(&bench, "EHLO"));
	bench_finish(&bench);
}

static void clients_inside_are_not_limited(void **state)
{
	(void)state;
	begin(4, 1);
	for (uint32_t i = 0; i < 3; i++) {
		struct frames_talk talk;

		frames_talk_init(&talk, 4, (uint16_t)(2000 + i));
		frames_talk_open(&talk);
		frames_talk_text(&talk, TCP_SERVER, "220 mx\r\n");
		for (uint32_t k = 0; k < talk.count; k++)
			bench_feed_raw(&bench,
				talk.items[k].side == TCP_CLIENT ? LINK_INSIDE : LINK_OUTSIDE,
				talk.items[k].data, talk.items[k].bytes);
		frames_talk_free(&talk);
	}
	assert_int_equal(refused(), 0);
	assert_int_equal(engine_counters(bench.engine)->connections, 3);
	bench_finish(&bench);
}

// ---- of a capture -------------------------------------------------------------------------------

// Three mails of one client over three connections, frame by frame in turn.
static void write_capture(struct replayed *replayed)
{
	struct frames_talk talks[3];
	struct frames_item items[1024];
	uint32_t count = 0;
	bool more = true;

	for (uint32_t i = 0; i < 3; i++) {
		frames_talk_init(&talks[i], 4, (uint16_t)(2000 + i));
		frames_talk_mail(&talks[i], CLEAN, strlen(CLEAN));
	}
	for (uint32_t at = 0; more; at++) {
		more = false;
		for (uint32_t i = 0; i < 3; i++) {
			if (at >= talks[i].count)
				continue;
			assert_true(count < 1024);
			items[count++] = talks[i].items[at];
			more = true;
		}
	}
	replayed_write(replayed, items, count);
	for (uint32_t i = 0; i < 3; i++)
		frames_talk_free(&talks[i]);
}

static void a_replay_has_the_limit_of_its_configuration(void **state)
{
	struct replayed *replayed = *state;
	char config[80];

	write_capture(replayed);
	(void)snprintf(config, sizeof(config), "%s/limits.yaml", replayed->folder);
	replayed->config = config;
	for (uint32_t most = 0; most <= 3; most++) {
		FILE *file = fopen(config, "we");

		assert_non_null(file);
		(void)fprintf(file, "limits: {max_per_source: %u}\n", most);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(replayed_run(replayed, replayed->input, NULL), 0);
		assert_int_equal(replayed->stats.messages, most == 0 ? 3 : most);
	}
	(void)unlink(config);
	replayed->config = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_more_than_the_limit_waits_for_its_turn),
		cmocka_unit_test(a_connection_that_closed_counts_no_more),
		cmocka_unit_test(a_client_that_is_taken_over_counts_to_its_end),
		cmocka_unit_test(sources_are_addresses_and_networks),
		cmocka_unit_test(syns_alone_take_nothing_from_a_source),
		cmocka_unit_test(who_is_established_too_late_is_reset),
		cmocka_unit_test(clients_inside_are_not_limited),
		cmocka_unit_test_setup_teardown(a_replay_has_the_limit_of_its_configuration,
			replayed_setup, replayed_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
