// SPDX-License-Identifier: BSD-3-Clause
// Every manner in which a mail may be given under a seal, however its bytes are cut into segments, mail upon
// mail on one connection; and keep-alives at any time. Where all of the circumstances are proved:
//
//   keep-alives of either end, at any time        here
//   half-close, FIN with the last segment         test_divert_ends a_client_may_close_with_its_last_segment
//   the client closes in the middle of a body     test_divert_ends nothing_is_kept_of_a_client_that_vanishes
//   the client vanishes or resets                 the same, and a_client_that_vanishes_before_the_answer...
//   the server says 421, closes or resets         test_divert_ends a_server_that_leaves_...
//   the server's time-out during a long body      here; put off by NOOP: test_divert keep_alives_and_...
//   the server says nothing, or refuses RSET      test_divert_ends a_server_that_says_nothing_..., _refuses_
//   PIPELINING, some or all recipients refused    here
//   BDAT in one, several, with an empty last one  here; large ones under loss: test_divert_loss
//   DATA with the next MAIL behind it, RSET       here
//   the seal comes in the middle of a body        test_divert_ends a_seal_that_comes_in_the_middle_...
//   loss, reordering, duplication of all of it    test_divert_random, test_divert_loss
//   the disk is slow, full, or fails              test_divert_room, test_divert what_cannot_be_kept_...
#include "tests/support/sealed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define ENVELOPE "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"

// What the client writes, and how many replies it then waits for, step by step.
struct manner {
	const char *text[6];
	uint32_t replies[6];
	uint32_t held;
	const char *bodies[2];
	const char *last; // reply
};

static const struct manner manners[] = {
	{{"MAIL FROM:<a@x>\r\n", "RCPT TO:<b@y>\r\n", "DATA\r\n", SEALED_MAIL}, {1, 1, 1, 1}, 1,
		{SEALED_TEXT}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "DATA\r\n", SEALED_MAIL}, {3, 1}, 1, {SEALED_TEXT}, "250 2.0.0 Ok: queued"},
	// The next transaction comes with the end of this one, or is all there already.
	{{ENVELOPE "DATA\r\n", SEALED_MAIL ENVELOPE "DATA\r\n", SEALED_MAIL}, {3, 4, 1}, 2,
		{SEALED_TEXT, SEALED_TEXT}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "DATA\r\n", SEALED_MAIL "RSET\r\n" ENVELOPE "DATA\r\n", "..x\r\n.\r\n"},
		{3, 5, 1}, 2, {SEALED_TEXT, ".x\r\n"}, "250 2.0.0 Ok: queued"},
	// Nothing between the 354 and the end.
	{{ENVELOPE "DATA\r\n", ".\r\n"}, {3, 1}, 1, {""}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "RCPT TO:<nobody@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n", SEALED_MAIL}, {5, 1}, 1,
		{SEALED_TEXT}, "250 2.0.0 Ok: queued"},
	{{"MAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\nRCPT TO:<nobody@z>\r\nRSET\r\n"}, {4}, 0,
		{NULL}, "250 2.0.0 Ok"},
	{{ENVELOPE "RSET\r\n" ENVELOPE "DATA\r\n", SEALED_MAIL "NOOP\r\n"}, {6, 2}, 1,
		{SEALED_TEXT}, "250 2.0.0 Ok"},
	{{ENVELOPE "BDAT 6 LAST\r\nabcd\r\n"}, {3}, 1, {"abcd\r\n"}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "BDAT 3\r\nabc", "BDAT 1\r\nd", "BDAT 2\r\n\r\n", "BDAT 0 LAST\r\n"},
		{3, 1, 1, 1}, 1, {"abcd\r\n"}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "BDAT 0\r\nBDAT 5\r\na\r\n.\rBDAT 3\r\n\nb\nBDAT 2 LAST\r\n\r\n" ENVELOPE
		   "BDAT 4 LAST\r\nef\r\n"},
		{9}, 2, {"a\r\n.\r\nb\n\r\n", "ef\r\n"}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "BDAT 0 LAST\r\n"}, {3}, 1, {""}, "250 2.0.0 Ok: queued"},
	{{ENVELOPE "BDAT 4\r\nab\r\nRSET\r\n" ENVELOPE "BDAT 4 LAST\r\ncd\r\n"}, {7}, 1, {"cd\r\n"},
		"250 2.0.0 Ok: queued"},
	{{ENVELOPE "RSET\r\nNOOP\r\n"}, {4}, 0, {NULL}, "250 2.0.0 Ok"},
};

#define MANNERS (sizeof(manners) / sizeof(manners[0]))

static void say_in_pieces(const char *text, uint32_t replies, size_t piece)
{
	size_t n = strlen(text);

	for (size_t at = 0; at < n; at += piece) {
		size_t take = n - at < piece ? n - at : piece;
		bool is_last = at + take == n;
		uint32_t had = world.replies_count;

		if (!is_last) {
			peer_write(&world.client, text + at, take);
			world_pass(&world, 5);
			replies -= world.replies_count - had;
			continue;
		}
		assert_true(world_write(&world, text + at, take, replies));
	}
}

static void give(const struct manner *manner, size_t piece)
{
	uint32_t held = world.sink.count;

	for (int i = 0; i < 6 && manner->text[i] != NULL; i++) {
		uint32_t had = world.replies_count;

		say_in_pieces(manner->text[i], manner->replies[i], piece);
		assert_int_equal(world.replies_count - had, manner->replies[i]);
	}
	assert_string_equal(world_last_reply(&world), manner->last);
	assert_int_equal(world.sink.count - held, manner->held);
	for (uint32_t i = 0; i < manner->held; i++)
		sealed_expect_held(held + i, manner->bodies[i]);
}

