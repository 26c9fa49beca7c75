// SPDX-License-Identifier: BSD-3-Clause
// Verdicts that another thread works for, in virtual time: the end of the message waits, whatever
// happens to the connection meanwhile.
#include "dataplane/deferral.h"
#include "tests/support/packed.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES PACKED_RULES
#define INFECTED PACKED_INFECTED
#define CLEAN PACKED_CLEAN
#define END ".\r\n"
#define ENVELOPE "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n"

static struct world world;

static void begin_kept(uint64_t seed, uint32_t work_ms, bool has_spool)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_deferred = 4;
	options.scan.max_messages = 4;
	options.scan.has_helper = true;
	world_init(&world, &options, 4, RULES, seed);
	if (!has_spool) {
		world.has_no_spool = true;
		world_restart(&world);
	}
	world.work_ms = work_ms;
	world.work_is_begun = true;
}

static void begin(uint64_t seed, uint32_t work_ms)
{
	begin_kept(seed, work_ms, true);
}

// The end of data was sent, and the other thread has it.
static bool is_deferred(struct world *w, uint32_t value)
{
	return engine_deferred(w->engine) >= value;
}

static void send_mail(const char *body)
{
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO me\r\n" ENVELOPE "DATA\r\n", 4));
	peer_write(&world.client, body, strlen(body));
	assert_true(world_run(&world, is_deferred, 1, 60000));
}

static bool has_replies(struct world *w, uint32_t value)
{
	return w->replies_count >= value;
}

static void check_record(enum verdict verdict, const char *action, const char *reason)
{
	assert_int_equal(world.records_count, 1);
	assert_string_equal(world.records[0].action, action);
	assert_string_equal(world.records[0].reason, reason);
	assert_int_equal(world.records[0].verdict, verdict);
}

static void check_delivered(const char *body)
{
	assert_int_equal(world.mails_count, 1);
	assert_string_equal((const char *)world.mails[0].data, body);
}

// ---- verdicts ----------------------------------------------------------------------------------

static void a_clean_message_is_delivered_when_its_verdict_is_there(void **state)
{
	(void)state;
	begin(1, 5000);
	send_mail(CLEAN END);
	world_pass(&world, 4900);
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.replies_count, 5);
	assert_true(world_run(&world, has_replies, 6, 60000));
	check_delivered(CLEAN);
	check_record(VERDICT_CLEAN, "deliver", "");
	assert_true(world_say(&world, "QUIT\r\n", 1));
	world_fini(&world);
}

static void an_infected_message_is_refused_when_its_verdict_is_there(void **state)
{
	(void)state;
	begin(1, 5000);
	send_mail(INFECTED END);
	world_pass(&world, 4900);
	assert_int_equal(world.replies_count, 5);
	assert_true(world_run(&world, has_replies, 6, 60000));
	assert_memory_equal(world_last_reply(&world), "554 5.7.1", 9);
	assert_int_equal(world.mails_count, 0);
	check_record(VERDICT_INFECTED, "reject", "signature");
	assert_string_equal(world.records[0].signature, "Test.Virus");
	assert_true(world_say(&world, "QUIT\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "221", 3);
	world_fini(&world);
}

static void what_a_client_sends_behind_it_waits_and_is_answered(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(1, 3000);
		send_mail(i == 0 ? CLEAN END "QUIT\r\n" : INFECTED END "QUIT\r\n");
		world_pass(&world, 2900);
		assert_int_equal(world.replies_count, 5);
		assert_true(world_run(&world, has_replies, 7, 60000));
		assert_memory_equal(world_last_reply(&world), "221", 3);
		assert_int_equal(world.mails_count, 1 - i);
		world_fini(&world);
	}
}

static void messages_in_chunks_wait_too_one_after_the_other(void **state)
{
	char text[2000];

	(void)state;
	begin(1, 2000);
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO me\r\n", 1));
	(void)snprintf(text, sizeof(text),
		ENVELOPE "BDAT %zu LAST\r\n%s" ENVELOPE "BDAT %zu LAST\r\n%s", strlen(CLEAN), CLEAN,
		strlen(INFECTED), INFECTED);
	assert_true(world_say(&world, text, 6));
	check_delivered(CLEAN);
	assert_memory_equal(world.replies[4], "250", 3);
	assert_memory_equal(world_last_reply(&world), "554", 3);
	assert_int_equal(world.records_count, 2);
	world_fini(&world);
}

static void a_server_that_takes_a_cr_for_the_end_gets_it_with_the_verdict(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(1, 2000);
		world.server_cr_ends = true;
		send_mail(i == 0 ? CLEAN ".\r" : INFECTED ".\r");
		world_pass(&world, 1900);
		assert_int_equal(world.mails_count, 0);
		world_pass(&world, 200);
		assert_int_equal(world.mails_count, 1 - i);
		if (i == 1) {
			assert_true(world_say(&world, "\n", 1));
			assert_memory_equal(world_last_reply(&world), "554", 3);
		}
		world_fini(&world);
	}
}

