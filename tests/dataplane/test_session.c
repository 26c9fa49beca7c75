// SPDX-License-Identifier: BSD-3-Clause
// The engine between a real-enough client and server in virtual time.
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVIL "the-quick-evil-fox-of-the-test"
// The same text in hexadecimal.
#define RULES "Test.Evil:0:*:7468652d717569636b2d6576696c2d666f782d6f662d7468652d74657374\n"

static struct engine_options small(void)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 8192;
	options.max_stream_bytes = 1u << 20;
	options.scan.max_messages = 16;
	return options;
}

static void begin(struct world *world, uint64_t seed)
{
	static const size_t windows[] = {65535, 9000, 1500, 300};
	struct engine_options options = small();

	world_init(world, &options, seed % 3 == 0 ? 6 : 4, RULES, seed);
	world->server.window = windows[seed % 4];
}

static const struct counters *counters(const struct world *world)
{
	return engine_counters(world->engine);
}

// What a server stores of a body as the client sent it.
static void assert_stored(const struct world *world, uint32_t index, const char *body, size_t n)
{
	char *want = malloc(n + 1);
	size_t bytes = 0;

	assert_non_null(want);
	assert_true(index < world->mails_count);
	for (size_t i = 0; i < n - 3; i++) {
		if (body[i] == '.' && (i == 0 || body[i - 1] == '\n'))
			continue;
		want[bytes++] = body[i];
	}
	assert_int_equal(world->mails[index].bytes, bytes);
	assert_memory_equal(world->mails[index].data, want, bytes);
	free(want);
}

static bool is_over(struct world *world, uint32_t value)
{
	(void)value;
	return world->client.fin_received && world->client.fin_acked;
}

static void a_clean_mail_arrives_as_it_was_sent(void **state)
{
	struct world world;
	char *body;
	size_t n = world_make_body(50000, 7, &body);

	(void)state;
	begin(&world, 1);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO client.example.org\r\n", 1));
	assert_true(world_mail(&world, body));
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_stored(&world, 0, body, n);
	assert_true(world_say(&world, "QUIT\r\n", 1));
	assert_true(world_run(&world, is_over, 0, 5000));
	assert_int_equal(world.records_count, 1);
	assert_int_equal(world.records[0].verdict, VERDICT_CLEAN);
	assert_string_equal(world.records[0].action, "deliver");
	assert_string_equal(world.records[0].reply, "250 2.0.0 Ok: queued");
	assert_string_equal(world.records[0].mail_from, "a@example.org");
	assert_string_equal(world.records[0].rcpt_to, "b@example.com");
	assert_string_equal(world.records[0].helo, "client.example.org");
	assert_int_equal(counters(&world)->made_packets, 0);
	assert_int_equal(counters(&world)->dropped_tcp, 0);
	assert_int_equal(world.client.retransmissions + world.server.retransmissions, 0);
	assert_string_equal(world.session_why, "fin");
	world_fini(&world);
	free(body);
}

static void an_infected_mail_is_refused_and_never_complete(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 2);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_mail(&world, "Subject: x\r\n\r\nhello " EVIL " bye\r\n.\r\n"));
	assert_non_null(strstr(world_last_reply(&world), "554 5.7.1"));
	assert_non_null(strstr(world_last_reply(&world), "Test.Evil"));
	assert_true(world_say(&world, "QUIT\r\n", 1));
	assert_string_equal(world_last_reply(&world), "221 2.0.0 Bye");
	assert_true(world_run(&world, is_over, 0, 5000));
	assert_int_equal(world.mails_count, 0);
	assert_true(world.server.reset);
	assert_int_equal(world.records_count, 1);
	assert_int_equal(world.records[0].verdict, VERDICT_INFECTED);
	assert_string_equal(world.records[0].action, "reject");
	assert_string_equal(world.records[0].signature, "Test.Evil");
	assert_int_equal(world.client.bad_frames + world.server.bad_frames, 0);
	world_fini(&world);
}

static void anything_but_quit_after_a_refusal_gets_421(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 4);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_mail(&world, "Subject: x\r\n\r\n" EVIL "\r\n.\r\n"));
	assert_true(world_say(&world, "MAIL FROM:<x@y>\r\n", 1));
	assert_non_null(strstr(world_last_reply(&world), "421 "));
	assert_true(world_run(&world, is_over, 0, 5000));
	world_fini(&world);
}