static void begin(uint64_t seed)
{
	sealed_begin(seed);
	world.refuse_rcpt = "nobody";
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
}

static void end(uint32_t held)
{
	assert_int_equal(world.sink.count, held);
	assert_int_equal(world.sink.open, 0);
	assert_int_equal(world.mails_count, 0);
	assert_null(strstr(world.commands, "DATA"));
	assert_null(strstr(world.commands, "BDAT"));
	sealed_quit();
	sealed_finish();
}

static void each_manner_in_any_segments(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANNERS; i++) {
		for (size_t piece = 1; piece <= 64; piece = piece < 8 ? piece + 1 : piece * 2) {
			begin(piece);
			give(&manners[i], piece);
			give(&manners[0], piece);
			end(manners[i].held + 1);
		}
	}
}

static void any_number_of_mails_on_one_connection(void **state)
{
	(void)state;
	for (size_t step = 1; step < 6; step += 2) {
		uint32_t held = 0;

		begin(40 + step);
		for (size_t i = 0; i < 40; i++) {
			const struct manner *manner = &manners[i * step % MANNERS];

			give(manner, 1448);
			held += manner->held;
		}
		end(held);
	}
}

static void sealed_and_unsealed_in_any_manner(void **state)
{
	(void)state;
	begin(50);
	for (size_t i = 0; i < MANNERS; i++) {
		uint32_t mails = world.mails_count;

		sealed_off();
		assert_true(world_mail(&world, SEALED_MAIL));
		assert_int_equal(world.mails_count, mails + 1);
		assert_int_equal(world.mails[mails].bytes, sizeof(SEALED_TEXT) - 1);
		(void)sealed_on(SEAL_HOLD);
		give(&manners[i], 1448);
		assert_int_equal(world.mails_count, mails + 1);
	}
	sealed_quit();
	sealed_finish();
}

// ---- keep-alives --------------------------------------------------------------------------------

static void ask(struct peer *peer, struct peer *other)
{
	for (int has_byte = 0; has_byte < 2; has_byte++) {
		size_t there = other->in_bytes;
		uint64_t taken = peer->taken;
		uint32_t strays = other->strays;

		peer_keep_alive(peer, has_byte, world.now_ns);
		world_pass(&world, 1000);
		assert_true(peer->taken > taken);
		assert_int_equal(other->in_bytes, there);
		assert_int_equal(peer->strays, 0);
		// What lies below the window is one there, and answered.
		other->strays = strays;
	}
}

static void both_are_there(void)
{
	ask(&world.client, &world.server);
	ask(&world.server, &world.client);
	assert_int_equal(world.client.bad_acks + world.server.bad_acks, 0);
}

static void keep_alives_are_answered_at_any_time(void **state)
{
	(void)state;
	for (uint64_t seed = 60; seed < 66; seed++) {
		begin(seed);
		both_are_there();
		for (uint32_t i = 0; i < 4; i++) {
			const char *const steps[] = {"MAIL FROM:<a@x>\r\n", "RCPT TO:<b@y>\r\n",
				"DATA\r\n", "Subject: x\r\n\r\nhel", "lo\r\n.\r\n"};

			if (i == 2)
				sealed_off();
			if (i == 3)
				(void)sealed_on(SEAL_HOLD);
			for (int step = 0; step < 5; step++) {
				assert_true(world_say(&world, steps[step], step != 3));
				world_pass(&world, 50);
				both_are_there();
			}
			assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		}
		assert_int_equal(world.sink.count, 3);
		assert_int_equal(world.mails_count, 1);
		sealed_quit();
		sealed_finish();
	}
}

static void keep_alives_are_answered_while_the_disk_works(void **state)
{
	(void)state;
	begin(70);
	world.sink.polls = 100000;
	assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
	assert_true(world_say(&world, SEALED_MAIL, 0));
	world_pass(&world, 100);
	for (int i = 0; i < 3; i++)
		both_are_there();
	assert_int_equal(world.replies_count, 5);
	assert_true(world_say(&world, "", 1));
	end(1);
}

// ---- the server's patience ----------------------------------------------------------------------

static void a_server_that_ends_in_a_long_body_costs_no_mail(void **state)
{
	(void)state;
	for (int at = 0; at < 6; at++) {
		begin(80);
		assert_true(world_say(&world, ENVELOPE "DATA\r\n", 3));
		for (int i = 0; i < 6; i++) {
			if (i == at) {
				peer_write(&world.server, "421 4.4.2 time-out\r\n", 20);
				peer_close(&world.server);
				world.server_broke = true;
			}
			assert_true(world_say(&world, "a line\r\n", 0));
			world_pass(&world, 55000);
			ask(&world.client, &world.server);
		}
		assert_true(world_say(&world, ".\r\n", 1));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		assert_int_equal(world.sink.count, 1);
		sealed_expect_held(
			0, "a line\r\na line\r\na line\r\na line\r\na line\r\na line\r\n");
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "421", 3);
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		assert_true(world.client.fin_received && !world.client.reset);
		assert_int_equal(world.client.retransmissions, 0);
		assert_true(world.server.fin_received || world.server.reset);
		sealed_finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_manner_in_any_segments),
		cmocka_unit_test(any_number_of_mails_on_one_connection),
		cmocka_unit_test(sealed_and_unsealed_in_any_manner),
		cmocka_unit_test(keep_alives_are_answered_at_any_time),
		cmocka_unit_test(keep_alives_are_answered_while_the_disk_works),
		cmocka_unit_test(a_server_that_ends_in_a_long_body_costs_no_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
