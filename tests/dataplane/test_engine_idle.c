// SPDX-License-Identifier: BSD-3-Clause
// Many connections that are silent, with less memory for bytes than they have said: all stay, none loses a
// packet, and each works when it is needed.
#include "dataplane/session.h"
#include "tests/support/bench.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 500u
#define PAGES 64u
#define MAIL "S: x\r\n\r\n" BENCH_EVIL "\r\n.\r\n"
#define CLEAN "S: x\r\n\r\nx\r\n.\r\n"

static struct bench bench;
static struct frames_talk *talks;
static uint32_t fed; // frames

// Each frame must leave on the other side: nobody sends it again.
static void feed(struct frames_talk *talk)
{
	for (uint32_t i = 0; i < talk->count; i++) {
		const struct frames_item *item = &talk->items[i];

		bench_feed_raw(&bench, item->side == TCP_CLIENT ? LINK_OUTSIDE : LINK_INSIDE,
			item->data, item->bytes);
		free(item->data);
		fed++;
	}
	talk->count = 0;
}

static void open_one(uint32_t i)
{
	struct frames_talk *talk = &talks[i];

	frames_talk_init(talk, 4, (uint16_t)(1024 + i));
	talk->address.address[0][2] = (uint8_t)(i % 200);
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mx\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO c\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mx\r\n250 CHUNKING\r\n");
	feed(talk);
}

static void envelope(struct frames_talk *talk)
{
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@x>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@y>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "DATA\r\n");
	frames_talk_text(talk, TCP_SERVER, "354 go\r\n");
	feed(talk);
}

static void begin(void)
{
	struct engine_options options;

	bench_options(&options);
	options.max_connections = CONNECTIONS + 8;
	options.max_pages = PAGES;
	bench_init(&bench, 4, &options);
	bench.several = true;
	fed = 0;
	talks = calloc(CONNECTIONS, sizeof(*talks));
	assert_non_null(talks);
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		open_one(i);
}

static void finish(void)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		frames_talk_free(&talks[i]);
	free(talks);
	bench_finish(&bench);
}

static void expect_nothing_lost(void)
{
	const struct counters *counters = engine_counters(bench.engine);

	assert_int_equal(counters->dropped_memory, 0);
	assert_int_equal(counters->dropped_tcp, 0);
	assert_int_equal(counters->dropped_flow_table, 0);
	assert_int_equal(bench.others, fed);
	assert_int_equal(engine_open_connections(bench.engine), CONNECTIONS);
}

// No time passes: nobody has been silent for long.
static void pages_go_round_among_connections_that_are_silent(void **state)
{
	uint32_t random = 1;

	(void)state;
	begin();
	expect_nothing_lost();
	// Some of them send mails, in any order.
	for (uint32_t i = 0; i < 200; i++) {
		struct frames_talk *talk =
			&talks[(random = random * 1664525 + 1013904223) % CONNECTIONS];

		envelope(talk);
		frames_talk_text(talk, TCP_CLIENT, CLEAN);
		frames_talk_text(talk, TCP_SERVER, "250 taken\r\n");
		feed(talk);
	}
	expect_nothing_lost();
	assert_int_equal(engine_counters(bench.engine)->messages_delivered, 200);
	// And each is looked at as ever.
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct frames_talk *talk = &talks[i];

		envelope(talk);
		frames_talk_segment(talk, TCP_CLIENT, talk->next[TCP_CLIENT],
			TCP_FLAG_ACK | TCP_FLAG_PSH, MAIL, sizeof(MAIL) - 1);
		feed(talk);
		assert_int_equal(engine_counters(bench.engine)->messages_infected, i + 1);
		// Its takeover ends with the connection.
		talk->next[TCP_CLIENT] += sizeof(MAIL) - 1;
		frames_talk_segment(talk, TCP_CLIENT, talk->next[TCP_CLIENT],
			TCP_FLAG_RST | TCP_FLAG_ACK, "", 0);
		feed(talk);
		bench_pass(&bench, 1);
	}
	assert_int_equal(engine_counters(bench.engine)->messages_delivered, 200);
	assert_int_equal(engine_counters(bench.engine)->dropped_memory, 0);
	finish();
}

// Where memory is not scarce they wait a second, then all is given back.
static void who_is_silent_for_long_holds_no_page(void **state)
{
	(void)state;
	begin();
	bench_pass(&bench, 990);
	assert_true(stream_pool_free_pages(bench.engine->pages) < PAGES);
	bench_pass(&bench, 200);
	assert_int_equal(stream_pool_free_pages(bench.engine->pages), PAGES);
	expect_nothing_lost();
	// Again, after each use.
	for (uint32_t i = 0; i < 20; i++) {
		frames_talk_text(&talks[i], TCP_CLIENT, "NOOP\r\n");
		frames_talk_text(&talks[i], TCP_SERVER, "250 ok\r\n");
		feed(&talks[i]);
	}
	assert_int_equal(stream_pool_free_pages(bench.engine->pages), PAGES - 40);
	bench_pass(&bench, 1200);
	assert_int_equal(stream_pool_free_pages(bench.engine->pages), PAGES);
	expect_nothing_lost();
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_go_round_among_connections_that_are_silent),
		cmocka_unit_test(who_is_silent_for_long_holds_no_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
