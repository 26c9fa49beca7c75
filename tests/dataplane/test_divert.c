// SPDX-License-Identifier: BSD-3-Clause
// A mail that a seal covers is taken in before its body, and the connection goes on behind it.
#include "dataplane/seal.h"
#include "dataplane/session.h"
#include "dataplane/splice.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVIL "the-quick-evil-fox-of-the-test"
// The same text in hexadecimal.
#define RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"
#define MAIL "Subject: x\r\n\r\nhello\r\n.\r\n"
#define TEXT "Subject: x\r\n\r\nhello\r\n"

static struct world world;

static union {
	struct engine_seals head;
	uint8_t room[sizeof(struct engine_seals) + sizeof(struct seal)];
} snapshot;

static struct seal *seal_on(enum seal_mode mode)
{
	struct seal *seal = snapshot.head.seals;

	memset(&snapshot, 0, sizeof(snapshot));
	snapshot.head.count = 1;
	seal->mode = mode;
	seal->directions = SEAL_INBOUND;
	strcpy(seal->virus_id, "CV-1");
	engine_set_seals(world.engine, &snapshot.head);
	return seal;
}

static void seal_off(void)
{
	engine_set_seals(world.engine, NULL);
}

static void begin(uint64_t seed)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = 8;
	world_init(&world, &options, seed % 3 == 0 ? 6 : 4, RULES, seed);
}

static void connect(void)
{
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
}

static void finish(void)
{
	const struct peer *peers[] = {&world.client, &world.server};

	for (int i = 0; i < 2; i++) {
		assert_int_equal(peers[i]->bad_frames, 0);
		assert_int_equal(peers[i]->conflicts, 0);
		assert_int_equal(peers[i]->bad_acks, 0);
		assert_int_equal(peers[i]->bad_sacks, 0);
		assert_int_equal(peers[i]->bad_clocks, 0);
		assert_int_equal(peers[i]->overruns, 0);
	}
	world_fini(&world);
}

static bool is_over(struct world *at, uint32_t value)
{
	(void)value;
	return at->client.reset || (at->client.fin_received && at->client.fin_acked);
}

static void quit(void)
{
	assert_true(world_say(&world, "QUIT\r\n", 1));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_true(world_run(&world, is_over, 0, 60000));
	assert_int_equal(world.client.retransmissions + world.server.retransmissions, 0);
	assert_int_equal(world.client.old_clocks + world.server.old_clocks, 0);
}

static void expect_held(uint32_t i, const char *text)
{
	const struct sink_record *record = &world.sink.records[i];

	assert_true(i < world.sink.count);
	assert_int_equal(record->bytes, strlen(text));
	assert_memory_equal(record->data, text, strlen(text));
}

static void a_sealed_mail_is_held_and_the_connection_goes_on(void **state)
{
	(void)state;
	begin(1);
	connect();
	(void)seal_on(SEAL_HOLD);
	assert_true(world_mail(&world, MAIL));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.sink.count, 1);
	assert_int_equal(world.holds_count, 1);
	expect_held(0, TEXT);
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
	quit();
	finish();
}

static void sealed_and_unsealed_mails_may_alternate(void **state)
{
	(void)state;
	begin(2);
	connect();
	for (uint32_t i = 0; i < 12; i++) {
		char body[64];

		(void)snprintf(body, sizeof(body), "Subject: %u\r\n\r\ntext\r\n.\r\n", i);
		if (i % 3 == 2)
			seal_off();
		else
			(void)seal_on(SEAL_HOLD);
		assert_true(world_mail(&world, body));
		body[strlen(body) - 3] = '\0';
		if (i % 3 == 2) {
			assert_int_equal(world.mails_count, i / 3 + 1);
			assert_memory_equal(world.mails[i / 3].data, body, strlen(body));
		} else {
			expect_held(i - i / 3, body);
		}
	}
	assert_int_equal(world.sink.count, 8);
	assert_int_equal(world.mails_count, 4);
	quit();
	finish();
}

static void an_infected_mail_under_a_seal_is_refused(void **state)
{
	(void)state;
	begin(3);
	connect();
	(void)seal_on(SEAL_HOLD);
	assert_true(world_mail(&world, "Subject: x\r\n\r\n" EVIL "\r\n.\r\n"));
	assert_string_equal(
		world_last_reply(&world), "554 5.7.1 Message rejected: virus found: Test.Evil");
	assert_int_equal(world.sink.count, 0);
	assert_string_equal(world.records[0].action, "reject");
	assert_true(world_mail(&world, MAIL));
	assert_int_equal(world.sink.count, 1);
	quit();
	finish();
}

