// SPDX-License-Identifier: BSD-3-Clause
// Mail that the gateway writes itself.
#include "control/letter.h"
#include "tests/support/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAIL "Subject: one\r\nX-Field: \xc3\xa9\r\n\r\nthe body\r\n"

static struct dsn_recipient recipients[] = {
	{"a@b.example", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@b.example",
		"550 5.1.1 no\r\nX: y"},
	{"never@b.example", "NOTIFY=NEVER", "550 5.1.1 no"},
	{"late@b.example", "", "450 4.2.0 later"},
	{"plain@b.example", "notify=delay", "550 no"},
};

static char *write_text(const char *sender, const char *params, size_t count)
{
	const struct dsn dsn = {
		.gateway = "gate.example",
		.from = "",
		.sender = sender,
		.mail_params = params,
		.server = "192.0.2.1",
		.arrival = "Sun, 22 Nov 2026 12:00:00 +0000",
		.recipients = recipients,
		.recipients_count = count,
		.data = (const uint8_t *)MAIL,
		.bytes = strlen(MAIL),
	};
	size_t bytes = 0;
	char *text = (char *)dsn_write(&dsn, &bytes);

	if (text != NULL)
		text[bytes] = '\0';
	return text;
}

static bool has(const char *text, const char *part)
{
	return text != NULL && strstr(text, part) != NULL;
}

static void a_notification_names_those_that_are_wanted(void **state)
{
	char *text = write_text("s@c.example", "RET=HDRS ENVID=a+3Db", 4);

	(void)state;
	assert_true(has(text, "Original-Envelope-Id: a=b\r\nReporting-MTA: dns; gate.example\r\n"));
	assert_true(has(text,
		"\r\n\r\nOriginal-Recipient: rfc822;x+y@b.example\r\n"
		"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
		"Remote-MTA: dns; [192.0.2.1]\r\nDiagnostic-Code: smtp; 550 5.1.1 no  X: y\r\n"));
	assert_true(has(text, "Final-Recipient: rfc822; late@b.example\r\nAction: failed\r\n"
			      "Status: 4.4.7\r\n"));
	assert_false(has(text, "never@b.example"));
	assert_false(has(text, "plain@b.example"));
	assert_true(has(text, "report-type=\"delivery-status\"") ||
		    has(text, "report-type=delivery-status"));
	assert_true(has(text, "To: s@c.example\r\n"));
	assert_true(has(text, "Auto-Submitted: auto-replied\r\n"));
	assert_true(has(text, "Subject: one\r\nX-Field: \xc3\xa9\r\n"));
	assert_false(has(text, "the body"));
	free(text);
}

static char *write_kind(enum dsn_kind kind, const uint8_t *data)
{
	static const struct dsn_recipient told[] = {
		{"a@b.example", "NOTIFY=SUCCESS,DELAY", "250 2.1.5 taken"},
		{"b@b.example", "NOTIFY=DELAY", "451 4.2.1 not now"},
		{"c@b.example", "", "no answer"},
	};
	const struct dsn dsn = {
		.kind = kind,
		.key = "key-1",
		.gateway = "gate.example",
		.from = "",
		.sender = "s@c.example",
		.mail_params = "RET=FULL",
		.server = "192.0.2.1",
		.arrival = "Sun, 22 Nov 2026 12:00:00 +0000",
		.until = "Mon, 23 Nov 2026 12:00:00 +0000",
		.recipients = told,
		.recipients_count = 3,
		.data = data,
		.bytes = data != NULL ? strlen(MAIL) : 0,
	};
	size_t bytes = 0;
	char *text = (char *)dsn_write(&dsn, &bytes);

	if (text != NULL)
		text[bytes] = '\0';
	return text;
}

static void a_delay_and_a_relay_are_told_of_to_those_that_ask(void **state)
{
	char *late = write_kind(DSN_DELAYED, (const uint8_t *)MAIL);
	char *relayed = write_kind(DSN_RELAYED, NULL);

	(void)state;
	assert_true(has(late, "Final-Recipient: rfc822; b@b.example\r\nAction: delayed\r\n"
			      "Status: 4.2.1\r\n"));
	assert_true(has(late, "Final-Recipient: rfc822; c@b.example\r\nAction: delayed\r\n"
			      "Status: 4.4.1\r\nWill-Retry-Until: Mon, 23 Nov 2026"));
	// RET=FULL is for what has failed.
	assert_true(has(late, "Subject: one\r\n"));
	assert_false(has(late, "the body"));
	assert_true(has(late, "Message-Id: <cordon-key-1@gate.example>"));
	assert_true(has(relayed, "Final-Recipient: rfc822; a@b.example\r\nAction: relayed\r\n"
				 "Status: 2.1.5\r\n"));
	assert_false(has(relayed, "b@b.example"));
	assert_false(has(relayed, "c@b.example"));
	assert_false(has(relayed, "rfc822-headers"));
	free(late);
	free(relayed);
}

