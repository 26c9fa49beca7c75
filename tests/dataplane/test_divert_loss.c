// SPDX-License-Identifier: BSD-3-Clause
// What the engine says of its own accord under a seal may be lost at any place: nothing stands still, and
// nobody is given up who is still there.
#include "dataplane/session.h"
#include "tests/support/sealed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

// Behind MAIL and RCPT at once comes a chunk of which not all can be under way: it stands still unless
// the client hears the engine's acknowledgements, which have to stand behind the server's last reply.
static void a_large_chunk_behind_its_envelope_is_acknowledged(void **state)
{
	static char text[100000];
	char line[96];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[0] = '\r'; // no header
	text[1] = '\n';
	for (uint64_t seed = 15; seed < 25; seed++) {
		sealed_begin(seed);
		world.client.flight = 1448 * (1 + seed % 5);
		world.client.timestamps = seed % 2 == 0;
		world.client.sack = seed % 4 < 2;
		world.server.sack = world.client.sack;
		sealed_connect();
		(void)sealed_on(SEAL_HOLD);
		(void)snprintf(line, sizeof(line),
			"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT %zu LAST\r\n", strlen(text));
		peer_write(&world.client, line, strlen(line));
		assert_true(world_say(&world, text, 3));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		sealed_expect_held(0, text);
		sealed_quit();
		sealed_finish();
	}
}

// More replies than the engine keeps until they are acknowledged: what asks for them has to wait.
static void many_small_chunks_at_once_wait_for_their_replies(void **state)
{
	static char text[8192];
	static char body[2048];

	(void)state;
	for (uint64_t seed = 51; seed < 55; seed++) {
		int text_bytes = 0;
		int body_bytes = 0;

		sealed_begin(seed);
		world.faults.delay_us = 50000;
		world.faults.drop = seed % 2 == 0 ? 20 : 0;
		sealed_connect();
		(void)sealed_on(SEAL_HOLD);
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
		for (int i = 0; i < 200; i++) {
			char line[16];

			(void)snprintf(line, sizeof(line), i > 0 ? "%04d\r\n" : "\r\n%02d\r\n", i);
			body_bytes += snprintf(
				body + body_bytes, sizeof(body) - (size_t)body_bytes, "%s", line);
			text_bytes += snprintf(text + text_bytes, sizeof(text) - (size_t)text_bytes,
				"BDAT 6%s\r\n%s", i < 199 ? "" : " LAST", line);
		}
		assert_true(world_say(&world, text, 200));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		sealed_expect_held(0, body);
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		sealed_finish();
	}
}

static bool is_queued(struct world *at, enum link_side side, const struct packet *packet)
{
	static const char text[] = "250 2.0.0 Ok: queued";

	(void)at;
	return side == LINK_OUTSIDE && packet->tcp.payload_bytes >= sizeof(text) - 1 &&
	       memcmp(packet->payload, text, sizeof(text) - 1) == 0;
}

// The client has the server's reply to what it said behind the message before the engine's answer, and
// acknowledges both at once.
static void an_answer_that_was_lost_is_acknowledged_with_what_follows(void **state)
{
	(void)state;
	for (uint64_t seed = 31; seed < 37; seed++) {
		sealed_begin(seed);
		world.client.timestamps = seed % 2 == 0;
		sealed_connect();
		(void)sealed_on(SEAL_HOLD);
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
		world.loses = is_queued;
		world.loses_left = 1 + (uint32_t)seed % 3;
		assert_true(world_say(&world, SEALED_MAIL "NOOP\r\n", 2));
		assert_int_equal(world.loses_left, 0);
		world_pass(&world, 600000);
		assert_false(world.client.reset || world.server.reset);
		assert_true(world_mail(&world, SEALED_MAIL));
		assert_int_equal(world.sink.count, 2);
		assert_true(engine_counters(world.engine)->made_packets < 60);
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		sealed_finish();
	}
}

// In all.
static void await_replies(uint32_t count)
{
	assert_true(world_say(&world, "", count - world.replies_count));
}

