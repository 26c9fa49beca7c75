// SPDX-License-Identifier: BSD-3-Clause
// Patterns in the text of a mail.
#include "control/body.h"
#include "tests/scan/ruleset_case.h"

#include <errno.h>

#define HEAD "Subject: not in the body\r\nMIME-Version: 1.0\r\n"
#define PLAIN HEAD "Content-Type: text/plain; charset="

static struct case_image image;
static struct ruleset *ruleset;
static struct scanner *scanner;

static int make_scanner(void **state)
{
	const char *files[] = {"t.ndb", "A:0:*:4142434441424344\n", NULL};
	struct scan_options options;

	(void)state;
	image = case_build(true, files);
	if (image.err != 0 || ruleset_attach(image.image, image.bytes, &ruleset) != 0)
		return -1;
	scan_options_init(&options);
	options.digests = DIGEST_SHA256;
	options.max_messages = 1;
	return scanner_new(&options, ruleset, &scanner);
}

static int drop_scanner(void **state)
{
	(void)state;
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image.image);
	return 0;
}

static int has(const char *mail, const char *pattern)
{
	struct scan *scan;
	struct body *body;
	int answer;

	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	scan_feed(scan, (const uint8_t *)mail, strlen(mail));
	body = body_new((const uint8_t *)mail, strlen(mail), scan_end(scan));
	assert_non_null(body);
	answer = body_has(body, pattern);
	body_free(body);
	scan_free(scan);
	return answer;
}

static void text_is_found_however_it_is_written(void **state)
{
	static const struct {
		const char *mail;
		const char *pattern;
		int answer;
	} cases[] = {
		{HEAD "\r\nPlease pay the INVOICE now.\r\n", "pay the invoice", 1},
		{HEAD "\r\nPlease pay the\r\n\tinvoice now.\r\n", "pay the invoice", 1},
		{HEAD "\r\nPlease pay thex invoice now.\r\n", "pay the invoice", 0},
		{HEAD "\r\nother\r\n", "not in the body", 0},
		{HEAD "\r\n5 * 3 (is) 15.\r\n", "* 3 (is) 15.", 1},
		{HEAD "\r\n5 * 3 (is) 15!\r\n", "* 3 (is) 15.", 0},
		{HEAD "Content-Transfer-Encoding: base64\r\n\r\ncGF5IHRo\r\nZSBpbnZvaWNl\r\n",
			"pay the invoice", 1},
		{HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\npay =74he in=\r\nvoice",
			"pay the invoice", 1},
		{PLAIN "iso-8859-1\r\n\r\n\xdc"
		       "berweisung\r\n",
			"\xc3\xbc"
			"BERWEISUNG",
			1},
		{PLAIN "utf-8\r\n\r\nprix \xe2\x82\xac 5\r\n", "\xe2\x82\xac 5", 1},
		{PLAIN "no-such-charset\r\n\r\npay\r\n", "pay", 1},
		{HEAD "Content-Type: text/html\r\n\r\n<p>pay <b>t</b>he&#32;in<!-- > -->voice</p>",
			"pay the invoice", 1},
		{HEAD "Content-Type: text/html\r\n\r\npay<br>the<br>&#x69;nvoice",
			"pay the invoice", 1},
		{HEAD "Content-Type: text/html\r\n\r\n<a href='http://evil.example/'>x</a>",
			"http://evil.example", 1},
		{HEAD "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n"
		      "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\npay the invoice\r\n"
		      "--x--\r\n",
			"pay the invoice", 1},
		{HEAD "\r\ninvoice 123456\r\n", "/invoice +[0-9]{6}$/m", 1},
		{HEAD "\r\nInvoice 123456\r\n", "/invoice +[0-9]{6}/", 0},
		{HEAD "\r\nInvoice 123456\r\n", "/invoice +[0-9]{6}/i", 1},
		{HEAD "\r\na/b\r\n", "/a/b/", 1},
		{HEAD "\r\n", "x", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (has(cases[i].mail, cases[i].pattern) != cases[i].answer)
			fail_msg("case %zu: %s", i, cases[i].pattern);
	}
}

static void what_takes_too_long_is_not_known(void **state)
{
	char mail[400];
	size_t n = strlen(HEAD "\r\n");

	(void)state;
	memset(mail, 'a', sizeof(mail));
	memcpy(mail, HEAD "\r\n", n);
	mail[n + 240] = '\0';
	assert_int_equal(has(mail, "/(a+a+)+\\d(?=b)/"), -1);
	assert_int_equal(has(mail, "/aaab/"), 0);
}

static void a_pattern_that_is_none_is_refused_with_its_place(void **state)
{
	char error[256];

	(void)state;
	assert_int_equal(body_check("", error, sizeof(error)), 0);
	assert_int_equal(body_check("a(b", error, sizeof(error)), 0);
	assert_int_equal(body_check("/", error, sizeof(error)), 0);
	assert_int_equal(body_check("/a(b/", error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "at 4"));
	assert_int_equal(body_check("/a/q", error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "\"q\""));
	assert_int_equal(body_check("\xff", error, sizeof(error)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_found_however_it_is_written),
		cmocka_unit_test(what_takes_too_long_is_not_known),
		cmocka_unit_test(a_pattern_that_is_none_is_refused_with_its_place),
	};

	return cmocka_run_group_tests(tests, make_scanner, drop_scanner);
}