static void mails_arrive_once_and_unchanged_whatever_the_network_does(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world world;
		char *bodies[3];
		size_t sizes[3];

		begin(&world, seed);
		world.faults = (struct world_faults){
			10 + 2 * (uint32_t)(seed % 20), 20, 100, seed % 2 ? 3000 : 200};
		assert_true(world_connect(&world));
		assert_true(world_say(&world, "EHLO c\r\n", 1));
		for (int i = 0; i < 3; i++) {
			sizes[i] = world_make_body(20000, seed * 10 + (uint64_t)i, &bodies[i]);
			assert_true(world_mail(&world, bodies[i]));
			assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
		}
		assert_int_equal(world.mails_count, 3);
		for (uint32_t i = 0; i < 3; i++) {
			assert_stored(&world, i, bodies[i], sizes[i]);
			free(bodies[i]);
		}
		assert_int_equal(world.server.conflicts + world.client.conflicts, 0);
		assert_int_equal(world.server.bad_frames + world.client.bad_frames, 0);
		assert_int_equal(world.records_count, 3);
		world_fini(&world);
	}
}

static void infected_mails_never_arrive_whatever_the_network_does(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct world world;
		char *body;
		size_t n = world_make_body(30000, seed, &body);

		begin(&world, seed);
		world.faults = (struct world_faults){
			10 + 2 * (uint32_t)(seed % 25), 30, 100, seed % 2 ? 3000 : 200};
		memcpy(body + n / 2, EVIL, sizeof(EVIL) - 1);
		assert_true(world_connect(&world));
		assert_true(world_say(&world, "EHLO c\r\n", 1));
		assert_true(world_mail(&world, body));
		assert_non_null(strstr(world_last_reply(&world), "554 5.7.1"));
		assert_true(world_say(&world, "QUIT\r\n", 1));
		assert_non_null(strstr(world_last_reply(&world), "221 "));
		assert_true(world_run(&world, is_over, 0, 120000));
		assert_int_equal(world.mails_count, 0);
		assert_int_equal(world.client.bad_frames + world.server.bad_frames, 0);
		world_fini(&world);
		free(body);
	}
}

static void pipelined_groups_pass(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 5);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(
		&world, "MAIL FROM:<a@x>\r\nRCPT TO:<one@y>\r\nRCPT TO:<two@y>\r\nDATA\r\n", 4));
	assert_true(world_say(
		&world, "one\r\n.\r\nMAIL FROM:<b@x>\r\nRCPT TO:<three@y>\r\nDATA\r\n", 4));
	assert_true(world_say(&world, "two\r\n.\r\nQUIT\r\n", 2));
	assert_int_equal(world.mails_count, 2);
	assert_int_equal(world.records_count, 2);
	assert_string_equal(world.records[0].rcpt_to, "one@y,two@y");
	assert_string_equal(world.records[1].mail_from, "b@x");
	assert_int_equal(world.records[1].message, 2);
	world_fini(&world);
}

static void refused_recipients_are_not_in_the_record(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 5);
	world.refuse_rcpt = "two@";
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(
		&world, "MAIL FROM:<a@x>\r\nRCPT TO:<one@y>\r\nRCPT TO:<two@y>\r\nDATA\r\n", 4));
	assert_true(world_say(&world, "one\r\n.\r\n", 1));
	assert_string_equal(world.records[0].rcpt_to, "one@y");
	world_fini(&world);
}

static void a_body_before_354_waits_for_it(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 7);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(
		&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nearly " EVIL "\r\n.\r\n", 4));
	assert_true(world_run(&world, is_over, 0, 10) || world_say(&world, "QUIT\r\n", 1));
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.records[0].verdict, VERDICT_INFECTED);
	world_fini(&world);
}

static void chunks_are_scanned_across_their_borders(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 8);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	assert_true(world_say(&world, "BDAT 10\r\n0123456789", 1));
	assert_true(world_say(&world, "BDAT 4 LAST\r\nab\r\n", 1));
	assert_int_equal(world.mails_count, 1);
	assert_memory_equal(world.mails[0].data, "0123456789ab\r\n", 14);
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n", 2));
	assert_true(world_say(&world, "BDAT 11\r\nthe-quick-e", 1));
	assert_true(world_say(&world, "BDAT 21 LAST\r\nvil-fox-of-the-test\r\n", 1));
	assert_non_null(strstr(world_last_reply(&world), "554 5.7.1"));
	assert_int_equal(world.mails_count, 1);
	world_fini(&world);
}