static void the_line_feed_behind_a_cr_may_come_before_the_verdict(void **state)
{
	(void)state;
	begin(1, 2000);
	send_mail(CLEAN ".\r");
	world_pass(&world, 1000);
	peer_write(&world.client, "\nQUIT\r\n", 7);
	assert_true(world_run(&world, has_replies, 7, 60000));
	check_delivered(CLEAN);
	world_fini(&world);
}

// ---- faults ------------------------------------------------------------------------------------

static void loss_and_reordering_change_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		begin(seed, 1 + (uint32_t)(seed * 211 % 4000));
		world.faults = (struct world_faults){
			.drop = 100, .duplicate = 50, .delay_us = 500, .jitter_us = 3000};
		assert_true(world_connect(&world));
		assert_true(world_say(&world, "EHLO me\r\n", 1));
		assert_true(world_mail(&world, seed % 2 == 0 ? CLEAN END : INFECTED END));
		assert_memory_equal(world_last_reply(&world), seed % 2 == 0 ? "250" : "554", 3);
		if (seed % 2 == 0)
			check_delivered(CLEAN);
		assert_true(world_say(&world, "QUIT\r\n", 1));
		world_fini(&world);
	}
}

static void a_client_that_resets_is_forgotten_and_its_scan_given_back(void **state)
{
	(void)state;
	begin(1, 20000);
	send_mail(CLEAN END);
	peer_abort(&world.client, world.now_ns);
	world_pass(&world, 15000);
	assert_int_equal(engine_open_connections(world.engine), 0);
	check_record(VERDICT_INCOMPLETE, "none", "aborted");
	assert_int_equal(engine_deferred(world.engine), 1);
	world_pass(&world, 6000);
	assert_int_equal(engine_deferred(world.engine), 0);
	assert_int_equal(world.mails_count, 0);
	world_fini(&world);
}

static void a_verdict_that_comes_after_a_reset_has_no_effect(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		begin(1, 2000);
		send_mail(i % 2 == 0 ? CLEAN END : INFECTED END);
		peer_abort(i < 2 ? &world.client : &world.server, world.now_ns);
		world_pass(&world, 30000);
		assert_int_equal(engine_open_connections(world.engine), 0);
		assert_int_equal(world.mails_count, 0);
		assert_int_equal(world.records_count, 1);
		assert_string_equal(world.records[0].action, "none");
		world_fini(&world);
	}
}

static void a_client_is_told_when_the_server_closes_meanwhile(void **state)
{
	(void)state;
	for (int says = 0; says < 2; says++) {
		begin(1, 5000);
		send_mail(CLEAN END);
		if (says == 1)
			peer_write(&world.server, "421 4.4.2 timeout\r\n", 19);
		peer_close(&world.server);
		assert_true(world_run(&world, has_replies, 6, 4000));
		assert_memory_equal(world_last_reply(&world), "421", 3);
		world_pass(&world, 10000);
		assert_int_equal(world.mails_count, 0);
		assert_int_equal(world.records_count, 1);
		assert_int_equal(engine_deferred(world.engine), 0);
		world_fini(&world);
	}
}

