// SPDX-License-Identifier: BSD-3-Clause
// Where a mail ends: in any pieces, for servers that are too lenient, for clients that wait, and when
// the engine, its memory or the server is no longer there.
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVIL "the-quick-evil-fox-of-the-test"
// The same text in hexadecimal.
#define RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"

static struct world world;

static void begin(uint64_t seed)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = 4;
	world_init(&world, &options, seed % 3 == 0 ? 6 : 4, RULES, seed);
}

static void write_text(struct peer *peer, const char *text)
{
	peer_write(peer, text, strlen(text));
}

static void greet(void)
{
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
}

static void a_client_with_nagle_on_never_waits_for_ever(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		begin(seed);
		world.faults = (struct world_faults){
			seed % 4 ? 0 : 40, seed % 5 ? 0 : 40, 100, seed % 3 ? 0 : 2000};
		world.client.nagle = true;
		world.client.chunk = 1 + seed % 3;
		greet();
		assert_true(world_mail(&world, "Subject: s\r\n\r\n..dots.\r\n.\r.\n\r\n.\r\n") ||
			    world.client.reset);
		assert_non_null(strstr(world_last_reply(&world), "550 5.5.2"));
		world_fini(&world);

		begin(seed);
		world.client.nagle = true;
		world.client.chunk = 1 + seed % 3;
		greet();
		assert_true(world_mail(&world, "Subject: s\r\n\r\n..dots.\r\n. x\r\n\r\n.\r\n"));
		assert_int_equal(world.mails_count, 1);
		assert_int_equal(world.client.retransmissions, 0);
		assert_int_equal(world.records_count, 1);
		assert_string_equal(world.records[0].action, "deliver");
		world_fini(&world);
	}
}

static void a_cr_behind_the_dot_completes_no_infected_mail(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		begin(seed);
		world.server_cr_ends = true;
		world.faults = (struct world_faults){
			seed % 2 ? 60 : 0, seed % 5 ? 0 : 40, 100, seed % 3 ? 0 : 2000};
		world.client.nagle = seed % 4 < 2;
		world.client.chunk = seed % 7;
		greet();
		assert_true(world_mail(&world, "Subject: s\r\n\r\n" EVIL "\r\n.\r\n"));
		assert_non_null(strstr(world_last_reply(&world), "554 5.7.1"));
		assert_int_equal(world.mails_count, 0);
		world_pass(&world, 1000);
		assert_int_equal(world.records_count, 1);
		assert_int_equal(world.records[0].verdict, VERDICT_INFECTED);
		world_fini(&world);
	}
}

static void what_follows_a_cr_behind_the_dot_does_not_pass(void **state)
{
	(void)state;
	for (size_t chunk = 0; chunk < 4; chunk++) {
		begin(1);
		world.server_cr_ends = true;
		world.client.chunk = chunk;
		greet();
		assert_true(
			world_mail(&world, "Subject: s\r\n\r\nx\r\n.\rMAIL FROM:<admin@x>\r\nRCPT "
					   "TO:<b@y>\r\nDATA\r\n" EVIL "\r\n.\r\n"));
		world_pass(&world, 1000);
		// Such a server may have the clean mail before it; nothing behind it.
		assert_true(world.mails_count <= 1);
		for (uint32_t i = 0; i < world.mails_count; i++)
			assert_null(memmem(world.mails[i].data, world.mails[i].bytes, "evil", 4));
		assert_null(memmem(world.server.in, world.server.in_bytes, "admin", 5));
		world_fini(&world);
	}
}

static void a_mail_that_stops_at_the_cr_is_incomplete(void **state)
{
	(void)state;
	for (int infected = 0; infected < 2; infected++) {
		begin(2);
		greet();
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
		assert_true(world_say(&world,
			infected ? "S: x\r\n\r\n" EVIL "\r\n.\r" : "S: x\r\n\r\nx\r\n.\r", 0));
		world_pass(&world, 100);
		peer_abort(&world.client, world.now_ns);
		world_pass(&world, 15000);
		assert_int_equal(world.mails_count, 0);
		assert_int_equal(world.records_count, 1);
		assert_int_equal(world.records[0].verdict, VERDICT_INCOMPLETE);
		assert_string_equal(world.records[0].action, "none");
		world_fini(&world);
	}
}

