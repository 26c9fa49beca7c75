// SPDX-License-Identifier: BSD-3-Clause
// SMTP that two readers may read differently, frames in and frames out: what reaches the server is what
// was scanned.
#include "tests/support/bench.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define EVIL BENCH_EVIL

static struct bench bench;

static void client(const char *text)
{
	bench_say(&bench, TCP_CLIENT, text);
}

static void server(const char *text)
{
	bench_say(&bench, TCP_SERVER, text);
}

static void begin(const struct engine_options *options)
{
	bench_init(&bench, 4, options);
	bench_open(&bench);
	server("220 mx\r\n");
	client("EHLO c\r\n");
	server("250-mx\r\n250-STARTTLS\r\n250-AUTH LOGIN\r\n250 CHUNKING\r\n");
}

static void begin_transaction(void)
{
	begin(NULL);
	client("MAIL FROM:<a@x>\r\n");
	server("250 ok\r\n");
	client("RCPT TO:<b@y>\r\n");
	server("250 ok\r\n");
}

static void a_look_alike_of_the_end_is_refused_or_made_harmless(void **state)
{
	static const char *const ends[] = {"\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n", "\r.\r\n",
		"\r\n.\r\rx", "\r\n.\r", "\n.\r", "\r\n.%\r\n", "%.\r\n", "\r\n.%"};
	struct engine_options options;

	(void)state;
	for (int normalise = 0; normalise < 2; normalise++) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			char body[128];
			int n = snprintf(body, sizeof(body),
				"S: x\r\n\r\nx%sMAIL FROM:<smuggled@x>\r\n", ends[i]);

			bench_options(&options);
			options.policy[0].false_end =
				normalise ? NEWLINE_NORMALISE : NEWLINE_REFUSE;
			bench_begin_with(&bench, 4, &options);
			for (int at = 0; at < n; at++)
				body[at] = (char)(body[at] == '%' ? '\0' : body[at]);
			frames_talk_segment(&bench.talk, TCP_CLIENT, bench.talk.next[TCP_CLIENT],
				TCP_FLAG_ACK, body, (uint32_t)n);
			bench.talk.next[TCP_CLIENT] += (uint32_t)n;
			bench_feed(&bench);
			assert_int_equal(bench_server_has(&bench, "smuggled"), normalise);
			// From the text before it to the command behind it.
			assert_null(memmem(
				bench.view[TCP_SERVER]->bytes, 256, body + 8, strlen(ends[i]) + 2));
			client("\r\n.\r\n");
			assert_int_equal(bench_client_has(&bench, "550 5.5.2"), !normalise);
			bench_finish(&bench);
		}
	}
}

static void bare_breaks_pass_or_are_refused_by_policy(void **state)
{
	struct engine_options options;

	(void)state;
	for (int refuse = 0; refuse < 3; refuse++) {
		bench_options(&options);
		options.policy[0].bare_newline = refuse == 0   ? NEWLINE_PASS
						 : refuse == 1 ? NEWLINE_REFUSE
							       : NEWLINE_NORMALISE;
		options.policy[0].smtp.report_bare_newline = refuse > 0;
		bench_begin_with(&bench, 4, &options);
		client("S: x\r\n\r\none\ntwo\r\n.\r\n");
		assert_int_equal(bench_server_has(&bench, "one\ntwo\r\n.\r\n"), !refuse);
		assert_int_equal(bench_client_has(&bench, "550 5.5.2"), refuse > 0);
		bench_finish(&bench);
	}
}

static void long_lines_pass_whole_or_are_refused_by_policy(void **state)
{
	static char body[5000];
	struct engine_options options;

	(void)state;
	memset(body, 'l', sizeof(body));
	memcpy(body, "S: x\r\n\r\n" EVIL, 8);
	(void)snprintf(body + 4000, sizeof(body) - 4000, "%s\r\n.\r\n", EVIL);
	for (int refuse = 0; refuse < 2; refuse++) {
		bench_options(&options);
		options.policy[0].smtp.max_line_bytes = refuse ? 998 : 0;
		bench_begin_with(&bench, 4, &options);
		client(body);
		assert_int_equal(bench.verdict, VERDICT_INFECTED);
		assert_false(bench_server_has(&bench, "\r\n.\r\n"));
		assert_int_equal(bench_client_has(&bench, "550 5.5.2"), refuse);
		bench_finish(&bench);
	}
}