static void a_client_may_close_its_side_behind_the_message(void **state)
{
	(void)state;
	begin(1, 3000);
	send_mail(CLEAN END);
	peer_close(&world.client);
	assert_true(world_run(&world, has_replies, 6, 60000));
	check_delivered(CLEAN);
	world_fini(&world);
}

static void an_engine_may_stop_meanwhile(void **state)
{
	(void)state;
	begin(1, 3000);
	send_mail(CLEAN END);
	world_fini(&world);
	check_record(VERDICT_INCOMPLETE, "none", "aborted");
}

// ---- time --------------------------------------------------------------------------------------

static uint32_t waits;

static bool counts_waits(struct world *w, enum link_side side, const struct packet *packet)
{
	(void)w;
	if (side == LINK_OUTSIDE && packet->tcp.payload_bytes == 0 && packet->tcp.window == 0 &&
		(packet->tcp.flags & TCP_FLAG_RST) == 0)
		waits++;
	return false;
}

static void a_client_that_sends_again_is_told_to_wait(void **state)
{
	(void)state;
	waits = 0;
	begin(1, 25000);
	world.loses = counts_waits;
	world.loses_left = 1;
	send_mail(CLEAN END);
	world_pass(&world, 20000);
	assert_true(waits >= 2);
	assert_true(world_run(&world, has_replies, 6, 120000));
	check_delivered(CLEAN);
	world_fini(&world);
}

static void check_known(void)
{
	assert_string_equal(world.records[0].subject, "x");
	assert_int_equal(world.records[0].parts_count, 1);
}

// It is kept for somebody to look at; where nothing is kept it is refused with its reason.
static void what_takes_too_long_is_suspect(void **state)
{
	(void)state;
	for (int has_spool = 0; has_spool < 2; has_spool++) {
		begin_kept(1, 60000, has_spool != 0);
		send_mail(CLEAN END);
		world_pass(&world, 29900);
		assert_int_equal(world.replies_count, 5);
		assert_true(world_run(&world, has_replies, 6, 10000));
		if (has_spool == 0)
			assert_string_equal(
				world_last_reply(&world), "554 5.7.1 Message rejected: limit-time");
		else
			assert_memory_equal(world_last_reply(&world), "250", 3);
		check_record(
			VERDICT_SUSPECT, has_spool != 0 ? "quarantine" : "reject", "limit-time");
		check_known();
		assert_int_equal(engine_deferred(world.engine), 1);
		world_pass(&world, 60000);
		assert_int_equal(engine_deferred(world.engine), 0);
		world_fini(&world);
	}
}

// An armored message of PGP, and an attachment that it would let pass with it.
#define ENCRYPTED                                                                                  \
	"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"    \
	"--in\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\naaaa\r\n-----END PGP MESSAGE-----\r\n"     \
	"--in\r\n"
#define ENCRYPTED_END "--in--\r\n"

static void what_takes_too_long_is_not_let_pass_for_being_encrypted(void **state)
{
	static const char *const mails[] = {ENCRYPTED PACKED_CLEAN ENCRYPTED_END END,
		ENCRYPTED PACKED_INFECTED ENCRYPTED_END END};

	(void)state;
	for (uint32_t late = 0; late < 2; late++) {
		begin(1, late ? 60000 : 1000);
		for (size_t i = 0; i < DIRECTIONS; i++)
			world.options.policy[i].encrypted_mail = POLICY_DELIVER;
		world_restart(&world);
		world.work_ms = late ? 60000 : 1000;
		world.work_is_begun = true;
		send_mail(mails[late]);
		assert_true(world_run(&world, has_replies, 6, 60000));
		assert_int_equal(world.mails_count, late ? 0 : 1);
		check_record(VERDICT_SUSPECT, late ? "quarantine" : "deliver",
			late ? "limit-time" : "encrypted-mail");
		world_pass(&world, 60000);
		world_fini(&world);
	}
}

