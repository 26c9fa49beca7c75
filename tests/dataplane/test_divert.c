// SPDX-License-Identifier: BSD-3-Clause
// A mail that a seal covers is taken in before its body, and the connection goes on behind it.
#include "tests/support/sealed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

static void a_sealed_mail_is_held_and_the_connection_goes_on(void **state)
{
	(void)state;
	sealed_begin(1);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_mail(&world, SEALED_MAIL));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.sink.count, 1);
	assert_int_equal(world.holds_count, 1);
	sealed_expect_held(0, SEALED_TEXT);
	assert_string_equal(world.sink.records[0].mail_from, "a@example.org");
	assert_string_equal(world.sink.records[0].rcpt_to[0], "b@example.com");
	assert_string_equal(world.sink.records[0].reason, "sealed");
	assert_string_equal(world.sink.records[0].seal_mode, "hold");
	assert_string_equal(world.sink.records[0].virus_id, "CV-1");
	assert_string_equal(world.records[0].action, "hold");
	assert_string_equal(world.records[0].reply, "250 2.0.0 Ok: queued");
	assert_string_equal(world.records[0].seal_mode, "hold");
	assert_string_equal(world.records[0].record, "r1");
	assert_int_equal(world.server_rsets, 1);
	assert_null(strstr(world.commands, "DATA"));
	sealed_quit();
	sealed_finish();
}

static void sealed_and_unsealed_mails_may_alternate(void **state)
{
	(void)state;
	sealed_begin(2);
	sealed_connect();
	for (uint32_t i = 0; i < 12; i++) {
		char body[64];

		(void)snprintf(body, sizeof(body), "Subject: %u\r\n\r\ntext\r\n.\r\n", i);
		if (i % 3 == 2)
			sealed_off();
		else
			(void)sealed_on(SEAL_HOLD);
		assert_true(world_mail(&world, body));
		body[strlen(body) - 3] = '\0';
		if (i % 3 == 2) {
			assert_int_equal(world.mails_count, i / 3 + 1);
			assert_memory_equal(world.mails[i / 3].data, body, strlen(body));
		} else {
			sealed_expect_held(i - i / 3, body);
		}
	}
	assert_int_equal(world.sink.count, 8);
	assert_int_equal(world.mails_count, 4);
	sealed_quit();
	sealed_finish();
}

static void an_infected_mail_under_a_seal_is_refused(void **state)
{
	(void)state;
	sealed_begin(3);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_mail(&world, "Subject: x\r\n\r\n" SEALED_EVIL "\r\n.\r\n"));
	assert_string_equal(
		world_last_reply(&world), "554 5.7.1 Message rejected: virus found: Test.Evil");
	assert_int_equal(world.sink.count, 0);
	assert_string_equal(world.records[0].action, "reject");
	assert_true(world_mail(&world, SEALED_MAIL));
	assert_int_equal(world.sink.count, 1);
	sealed_quit();
	sealed_finish();
}

static void a_tempfail_seal_answers_data_at_once(void **state)
{
	(void)state;
	sealed_begin(4);
	sealed_connect();
	(void)sealed_on(SEAL_TEMPFAIL);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_string_equal(world_last_reply(&world),
		"451 4.7.1 Message not accepted now, try again later: sealed");
	assert_string_equal(world.records[0].action, "tempfail");
	assert_string_equal(world.records[0].reason, "sealed");
	sealed_off();
	assert_true(world_mail(&world, SEALED_MAIL));
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.sink.count, 0);
	sealed_quit();
	sealed_finish();
}

static void every_parameter_of_the_envelope_is_kept(void **state)
{
	const struct sink_record *record;

	(void)state;
	sealed_begin(5);
	world.refuse_rcpt = "nobody";
	sealed_connect();
	(void)sealed_on(SEAL_STRIP);
	assert_true(world_say(&world,
		"MAIL FROM:<a@x> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ314159 AUTH=<>\r\n", 1));
	assert_true(world_say(&world,
		"RCPT TO:<\"b c\"@y> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y \r\n"
		"RCPT TO:<nobody@y> NOTIFY=NEVER\r\nRCPT TO:<d@y>\r\nDATA\r\n",
		4));
	assert_true(world_say(&world, SEALED_MAIL, 1));
	assert_int_equal(world.sink.count, 1);
	record = world.sink.records;
	assert_string_equal(record->mail_from, "a@x");
	assert_string_equal(
		record->mail_params, "SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ314159 AUTH=<>");
	assert_int_equal(record->rcpt_to_count, 2);
	assert_string_equal(record->rcpt_to[0], "\"b c\"@y");
	assert_string_equal(record->rcpt_params[0], "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y");
	assert_string_equal(record->rcpt_to[1], "d@y");
	assert_string_equal(record->rcpt_params[1], "");
	assert_string_equal(record->seal_mode, "strip");
	sealed_quit();
	sealed_finish();
}