static bool are_both_reset(struct world *at, uint32_t value)
{
	(void)value;
	return at->client.reset && at->server.reset;
}

static void a_restart_resets_both_ends(void **state)
{
	static const char *const said[] = {
		"NOOP\r\n", "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"};

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		begin(seed);
		if (seed % 2)
			world.faults = (struct world_faults){100, 50, 100, 2000};
		greet();
		assert_true(world_say(&world, said[seed % 2], seed % 2 ? 3 : 1));
		world_restart(&world);
		if (seed % 4 < 2)
			write_text(&world.client, "Subject: x\r\n\r\n" EVIL "\r\n.\r\n");
		else
			write_text(&world.server, "421 4.3.2 idle\r\n");
		assert_true(world_run(&world, are_both_reset, 0, 60000));
		assert_int_equal(world.mails_count, 0);
		// The sender comes back.
		world.faults = (struct world_faults){0};
		world_reuse_ports(&world);
		greet();
		assert_true(world_mail(&world, "Subject: again\r\n\r\nx\r\n.\r\n"));
		assert_int_equal(world.mails_count, 1);
		world_fini(&world);
	}
}

static void a_slow_sender_is_cut_off_and_nothing_slips_by(void **state)
{
	(void)state;
	begin(3);
	greet();
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	world_pass(&world, 3700000); // an hour and more
	assert_int_equal(engine_open_connections(world.engine), 0);
	(void)world_say(&world, "Subject: x\r\n\r\n" EVIL "\r\n.\r\n", 0);
	assert_true(world_run(&world, are_both_reset, 0, 60000));
	assert_int_equal(world.mails_count, 0);
	world_fini(&world);
}

static void a_client_that_closed_its_half_waits_for_a_slow_reply(void **state)
{
	(void)state;
	begin(4);
	greet();
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	world.server_broke = true; // it reads no more, that is: it thinks
	write_text(&world.client, "NOOP\r\n");
	peer_close(&world.client);
	world_pass(&world, 60000);
	world.server_broke = false;
	assert_true(world_say(&world, "", 1));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok");
	assert_false(world.client.reset);
	world_fini(&world);
}

static void a_server_that_closes_leaves_no_client_waiting(void **state)
{
	(void)state;
	begin(5);
	greet();
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\n", 1));
	world.server_broke = true;
	// An infected chunk waits for the replies before it, and they never come.
	write_text(&world.client, "RCPT TO:<b@y>\r\nBDAT 32 LAST\r\n" EVIL "\r\n");
	world_pass(&world, 20);
	peer_close(&world.server);
	assert_true(world_say(&world, "", 1));
	assert_non_null(strstr(world_last_reply(&world), "421 4.4.2"));
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.records_count, 1);
	assert_int_equal(world.records[0].verdict, VERDICT_INFECTED);
	world_pass(&world, 2000);
	assert_int_equal(world.client.acked, world.client.out_bytes);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_with_nagle_on_never_waits_for_ever),
		cmocka_unit_test(a_cr_behind_the_dot_completes_no_infected_mail),
		cmocka_unit_test(what_follows_a_cr_behind_the_dot_does_not_pass),
		cmocka_unit_test(a_mail_that_stops_at_the_cr_is_incomplete),
		cmocka_unit_test(a_restart_resets_both_ends),
		cmocka_unit_test(a_slow_sender_is_cut_off_and_nothing_slips_by),
		cmocka_unit_test(a_client_that_closed_its_half_waits_for_a_slow_reply),
		cmocka_unit_test(a_server_that_closes_leaves_no_client_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