// Where what is infected passes, what else is wrong with it is looked for all the same.
static void infected_mail_that_may_pass_is_looked_at_to_its_end(void **state)
{
	(void)state;
	for (uint32_t late = 0; late < 2; late++) {
		begin(1, late ? 60000 : 1000);
		for (size_t i = 0; i < DIRECTIONS; i++)
			world.options.policy[i].infected = POLICY_DELIVER;
		world_restart(&world);
		send_mail("X: found-virus\r\n" CLEAN END);
		assert_true(world_run(&world, has_replies, 6, 60000));
		assert_int_equal(world.mails_count, late ? 0 : 1);
		check_record(VERDICT_INFECTED, late ? "quarantine" : "deliver",
			late ? "limit-time" : "signature");
		world_pass(&world, 60000);
		world_fini(&world);
	}
}

static void what_was_not_begun_in_time_comes_again(void **state)
{
	(void)state;
	begin(1, 60000);
	world.work_is_begun = false;
	send_mail(CLEAN END);
	assert_true(world_run(&world, has_replies, 6, 60000));
	assert_memory_equal(world_last_reply(&world), "451", 3);
	check_record(VERDICT_UNSCANNABLE, "tempfail", "busy");
	check_known();
	world_fini(&world);
}

static void without_room_a_message_comes_again(void **state)
{
	(void)state;
	begin(1, 1000);
	world.working_room = 0;
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO me\r\n", 1));
	assert_true(world_mail(&world, CLEAN END));
	assert_memory_equal(world_last_reply(&world), "451", 3);
	check_record(VERDICT_UNSCANNABLE, "tempfail", "busy");
	world_fini(&world);
}

static void rules_that_change_meanwhile_judge_the_message_again(void **state)
{
	struct ruleset *other;
	struct scanner *scanner;
	void *image;

	(void)state;
	begin(1, 3000);
	other = world_make_ruleset(RULES, &image);
	assert_int_equal(scanner_new(&world.options.scan, other, &scanner), 0);
	send_mail(CLEAN END);
	engine_set_scanner(world.engine, scanner);
	assert_null(engine_take_idle_scanner(world.engine));
	world_pass(&world, 5900);
	assert_int_equal(world.mails_count, 0);
	assert_true(world_run(&world, has_replies, 6, 60000));
	check_delivered(CLEAN);
	assert_int_equal(world.sink.reads, 1);
	world_pass(&world, 4000);
	scanner = engine_take_idle_scanner(world.engine);
	assert_non_null(scanner);
	scanner_free(scanner);
	world_fini(&world);
	ruleset_close(other);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_message_is_delivered_when_its_verdict_is_there),
		cmocka_unit_test(an_infected_message_is_refused_when_its_verdict_is_there),
		cmocka_unit_test(what_a_client_sends_behind_it_waits_and_is_answered),
		cmocka_unit_test(messages_in_chunks_wait_too_one_after_the_other),
		cmocka_unit_test(a_server_that_takes_a_cr_for_the_end_gets_it_with_the_verdict),
		cmocka_unit_test(the_line_feed_behind_a_cr_may_come_before_the_verdict),
		cmocka_unit_test(loss_and_reordering_change_nothing),
		cmocka_unit_test(a_client_that_resets_is_forgotten_and_its_scan_given_back),
		cmocka_unit_test(a_verdict_that_comes_after_a_reset_has_no_effect),
		cmocka_unit_test(a_client_is_told_when_the_server_closes_meanwhile),
		cmocka_unit_test(a_client_may_close_its_side_behind_the_message),
		cmocka_unit_test(an_engine_may_stop_meanwhile),
		cmocka_unit_test(a_client_that_sends_again_is_told_to_wait),
		cmocka_unit_test(what_takes_too_long_is_suspect),
		cmocka_unit_test(what_takes_too_long_is_not_let_pass_for_being_encrypted),
		cmocka_unit_test(infected_mail_that_may_pass_is_looked_at_to_its_end),
		cmocka_unit_test(what_was_not_begun_in_time_comes_again),
		cmocka_unit_test(without_room_a_message_comes_again),
		cmocka_unit_test(rules_that_change_meanwhile_judge_the_message_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
