// SPDX-License-Identifier: BSD-3-Clause
// What is taken for a mail that is a file, and what is not.
#include "scan/unpack_mail.h"
#include "tests/support/unit.h"

#include <stdlib.h>
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

// Cut off at each place, it begins where it did or is not known yet.
static void a_header_is_found_behind_other_lines(void **state)
{
	static const struct {
		const char *before;
		const char *header;
		bool is_mail;
	} cases[] = {
		{"", "From: a\nMIME-Version: 1.0\n\n", true},
		{"\n", "From: a\nContent-Type: a/b\n\n", true},
		{"\r\n \r\n\r\n", "MIME-Version: 1.0\r\nContent-Type: a/b\r\n\r\n", true},
		{"hello: you\n\nworld\n", "X-Y: z\n folded\nReceived: x\nContent-Type: a/b\n",
			true},
		{"\xef\xbb\xbf", "Foo: bar\nmessage-id: x\njunk\nContent-type: a/b\n", true},
		{"\1\2\n", "From : a\nMessage-ID: <x>\nMIME-VERSION: 1\n", true},
		{"Hi\n", "From: a\nSent: today\nTo: b\nSubject: c\n\nContent-Type: a/b\n", false},
		{"Hi\n", "Date: today\nContent-Type: text/html\n\n", false},
		{"Hi\n", "From: a\n\nMIME-Version: 1.0\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t skipped = strlen(cases[i].before);
		size_t n = skipped + strlen(cases[i].header);
		size_t at = SIZE_MAX;
		uint8_t *data = NULL;

		// The mark of byte order is part of its line.
		const size_t begin = skipped == 3 && cases[i].before[0] == '\xef'
					     ? skipped + strlen("Foo: bar\n")
					     : skipped;

		for (bool is_all = true; n > 0; n--, is_all = false) {
			data = malloc(n); // of just this size, for what looks for reads behind it
			assert_non_null(data);
			for (size_t k = 0; k < n; k++)
				data[k] = (uint8_t)(k < skipped ? cases[i].before[k]
								: cases[i].header[k - skipped]);
			if (mail_begins_late(data, n, &at))
				assert_true(cases[i].is_mail && at == begin);
			else
				assert_true(!is_all || !cases[i].is_mail);
			free(data);
		}
	}
}

// A long header may end behind what is to be seen.
static void a_header_that_is_cut_off_is_one(void **state)
{
	static uint8_t data[1024];
	size_t at;

	(void)state;
	memset(data, 'x', sizeof(data));
	// NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes, no string
	memcpy(data, "Hi\nA: b\nReceived: ", 18);
	assert_true(mail_begins_late(data, sizeof(data), &at));
	assert_int_equal(at, 3);
	assert_false(mail_begins_late(data, sizeof(data) - 1, &at));
	// NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes, no string
	memcpy(data + 500, "\nno field\n", 10);
	assert_false(mail_begins_late(data, sizeof(data), &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_found_behind_other_lines),
		cmocka_unit_test(a_header_that_is_cut_off_is_one),
		cmocka_unit_test(a_field_is_one_however_it_is_written),
		cmocka_unit_test(a_header_of_mail_is_known_by_its_first_line_and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
