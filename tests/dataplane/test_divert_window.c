// SPDX-License-Identifier: BSD-3-Clause
// Windows that are shut, behind a seal, when nothing has the same number on both sides any more: whoever asks for
// room is heard by who has it, for that there is room again is said once and may be lost.
#include "tests/support/sealed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define ENVELOPE "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"

// A mail was taken in, and the seal is lifted.
static void begin_behind_a_mail(uint64_t seed)
{
	sealed_begin(seed);
	world.server.window = 8000;
	world.client.timestamps = seed % 2 == 0;
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	assert_true(world_say(&world, SEALED_MAIL, 1));
	sealed_off();
	assert_true(world_say(&world, "NOOP\r\n", 1));
	world_pass(&world, 100);
}

static void open_unheard(struct peer *peer)
{
	peer->window = 8000;
	world.faults.drop = 1000;
	peer_open_window(peer, world.now_ns);
	world_pass(&world, 10);
	world.faults.drop = 0;
}

static void ask(struct peer *peer, bool has_byte)
{
	peer_keep_alive(peer, has_byte, world.now_ns);
	world_pass(&world, 1000);
}

// A sender that has nothing under way asks with what looks like a keep-alive.
static void who_probes_a_window_is_answered_by_who_has_it(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 24; seed++) {
		bool by_client = seed % 4 < 2;
		struct peer *sender = by_client ? &world.client : &world.server;
		struct peer *receiver = by_client ? &world.server : &world.client;

		begin_behind_a_mail(seed);
		receiver->window = 0;
		assert_true(world_say(&world, "NOOP\r\n", 1));
		world_pass(&world, 100);
		for (int i = 0; i < 3; i++)
			ask(sender, seed % 2 == 1);
		// It takes its word back, as far as it can see.
		sender->granted = sender->sent;
		ask(sender, seed % 2 == 1);
		assert_int_equal(sender->granted, sender->sent);
		open_unheard(receiver);
		assert_int_equal(sender->granted, sender->sent);
		ask(sender, seed % 2 == 1);
		assert_true(sender->granted > sender->sent);
		sealed_finish();
	}
}

// A server reads no more. A client says so much that the server has room for all but the last `more` bytes of it.
static size_t fill_its_room(uint64_t seed, size_t more)
{
	static char text[65536];
	char line[128];
	size_t all;
	size_t n;

	begin_behind_a_mail(seed);
	world.server.shut = true;
	all = world.server.offered - world.server.in_bytes + more;
	n = all - strlen(ENVELOPE "BDAT 1234 LAST\r\n");
	(void)snprintf(line, sizeof(line), ENVELOPE "BDAT %04zu LAST\r\n", n);
	memset(text, 'x', n);
	text[0] = '\r'; // no header
	text[1] = '\n';
	peer_write(&world.client, line, strlen(line));
	peer_write(&world.client, text, n);
	return n;
}

static void expect_no_room(void)
{
	assert_int_equal(world.server.in_bytes, world.server.offered);
	assert_int_equal(world.mails_count, 0);
}

static void expect_mail(size_t bytes)
{
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.mails[0].bytes, bytes);
}

// It comes with the FIN.
static void the_last_byte_of_a_client_asks_for_room_too(void **state)
{
	(void)state;
	for (uint64_t seed = 40; seed < 46; seed++) {
		size_t n = fill_its_room(seed, 1);

		peer_close(&world.client);
		world_pass(&world, 5000);
		expect_no_room();
		open_unheard(&world.server);
		world_pass(&world, 10000);
		expect_mail(n);
		assert_true(world.server.fin_received);
		sealed_finish();
	}
}

// The byte that has asked was not taken: it does not wait for the client's timer when there is room.
static void the_byte_that_has_asked_is_said_again(void **state)
{
	(void)state;
	for (uint64_t seed = 60; seed < 66; seed++) {
		size_t n = fill_its_room(seed, 100);
		uint32_t retransmissions;

		world_pass(&world, 20000);
		expect_no_room();
		retransmissions = world.client.retransmissions;
		assert_true(retransmissions > 3);
		world.client.due_ns = world.now_ns + 60000000000;
		peer_open_window(&world.server, world.now_ns);
		world_pass(&world, 200);
		expect_mail(n);
		assert_int_equal(world.client.retransmissions, retransmissions);
		sealed_finish();
	}
}

// A client that reads no more, once it has heard 354, and has room for `room` bytes yet. So many connections may
// be diverted.
static void begin_without_room(uint64_t seed, size_t room, uint32_t max_diverted)
{
	sealed_begin(seed);
	world.options.max_diverted = max_diverted;
	world.options.idle_seconds = 960;
	world_restart(&world);
	world.client.window = room;
	world.client.timestamps = seed % 2 == 0;
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	world.client.shut = true;
	peer_write(&world.client, SEALED_MAIL, strlen(SEALED_MAIL));
	world_pass(&world, 1000);
}

// It has its answer when it reads again, and the connection goes on.
static void a_client_that_takes_no_answer_for_a_quarter_of_an_hour_gets_it_then(void **state)
{
	(void)state;
	for (uint64_t seed = 80; seed < 83; seed++) {
		uint32_t replies;

		begin_without_room(seed, 1 + seed % 3 * 9, 8);
		replies = world.replies_count;
		for (int minute = 0; minute < 15; minute++)
			world_pass(&world, 60000);
		assert_int_equal(world.sink.count, 1);
		assert_int_equal(world.replies_count, replies);
		assert_false(world.client.reset);
		sealed_off();
		peer_open_window(&world.client, world.now_ns);
		world_pass(&world, 61000);
		assert_int_equal(world.replies_count, replies + 1);
		assert_int_equal(strncmp(world_last_reply(&world), "250 ", 4), 0);
		assert_true(world_say(&world, "NOOP\r\n", 1));
		sealed_finish();
	}
}

static void one_that_says_nothing_is_not_waited_for(void **state)
{
	(void)state;
	begin_without_room(90, 4, 8);
	world.client.stopped = true;
	world_pass(&world, 200000);
	assert_int_equal(world.sessions_count, 0);
	world_pass(&world, 120000);
	assert_int_equal(world.sessions_count, 1);
	assert_string_equal(world.session_why, "idle");
	sealed_finish();
}

// As long as a connection may be idle, or four minutes where what it holds is scarce.
static void no_client_without_room_is_waited_for_for_ever(void **state)
{
	(void)state;
	for (uint32_t room = 1; room <= 2; room++) {
		begin_without_room(90 + room, 4, room);
		world_pass(&world, room == 1 ? 220000 : 940000);
		assert_int_equal(world.sessions_count, 0);
		world_pass(&world, 200000);
		assert_int_equal(world.sessions_count, 1);
		assert_true(world.client.reset);
		sealed_finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_probes_a_window_is_answered_by_who_has_it),
		cmocka_unit_test(the_last_byte_of_a_client_asks_for_room_too),
		cmocka_unit_test(the_byte_that_has_asked_is_said_again),
		cmocka_unit_test(
			a_client_that_takes_no_answer_for_a_quarter_of_an_hour_gets_it_then),
		cmocka_unit_test(one_that_says_nothing_is_not_waited_for),
		cmocka_unit_test(no_client_without_room_is_waited_for_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