// A message's end is lost, and the next one's chunk, which may as well be text of the first, goes on to
// the server early. The server has those bytes, the last one included.
static void pass_a_chunk_early(const char *text)
{
	char line[96];

	sealed_connect();
	world.client.chunk = 10; // or what is sent again is sent at once
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_true(world_say(&world, "Subject: x\r\n\r\n", 0));
	world_pass(&world, 10);
	world.faults.drop = 1000;
	assert_true(world_say(&world, "hello\r\n.\r\n", 0));
	world_pass(&world, 10);
	(void)snprintf(line, sizeof(line),
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT %zu LAST\r\n\r\n", 2 + strlen(text));
	assert_true(world_say(&world, line, 0));
	world_pass(&world, 10);
	world.faults.drop = 0;
	assert_true(world_say(&world, text, 0));
	world_pass(&world, 10);
	assert_true(engine_counters(world.engine)->passed_early >= 1);
	await_replies(6);
	assert_int_equal(world.mails_count, 1);
	world.client.chunk = 0;
}

// Would the numbers of these bytes be given to others, the server would take the text for what comes next.
// So the connection does not go on, and the mail, of which there is no copy, is put off.
static void what_went_on_early_is_not_taken_back(void **state)
{
	(void)state;
	for (uint64_t seed = 41; seed < 44; seed++) {
		sealed_begin(seed);
		pass_a_chunk_early("text and more text.");
		(void)sealed_on(SEAL_HOLD);
		await_replies(9);
		assert_memory_equal(world_last_reply(&world), "451", 3);
		assert_int_equal(world.mails_count, 1);
		assert_int_equal(world.sink.count, 0);
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "421", 3);
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		sealed_finish();
	}
}

static void a_last_byte_that_went_on_early_completes_no_infected_mail(void **state)
{
	(void)state;
	for (uint64_t seed = 44; seed < 47; seed++) {
		sealed_begin(seed);
		pass_a_chunk_early(SEALED_EVIL);
		await_replies(9);
		assert_memory_equal(world_last_reply(&world), "554", 3);
		assert_int_equal(world.mails_count, 1);
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		assert_int_equal(world.mails_count, 1);
		sealed_finish();
	}
}

// The client was granted more in the divert than the server has room for behind it: a second mail comes with
// the end of the first, when the seal is lifted already.
static char *begin_with_little_room(uint64_t seed, size_t window)
{
	static char text[100000];
	char line[96];

	memset(text, 'x', sizeof(text) - 1);
	text[0] = '\r'; // no header
	text[1] = '\n';
	sealed_begin(seed);
	world.server.window = window;
	world.client.flight = sizeof(text);
	world.client.timestamps = seed % 2 == 0;
	world.client.sack = seed % 4 < 2;
	world.server.sack = world.client.sack;
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	sealed_off();
	peer_write(&world.client, SEALED_MAIL, strlen(SEALED_MAIL));
	(void)snprintf(line, sizeof(line), "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT %zu LAST\r\n",
		strlen(text));
	peer_write(&world.client, line, strlen(line));
	return text;
}

static void expect_both(const char *text)
{
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.mails[0].bytes, strlen(text));
	assert_memory_equal(world.mails[0].data, text, strlen(text));
	assert_int_equal(world.sink.count, 1);
	sealed_expect_held(0, SEALED_TEXT);
	assert_int_equal(world.server.overruns, 0);
}

static void more_than_the_server_has_room_for_waits_for_it(void **state)
{
	static const size_t windows[] = {40000, 8000, 1000, 100};

	(void)state;
	for (uint64_t seed = 61; seed < 69; seed++) {
		const char *text = begin_with_little_room(seed, windows[seed % 4]);

		assert_true(world_say(&world, text, 4));
		expect_both(text);
		assert_int_equal(world.client.retransmissions, 0);
		sealed_quit();
		sealed_finish();
	}
}

static bool has_no_room(struct world *at, uint32_t value)
{
	return at->server.in_bytes == at->server.offered && at->now_ns > value;
}

// That it has room again is said once, and may be lost.
static void a_server_whose_window_is_shut_is_asked(void **state)
{
	(void)state;
	for (uint64_t seed = 71; seed < 75; seed++) {
		const char *text = begin_with_little_room(seed, 8000);

		world.server.shut = true;
		peer_write(&world.client, text, strlen(text));
		assert_true(world_run(&world, has_no_room, 0, 60000));
		world_pass(&world, 3000);
		world.faults.drop = 1000;
		peer_open_window(&world.server, world.now_ns);
		world_pass(&world, 10);
		world.faults.drop = 0;
		await_replies(9);
		expect_both(text);
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		sealed_finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_chunk_behind_its_envelope_is_acknowledged),
		cmocka_unit_test(many_small_chunks_at_once_wait_for_their_replies),
		cmocka_unit_test(an_answer_that_was_lost_is_acknowledged_with_what_follows),
		cmocka_unit_test(what_went_on_early_is_not_taken_back),
		cmocka_unit_test(more_than_the_server_has_room_for_waits_for_it),
		cmocka_unit_test(a_server_whose_window_is_shut_is_asked),
		cmocka_unit_test(a_last_byte_that_went_on_early_completes_no_infected_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