static void a_pipelined_infected_chunk_is_answered_after_earlier_replies(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 10);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(
		&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 32 LAST\r\n" EVIL "\r\n", 3));
	assert_non_null(strstr(world_last_reply(&world), "554 5.7.1"));
	assert_string_equal(world.replies[2], "250 2.0.0 Ok");
	assert_int_equal(world.mails_count, 0);
	assert_true(world_say(&world, "QUIT\r\n", 1));
	assert_true(world_run(&world, is_over, 0, 5000));
	world_fini(&world);
}

static void binary_mail_and_addresses_beyond_ascii_pass_as_they_are(void **state)
{
	static const char body[] = "Subject: x\r\n\r\n\0\n.\n\r.\r\n.\r\n\xff\0";
	struct world world;
	char text[128];
	size_t n;

	(void)state;
	begin(&world, 13);
	world.ehlo_reply = "250-server\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-8BITMIME\r\n"
			   "250 SMTPUTF8\r\n";
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_non_null(memmem(world.client.in, world.client.in_bytes, "BINARYMIME", 10));
	assert_non_null(memmem(world.client.in, world.client.in_bytes, "SMTPUTF8", 8));
	assert_true(world_say(&world,
		"MAIL FROM:<j\xc3\xb6rg@x> BODY=BINARYMIME SMTPUTF8\r\nRCPT "
		"TO:<\xe2\x82\xac@y>\r\n",
		2));
	n = (size_t)snprintf(text, sizeof(text), "BDAT %zu LAST\r\n", sizeof(body) - 1);
	memcpy(text + n, body, sizeof(body) - 1);
	assert_true(world_write(&world, text, n + sizeof(body) - 1, 1));
	assert_int_equal(world.mails_count, 1);
	assert_int_equal(world.mails[0].bytes, sizeof(body) - 1);
	assert_memory_equal(world.mails[0].data, body, sizeof(body) - 1);
	assert_string_equal(world.records[0].mail_from, "j\xc3\xb6rg@x");
	assert_string_equal(world.records[0].rcpt_to, "\xe2\x82\xac@y");
	world_fini(&world);
}

static void starttls_is_masked_in_place(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 11);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_null(memmem(world.client.in, world.client.in_bytes, "STARTTLS", 8));
	assert_non_null(memmem(world.client.in, world.client.in_bytes, "250-XXXXXXXX\r\n", 14));
	assert_non_null(memmem(world.client.in, world.client.in_bytes, "250-PIPELINING\r\n", 16));
	assert_true(world_say(&world, "STARTTLS\r\n", 1));
	assert_non_null(strstr(world_last_reply(&world), "500 "));
	assert_null(memmem(world.server.in, world.server.in_bytes, "STARTTLS", 8));
	world_fini(&world);
}

static void masks_hold_under_loss_and_tiny_segments(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct world world;

		begin(&world, seed);
		world.faults = (struct world_faults){40, 40, 100, 2000};
		world.server.mss = (uint16_t)(1 + seed % 7);
		world.client.mss = (uint16_t)(1 + seed % 5);
		assert_true(world_connect(&world));
		assert_true(world_say(&world, "EHLO c\r\n", 1));
		assert_null(memmem(world.client.in, world.client.in_bytes, "STARTTLS", 8));
		assert_true(world_say(&world, "XEXCH50 2 2\r\n", 1));
		assert_null(memmem(world.server.in, world.server.in_bytes, "XEXCH50", 7));
		assert_true(world_mail(&world, "Subject: s\r\n\r\ntiny\r\n.\r\n"));
		assert_int_equal(world.mails_count, 1);
		assert_int_equal(world.server.conflicts + world.client.conflicts, 0);
		world_fini(&world);
	}
}

// However the commands are cut, come again or overtake one another.
static void blanks_of_chunks_are_settled_under_loss_and_tiny_segments(void **state)
{
	static const char talk[] = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT\t \t5\r\n01234"
				   "BDAT   9\tLAST \t\r\n56BDAT\t\r\n";

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world world;

		begin(&world, seed);
		world.faults = (struct world_faults){60, 60, 100, 3000};
		world.client.mss = (uint16_t)(1 + seed % 9);
		assert_true(world_connect(&world));
		assert_true(world_say(&world, "EHLO c\r\n", 1));
		assert_true(world_say(&world, talk, 4));
		assert_non_null(strstr(world.commands, "\nBDAT 005\r\n"));
		assert_non_null(strstr(world.commands, "\nBDAT 009 LAST  \r\n"));
		assert_int_equal(world.mails_count, 1);
		assert_int_equal(world.mails[0].bytes, 14);
		assert_memory_equal(world.mails[0].data, "0123456BDAT\t\r\n", 14);
		assert_int_equal(world.server.conflicts + world.client.conflicts, 0);
		world_fini(&world);
	}
}

