// SPDX-License-Identifier: BSD-3-Clause
// Alerts in mail.
#include "control/alert_part.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "application/vnd.cordon.alert+json"

static char seen[4096]; // each with a bar behind it

static void note(void *ctx, const void *envelope, size_t bytes)
{
	size_t at = strlen(seen);

	(void)ctx;
	(void)snprintf(seen + at, sizeof(seen) - at, "%.*s|", (int)bytes, (const char *)envelope);
}

static unsigned int look(const char *text, size_t bytes)
{
	seen[0] = '\0';
	return alert_part_each(text, bytes, note, NULL);
}

static void parts_of_the_type_are_found_wherever_they_are(void **state)
{
	static const struct {
		const char *text;
		const char *found;
	} cases[] = {
		{"{\"a\":1}", "{\"a\":1}|"},
		{" \r\n{\"a\":1}\n", "{\"a\":1}\n|"},
		{"", ""},
		{"no mail and no envelope", ""},
		{"Subject: x\r\n\r\n{\"a\":1}\r\n", ""},
		{"MIME-Version: 1.0\r\nContent-Type: " TYPE "\r\n\r\n{}", "{}|"},
		{"MIME-Version: 1.0\r\nContent-Type: " TYPE
		 "; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\neyJh\r\nIjoxfQ==\r\n",
			"{\"a\":1}|"},
		{"MIME-Version: 1.0\r\nContent-Type: APPLICATION/VND.Cordon.Alert+JSON\r\n"
		 "Content-Transfer-Encoding: quoted-printable\r\n\r\n{=22a=22:=\r\n1}",
			"{\"a\":1}|"},
		{"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
		 "text\r\n--b\r\nContent-Type: " TYPE "\r\n\r\n{1}\r\n--b\r\n"
		 "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: " TYPE
		 "\r\n\r\n{2}\r\n--c--\r\n--b--\r\n",
			"{1}|{2}|"},
		{"MIME-Version: 1.0\r\nContent-Type: " TYPE "x\r\n\r\n{}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t bars = 0;

		for (const char *at = cases[i].found; *at != '\0'; at++)
			bars += *at == '|';
		assert_int_equal(look(cases[i].text, strlen(cases[i].text)), bars);
		assert_string_equal(seen, cases[i].found);
	}
}

static void mails_of_many_parts_and_many_levels_are_bounded(void **state)
{
	static const char part[] = "--b\r\nContent-Type: " TYPE "\r\n\r\n{}\r\n";
	static const char level[] = "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n";
	char *text = malloc(ALERT_PART_MAIL_BYTES + 1);
	int n = snprintf(text, 100,
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");

	(void)state;
	for (int i = 0; i < 100; i++)
		n += snprintf(text + n, sizeof(part), "%s", part);
	assert_int_equal(look(text, (size_t)n), ALERT_PART_MOST);
	n = snprintf(text, 100,
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n");
	for (int i = 0; n + 100 < (int)ALERT_PART_MAIL_BYTES; i++)
		n += snprintf(text + n, 100, level, i, i + 1);
	assert_int_equal(look(text, (size_t)n), 0);
	memset(text, ' ', ALERT_PART_MAIL_BYTES + 1);
	text[ALERT_PART_MAIL_BYTES - 1] = '{';
	assert_int_equal(look(text, ALERT_PART_MAIL_BYTES), 1);
	assert_int_equal(look(text, ALERT_PART_MAIL_BYTES + 1), 0);
	free(text);
}

static void receipts_are_parts_of_their_own_type_or_text(void **state)
{
	static const struct {
		const char *text;
		const char *found;
	} cases[] = {
		{"{\"a\":1}", "{\"a\":1}|"},
		{"Subject: x\r\n\r\n{\"a\":1}", "{\"a\":1}|"},
		{"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		 "Content-Transfer-Encoding: quoted-printable\r\n\r\n{=22a=22:=\r\n1}",
			"{\"a\":1}|"},
		{"MIME-Version: 1.0\r\nContent-Type: application/vnd.cordon.receipt+json\r\n\r\n{}",
			"{}|"},
		{"MIME-Version: 1.0\r\nContent-Type: " TYPE "\r\n\r\n{}", ""},
		{"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n{}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		seen[0] = '\0';
		(void)alert_part_receipts(cases[i].text, strlen(cases[i].text), note, NULL);
		assert_string_equal(seen, cases[i].found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_the_type_are_found_wherever_they_are),
		cmocka_unit_test(receipts_are_parts_of_their_own_type_or_text),
		cmocka_unit_test(mails_of_many_parts_and_many_levels_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