static void without_a_recipient_the_server_answers_data_itself(void **state)
{
	(void)state;
	sealed_begin(6);
	world.refuse_rcpt = "nobody";
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\nDATA\r\n", 3));
	assert_non_null(strstr(world.commands, "DATA"));
	assert_int_equal(world.server_rsets, 0);
	sealed_finish();
}

// Also in chunks, whether the replies are waited for or not; what has somebody who gets it is kept.
static void without_a_recipient_the_server_answers_chunks_itself(void **state)
{
	static const char *const steps[][3] = {
		{"MAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\n", "BDAT 4 LAST\r\nef\r\n"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\nRCPT TO:<nobody@z>\r\nBDAT 4 "
		 "LAST\r\nef\r\n"},
		{"MAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\n", "BDAT 2\r\nef", "RSET\r\n"},
	};
	static const uint32_t replies[][3] = {{2, 1}, {4}, {2, 1, 1}};
	static const char *const last[] = {
		"554 5.5.1 no valid recipients", "554 5.5.1 no valid recipients", "250 2.0.0 Ok"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sealed_begin(6);
		world.refuse_rcpt = "nobody";
		sealed_connect();
		(void)sealed_on(i == 1 ? SEAL_TEMPFAIL : SEAL_HOLD);
		for (size_t k = 0; k < 3 && steps[i][k] != NULL; k++)
			assert_true(world_say(&world, steps[i][k], replies[i][k]));
		assert_string_equal(world_last_reply(&world), last[i]);
		assert_int_equal(world.mails_count, 0);
		assert_true(world_say(&world,
			"RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\nRCPT TO:<b@y>\r\n", 4));
		assert_true(world_say(&world, "BDAT 4 LAST\r\nef\r\n", 1));
		assert_int_equal(world.mails_count, 0);
		assert_int_equal(world.sink.count, i != 1);
		sealed_finish();
	}
}

static void chunks_are_answered_one_by_one(void **state)
{
	(void)state;
	sealed_begin(7);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	assert_true(world_say(&world, "BDAT 5\r\nabc\r\n", 1));
	assert_true(world_say(&world, "NOOP\r\nBDAT 0\r\n", 2));
	assert_true(world_say(&world, "BDAT 3\r\n.\r\nBDAT 2 LAST\r\n\r\n", 2));
	assert_int_equal(world.sink.count, 1);
	sealed_expect_held(0, "abc\r\n.\r\n\r\n");
	// All of it at once, and another one behind it.
	assert_true(world_say(&world,
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 4\r\nab\r\nBDAT 4 LAST\r\ncd\r\n"
		"MAIL FROM:<c@x>\r\nRCPT TO:<d@y>\r\nBDAT 3 LAST\r\nx\r\n",
		7));
	assert_int_equal(world.sink.count, 3);
	sealed_expect_held(1, "ab\r\ncd\r\n");
	sealed_expect_held(2, "x\r\n");
	assert_int_equal(world.mails_count, 0);
	assert_null(strstr(world.commands, "BDAT"));
	sealed_quit();
	sealed_finish();
}