static void smuggled_mails_do_not_pass(void **state)
{
	static const char *const breaks[] = {"\r\n", "\n", "\r"};

	(void)state;
	for (int before = 0; before < 3; before++) {
		for (int after = 0; after < 3; after++) {
			struct world world;
			char body[512];

			if (before == 0 && after == 0)
				continue;
			begin(&world, (uint64_t)before * 3 + (uint64_t)after);
			world.server_lenient = true;
			(void)snprintf(body, sizeof(body),
				"Subject: one\r\n\r\nx%s.%sMAIL FROM:<admin@x>\r\nRCPT TO:<b@y>\r\n"
				"DATA\r\nsmuggled\r\n.\r\n",
				breaks[before], breaks[after]);
			assert_true(world_connect(&world));
			assert_true(world_say(&world, "EHLO c\r\n", 1));
			assert_true(world_mail(&world, body));
			assert_non_null(strstr(world_last_reply(&world), "550 5.5.2"));
			assert_int_equal(world.mails_count, 0);
			assert_int_equal(world.records_count, 1);
			assert_string_equal(world.records[0].action, "reject");
			world_fini(&world);
		}
	}
}

static void a_client_that_vanishes_leaves_an_incomplete_message(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 13);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_true(world_say(&world, "Subject: half\r\n", 0));
	world_pass(&world, 50);
	peer_abort(&world.client, world.now_ns);
	world_pass(&world, 15000);
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.records_count, 1);
	assert_int_equal(world.records[0].verdict, VERDICT_INCOMPLETE);
	assert_string_equal(world.records[0].action, "none");
	assert_true(world.server.reset);
	world_fini(&world);
}

static void fin_with_the_end_of_data_completes_the_message(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 14);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	peer_close(&world.client);
	assert_true(world_say(&world, "Subject: last\r\n\r\nx\r\n.\r\n", 1));
	assert_int_equal(world.mails_count, 1);
	world_pass(&world, 1000);
	assert_int_equal(world.records_count, 1);
	assert_string_equal(world.records[0].action, "deliver");
	world_fini(&world);
}

static void numbers_may_wrap(void **state)
{
	struct world world;
	char *body;
	size_t n = world_make_body(300000, 3, &body);

	(void)state;
	begin(&world, 17);
	world.client.iss = 0xffffff00u;
	world.server.iss = 0xfffffff0u;
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_mail(&world, body));
	assert_stored(&world, 0, body, n);
	world_fini(&world);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_mail_arrives_as_it_was_sent),
		cmocka_unit_test(an_infected_mail_is_refused_and_never_complete),
		cmocka_unit_test(anything_but_quit_after_a_refusal_gets_421),
		cmocka_unit_test(mails_arrive_once_and_unchanged_whatever_the_network_does),
		cmocka_unit_test(infected_mails_never_arrive_whatever_the_network_does),
		cmocka_unit_test(pipelined_groups_pass),
		cmocka_unit_test(refused_recipients_are_not_in_the_record),
		cmocka_unit_test(a_body_before_354_waits_for_it),
		cmocka_unit_test(chunks_are_scanned_across_their_borders),
		cmocka_unit_test(a_pipelined_infected_chunk_is_answered_after_earlier_replies),
		cmocka_unit_test(binary_mail_and_addresses_beyond_ascii_pass_as_they_are),
		cmocka_unit_test(starttls_is_masked_in_place),
		cmocka_unit_test(masks_hold_under_loss_and_tiny_segments),
		cmocka_unit_test(blanks_of_chunks_are_settled_under_loss_and_tiny_segments),
		cmocka_unit_test(smuggled_mails_do_not_pass),
		cmocka_unit_test(a_client_that_vanishes_leaves_an_incomplete_message),
		cmocka_unit_test(fin_with_the_end_of_data_completes_the_message),
		cmocka_unit_test(numbers_may_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
