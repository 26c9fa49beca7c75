// SPDX-License-Identifier: BSD-3-Clause
// The engine in the server's place, in every circumstance: whatever the network and the two ends do,
// no infected mail is ever complete at the server, the client gets its answer if it can be reached at
// all, and all memory comes back.
#include "dataplane/takeover.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdlib.h>
#include <string.h>

#define EVIL "the-quick-evil-fox-of-the-test"
// The same text in hexadecimal.
#define RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"
#define MAIL "Subject: x\r\n\r\n" EVIL "\r\n.\r\n"
#define MESSAGES 4

static struct world world;

static void begin(uint64_t seed)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = MESSAGES;
	world_init(&world, &options, seed % 3 == 0 ? 6 : 4, RULES, seed);
}

// Up to the reply to DATA.
static void begin_body(void)
{
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
}

static void finish(void)
{
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.client.bad_frames + world.server.bad_frames, 0);
	assert_int_equal(world.client.conflicts + world.server.conflicts, 0);
	world_fini(&world);
}

static bool is_over(struct world *at, uint32_t value)
{
	(void)value;
	return at->client.reset || (at->client.fin_received && at->client.fin_acked);
}

static bool is_server_reset(struct world *at, uint32_t value)
{
	(void)value;
	return at->server.reset;
}

static uint32_t takeovers(void)
{
	return MESSAGES - takeover_pool_free(world.engine->takeovers);
}

static bool has_reply(const char *code)
{
	for (uint32_t i = 0; i < world.replies_count; i++) {
		if (strncmp(world.replies[i], code, 3) == 0)
			return true;
	}
	return false;
}

// What happens round the end of data, by seed.
enum turn {
	TURN_PLAIN,
	TURN_QUIT_PIPELINED,
	TURN_FIN_WITH_END,
	TURN_QUIT_AND_FIN,
	TURN_SERVER_CLOSES,
	TURN_SERVER_RESETS,
	TURN_SERVER_421,
	TURN_CLIENT_VANISHES,
	TURNS
};

static void set_faults(uint64_t seed)
{
	static const size_t windows[] = {65535, 9000, 1500, 300};
	static const uint32_t drops[] = {0, 20, 60, 120};
	static const uint32_t jitters[] = {0, 200, 3000};
	static const uint16_t sizes[] = {1448, 536, 7, 1, 99};

	world.faults = (struct world_faults){
		drops[seed / TURNS % 4], seed / 32 % 2 ? 40 : 0, 100, jitters[seed / 64 % 3]};
	world.client.mss = sizes[seed / 5 % 5];
	// One byte after the other, each lost by itself, takes hours.
	if (world.faults.drop >= 60 && world.client.mss < 99)
		world.client.mss = 99;
	world.server.window = windows[seed / 3 % 4];
	world.client.window = windows[seed / 13 % 4];
	world.client.timestamps = seed % 7 != 0;
	world.server.timestamps = seed % 11 != 0;
}

static void write_text(const char *text)
{
	peer_write(&world.client, text, strlen(text));
}

static bool has_broken(struct world *at, uint32_t value)
{
	(void)value;
	return at->server_broke;
}

static void send_body(enum turn turn, uint64_t seed)
{
	char *body;
	size_t n = world_make_body(world.client.mss < 50 ? 600 : 20000, seed, &body);

	if (turn >= TURN_SERVER_CLOSES && turn <= TURN_SERVER_421) {
		world.server_break = WORLD_CLOSES + (enum world_break)(turn - TURN_SERVER_CLOSES);
		world.server_break_at = n / 10;
	}
	memcpy(body + n / 2, EVIL, sizeof(EVIL) - 1);
	peer_write(&world.client, body, n / 3);
	if (world.server_break != WORLD_NO_BREAK)
		assert_true(world_run(&world, has_broken, 0, 60000));
	peer_write(&world.client, body + n / 3, n - n / 3);
	if (turn == TURN_QUIT_PIPELINED || turn == TURN_QUIT_AND_FIN)
		write_text("QUIT\r\n");
	if (turn == TURN_FIN_WITH_END || turn == TURN_QUIT_AND_FIN)
		peer_close(&world.client);
	free(body);
}

static void one_turn(uint64_t seed)
{
	enum turn turn = (enum turn)(seed % TURNS);

	begin(seed);
	set_faults(seed);
	begin_body();
	send_body(turn, seed);
	if (turn == TURN_PLAIN) {
		assert_true(world_say(&world, "", 1));
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_true(has_reply("221"));
	} else if (turn == TURN_CLIENT_VANISHES) {
		world_pass(&world, (uint32_t)(seed * 7 % 300));
		world.client.stopped = true;
		world_pass(&world, 800000);
		assert_int_equal(takeovers(), 0);
		finish();
		return;
	}
	assert_true(world_run(&world, is_over, 0, 3000000));
	if (turn < TURN_SERVER_CLOSES)
		assert_true(has_reply("554"));
	// The last acknowledgement may be lost: then the engine gives up in its time.
	world_pass(&world, 300000);
	assert_int_equal(takeovers(), 0);
	finish();
}