static void a_tempfail_seal_answers_data_at_once(void **state)
{
	(void)state;
	begin(4);
	connect();
	(void)seal_on(SEAL_TEMPFAIL);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_string_equal(world_last_reply(&world),
		"451 4.7.1 Message not accepted now, try again later: sealed");
	assert_string_equal(world.records[0].action, "tempfail");
	assert_string_equal(world.records[0].reason, "sealed");
	seal_off();
	assert_true(world_mail(&world, MAIL));
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.sink.count, 0);
	quit();
	finish();
}

static void every_parameter_of_the_envelope_is_kept(void **state)
{
	const struct sink_record *record;

	(void)state;
	begin(5);
	world.refuse_rcpt = "nobody";
	connect();
	(void)seal_on(SEAL_STRIP);
	assert_true(world_say(&world,
		"MAIL FROM:<a@x> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ314159 AUTH=<>\r\n", 1));
	assert_true(world_say(&world,
		"RCPT TO:<\"b c\"@y> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y \r\n"
		"RCPT TO:<nobody@y> NOTIFY=NEVER\r\nRCPT TO:<d@y>\r\nDATA\r\n",
		4));
	assert_true(world_say(&world, MAIL, 1));
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
	quit();
	finish();
}

static void without_a_recipient_the_server_answers_data_itself(void **state)
{
	(void)state;
	begin(6);
	world.refuse_rcpt = "nobody";
	connect();
	(void)seal_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<nobody@y>\r\nDATA\r\n", 3));
	assert_non_null(strstr(world.commands, "DATA"));
	assert_int_equal(world.server_rsets, 0);
	finish();
}

static void chunks_are_answered_one_by_one(void **state)
{
	(void)state;
	begin(7);
	connect();
	(void)seal_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	assert_true(world_say(&world, "BDAT 5\r\nabc\r\n", 1));
	assert_true(world_say(&world, "NOOP\r\nBDAT 0\r\n", 2));
	assert_true(world_say(&world, "BDAT 3\r\n.\r\nBDAT 2 LAST\r\n\r\n", 2));
	assert_int_equal(world.sink.count, 1);
	expect_held(0, "abc\r\n.\r\n\r\n");
	// All of it at once, and another one behind it.
	assert_true(world_say(&world,
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 4\r\nab\r\nBDAT 4 LAST\r\ncd\r\n"
		"MAIL FROM:<c@x>\r\nRCPT TO:<d@y>\r\nBDAT 3 LAST\r\nx\r\n",
		7));
	assert_int_equal(world.sink.count, 3);
	expect_held(1, "ab\r\ncd\r\n");
	expect_held(2, "x\r\n");
	assert_int_equal(world.mails_count, 0);
	assert_null(strstr(world.commands, "BDAT"));
	quit();
	finish();
}

