// SPDX-License-Identifier: BSD-3-Clause
// Either end takes its leave while a sealed mail is taken in: what was answered is kept, once and whole, and
// what was not is not.
#include "tests/support/sealed.h"
#include "tests/support/unit.h"

#include <string.h>

static void begin_body(void)
{
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_true(world_say(&world, "Subject: x\r\n\r\n", 0));
	world_pass(&world, 20);
}

static void leave(int how)
{
	if (how == 0)
		peer_write(&world.server, "421 4.4.2 timeout\r\n", 19);
	if (how < 2)
		peer_close(&world.server);
	else
		peer_abort(&world.server, world.now_ns);
	world.server_broke = true;
	world_pass(&world, 50);
}

static void a_server_that_leaves_in_the_middle_costs_no_mail(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		for (int again = 0; again < 2; again++) {
			sealed_begin(20);
			begin_body();
			leave(how);
			assert_true(world_say(&world, "hello\r\n.\r\n", 1));
			assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
			assert_int_equal(world.sink.count, 1);
			sealed_expect_held(0, SEALED_TEXT);
			// In order: first the answer, then the farewell.
			assert_true(world_say(&world, again == 0 ? "QUIT\r\n" : "NOOP\r\n", 1));
			assert_memory_equal(
				world_last_reply(&world), again == 0 ? "221" : "421", 3);
			assert_true(world_run(&world, sealed_is_over, 0, 60000));
			assert_int_equal(world.client.retransmissions, 0);
			sealed_finish();
		}
	}
}

static void a_server_that_leaves_before_the_mail_is_durable_costs_none_either(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		sealed_begin(21);
		begin_body();
		world.sink.polls = 5000;
		assert_true(world_say(&world, "hello\r\n.\r\n", 0));
		world_pass(&world, 20);
		leave(how);
		assert_int_equal(world.replies_count, 5);
		assert_true(world_say(&world, "", 1));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		assert_int_equal(world.sink.count, 1);
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		sealed_finish();
	}
}

static void a_server_that_says_nothing_any_more_is_left(void **state)
{
	(void)state;
	sealed_begin(22);
	sealed_connect();
	world.server_mute = true;
	(void)sealed_on(SEAL_HOLD);
	world.server_mute = false;
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	world.server_mute = true;
	assert_true(world_say(&world, "DATA\r\n", 1));
	assert_true(world_say(&world, SEALED_MAIL, 1));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.sink.count, 1);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "421", 3);
	assert_true(world_run(&world, sealed_is_over, 0, 60000));
	sealed_finish();
}

// Its transaction is open still: what the client says next would be refused for that.
static void a_server_that_refuses_rset_is_left_and_costs_no_mail(void **state)
{
	static const char *const refusals[] = {"502-5.5.1 what?\r\n502 5.5.1 never heard\r\n",
		"554 Too many nonmail commands\r\n", "451 4.3.0 not now\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		sealed_begin(23 + i);
		sealed_connect();
		world.server_refuses_rset = refusals[i];
		(void)sealed_on(SEAL_HOLD);
		assert_true(world_mail(&world, SEALED_MAIL));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		assert_int_equal(world.sink.count, 1);
		sealed_off();
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "421", 3);
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		assert_int_equal(world.mails_count, 0);
		sealed_finish();
	}
}

static void after_enough_of_them_the_client_comes_back_on_another_connection(void **state)
{
	(void)state;
	for (int pipelined = 0; pipelined < 2; pipelined++) {
		sealed_begin_limited(32, 3);
		sealed_connect();
		(void)sealed_on(SEAL_HOLD);
		for (uint32_t i = 0; i < 3; i++) {
			assert_false(world.server.reset);
			assert_true(world_mail(&world, SEALED_MAIL));
			assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
			assert_int_equal(world.sink.count, i + 1);
		}
		// The server has nothing of it, and the client is told at its next command alone.
		assert_int_equal(world.mails_count, 0);
		assert_true(world.server.reset);
		assert_true(world_say(&world,
			pipelined ? "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" : "RSET\r\n",
			1));
		assert_memory_equal(world_last_reply(&world), "421", 3);
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		assert_int_equal(world.sink.count, 3);
		sealed_finish();
	}
}

static void nothing_is_kept_of_a_client_that_vanishes(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		sealed_begin(24);
		begin_body();
		if (how == 0) {
			world.client.stopped = true;
			world_pass(&world, 700000);
		} else if (how == 1) {
			peer_abort(&world.client, world.now_ns);
			world_pass(&world, 2000);
			assert_true(world.server.reset);
		} else {
			peer_close(&world.client);
			assert_true(world_run(&world, sealed_is_over, 0, 60000));
			assert_true(world.server.fin_received || world.server.reset);
		}
		assert_int_equal(world.sink.count, 0);
		assert_int_equal(world.sink.open, 0);
		assert_int_equal(world.replies_count, 5);
		assert_int_equal(world.records_count, 1);
		assert_string_equal(world.records[0].action, "none");
		sealed_finish();
	}
}

static void a_client_that_vanishes_before_the_answer_is_not_answered(void **state)
{
	(void)state;
	sealed_begin(25);
	begin_body();
	world.sink.polls = 3000;
	assert_true(world_say(&world, "hello\r\n.\r\n", 0));
	world_pass(&world, 20);
	peer_abort(&world.client, world.now_ns);
	world_pass(&world, 20000);
	assert_int_equal(world.sink.count, 0);
	assert_int_equal(world.sink.open, 0);
	sealed_finish();
}