static void of_what_the_gateway_keeps_no_server_is_named(void **state)
{
	static const struct dsn_recipient told[] = {{"a@b.example", "NOTIFY=DELAY", "kept back"}};
	const struct dsn dsn = {
		.kind = DSN_DELAYED,
		.gateway = "gate.example",
		.from = "",
		.sender = "s@c.example",
		.mail_params = "",
		.server = "",
		.arrival = "Sun, 22 Nov 2026 12:00:00 +0000",
		.until = "",
		.recipients = told,
		.recipients_count = 1,
	};
	size_t bytes = 0;
	char *text = (char *)dsn_write(&dsn, &bytes);

	(void)state;
	assert_non_null(text);
	text[bytes] = '\0';
	assert_true(has(text, "Final-Recipient: rfc822; a@b.example\r\nAction: delayed\r\n"
			      "Status: 4.7.0\r\n"));
	assert_true(has(text, "<a@b.example>\r\n    kept back\r\n"));
	assert_false(has(text, "Remote-MTA"));
	assert_false(has(text, "Diagnostic-Code"));
	assert_false(has(text, "Will-Retry-Until"));
	assert_true(dsn_is_asked(DSN_DELAYED, "ORCPT=rfc822;x@y NOTIFY=FAILURE,delay"));
	assert_false(dsn_is_asked(DSN_DELAYED, "NOTIFY=FAILURE"));
	assert_false(dsn_is_asked(DSN_DELAYED, ""));
	free(text);
}

static void the_whole_message_comes_back_when_that_was_asked_for(void **state)
{
	char *text = write_text("s@c.example", "RET=FULL", 1);

	(void)state;
	assert_true(has(text, "Content-Type: message/global\r\n"));
	assert_true(has(text, MAIL));
	free(text);
}

static void nobody_is_told_where_nobody_wants_to_know(void **state)
{
	char *text = write_text("", "", 4);

	(void)state;
	assert_null(text);
	assert_false(dsn_is_wanted(DSN_FAILED, "", ""));
	assert_true(dsn_is_wanted(DSN_FAILED, "a@b", ""));
	assert_true(dsn_is_wanted(DSN_FAILED, "a@b", "ORCPT=rfc822;c@d"));
	assert_false(dsn_is_wanted(DSN_FAILED, "a@b", "ORCPT=rfc822;c@d NOTIFY=SUCCESS,DELAY"));
	assert_true(dsn_is_wanted(DSN_FAILED, "a@b", "ORCPT=rfc822;c@d notify=delay,failure"));
	assert_false(dsn_is_wanted(DSN_FAILED, "a@b", "NOTIFY=NEVER"));
}

static void a_notice_is_a_message_that_no_machine_answers(void **state)
{
	const struct letter letter = {.gateway = "gate.example",
		.from = "",
		.to = "admin@b.example",
		.subject = "Gr\xc3\xbc\xc3\x9f"
			   "e",
		.text = "one\n\xc3\xa9\n"};
	size_t bytes = 0;
	char *text = (char *)letter_write(&letter, &bytes);

	(void)state;
	assert_non_null(text);
	text[bytes] = '\0';
	assert_true(has(text, "postmaster@gate.example"));
	assert_true(has(text, "Auto-Submitted: auto-generated\r\n"));
	assert_true(has(text, "Content-Transfer-Encoding: quoted-printable\r\n"));
	assert_true(has(text, "\r\n\r\none\r\n=C3=A9\r\n"));
	assert_true(has(text, "MIME-Version: 1.0\r\n"));
	assert_false(has(text, "\xc3"));
	for (size_t i = 0; i < bytes; i++)
		assert_true(text[i] != '\n' || (i > 0 && text[i - 1] == '\r'));
	free(text);
}

static void no_line_of_it_is_longer_than_servers_take(void **state)
{
	static const char type[] = "application/vnd.cordon.alert+json";
	char words[3000];
	struct letter letter = {.gateway = "gate.example",
		.from = "",
		.to = "vendor@example",
		.subject = "s",
		.text = words,
		.attached = words,
		.attached_bytes = sizeof(words) - 1,
		.attached_type = "vnd.cordon.alert+json",
		.attached_name = "alert.json"};

	(void)state;
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		size_t bytes = 0;
		char *text = (char *)letter_write(&letter, &bytes);
		size_t line = 0;

		assert_non_null(text);
		for (size_t at = 0; at < bytes; at++) {
			line = text[at] == '\n' ? 0 : line + 1;
			assert_true(line < 999);
		}
		assert_int_equal(memmem(text, bytes, type, strlen(type)) != NULL, i == 0);
		free(text);
		letter.attached = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notification_names_those_that_are_wanted),
		cmocka_unit_test(a_delay_and_a_relay_are_told_of_to_those_that_ask),
		cmocka_unit_test(of_what_the_gateway_keeps_no_server_is_named),
		cmocka_unit_test(the_whole_message_comes_back_when_that_was_asked_for),
		cmocka_unit_test(nobody_is_told_where_nobody_wants_to_know),
		cmocka_unit_test(a_notice_is_a_message_that_no_machine_answers),
		cmocka_unit_test(no_line_of_it_is_longer_than_servers_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
