// SPDX-License-Identifier: BSD-3-Clause
// What is taken for a mail that is a file, and what is not.
#include "scan/unpack_mail.h"
#include "tests/support/unit.h"

#include <string.h>

static void a_header_of_mail_is_known_by_its_first_line_and_one_more(void **state)
{
	static const struct {
		const char *text;
		bool is_mail;
	} cases[] = {
		{"From: a@b\n\nhello\n", true},
		{"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", true},
		{"content-type: Multipart/mixed;\n boundary=x\n\n--x\n", true},
		{"Content-Type: message/rfc822\n\nSubject: x\n", true},
		{"Content-Transfer-Encoding: 7bit\nContent-Type: multipart/mixed; boundary=x\n\n",
			true},
		{"Content-Disposition: attachment\nContent-Type: a/b\n\n", true},
		{"Content-Type: text/plain\n\nhello\n", false},
		{"Content-Type: text/plain\nhello\n", false},
		{"Content-Length: 12\nContent-Range: x\n\n", false},
		{"A text\nContent-Type: multipart/mixed; boundary=x\n", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			mail_is_header((const uint8_t *)cases[i].text, strlen(cases[i].text)),
			cases[i].is_mail);
}

static void a_field_is_one_however_it_is_written(void **state)
{
	static const struct {
		const char *text;
		bool is_field;
	} cases[] = {
		{"Content-Type:multipart/mixed; boundary=x\r\n\r\n--x\r\n", true},
		{"Content-Type:\n multipart/mixed; boundary=x\n\n--x\n", true},
		{"Content-Type : multipart/mixed; boundary=x\n", true},
		{"A: b", true},
		{"Dear all,\nContent-Type: a/b\n", false},
		{"<?xml version=\"1.0\"?>\n<a:b/>\n", false},
		{"\nA: b\n", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			mail_begins_field((const uint8_t *)cases[i].text, strlen(cases[i].text)),
			cases[i].is_field);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_is_one_however_it_is_written),
		cmocka_unit_test(a_header_of_mail_is_known_by_its_first_line_and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