static void a_client_may_close_with_its_last_segment(void **state)
{
	static const char *const ends[] = {"hello\r\n.\r\n", "hello\r\n.\r\nQUIT\r\n"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		sealed_begin(26);
		begin_body();
		peer_write(&world.client, ends[i], strlen(ends[i]));
		peer_close(&world.client);
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		assert_int_equal(world.sink.count, 1);
		sealed_expect_held(0, SEALED_TEXT);
		assert_string_equal(world.replies[5], "250 2.0.0 Ok: queued");
		if (i == 1)
			assert_string_equal(world.replies[6], "221 2.0.0 Bye");
		assert_int_equal(world.client.retransmissions, 0);
		assert_true(world.server.fin_received);
		sealed_finish();
	}
}

static void the_same_ports_may_be_used_again(void **state)
{
	(void)state;
	sealed_begin(27);
	begin_body();
	world_reuse_ports(&world);
	sealed_off();
	world_pass(&world, 2000);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_mail(&world, SEALED_MAIL));
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.sink.count, 0);
	world_fini(&world);
}

// A seal, or a verdict, that comes while the body passes.
static void a_seal_that_comes_in_the_middle_keeps_the_whole_mail(void **state)
{
	(void)state;
	for (int chunks = 0; chunks < 2; chunks++) {
		sealed_begin(28);
		sealed_connect();
		assert_true(world_say(&world, "MAIL FROM:<a@x> SIZE=9\r\nRCPT TO:<b@y>\r\n", 2));
		if (chunks)
			assert_true(world_say(&world, "BDAT 14\r\nSubject: x\r\n\r\n", 1));
		else
			assert_true(world_say(&world, "DATA\r\n", 1) &&
				    world_say(&world, "Subject: x\r\n\r\n", 0));
		world_pass(&world, 20);
		(void)sealed_on(SEAL_HOLD);
		world.sink.polls = 500;
		assert_true(world_say(
			&world, chunks ? "BDAT 7 LAST\r\nhello\r\n" : "hello\r\n.\r\n", 1));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		assert_int_equal(world.sink.count, 1);
		sealed_expect_held(0, SEALED_TEXT);
		assert_string_equal(world.sink.records[0].mail_params, "SIZE=9");
		assert_string_equal(world.records[0].action, "hold");
		assert_int_equal(world.mails_count, 0);
		assert_true(world.server.reset);
		assert_true(world_say(&world, "NOOP\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "421", 3);
		assert_true(world_run(&world, sealed_is_over, 0, 60000));
		sealed_finish();
	}
}

// Nothing is said to it that it has not asked for, but it is not waited for longer than a minute.
static void a_client_that_says_no_more_is_told_so_and_let_go(void **state)
{
	(void)state;
	sealed_begin(31);
	sealed_connect();
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_true(world_say(&world, "Subject: x\r\n\r\n", 0));
	world_pass(&world, 20);
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "hello\r\n.\r\n", 1));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	world_pass(&world, 55000);
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_false(world.client.fin_received);
	world_pass(&world, 10000);
	assert_memory_equal(world_last_reply(&world), "421", 3);
	assert_true(world.client.fin_received && world.client.fin_acked);
	assert_false(world.client.reset);
	assert_int_equal(world.sessions_count, 1);
	sealed_finish();
}

static void past_the_budget_a_mail_is_put_off(void **state)
{
	(void)state;
	sealed_begin(29);
	world.sink.max_bytes = 15;
	sealed_connect();
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_true(world_say(&world, "Subject: x\r\n\r\n", 0));
	world_pass(&world, 20);
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "hello\r\n.\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "451", 3);
	assert_int_equal(world.sink.count, 0);
	assert_int_equal(world.mails_count, 0);
	assert_string_equal(world.records[0].action, "tempfail");
	sealed_finish();
}

static void the_quarantine_keeps_what_is_infected(void **state)
{
	(void)state;
	for (int sealed = 0; sealed < 2; sealed++) {
		struct engine_options options;

		engine_options_init(&options);
		options.max_connections = 16;
		options.max_half_open = 8;
		options.max_pages = 512;
		options.scan.max_messages = 8;
		options.policy[DIRECTION_INBOUND].infected = POLICY_QUARANTINE;
		options.capture = false;
		world_init(&world, &options, 4, SEALED_RULES, 30);
		sealed_connect();
		if (sealed)
			(void)sealed_on(SEAL_HOLD);
		assert_true(world_mail(&world, "Subject: x\r\n\r\n" SEALED_EVIL "\r\n.\r\n"));
		assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		assert_int_equal(world.sink.count, 1);
		assert_true(world.sink.records[0].quarantine);
		assert_string_equal(world.sink.records[0].signature, "Test.Evil");
		assert_string_equal(world.records[0].action, "quarantine");
		assert_int_equal(world.mails_count, 0);
		assert_int_equal(world.server.reset, !sealed);
		sealed_finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_leaves_in_the_middle_costs_no_mail),
		cmocka_unit_test(a_server_that_leaves_before_the_mail_is_durable_costs_none_either),
		cmocka_unit_test(a_server_that_says_nothing_any_more_is_left),
		cmocka_unit_test(a_server_that_refuses_rset_is_left_and_costs_no_mail),
		cmocka_unit_test(after_enough_of_them_the_client_comes_back_on_another_connection),
		cmocka_unit_test(nothing_is_kept_of_a_client_that_vanishes),
		cmocka_unit_test(a_client_that_vanishes_before_the_answer_is_not_answered),
		cmocka_unit_test(a_client_may_close_with_its_last_segment),
		cmocka_unit_test(the_same_ports_may_be_used_again),
		cmocka_unit_test(a_seal_that_comes_in_the_middle_keeps_the_whole_mail),
		cmocka_unit_test(a_client_that_says_no_more_is_told_so_and_let_go),
		cmocka_unit_test(past_the_budget_a_mail_is_put_off),
		cmocka_unit_test(the_quarantine_keeps_what_is_infected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
