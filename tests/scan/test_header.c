// SPDX-License-Identifier: BSD-3-Clause
#include "scan/header.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

static void a_field_is_split_at_its_colon(void **state)
{
	static const struct {
		const char *line;
		const char *name; // NULL: no field
		const char *value;
	} cases[] = {
		{"Subject: x", "Subject", " x"},
		{"Subject:x", "Subject", "x"},
		{"Subject :x", "Subject", "x"},
		{"Subject \t : x:y", "Subject", " x:y"},
		{"Content-Type(a (b) c): t", "Content-Type", " t"},
		{"Content-Type (:) : t", "Content-Type", " t"},
		{":x", "", "x"},
		{"no colon", NULL, NULL},
		{"two words: x", NULL, NULL},
		{" x: y", NULL, NULL},
		{"", NULL, NULL},
		{"Name(open: x", NULL, NULL},
		{"caf\xc3\xa9: x", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span name;
		struct span value;
		bool is = header_split(span_of(cases[i].line), &name, &value);

		assert_int_equal(is, cases[i].name != NULL);
		if (!is)
			continue;
		assert_int_equal(name.bytes, strlen(cases[i].name));
		assert_memory_equal(name.at, cases[i].name, name.bytes);
		assert_int_equal(value.bytes, strlen(cases[i].value));
		assert_memory_equal(value.at, cases[i].value, value.bytes);
	}
}

static void a_token_is_found_through_comments_quotes_and_case(void **state)
{
	static const char *const cases[][2] = {
		{" base64", "base64"},
		{" BASE64 ", "base64"},
		{"base64 (comment)", "base64"},
		{"(a (nested) comment) Base64", "base64"},
		{"base64(comment)", "base64"},
		{"\"base64\"", "base64"},
		{"\" base64 \"", "base64"},
		{"base64; x=y", "base64"},
		{"attachment;filename=x", "attachment"},
		{"quoted-printable\t", "quoted-printable"},
		{"", ""},
		{";x", ""},
		{"(unfinished base64", ""},
		{"\"half", "half"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(
			header_token(span_of(cases[i][0]), out, sizeof(out)), strlen(cases[i][1]));
		assert_string_equal(out, cases[i][1]);
	}
}

static void a_media_type_is_lower_case_and_anything_else_is_none(void **state)
{
	static const char *const cases[][2] = {
		{" text/plain", "text/plain"},
		{"Text/HTML; charset=x", "text/html"},
		{"text / plain", "text/plain"},
		{"(c) multipart (c) / (c) mixed (c); boundary=x", "multipart/mixed"},
		{"\"multipart/mixed\"; boundary=x", "multipart/mixed"},
		{"multipart/mixed boundary=x", "multipart/mixed"},
		{"text", ""},
		{"text/", ""},
		{"/plain", ""},
		{"; boundary=x", ""},
		{"", ""},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		(void)header_type(span_of(cases[i][0]), out, sizeof(out));
		assert_string_equal(out, cases[i][1]);
	}
}

struct param_case {
	const char *value;
	const char *name;
	const char *expected; // NULL: there is none
};

static void check_params(const struct param_case *cases, size_t count)
{
	char out[256];

	for (size_t i = 0; i < count; i++) {
		bool has = header_param(span_of(cases[i].value), cases[i].name, out, sizeof(out));

		if (has != (cases[i].expected != NULL))
			fail_msg("%s: %s", cases[i].value, has ? out : "none");
		if (has && strcmp(out, cases[i].expected) != 0)
			fail_msg("%s: %s, expected %s", cases[i].value, out, cases[i].expected);
	}
}

static void a_parameter_is_found_however_it_is_written(void **state)
{
	static const struct param_case cases[] = {
		{"t/s; boundary=abc", "boundary", "abc"},
		{"t/s;boundary=\"abc\"", "boundary", "abc"},
		{"t/s; BOUNDARY=abc", "boundary", "abc"},
		{"t/s; boundary = \"a b\" ; x=y", "boundary", "a b"},
		{"t/s; boundary= abc ;", "boundary", "abc"},
		{"t/s; boundary (c) = (c) abc (c)", "boundary", "abc"},
		{"t/s (;boundary=no); boundary=yes", "boundary", "yes"},
		{"t/s; x=\";boundary=no\"; boundary=yes", "boundary", "yes"},
		{"t/s; boundary=first; boundary=second", "boundary", "first"},
		{"t/s; boundary=\"half", "boundary", "half"},
		{"t/s; boundary=a\"b", "boundary", "a\"b"},
		{"t/s; boundary=\"a;b\"", "boundary", "a;b"},
		{"t/s; boundary=\"\"", "boundary", ""},
		{"t/s; boundary=", "boundary", ""},
		{"t/s; boundary", "boundary", NULL},
		{"t/s", "boundary", NULL},
		{"", "boundary", NULL},
		{"boundary=abc", "boundary", "abc"},
		{"; boundary=abc", "boundary", "abc"},
		{"t/s boundary=abc", "boundary", "abc"},
		{"t/s; charset=utf-8 boundary=abc", "boundary", "abc"},
		{"t/s; charset=utf-8 boundary=abc", "charset", "utf-8"},
		{"t/s; name=\"a\" boundary=abc", "boundary", "abc"},
		{"t/s; ;; boundary=abc", "boundary", "abc"},
		{"t/s; xboundary=no; boundary=yes", "boundary", "yes"},
		{"a; filename=my file (1).exe; x=y", "filename", "my file (1).exe"},
		{"a; filename=\"a\\\"b\\\\c\"", "filename", "a\"b\\c"},
		{"a; filename=\"c:\\temp\\x.exe\"", "filename", "c:\\temp\\x.exe"},
		{"a; filename=caf\xe9.exe", "filename", "caf\xef\xbf\xbd.exe"},
		{"a; filename=caf\xc3\xa9.exe", "filename", "caf\xc3\xa9.exe"},
		{"a; filename=\"=?utf-8?q?caf=C3=A9=2Eexe?=\"", "filename", "caf\xc3\xa9.exe"},
		{"a; filename==?iso-8859-1?B?Y2Fm6S5leGU=?=", "filename", "caf\xc3\xa9.exe"},
	};

	(void)state;
	check_params(cases, COUNT(cases));
}

// At each distance from the start and from the end, behind what only begins like it.
static void a_parameter_is_found_wherever_it_stands(void **state)
{
	static const char *const before[] = {"", "; cha=1", "; CHARSE=1; b=2", "; xcharset=1"};
	char value[200];
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		for (int blanks = 0; blanks < 100; blanks++) {
			const int pad = blanks % 50;
			const int behind = blanks / 50 * 20;

			(void)snprintf(value, sizeof(value), "t/s%s%*s;Charset=\"u\"%*s", before[i],
				pad, "", behind, "");
			assert_true(header_param(span_of(value), "charset", out, sizeof(out)));
			assert_string_equal(out, "u");
			assert_false(header_param_is_repeated(span_of(value), "charset"));
			(void)snprintf(value, sizeof(value), "t/s;charset=u%s%*s;CHARSET=v",
				before[i], pad, "");
			assert_true(header_param_is_repeated(span_of(value), "charset"));
			(void)snprintf(value, sizeof(value), "t/s%s%*s;charse", before[i], pad, "");
			assert_false(header_param(span_of(value), "charset", out, sizeof(out)));
		}
	}
}

static void rfc_2231_pieces_are_joined_and_decoded(void **state)
{
	static const struct param_case cases[] = {
		{"a; filename*=utf-8''caf%C3%A9.exe", "filename", "caf\xc3\xa9.exe"},
		{"a; FileName*=ISO-8859-1'en'caf%e9.exe", "filename", "caf\xc3\xa9.exe"},
		{"a; filename*=\"utf-8''a%20b\"", "filename", "a b"},
		{"a; filename=plain; filename*=utf-8''extended", "filename", "extended"},
		{"a; filename*0=one; filename*1=two", "filename", "onetwo"},
		{"a; filename*1=two; filename*0=one", "filename", "onetwo"},
		{"a; filename*0*=utf-8''a%20; filename*1=%20b; filename*2*=%21", "filename",
			"a %20b!"},
		{"a; filename*0*=utf-8''%C3; filename*1*=%A9", "filename", "\xc3\xa9"},
		{"a; filename*0=a; filename*2=c", "filename", "a"},
		{"a; filename*1=b; filename*2=c", "filename", "bc"},
		{"a; filename*=noquotes%41", "filename", "noquotesA"},
		{"a; filename*=utf-8''%4", "filename", "%4"},
		{"a; filename*=utf-8''%zz", "filename", "%zz"},
		{"a; filename*x=no", "filename", NULL},
		{"t/s; boundary*0=\"ab\"; boundary*1=\"cd\"", "boundary", "abcd"},
		{"a; filename*=koi8-r''%F7", "filename", "\xd0\x92"},
		{"a; filename*=utf-16''%00A%D8%3D%DE%00", "filename", "A\xf0\x9f\x98\x80"},
		{"a; filename*=windows-1252''%80", "filename", "\xe2\x82\xac"},
	};

	(void)state;
	check_params(cases, COUNT(cases));
}

static void a_boundary_comes_out_as_its_bytes(void **state)
{
	uint8_t out[4];
	size_t bytes = 0;

	(void)state;
	assert_true(
		header_param_bytes(span_of("t/s; boundary=\xff\xfe"), "boundary", out, 4, &bytes));
	assert_int_equal(bytes, 2);
	assert_memory_equal(out, "\xff\xfe", 2);
	assert_true(
		header_param_bytes(span_of("t/s; boundary=abcdef"), "boundary", out, 4, &bytes));
	assert_int_equal(bytes, 6);
	assert_memory_equal(out, "abcd", 4);
	assert_false(header_param_bytes(span_of("t/s"), "boundary", out, 4, &bytes));
}

static void encoded_words_become_utf_8(void **state)
{
	static const char *const cases[][2] = {
		{"  plain text ", "plain text"},
		{"=?us-ascii?Q?a_b=21?=", "a b!"},
		{"=?UTF-8?b?w6k=?=", "\xc3\xa9"},
		{"=?utf-8?B?w6k?=", "\xc3\xa9"},
		{"=?utf-8*en?Q?a?=", "a"},
		{"=?iso-8859-1?Q?=E9?= x", "\xc3\xa9 x"},
		{"a =?utf-8?Q?b?= =?utf-8?Q?c?= d", "a bc d"},
		{"a =?utf-8?Q?b?=  c", "a b  c"},
		{"=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "\xc3\xa9"},
		{"=?utf-8?Q?=C3?= =?iso-8859-1?Q?=E9?=", "\xef\xbf\xbd\xc3\xa9"},
		{"=?utf-8?Q?\?=x", "x"},
		{"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
		{"=?utf-8?Q?abc", "=?utf-8?Q?abc"},
		{"=?x?", "=?x?"},
		{"=?unknown?Q?=E9a?=", "\xef\xbf\xbd"
				       "a"},
		{"=?utf-8?Q?=00?=", "\xef\xbf\xbd"},
		{"=?utf-8?Q?=ED=A0=80?=", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"=?utf-8?Q?=C0=80?=", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"=?windows-1251?Q?=CF=F0?=", "\xd0\x9f\xd1\x80"},
		{"", ""},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		(void)header_text(span_of(cases[i][0]), out, sizeof(out));
		assert_string_equal(out, cases[i][1]);
	}
}

static void what_does_not_fit_is_cut_at_a_whole_character(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(header_text(span_of("ab\xc3\xa9"), out, sizeof(out)), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(header_text(span_of("abcd"), out, sizeof(out)), 3);
	assert_int_equal(header_text(span_of("abcd"), out, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_is_split_at_its_colon),
		cmocka_unit_test(a_token_is_found_through_comments_quotes_and_case),
		cmocka_unit_test(a_media_type_is_lower_case_and_anything_else_is_none),
		cmocka_unit_test(a_parameter_is_found_however_it_is_written),
		cmocka_unit_test(a_parameter_is_found_wherever_it_stands),
		cmocka_unit_test(rfc_2231_pieces_are_joined_and_decoded),
		cmocka_unit_test(a_boundary_comes_out_as_its_bytes),
		cmocka_unit_test(encoded_words_become_utf_8),
		cmocka_unit_test(what_does_not_fit_is_cut_at_a_whole_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
