// SPDX-License-Identifier: BSD-3-Clause
// Command lines, masking, limits. Whole dialogues: test_smtp_dialogue.c.
#include "tests/reassembly/test_smtp_script.h"
#include "tests/support/unit.h"

static struct script whole;
static _Alignas(64) uint8_t pool_memory[1u << 16];
static struct smtp_pool *pool;

static void say(enum tcp_side side, const char *text, size_t n)
{
	script_give(&whole, pool, side, text, n, false);
	assert_null(whole.broken);
}

static void say_text(enum tcp_side side, const char *text)
{
	say(side, text, strlen(text));
}

static bool log_ends_with(const char *text)
{
	size_t n = strlen(text);

	return whole.log_bytes >= n && memcmp(whole.log + whole.log_bytes - n, text, n) == 0;
}

static void paths_and_parameters_are_found(void **state)
{
	static const char *const cases[][3] = {
		{"MAIL FROM:<a@b>", "a@b", ""},
		{"mail from:<>", "", ""},
		{"MAIL FROM :<a@b> SIZE=1  BODY=8BITMIME", "a@b", "SIZE=1  BODY=8BITMIME"},
		{"MAIL FROM: \t <a@b>\tX", "a@b", "X"},
		{"RCPT TO:<@a,@b:user@c>", "user@c", ""},
		{"RCPT TO:<\"a > \\\" b\"@c> NOTIFY=NEVER", "\"a > \\\" b\"@c", "NOTIFY=NEVER"},
		{"RCPT TO:<u@[IPv6:::1]>", "u@[IPv6:::1]", ""},
		{"RCPT TO:\xc3\xa9@c  X=<y>", "\xc3\xa9@c", "X=<y>"},
		{"RCPT TO:<a@b", "a@b", ""},
		{"RCPT <a@b> X", "a@b", "X"},
		{"RCPT TO:", "", ""},
		{"RCPT", "", ""},
		{"RCPT TO:<@a>", "@a", ""},
		{"RCPT TO:<\"a", "\"a", ""},
		{"RCPT TO:<\"a\\", "\"a\\", ""},
		{"SAML FROM:<x>", "x", ""},
	};
	static const struct smtp_options options = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp smtp;
		struct smtp_event event;
		char line[128];
		int n = snprintf(line, sizeof(line), "%s\r\n", cases[i][0]);

		smtp_init(&smtp, &options);
		assert_int_equal(smtp_client(&smtp, pool, (uint8_t *)line, (size_t)n, &event), n);
		assert_int_equal(event.type, SMTP_COMMAND);
		assert_int_equal(event.address_bytes, strlen(cases[i][1]));
		assert_memory_equal(event.address, cases[i][1], event.address_bytes);
		assert_int_equal(event.params_bytes, strlen(cases[i][2]));
		assert_memory_equal(event.params, cases[i][2], event.params_bytes);
	}
}

static void chunk_sizes_have_63_bits_and_no_other_form(void **state)
{
	static const struct {
		const char *line;
		bool is_good;
	} cases[] = {
		{"BDAT 9223372036854775807\r\n", true},
		{"BDAT 0000000000000000000000000000000012 LAST\r\n", true},
		{"BDAT  12  last \r\n", true},
		{"BDAT \t 12\tLAST\t\r\n", true},
		{"BDAT\t7 \t LAST\r\n", true},
		{"BDAT  LAST\r\n", false},
		{"BDAT  5LAST\r\n", false},
		{"BDAT 5 5\r\n", false},
		{"BDAT\x0b5\r\n", false},
		{"BDAT 12  LaSt \r\n", true},
		{"BDAT 9223372036854775808\r\n", false},
		{"BDAT 18446744073709551617\r\n", false},
		{"BDAT 184467440737095516150 LAST\r\n", false},
		{"BDAT\r\n", false},
		{"BDAT \r\n", false},
		{"BDAT -1\r\n", false},
		{"BDAT +1\r\n", false},
		{"BDAT 0x10\r\n", false},
		{"BDAT 1,0\r\n", false},
		{"BDAT LAST\r\n", false},
		{"BDAT 5 X\r\n", false},
		{"BDAT 5 LASTX\r\n", false},
		{"BDAT 5LAST\r\n", false},
		{"BDAT 5 LAST LAST\r\n", false},
		{"BDAT\t5\r\n", true},
		{"BDAT 5\tLAST\r\n", true},
		{"BDAT 5\r\r\n", false},
		{"BDAT 5\n", false},
		{"BDAT:5\r\n", false},
	};
	static const struct smtp_options options = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		script_begin(&whole, &options);
		say_text(TCP_SERVER, "220 mx\r\n");
		say_text(TCP_CLIENT, "EHLO a\r\n");
		say_text(TCP_SERVER, "250-mx\r\n250 CHUNKING\r\n");
		say_text(TCP_CLIENT, cases[i].line);
		if (log_ends_with("violation bad-bdat") == cases[i].is_good)
			print_error("%s", cases[i].line);
		assert_int_equal(log_ends_with("violation bad-bdat"), !cases[i].is_good);
		assert_int_equal(log_ends_with("begin bdat"), cases[i].is_good);
		assert_int_equal(smtp_in_message(&whole.smtp), cases[i].is_good);
	}
}