static void a_transaction_in_chunks_may_be_reset_or_left(void **state)
{
	(void)state;
	begin(8);
	connect();
	(void)seal_on(SEAL_HOLD);
	assert_true(world_say(&world,
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5\r\nabc\r\nMAIL FROM:<a@x>\r\n", 4));
	assert_memory_equal(world_last_reply(&world), "503", 3);
	assert_true(world_say(&world, "RSET\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "250", 3);
	assert_true(world_mail(&world, MAIL));
	assert_int_equal(world.sink.count, 1);
	assert_true(world_say(
		&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5\r\nabc\r\nQUIT\r\n", 4));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_true(world_run(&world, is_over, 0, 60000));
	assert_int_equal(world.sink.count, 1);
	assert_int_equal(world.mails_count, 0);
	finish();
}

static void the_answer_waits_until_the_mail_is_durable(void **state)
{
	(void)state;
	begin(9);
	connect();
	(void)seal_on(SEAL_HOLD);
	world.sink.polls = 100000;
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	peer_write(&world.client, MAIL, sizeof(MAIL) - 1);
	world_pass(&world, 5000);
	assert_int_equal(world.replies_count, 5);
	assert_true(world_say(&world, "", 1));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.sink.count, 1);
	quit();
	finish();
}

static void what_cannot_be_kept_is_put_off(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		begin(10);
		world.sink.max_bytes = i == 0 ? 10 : 0;
		world.sink.fail_from = i == 1 ? 1 : 0;
		world.sink.refuse_commit = i == 2;
		if (i == 3) {
			world.has_no_spool = true;
			world_restart(&world);
		}
		connect();
		(void)seal_on(SEAL_HOLD);
		assert_true(world_mail(&world, MAIL));
		assert_string_equal(world_last_reply(&world),
			"451 4.7.1 Message not accepted now, try again later: spool");
		assert_string_equal(world.records[0].action, "tempfail");
		assert_string_equal(world.records[0].reason, "spool");
		assert_int_equal(world.sink.count, 0);
		assert_int_equal(world.holds_count, 0);
		seal_off();
		assert_true(world_mail(&world, MAIL));
		assert_int_equal(world.mails_count, 1);
		quit();
		finish();
	}
}

static void a_scope_that_needs_the_body_is_judged_on_it(void **state)
{
	struct seal *seal;

	(void)state;
	begin(11);
	connect();
	seal = seal_on(SEAL_HOLD);
	strcpy(seal->subject, "*invoice*");
	assert_true(world_mail(&world, "Subject: Your Invoice\r\n\r\nx\r\n.\r\n"));
	assert_string_equal(world.sink.records[0].reason, "sealed");
	assert_true(world_mail(&world, "Subject: hello\r\n\r\nx\r\n.\r\n"));
	assert_string_equal(world.sink.records[1].reason, "seal-scope");
	assert_string_equal(world.sink.records[1].seal_mode, "");
	assert_string_equal(world.records[1].action, "hold");
	seal = seal_on(SEAL_TEMPFAIL);
	strcpy(seal->subject, "*invoice*");
	assert_true(world_mail(&world, "Subject: Your Invoice\r\n\r\nx\r\n.\r\n"));
	assert_memory_equal(world_last_reply(&world), "451", 3);
	strcpy(seal->sender, "nobody");
	assert_true(world_mail(&world, "Subject: Your Invoice\r\n\r\nx\r\n.\r\n"));
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.sink.count, 2);
	quit();
	finish();
}

static void a_whole_transaction_in_one_segment(void **state)
{
	(void)state;
	begin(12);
	connect();
	(void)seal_on(SEAL_HOLD);
	// Nobody may send a body before the 354; one that does gets it taken in all the same.
	assert_true(world_say(&world,
		"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" MAIL
		"MAIL FROM:<c@x>\r\nRCPT TO:<d@y>\r\nDATA\r\n" MAIL "QUIT\r\n",
		9));
	assert_true(world_run(&world, is_over, 0, 60000));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_int_equal(world.sink.count, 2);
	expect_held(0, TEXT);
	expect_held(1, TEXT);
	assert_string_equal(world.sink.records[1].mail_from, "c@x");
	assert_int_equal(world.mails_count, 0);
	finish();
}

static void a_command_that_comes_in_pieces_is_withheld_too(void **state)
{
	static const char command[] = "DATA\r\n";

	(void)state;
	for (size_t at = 1; at < sizeof(command) - 1; at++) {
		char head[16];

		begin(13);
		connect();
		(void)seal_on(SEAL_HOLD);
		assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
		(void)snprintf(head, sizeof(head), "%.*s", (int)at, command);
		peer_write(&world.client, head, at);
		world_pass(&world, 20);
		assert_true(world_say(&world, command + at, 1));
		assert_true(world_say(&world, MAIL, 1));
		assert_int_equal(world.sink.count, 1);
		assert_int_equal(world.mails_count, 0);
		assert_null(strstr(world.commands, "DATA"));
		finish();
	}
}

static void keep_alives_and_long_bodies_find_the_server_awake(void **state)
{
	(void)state;
	begin(14);
	connect();
	(void)seal_on(SEAL_HOLD);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	for (int i = 0; i < 10; i++) {
		assert_true(world_say(&world, "some text that goes on and on\r\n", 0));
		world_pass(&world, 100000);
	}
	assert_true(world.server_noops >= 7);
	assert_true(world_say(&world, ".\r\n", 1));
	assert_int_equal(world.sink.count, 1);
	seal_off();
	assert_true(world_mail(&world, MAIL));
	assert_int_equal(world.mails_count, 1);
	quit();
	finish();
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