static void a_transaction_in_chunks_may_be_reset_or_left(void **state)
{
	(void)state;
	sealed_begin(8);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world,
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5\r\nabc\r\nMAIL FROM:<a@x>\r\n", 4));
	assert_memory_equal(world_last_reply(&world), "503", 3);
	assert_true(world_say(&world, "RSET\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "250", 3);
	assert_true(world_mail(&world, SEALED_MAIL));
	assert_int_equal(world.sink.count, 1);
	assert_true(world_say(
		&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5\r\nabc\r\nQUIT\r\n", 4));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_true(world_run(&world, sealed_is_over, 0, 60000));
	assert_int_equal(world.sink.count, 1);
	assert_int_equal(world.mails_count, 0);
	sealed_finish();
}

static void the_answer_waits_until_the_mail_is_durable(void **state)
{
	(void)state;
	sealed_begin(9);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	world.sink.polls = 100000;
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	peer_write(&world.client, SEALED_MAIL, sizeof(SEALED_MAIL) - 1);
	world_pass(&world, 5000);
	assert_int_equal(world.replies_count, 5);
	assert_true(world_say(&world, "", 1));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.sink.count, 1);
	sealed_quit();
	sealed_finish();
}

static void what_cannot_be_kept_is_put_off(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		sealed_begin(10);
		world.sink.max_bytes = i == 0 ? 10 : 0;
		world.sink.fail_from = i == 1 ? 1 : 0;
		world.sink.refuse_commit = i == 2;
		if (i == 3) {
			world.has_no_spool = true;
			world_restart(&world);
		}
		sealed_connect();
		(void)sealed_on(SEAL_HOLD);
		assert_true(world_mail(&world, SEALED_MAIL));
		assert_string_equal(world_last_reply(&world),
			"451 4.7.1 Message not accepted now, try again later: spool");
		assert_string_equal(world.records[0].action, "tempfail");
		assert_string_equal(world.records[0].reason, "spool");
		assert_int_equal(world.sink.count, 0);
		assert_int_equal(world.holds_count, 0);
		sealed_off();
		assert_true(world_mail(&world, SEALED_MAIL));
		assert_int_equal(world.mails_count, 1);
		sealed_quit();
		sealed_finish();
	}
}

static void a_scope_that_needs_the_body_is_judged_on_it(void **state)
{
	struct seal *seal;

	(void)state;
	sealed_begin(11);
	sealed_connect();
	seal = sealed_on(SEAL_HOLD);
	strcpy(seal->subject, "*invoice*");
	assert_true(world_mail(&world, "Subject: Your Invoice\r\n\r\nx\r\n.\r\n"));
	assert_string_equal(world.sink.records[0].reason, "sealed");
	assert_true(world_mail(&world, "Subject: hello\r\n\r\nx\r\n.\r\n"));
	assert_string_equal(world.sink.records[1].reason, "seal-scope");
	assert_string_equal(world.sink.records[1].seal_mode, "");
	assert_string_equal(world.records[1].action, "hold");
	seal = sealed_on(SEAL_TEMPFAIL);
	strcpy(seal->subject, "*invoice*");
	assert_true(world_mail(&world, "Subject: Your Invoice\r\n\r\nx\r\n.\r\n"));
	assert_memory_equal(world_last_reply(&world), "451", 3);
	strcpy(seal->sender, "nobody");
	assert_true(world_mail(&world, "Subject: Your Invoice\r\n\r\nx\r\n.\r\n"));
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.sink.count, 2);
	sealed_quit();
	sealed_finish();
}

static void a_whole_transaction_in_one_segment(void **state)
{
	(void)state;
	sealed_begin(12);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	// Nobody may send a body before the 354; one that does gets it taken in all the same.
	assert_true(world_say(&world,
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" SEALED_MAIL
		"MAIL FROM:<c@x>\r\nRCPT TO:<d@y>\r\nDATA\r\n" SEALED_MAIL "QUIT\r\n",
		9));
	assert_true(world_run(&world, sealed_is_over, 0, 60000));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_int_equal(world.sink.count, 2);
	sealed_expect_held(0, SEALED_TEXT);
	sealed_expect_held(1, SEALED_TEXT);
	assert_string_equal(world.sink.records[1].mail_from, "c@x");
	assert_int_equal(world.mails_count, 0);
	sealed_finish();
}

static void a_command_that_comes_in_pieces_is_withheld_too(void **state)
{
	static const char command[] = "DATA\r\n";

	(void)state;
	for (size_t at = 1; at < sizeof(command) - 1; at++) {
		char head[16];

		sealed_begin(13);
		sealed_connect();
		(void)sealed_on(SEAL_HOLD);
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
		(void)snprintf(head, sizeof(head), "%.*s", (int)at, command);
		peer_write(&world.client, head, at);
		world_pass(&world, 20);
		assert_true(world_say(&world, command + at, 1));
		assert_true(world_say(&world, SEALED_MAIL, 1));
		assert_int_equal(world.sink.count, 1);
		assert_int_equal(world.mails_count, 0);
		assert_null(strstr(world.commands, "DATA"));
		sealed_finish();
	}
}

static void keep_alives_and_long_bodies_find_the_server_awake(void **state)
{
	(void)state;
	sealed_begin(14);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	for (int i = 0; i < 10; i++) {
		assert_true(world_say(&world, "some text that goes on and on\r\n", 0));
		world_pass(&world, 100000);
	}
	assert_true(world.server_noops >= 7);
	assert_true(world_say(&world, ".\r\n", 1));
	assert_int_equal(world.sink.count, 1);
	sealed_off();
	assert_true(world_mail(&world, SEALED_MAIL));
	assert_int_equal(world.mails_count, 1);
	sealed_quit();
	sealed_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_mail_is_held_and_the_connection_goes_on),
		cmocka_unit_test(sealed_and_unsealed_mails_may_alternate),
		cmocka_unit_test(an_infected_mail_under_a_seal_is_refused),
		cmocka_unit_test(a_tempfail_seal_answers_data_at_once),
		cmocka_unit_test(every_parameter_of_the_envelope_is_kept),
		cmocka_unit_test(without_a_recipient_the_server_answers_data_itself),
		cmocka_unit_test(without_a_recipient_the_server_answers_chunks_itself),
		cmocka_unit_test(chunks_are_answered_one_by_one),
		cmocka_unit_test(a_transaction_in_chunks_may_be_reset_or_left),
		cmocka_unit_test(the_answer_waits_until_the_mail_is_durable),
		cmocka_unit_test(what_cannot_be_kept_is_put_off),
		cmocka_unit_test(a_scope_that_needs_the_body_is_judged_on_it),
		cmocka_unit_test(a_whole_transaction_in_one_segment),
		cmocka_unit_test(a_command_that_comes_in_pieces_is_withheld_too),
		cmocka_unit_test(keep_alives_and_long_bodies_find_the_server_awake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