static void a_hundred_recipients_are_pipelined(void **state)
{
	static const struct smtp_options options = {0};
	char burst[8192];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(burst + n, sizeof(burst) - n, "RCPT TO:<u%d@b>\r\n", i);
	n += (size_t)snprintf(burst + n, sizeof(burst) - n, "DATA\r\n");
	script_begin(&whole, &options);
	say_text(TCP_SERVER, "220 mx\r\n");
	say(TCP_CLIENT, burst, n);
	assert_true(whole.is_waiting);
	assert_int_equal(whole.smtp.queue_count, SMTP_QUEUE);
	for (int i = 0; i < 100; i++)
		say_text(TCP_SERVER, "250 ok\r\n");
	assert_true(log_ends_with("reply RCPT 250"));
	assert_false(smtp_in_message(&whole.smtp));
	say_text(TCP_SERVER, "354 go\r\n");
	assert_true(log_ends_with("reply DATA 354\nbegin"));
	assert_true(smtp_in_message(&whole.smtp));
}

static void command_lines_have_a_limit(void **state)
{
	static const struct smtp_options options = {0};
	static char line[SMTP_LINE_BYTES + 8];

	(void)state;
	for (size_t piece = 1; piece <= sizeof(line);
		piece = piece < 4000 ? piece * 7 : piece + 4000) {
		for (size_t over = 0; over < 2; over++) {
			size_t n = SMTP_LINE_BYTES + over;

			memset(line, 'a', n);
			(void)snprintf(line, sizeof(line), "NOOP");
			line[4] = ' ';
			line[n - 2] = '\r';
			line[n - 1] = '\n';
			script_begin(&whole, &options);
			for (size_t at = 0; at < n; at += piece)
				say(TCP_CLIENT, line + at, n - at < piece ? n - at : piece);
			assert_int_equal(log_ends_with("violation long-command"), over == 1);
			assert_int_equal(log_ends_with("aaaa"), over == 0);
			assert_int_equal(whole.side[TCP_CLIENT].read, n);
			say_text(TCP_CLIENT, "x");
			assert_int_equal(whole.is_waiting, over == 1);
			smtp_fini(&whole.smtp, pool);
		}
	}
}

static void a_line_without_an_end_takes_no_more_than_the_limit(void **state)
{
	static const struct smtp_options options = {0};
	static char line[SMTP_LINE_BYTES + 8];

	(void)state;
	memset(line, '1', sizeof(line));
	script_begin(&whole, &options);
	say(TCP_CLIENT, line, sizeof(line));
	assert_true(log_ends_with("violation long-command"));
	script_begin(&whole, &options);
	say(TCP_SERVER, line, SMTP_LINE_BYTES);
	assert_int_equal(whole.log_bytes, 0);
	say(TCP_SERVER, line, 1);
	assert_true(log_ends_with("violation bad-reply"));
	smtp_fini(&whole.smtp, pool);
}

// Wherever the line was cut, what reaches the other side is no longer the word.
static void a_word_is_changed_wherever_it_was_cut(void **state)
{
	static const char *const verbs[] = {"STARTTLS\r\n", "XEXCH50 2 2\r\n", "X-LINK2STATE \r\n",
		"BDAT 2\r\n", "XCLIENT a\n"};
	static const char ehlo[] = "250-mx\r\n250-STARTTLS\r\n250-CHUNKING\r\n250 BURL\r\n";
	static const struct smtp_options options = {.hide_chunking = true};

	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		for (size_t cut = 0; cut < strlen(verbs[i]); cut++) {
			script_begin(&whole, &options);
			say(TCP_CLIENT, verbs[i], cut);
			say_text(TCP_CLIENT, verbs[i] + cut);
			assert_memory_not_equal(whole.side[TCP_CLIENT].output, verbs[i],
				strcspn(verbs[i], " \r\n"));
			smtp_fini(&whole.smtp, pool);
		}
	}
	for (size_t cut = 0; cut < strlen(ehlo); cut++) {
		script_begin(&whole, &options);
		say_text(TCP_SERVER, "220 \r\n");
		say_text(TCP_CLIENT, "EHLO \r\n");
		say(TCP_SERVER, ehlo, cut);
		say_text(TCP_SERVER, ehlo + cut);
		say(TCP_SERVER, "", 1);
		assert_null(strstr((char *)whole.side[TCP_SERVER].output, "STARTTLS"));
		assert_null(strstr((char *)whole.side[TCP_SERVER].output, "CHUNKING"));
		assert_null(strstr((char *)whole.side[TCP_SERVER].output, "BURL"));
		smtp_fini(&whole.smtp, pool);
	}
}