static void no_infected_mail_arrives_whatever_happens(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++)
		one_turn(seed);
}

static bool is_reset_to_server(struct world *at, enum link_side side, const struct packet *packet)
{
	(void)at;
	return side == LINK_INSIDE && (packet->tcp.flags & TCP_FLAG_RST) != 0;
}

static bool is_text_to_client(struct world *at, enum link_side side, const struct packet *packet)
{
	(void)at;
	return side == LINK_OUTSIDE && packet->tcp.payload_bytes > 0;
}

static void the_reset_of_the_server_may_be_lost(void **state)
{
	(void)state;
	for (uint32_t lost = 1; lost <= 3; lost++) {
		begin(lost);
		begin_body();
		world.loses = is_reset_to_server;
		world.loses_left = lost;
		assert_true(world_say(&world, MAIL, 1));
		assert_true(world_run(&world, is_server_reset, 0, 30000));
		finish();
	}
}

static void a_server_that_heard_no_reset_is_reset_when_it_speaks(void **state)
{
	(void)state;
	for (int early = 0; early < 2; early++) {
		begin(5);
		begin_body();
		world.loses = is_reset_to_server;
		world.loses_left = 100;
		assert_true(world_say(&world, MAIL, 1));
		assert_true(world_say(&world, "QUIT\r\n", 1));
		world_pass(&world, early ? 1000 : 60000);
		world.loses_left = 0;
		assert_false(world.server.reset);
		peer_write(&world.server, "421 4.4.2 idle\r\n", strlen("421 4.4.2 idle\r\n"));
		assert_true(world_run(&world, is_server_reset, 0, 30000));
		finish();
	}
}

static void a_lost_answer_is_repeated(void **state)
{
	(void)state;
	for (uint32_t lost = 1; lost <= 5; lost++) {
		begin(lost);
		begin_body();
		world.loses = is_text_to_client;
		world.loses_left = lost;
		assert_true(world_say(&world, MAIL, 1));
		assert_true(has_reply("554"));
		finish();
	}
}

// A reply of that many lines, which no sender holds at once.
static char *make_long_reply(size_t lines)
{
	static const char line[] =
		"250-a keyword that says a good deal of what this server can do\r\n";
	static const char last[] = "250 CHUNKING\r\n";
	size_t n = sizeof(line) - 1;
	char *reply = malloc(lines * n + sizeof(last));

	assert_non_null(reply);
	for (size_t i = 0; i < lines; i++)
		memcpy(reply + i * n, line, n);
	memcpy(reply + lines * n, last, sizeof(last));
	return reply;
}

// All at once, so that of what the server has said little or nothing is acknowledged when the verdict falls.
static void an_answer_comes_behind_replies_of_any_length(void **state)
{
	static const char all[] = "EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 44 "
				  "LAST\r\nSubject: x\r\n\r\n" EVIL;

	(void)state;
	for (uint64_t seed = 0; seed < 160; seed++) {
		char *reply = make_long_reply(1 + seed % 5 * 20);

		begin(seed);
		world.ehlo_reply = reply;
		world.client.timestamps = seed % 3 != 0;
		world.server.mss = seed % 7 < 3 ? 99 : 1448;
		world.client.window = seed % 4 == 0 ? 900 : 65535;
		assert_true(world_connect(&world));
		world.faults.delay_us = 100;
		world.faults.jitter_us = seed % 2 ? 3000 : 0;
		world.loses = is_text_to_client;
		world.loses_left = (uint32_t)(seed / 5 % 4);
		assert_true(world_say(&world, all, 4));
		assert_true(has_reply("554"));
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_true(has_reply("221"));
		assert_int_equal(world.replies_count, 6);
		assert_true(world_run(&world, is_over, 0, 3000000));
		assert_false(world.client.reset);
		finish();
		free(reply);
	}
}

static void lost_acknowledgements_of_a_refused_body_are_repeated(void **state)
{
	(void)state;
	begin(7);
	begin_body();
	// Refused in mid-body; the client goes on with what it has, then with more.
	assert_true(world_say(&world, "Subject: x\r\n\r\ny\n.\n", 0));
	world_pass(&world, 100);
	world.faults.drop = 700;
	assert_true(world_say(&world, "more of it\r\n", 0));
	world_pass(&world, 20000);
	world.faults.drop = 0;
	world_pass(&world, 10000);
	assert_int_equal(world.client.acked, world.client.sent);
	assert_true(world_say(&world, "the end\r\n.\r\n", 1));
	assert_true(has_reply("550"));
	finish();
}