static void a_body_behind_a_refused_data_is_commands(void **state)
{
	(void)state;
	begin_transaction();
	client("DATA\r\n");
	client("BDAT 5 LAST\r\nXCLIENT a\r\n");
	server("503 no\r\n");
	assert_false(bench_server_has(&bench, "XCLIENT"));
	client("\r\n.\r\n");
	assert_int_equal(bench.mails, 0);
	bench_finish(&bench);
}

static void only_the_reply_to_data_begins_a_body(void **state)
{
	(void)state;
	begin_transaction();
	client("NOOP\r\n");
	server("250-354 go on\r\n250 354 go on\r\n");
	client("MAIL FROM:<" EVIL ">\r\n.\r\n");
	assert_int_equal(bench.mails, 0);
	assert_true(bench_server_has(&bench, "evil"));
	server("250 x\r\n500 x\r\n");
	client("DATA\r\n");
	server("35");
	server("4 go\r\n");
	client(EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void expect_that_a_354_ends_it(void)
{
	server("354 go\r\n");
	assert_true(bench_client_has(&bench, "421 "));
	client(EVIL "\r\n.\r\n");
	assert_false(bench_server_has(&bench, "evil"));
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	bench_finish(&bench);
}

static void a_354_to_something_else_ends_the_connection(void **state)
{
	(void)state;
	begin_transaction();
	client("NOOP\r\n");
	expect_that_a_354_ends_it();
}

static void one_who_talks_before_the_greeting_is_read(void **state)
{
	(void)state;
	bench_init(&bench, 4, NULL);
	bench_open(&bench);
	client("HELO c\r\n");
	client("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" EVIL "\r\n.\r\n");
	assert_false(bench_server_has(&bench, "evil"));
	server("220 mx\r\n");
	assert_false(bench_server_has(&bench, "evil"));
	server("250 mx\r\n");
	server("250 ok\r\n250 ok\r\n354 go\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	bench_finish(&bench);
}

static void begin_tls(void)
{
	struct engine_options options;

	bench_options(&options);
	options.policy[0].smtp.starttls = SMTP_STARTTLS_PASS;
	begin(&options);
	client("STARTTLS\r\n");
}

static void starttls_is_hidden_and_its_command_masked(void **state)
{
	(void)state;
	begin(NULL);
	client("STARTTLS\r\n");
	assert_false(bench_client_has(&bench, "STARTTLS"));
	assert_false(bench_server_has(&bench, "STARTTLS"));
	bench_finish(&bench);
}

static void a_refused_starttls_leaves_all_as_it_was(void **state)
{
	(void)state;
	begin_tls();
	server("454 no\r\n");
	client("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	server("250 ok\r\n250 ok\r\n354 go\r\n");
	client(EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void plain_text_behind_starttls_goes_nowhere(void **state)
{
	(void)state;
	begin_tls();
	client("MAIL FROM:<injected@x>\r\n");
	server("220 go\r\n");
	assert_false(bench_server_has(&bench, "injected"));
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	bench_finish(&bench);
}

static void tls_that_is_no_tls_goes_nowhere(void **state)
{
	(void)state;
	begin_tls();
	server("220 go\r\n");
	client("MAIL FROM:<a@x>\r\n");
	assert_false(bench_server_has(&bench, "MAIL"));
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	bench_finish(&bench);
}

static void sizes_of_chunks_that_are_none_end_the_connection(void **state)
{
	static const char *const sizes[] = {"-1", "+5", "0x10", "18446744073709551616", "5 5", "",
		"9223372036854775808 LAST", "5 LASTX", "1e3"};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char line[64];

		begin_transaction();
		(void)snprintf(line, sizeof(line),
			"BDAT %s\r\n"
			"DATA\r\n",
			sizes[i]);
		client(line);
		assert_false(bench_server_has(&bench, "DATA\r\n"));
		assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
		assert_true(bench_client_has(&bench, "501 5.5.4"));
		bench_finish(&bench);
	}
}

static void octets_of_a_refused_chunk_are_still_data(void **state)
{
	(void)state;
	begin_transaction();
	client("BDAT 20\r\nXCLIENT ADDR=x\r\nxx");
	server("552 too much\r\n");
	// They went as they were, for they are no command.
	assert_true(bench_server_has(&bench, "XCLIENT ADDR=x\r\nxx"));
	client("RSET\r\n");
	server("250 ok\r\n");
	client("XCLIENT ADDR=y\r\n");
	assert_false(bench_server_has(&bench, "XCLIENT ADDR=y"));
	bench_finish(&bench);
}

static void commands_inside_chunks_are_data_and_scanned(void **state)
{
	(void)state;
	begin_transaction();
	client("BDAT 26\r\nSTARTTLS\r\n.\r\nBDAT 99\r\nzz\r\n");
	assert_true(bench_server_has(&bench, "STARTTLS\r\n.\r\nBDAT 99\r\nzz\r\n"));
	client("BDAT 15\r\nthe-quick-evil-BDAT 17 LAST\r\nfox-of-the-test\r\n");
	assert_int_equal(bench_server_has(&bench, "fox-of-the-test\r\n"), false);
	server("250 ok\r\n250 ok\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	assert_true(bench_client_has(&bench, "554 5.7.1"));
	bench_finish(&bench);
}

static void data_after_bdat_ends_the_connection_if_accepted(void **state)
{
	(void)state;
	begin_transaction();
	client("BDAT 5\r\nhello");
	server("250 ok\r\n");
	client("DATA\r\n");
	server("354 go\r\n");
	client(EVIL "\r\n.\r\n");
	assert_false(bench_server_has(&bench, "evil"));
	assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
	bench_finish(&bench);
}

static void only_an_accepted_rset_or_ehlo_drops_the_envelope(void **state)
{
	(void)state;
	for (int accepted = 0; accepted < 2; accepted++) {
		begin_transaction();
		client(accepted ? "EHLO again\r\n" : "RSET x\r\n");
		server(accepted ? "250 mx\r\n" : "501 no\r\n");
		client("MAIL FROM:<c@x>\r\nRCPT TO:<d@y>\r\nDATA\r\n");
		server("250 ok\r\n250 ok\r\n354 go\r\n");
		client(EVIL "\r\n.\r\n");
		assert_int_equal(bench.verdict, VERDICT_INFECTED);
		bench_finish(&bench);
	}
}

static void lines_of_an_authentication_are_opaque(void **state)
{
	(void)state;
	begin(NULL);
	client("AUTH LOGIN\r\n");
	server("334 VXNlcm5hbWU6\r\n");
	client("STARTTLS\r\n");
	assert_true(bench_server_has(&bench, "STARTTLS\r\n"));
	server("334 UGFzc3dvcmQ6\r\n");
	client("DATA\r\n");
	server("235 ok\r\n");
	client("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	server("250 ok\r\n250 ok\r\n354 go\r\n");
	client(EVIL "\r\n.\r\n");
	assert_int_equal(bench.verdict, VERDICT_INFECTED);
	bench_finish(&bench);
}

static void verbs_that_carry_data_are_masked_in_any_pieces(void **state)
{
	static const char *const verbs[] = {
		"XEXCH50 9 9", "XCLIENT A=b", "XUNHEARDOF x", "BURL u", "ATRN d", "xExCh50 9 9"};

	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		for (size_t cut = 0; cut < 6; cut++) {
			char first[8];

			begin(NULL);
			(void)snprintf(first, sizeof(first), "%.*s", (int)cut, verbs[i]);
			if (cut > 0)
				client(first);
			client(verbs[i] + cut);
			client("\r\n");
			assert_false(bench_server_has(&bench, verbs[i]));
			bench_finish(&bench);
		}
	}
}

static void type_line(const char *line)
{
	for (; *line != '\0'; line++)
		client((const char[]){*line, '\0'});
	client("\r\n");
}

static void a_misspelt_verb_may_be_typed(void **state)
{
	static const struct {
		const char *typed, *sent;
	} lines[] = {{"DA", "DA"}, {"QUI", "QUI"}, {"hel", "hel"}, {"M FROM:<a@x>", "M FROM:<a@x>"},
		{"MAILY", "MAILX"}, {"DATUM", "DATXX"}, {"FLUSH", "XXXXX"}};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char sent[64];

		begin(NULL);
		type_line(lines[i].typed);
		server("500 what\r\n");
		client("NOOP\r\n");
		(void)snprintf(sent, sizeof(sent), "%s\r\nNOOP\r\n", lines[i].sent);
		assert_true(bench_server_has(&bench, sent));
		assert_int_equal(bench.view[TCP_SERVER]->resets, 0);
		bench_finish(&bench);
	}
}

static void the_beginning_of_a_verb_that_hands_over_may_not(void **state)
{
	static const char *const lines[] = {"BDA 70 LAST", "B 70 LAST", "BD"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		begin_transaction();
		type_line(lines[i]);
		client(EVIL "\r\n");
		assert_false(bench_server_has(&bench, "evil"));
		assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
		bench_finish(&bench);
	}
}

static void a_misspelt_verb_begins_no_body(void **state)
{
	(void)state;
	begin_transaction();
	type_line("DA");
	expect_that_a_354_ends_it();
}

static void a_421_in_mid_body_passes_and_completes_nothing(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	client("S: x\r\n");
	server("421 bye\r\n");
	assert_true(bench_client_has(&bench, "421 bye"));
	bench_segment(&bench, TCP_SERVER, 0, TCP_FLAG_FIN | TCP_FLAG_ACK, "");
	assert_int_equal(bench.view[TCP_CLIENT]->fins, 1);
	bench.talk.next[TCP_SERVER]++;
	client("\r\n" EVIL "\r\n.\r\n");
	assert_false(bench_server_has(&bench, "\r\n.\r\n"));
	assert_false(bench_client_has(&bench, "554"));
	bench_finish(&bench);
}

// The client takes it for the answer to its message, and the server may take the rest for commands.
static void a_refusal_in_mid_body_is_the_answer_and_the_rest_goes_nowhere(void **state)
{
	(void)state;
	for (int pieces = 0; pieces < 2; pieces++) {
		const uint8_t *seen;

		bench_begin(&bench, 4);
		client("S: x\r\n");
		server(pieces ? "552-too\r\n55" : "552-too\r\n552 large\r\n");
		if (pieces)
			server("2 large\r\n");
		bench_pass(&bench, 10);
		assert_int_equal(bench.view[TCP_SERVER]->resets, 1);
		client("MAIL FROM:<" EVIL ">\r\n");
		client("\r\n.\r\n");
		assert_false(bench_server_has(&bench, "MAIL FROM:<" EVIL));
		client("NOOP\r\n");
		bench_pass(&bench, 10);
		assert_true(bench_client_has(&bench, "552-too\r\n552 large\r\n421 "));
		seen = bench.view[TCP_CLIENT]->bytes;
		assert_null(memmem(seen, BENCH_SEEN_BYTES, "554", 3));
		assert_int_equal(bench.mails, 1);
		assert_string_equal(bench.action, "reject");
		bench_finish(&bench);
	}
}

static void half_a_body_and_a_fin_is_no_message(void **state)
{
	(void)state;
	bench_begin(&bench, 4);
	client("S: x\r\n\r\nhalf\r\n.");
	bench_segment(&bench, TCP_CLIENT, 0, TCP_FLAG_FIN | TCP_FLAG_ACK, "");
	assert_int_equal(bench.view[TCP_SERVER]->fins, 1);
	bench_finish(&bench);
	assert_int_equal(bench.verdict, VERDICT_INCOMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_alike_of_the_end_is_refused_or_made_harmless),
		cmocka_unit_test(bare_breaks_pass_or_are_refused_by_policy),
		cmocka_unit_test(long_lines_pass_whole_or_are_refused_by_policy),
		cmocka_unit_test(a_body_behind_a_refused_data_is_commands),
		cmocka_unit_test(only_the_reply_to_data_begins_a_body),
		cmocka_unit_test(a_354_to_something_else_ends_the_connection),
		cmocka_unit_test(one_who_talks_before_the_greeting_is_read),
		cmocka_unit_test(starttls_is_hidden_and_its_command_masked),
		cmocka_unit_test(a_refused_starttls_leaves_all_as_it_was),
		cmocka_unit_test(plain_text_behind_starttls_goes_nowhere),
		cmocka_unit_test(tls_that_is_no_tls_goes_nowhere),
		cmocka_unit_test(sizes_of_chunks_that_are_none_end_the_connection),
		cmocka_unit_test(octets_of_a_refused_chunk_are_still_data),
		cmocka_unit_test(commands_inside_chunks_are_data_and_scanned),
		cmocka_unit_test(data_after_bdat_ends_the_connection_if_accepted),
		cmocka_unit_test(only_an_accepted_rset_or_ehlo_drops_the_envelope),
		cmocka_unit_test(lines_of_an_authentication_are_opaque),
		cmocka_unit_test(verbs_that_carry_data_are_masked_in_any_pieces),
		cmocka_unit_test(a_misspelt_verb_may_be_typed),
		cmocka_unit_test(the_beginning_of_a_verb_that_hands_over_may_not),
		cmocka_unit_test(a_misspelt_verb_begins_no_body),
		cmocka_unit_test(a_421_in_mid_body_passes_and_completes_nothing),
		cmocka_unit_test(a_refusal_in_mid_body_is_the_answer_and_the_rest_goes_nowhere),
		cmocka_unit_test(half_a_body_and_a_fin_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