static void a_longer_keyword_stays(void **state)
{
	static const struct smtp_options options = {0};

	(void)state;
	script_begin(&whole, &options);
	say_text(TCP_SERVER, "220 \r\n");
	say_text(TCP_CLIENT, "EHLO \r\n");
	say_text(TCP_SERVER, "250-turn.example.com\r\n250 STARTTLSX STARTTLS\r\n");
	for (size_t i = 0; i < whole.side[TCP_SERVER].given; i++)
		assert_false(whole.side[TCP_SERVER].masked[i]);
}

static void without_a_line_buffer_the_connection_ends(void **state)
{
	static const struct smtp_options options = {0};
	_Alignas(64) uint8_t memory[64];
	struct smtp_pool *none = smtp_pool_init(memory, 0);
	struct smtp smtp;
	struct smtp_event event;

	(void)state;
	assert_true(smtp_pool_bytes(0) <= sizeof(memory));
	smtp_init(&smtp, &options);
	assert_int_equal(smtp_client(&smtp, none, (const uint8_t *)"NOOP\r\n", 6, &event), 6);
	assert_int_equal(event.type, SMTP_COMMAND);
	(void)smtp_client(&smtp, none, (const uint8_t *)"NO", 2, &event);
	assert_int_equal(event.type, SMTP_VIOLATION);
	assert_int_equal(event.why, SMTP_VIOLATION_NO_MEMORY);
	assert_int_equal(smtp_client(&smtp, none, (const uint8_t *)"OP\r\n", 4, &event), 0);
	assert_int_equal(event.type, SMTP_WAIT);
}

static void line_buffers_come_back(void **state)
{
	static const struct smtp_options options = {0};

	(void)state;
	for (int i = 0; i < 3 * SCRIPT_LINES; i++) {
		script_begin(&whole, &options);
		say_text(TCP_SERVER, "22");
		say_text(TCP_SERVER, "0-x\r\n22");
		say_text(TCP_CLIENT, "NO");
		if (i % 2 == 0) {
			say_text(TCP_SERVER, "0 x\r\n");
			say_text(TCP_CLIENT, "OP\r\n");
			assert_null(whole.smtp.line[0]);
			assert_null(whole.smtp.line[1]);
		}
		smtp_fini(&whole.smtp, pool);
	}
}

static void every_name_is_there(void **state)
{
	(void)state;
	for (int i = SMTP_VERB_NONE; i <= SMTP_VERB_LHLO; i++)
		assert_non_null(smtp_verb_name((enum smtp_verb)i));
	for (int i = 0; i <= SMTP_VIOLATION_NO_MEMORY; i++) {
		assert_true(strlen(smtp_violation_name((enum smtp_violation)i)) > 0);
		assert_in_range(smtp_violation_reply((enum smtp_violation)i)[0], '4', '5');
	}
	assert_string_equal(smtp_verb_name(SMTP_VERB_XLINK2STATE), "X-LINK2STATE");
	assert_false(smtp_violation_is_fatal(SMTP_VIOLATION_FALSE_END));
	assert_true(smtp_violation_is_fatal(SMTP_VIOLATION_BAD_BDAT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_and_parameters_are_found),
		cmocka_unit_test(chunk_sizes_have_63_bits_and_no_other_form),
		cmocka_unit_test(a_hundred_recipients_are_pipelined),
		cmocka_unit_test(command_lines_have_a_limit),
		cmocka_unit_test(a_line_without_an_end_takes_no_more_than_the_limit),
		cmocka_unit_test(a_word_is_changed_wherever_it_was_cut),
		cmocka_unit_test(a_longer_keyword_stays),
		cmocka_unit_test(without_a_line_buffer_the_connection_ends),
		cmocka_unit_test(line_buffers_come_back),
		cmocka_unit_test(every_name_is_there),
	};

	if (smtp_pool_bytes(SCRIPT_LINES) > sizeof(pool_memory))
		return 1;
	pool = smtp_pool_init(pool_memory, SCRIPT_LINES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