static void a_client_that_never_acknowledges_is_given_up(void **state)
{
	(void)state;
	begin(8);
	begin_body();
	write_text(MAIL);
	world_pass(&world, 3);
	world.client.stopped = true;
	world_pass(&world, 100);
	assert_int_equal(takeovers(), 1);
	world_pass(&world, 400000);
	assert_int_equal(takeovers(), 0);
	finish();
}

// The last one is so for longer than a connection may be idle.
static void a_client_without_room_hears_its_answer_when_it_has_some(void **state)
{
	static const uint32_t minutes[] = {3, 7, 9};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		begin(20 + i);
		world.options.idle_seconds = 480;
		world_restart(&world);
		world.client.window = 9;
		begin_body();
		world.client.shut = true;
		write_text(MAIL);
		world_pass(&world, minutes[i] * 60000);
		assert_int_equal(takeovers(), i < 2);
		assert_int_equal(world.client.reset, i == 2);
		if (i < 2) {
			assert_false(has_reply("554"));
			peer_open_window(&world.client, world.now_ns);
			assert_true(world_say(&world, "QUIT\r\n", 2));
			assert_true(has_reply("554"));
			assert_true(has_reply("221"));
		}
		finish();
	}
}

static void a_client_that_stops_in_a_refused_body_is_given_up(void **state)
{
	(void)state;
	begin(9);
	begin_body();
	assert_true(world_say(&world, "Subject: x\r\n\r\ny\n.\nand no end", 0));
	world_pass(&world, 100);
	assert_int_equal(takeovers(), 1);
	world_pass(&world, 800000);
	assert_int_equal(takeovers(), 0);
	assert_true(has_reply("421"));
	finish();
}

static void a_refused_body_may_be_of_any_length(void **state)
{
	char *body;
	size_t n = world_make_body(3u << 20, 5, &body);

	(void)state;
	begin(7);
	begin_body();
	write_text("Subject: x\r\n\r\ny\n.\nz\r\n");
	assert_true(world_write(&world, body, n, 1));
	assert_true(has_reply("550"));
	free(body);
	finish();
}

static void a_client_that_only_closes_gets_its_answer(void **state)
{
	(void)state;
	begin(10);
	begin_body();
	write_text(MAIL);
	peer_close(&world.client);
	assert_true(world_run(&world, is_over, 0, 10000));
	assert_true(has_reply("554"));
	world_pass(&world, 1000);
	assert_int_equal(takeovers(), 0);
	finish();
}

static void the_ports_can_be_used_again_during_a_takeover(void **state)
{
	(void)state;
	for (uint32_t wait = 0; wait < 2; wait++) {
		begin(11);
		begin_body();
		assert_true(world_say(&world, MAIL, 1));
		if (wait > 0) {
			assert_true(world_say(&world, "QUIT\r\n", 1));
			assert_true(world_run(&world, is_over, 0, 10000));
		}
		// Its client has crashed and comes back with the same port.
		world_reuse_ports(&world);
		assert_true(world_connect(&world));
		assert_true(world_say(&world, "EHLO c\r\n", 1));
		assert_true(world_mail(&world, MAIL));
		assert_true(has_reply("554"));
		finish();
	}
}

static void nothing_is_said_behind_a_fin_of_the_server(void **state)
{
	(void)state;
	begin(12);
	begin_body();
	world.server_break = WORLD_SAYS_421;
	world.server_break_at = 10;
	write_text("Subject: x\r\n\r\nfirst\r\n");
	assert_true(world_run(&world, has_broken, 0, 1000));
	write_text(EVIL "\r\n.\r\n");
	assert_true(world_run(&world, is_over, 0, 300000));
	assert_true(has_reply("421"));
	assert_false(has_reply("554"));
	world_pass(&world, 200000);
	assert_int_equal(takeovers(), 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_infected_mail_arrives_whatever_happens),
		cmocka_unit_test(the_reset_of_the_server_may_be_lost),
		cmocka_unit_test(a_server_that_heard_no_reset_is_reset_when_it_speaks),
		cmocka_unit_test(a_lost_answer_is_repeated),
		cmocka_unit_test(an_answer_comes_behind_replies_of_any_length),
		cmocka_unit_test(lost_acknowledgements_of_a_refused_body_are_repeated),
		cmocka_unit_test(a_client_that_never_acknowledges_is_given_up),
		cmocka_unit_test(a_client_without_room_hears_its_answer_when_it_has_some),
		cmocka_unit_test(a_client_that_stops_in_a_refused_body_is_given_up),
		cmocka_unit_test(a_refused_body_may_be_of_any_length),
		cmocka_unit_test(a_client_that_only_closes_gets_its_answer),
		cmocka_unit_test(the_ports_can_be_used_again_during_a_takeover),
		cmocka_unit_test(nothing_is_said_behind_a_fin_of_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
