// SPDX-License-Identifier: BSD-3-Clause
// replay --sealed: a seal covers every message of a capture.
#include "tests/support/replayed.h"

#include <stdlib.h>
#include <string.h>

static const char head[] = "From: a@example.org\r\nSubject: x\r\n\r\n";
static const char clean[] = "From: a@example.org\r\nSubject: x\r\n\r\nhello there\r\n";
static const char infected[] = "From: a@example.org\r\nSubject: x\r\n\r\n" REPLAYED_EICAR "\r\n";

// A session that delivers a mail by DATA or in chunks.
static void make_talk_of(struct frames_talk *talk, bool has_chunks, bool is_infected)
{
	const char *body = is_infected ? infected : clean;
	char line[64];

	frames_talk_init(talk, 4, 41022);
	if (!has_chunks) {
		frames_talk_mail(talk, body, strlen(body));
		return;
	}
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO mx.example.org\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mail.example.com\r\n250 CHUNKING\r\n");
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@example.org>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 2.1.0 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@example.com>\r\n");
	frames_talk_text(talk, TCP_SERVER, "250 2.1.5 ok\r\n");
	(void)snprintf(line, sizeof(line), "BDAT %zu\r\n", sizeof(head) - 1);
	frames_talk_text(talk, TCP_CLIENT, line);
	frames_talk_text(talk, TCP_CLIENT, head);
	frames_talk_text(talk, TCP_SERVER, "250 2.0.0 so far\r\n");
	(void)snprintf(line, sizeof(line), "BDAT %zu LAST\r\n", strlen(body) - (sizeof(head) - 1));
	frames_talk_text(talk, TCP_CLIENT, line);
	frames_talk_text(talk, TCP_CLIENT, body + sizeof(head) - 1);
	frames_talk_text(talk, TCP_SERVER, "250 2.0.0 taken\r\n");
	frames_talk_text(talk, TCP_CLIENT, "QUIT\r\n");
	frames_talk_text(talk, TCP_SERVER, "221 2.0.0 bye\r\n");
	frames_talk_close(talk, TCP_CLIENT);
}

// The server gets commands and a RSET in the place of each message.
static void check_server(const struct replayed *replayed, const char *reply)
{
	struct replayed_egress egress;

	replayed_read_egress(replayed, &egress);
	assert_null(strstr(egress.text[TCP_SERVER], "Subject"));
	assert_null(strstr(egress.text[TCP_SERVER], "DATA"));
	assert_null(strstr(egress.text[TCP_SERVER], "BDAT"));
	assert_non_null(
		strstr(egress.text[TCP_SERVER], "RCPT TO:<b@example.com>\r\nRSET\r\nQUIT\r\n"));
	assert_non_null(strstr(egress.text[TCP_CLIENT], reply));
	assert_non_null(strstr(egress.text[TCP_CLIENT], "221 "));
	replayed_free_egress(&egress);
}

static void count_events(const struct replayed *replayed, const char *kind, size_t want)
{
	json_t *events = replayed_events(replayed, kind);

	assert_int_equal(json_array_size(events), want);
	json_decref(events);
}

static void run(struct replayed *replayed, const char *mode, bool has_chunks, bool is_infected)
{
	struct frames_talk talk;

	make_talk_of(&talk, has_chunks, is_infected);
	replayed->sealed = mode;
	replayed_run_talk(replayed, &talk, NULL);
	frames_talk_free(&talk);
}

static void a_clean_message_is_held_in_each_mode_that_holds(void **state)
{
	static const char *const modes[] = {"hold", "hold-attachments", "strip"};
	struct replayed *replayed = *state;
	char text[256];

	for (int i = 0; i < 6; i++) {
		run(replayed, modes[i / 2], i % 2 == 1, false);
		assert_string_equal(replayed_mail(replayed, "verdict", text), "clean");
		assert_string_equal(replayed_mail(replayed, "action", text), "hold");
		assert_string_equal(replayed_mail(replayed, "reply", text), "250 2.0.0 Ok: queued");
		assert_string_equal(replayed_mail(replayed, "seal_mode", text), modes[i / 2]);
		assert_string_equal(replayed_mail(replayed, "record", text), "replay-1");
		count_events(replayed, "hold", 1);
		check_server(replayed, "250 2.0.0 Ok");
	}
}

static void an_infected_message_is_refused_all_the_same(void **state)
{
	struct replayed *replayed = *state;
	char text[256];

	for (int i = 0; i < 2; i++) {
		run(replayed, "hold", i == 1, true);
		assert_string_equal(replayed_mail(replayed, "verdict", text), "infected");
		assert_string_equal(replayed_mail(replayed, "action", text), "reject");
		count_events(replayed, "hold", 0);
		check_server(replayed, "554 5.7.1");
	}
}

// A client that waits for nothing, and a server that answers all of it at once.
static void replies_in_one_segment_answer_what_they_are_for(void **state)
{
	static const char envelope[] = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n";
	struct replayed *replayed = *state;
	char said[1024];
	char text[256];

	replayed->sealed = "hold";
	for (int i = 0; i < 4; i++) {
		const char *body = i % 2 == 0 ? clean : infected;
		struct frames_talk talk;

		frames_talk_init(&talk, 4, 41022);
		frames_talk_open(&talk);
		frames_talk_text(&talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
		frames_talk_text(&talk, TCP_CLIENT, "EHLO mx.example.org\r\n");
		frames_talk_text(&talk, TCP_SERVER, "250-mail.example.com\r\n250 CHUNKING\r\n");
		if (i < 2)
			(void)snprintf(said, sizeof(said), "%sBDAT 9\r\n%.9sBDAT %zu LAST\r\n%s",
				envelope, body, strlen(body) - 9, body + 9);
		else
			(void)snprintf(said, sizeof(said), "%sDATA\r\n%s.\r\n", envelope, body);
		frames_talk_text(&talk, TCP_CLIENT, said);
		frames_talk_text(&talk, TCP_SERVER,
			i < 2 ? "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 so far\r\n"
				"250 2.0.0 taken\r\n"
			      : "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n"
				"250 2.0.0 taken\r\n");
		frames_talk_text(&talk, TCP_CLIENT, "QUIT\r\n");
		frames_talk_text(&talk, TCP_SERVER, "221 2.0.0 bye\r\n");
		frames_talk_close(&talk, TCP_CLIENT);
		replayed_run_talk(replayed, &talk, NULL);
		count_events(replayed, "mail", 1);
		assert_string_equal(
			replayed_mail(replayed, "action", text), body == clean ? "hold" : "reject");
		check_server(replayed, body == clean ? "250 2.0.0 Ok" : "554 5.7.1");
		frames_talk_free(&talk);
	}
}

static void a_tempfail_seal_puts_the_sender_off(void **state)
{
	struct replayed *replayed = *state;
	char text[256];

	run(replayed, "tempfail", false, false);
	assert_string_equal(replayed_mail(replayed, "action", text), "tempfail");
	check_server(replayed, "451 4.7.1");
}

static void a_mode_that_there_is_not_is_refused(void **state)
{
	struct replayed *replayed = *state;

	replayed->sealed = "frozen";
	assert_int_equal(replayed_run(replayed, replayed->input, NULL), -22);
	assert_non_null(strstr(replayed->error, "frozen"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_clean_message_is_held_in_each_mode_that_holds,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(an_infected_message_is_refused_all_the_same,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(replies_in_one_segment_answer_what_they_are_for,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(
			a_tempfail_seal_puts_the_sender_off, replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(
			a_mode_that_there_is_not_is_refused, replayed_setup, replayed_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
