// SPDX-License-Identifier: BSD-3-Clause
// Signatures for texts and for HTML see the normalised copies of whatever object, and them alone, in any
// chunking of the message.
#include "scan/normalise_detect.h"
#include "scan/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

struct rule {
	const char *name;
	const char *target;
	const char *offset;
	const char *text;
};

static const struct rule rules[] = {
	{"Text", "7", "*", "hello there"},
	{"TextStart", "7", "0", "first"},
	{"TextEnd", "7", "EOF-4", "last"},
	{"Page", "3", "*", "<a href=\"http://evil.example/\" title=x>"},
	{"PageStart", "3", "0", "<html>"},
	{"Words", "3", "*", " HTTP://Evil.example/ click"},
	{"Any", "0", "*", "any lower"},
	{"Mail", "4", "*", "HELLO"},
	{"Inner", "0", "0", "A member! 1234567"},
};

static struct ruleset *ruleset;
static void *ruleset_memory;

static int make_ruleset(void **state)
{
	char path[] = "/tmp/test_scan_copy.XXXXXX.ndb";
	const char *paths[] = {path};
	const struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	int fd = mkstemps(path, 4);
	FILE *file;
	void *image;
	size_t bytes;

	(void)state;
	assert_true(fd >= 0);
	file = fdopen(fd, "wb");
	assert_non_null(file);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		(void)fprintf(file, "%s:%s:%s:", rules[i].name, rules[i].target, rules[i].offset);
		for (const char *at = rules[i].text; *at != '\0'; at++)
			(void)fprintf(file, "%02x", (unsigned int)*at);
		(void)fprintf(file, "\n");
	}
	assert_int_equal(fclose(file), 0);
	assert_int_equal(ruleset_build(paths, 1, &options, &image, &bytes, &stats), 0);
	assert_int_equal(unlink(path), 0);
	ruleset_memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(ruleset_memory);
	memcpy(ruleset_memory, image, bytes);
	free(image);
	return ruleset_attach(ruleset_memory, bytes, &ruleset);
}

static int drop_ruleset(void **state)
{
	(void)state;
	ruleset_close(ruleset);
	free(ruleset_memory);
	return 0;
}

#define HEAD "From: a@example.org\r\nMIME-Version: 1.0\r\n"
#define LINK "<A HREF = 'http://Evil.example/'  Title=X>"

#define MEMBER_BASE64 "QSBtZW1iZXIhIDEyMzQ1Njc="
#define PAGE_BASE64                                                                                \
	"PGh0bWw+PGI+YW55ICAgTE9XRVI8aSBhPSJkYXRhOngveTtiYXNlNjQsUVNC"                             \
	"dFpXMWlaWEloSURFeU16UTFOamM9Ij56"

struct copy_case {
	const char *data;
	size_t bytes;
	enum scan_kind kind;
	uint32_t padding;  // bytes of plain words before
	const char *names; // of the signatures found, in their order
};

#define FILE_CASE(data, padding, names)                                                            \
	{                                                                                          \
		data, sizeof(data) - 1, SCAN_FILE, padding, names                                  \
	}
// A member that is not packed; lengths of name and body are bytes of it.
#define ZIP_CASE(name_bytes, name, body_bytes, body, names)                                        \
	FILE_CASE("PK\3\4\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0" body_bytes "\0\0\0" body_bytes            \
		  "\0\0\0" name_bytes "\0\0\0" name body,                                          \
		0, names)
// One with another name besides, in Unicode; both are of five bytes.
#define RENAMED_CASE(name, other, names)                                                           \
	FILE_CASE("PK\3\4\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\x15\0\0\0\x15\0\0\0\5\0\x0e\0" name        \
		  "\x75\x70\x0a\0\1\0\0\0\0" other "<p>ANY<!-- -->  LOWER",                        \
		0, names)
#define MAIL_CASE(data, names)                                                                     \
	{                                                                                          \
		data, sizeof(data) - 1, SCAN_MESSAGE, 0, names                                     \
	}

static const struct copy_case cases[] = {
	FILE_CASE("FIRST HELLO \r\n\t THERE, and LAST", 0, "Text TextEnd TextStart"),
	FILE_CASE(" FIRST, hello-there last ", 0, ""),
	FILE_CASE("ANY   LOWER in a text", 0, "Any"),
	FILE_CASE("H\0E\0L\0L\0O\0 \0T\0H\0E\0R\0E\0", 0, "Text"),
	FILE_CASE("\x89PNG\r\n\x1a\n HELLO  THERE ANY  LOWER", 0, ""),
	FILE_CASE("<HTML>" LINK "click</a>", 0, "Page PageStart"),
	FILE_CASE("<html>Go <a href=HTTP://Evil.example/><b>Click", 0, "PageStart Words"),
	FILE_CASE("<html>HELLO  THERE ANY<!-- -->  LOWER", 0, "Any PageStart"),
	// As ClamAV takes it: text as well, for "<body" does not make it HTML there.
	FILE_CASE("<body>HELLO  THERE ANY<!-- -->  LOWER", 0, "Any Text"),
	FILE_CASE("HELLO  THERE <HTML>" LINK, 1000, "Page"),
	FILE_CASE("HELLO  THERE <HTML>" LINK, 2000, "Page Text"),
	// However short the copy is.
	FILE_CASE("\x80\x81\x82LAST\x80\x81\x82", 0, "TextEnd"),
	FILE_CASE("<html>", 2000, ""),
	FILE_CASE("<\0h\0t\0m\0l\0>\0A\0n\0y\0 \0 \0L\0O\0W\0E\0R\0", 0, "Any PageStart"),
	// Inline data is a member, in which there may be more.
	FILE_CASE("<html><img src='data:image/x;base64," MEMBER_BASE64 "'>", 0, "Inner PageStart"),
	FILE_CASE("<html><img src=data:;base64," MEMBER_BASE64, 0, "Inner PageStart"),
	FILE_CASE(
		"<html><a href=\"data:,%41 member! 1234567\">Any  LOWER", 0, "Any Inner PageStart"),
	FILE_CASE("<html><a href=data:text/html;base64," PAGE_BASE64 ">HELLO", 0,
		"Any Inner PageStart"),
	FILE_CASE("words <a href=data:text/html;base64," PAGE_BASE64 ">HELLO  THERE", 2000,
		"Any Inner PageStart Text"),
	// Where no value begins with it only what is in base64.
	FILE_CASE("<html>data:,A member! 1234567", 0, "PageStart"),
	FILE_CASE("<html>data:;base64," MEMBER_BASE64 "<p>", 0, "Inner PageStart"),
	FILE_CASE("<html><style>a{b:url(data:image/x;base64," MEMBER_BASE64 ")}</style>", 0,
		"Inner PageStart"),
	FILE_CASE(
		"<html><script>x='data:;base64," MEMBER_BASE64 "'</script>", 0, "Inner PageStart"),
	FILE_CASE("<html><p style=\"b:url('data:;BASE64," MEMBER_BASE64 "')\">", 0,
		"Inner PageStart"),
	FILE_CASE("<html><!-- data:;Base64," MEMBER_BASE64 " -->", 0, "Inner PageStart"),
	FILE_CASE("<html><img src=' DATA:image/x;base64," MEMBER_BASE64 "'>", 0, "Inner PageStart"),
	FILE_CASE("<\0h\0t\0m\0l\0>\0<\0a\0 \0b\0=\0d\0a\0t\0a\0:\0,\0"
		  "A\0%\0002\0000\0m\0e\0m\0b\0e\0r\0!\0%\0002\0000\0001\0002\0003\0004\0"
		  "5\0006\0007\0>\0",
		0, "Inner PageStart"),
	// What in an archive is no page by its name is one only where ClamAV says so.
	ZIP_CASE("\5", "a.htm", "\x15", "<p>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\1", "a", "\x15", "<p>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\5", "a.xml", "\x15", "<p>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\5", "a.txt", "\x15", "<p>ANY<!-- -->  LOWER", ""),
	ZIP_CASE("\x0a", "word/a.xml", "\x2e", "<?xml version='1'?><w:p><p>ANY<!-- -->  LOWER\n",
		""),
	// A document's list of types says what is opened as a page, not the name.
	ZIP_CASE("\x0a", "word/a.xml", "\x15", "<p>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\x0a", "word/a.dat", "\x15", "<p>ANY<!-- -->  LOWER", "Any"),
	// Readers may go by the other name, of the field 0x7075.
	RENAMED_CASE("a.dat", "a.htm", "Any"),
	RENAMED_CASE("a.txt", "b.htm", "Any"),
	RENAMED_CASE("a.dat", "b.dat", ""),
	ZIP_CASE("\x0a", "word/a.htm", "\x15", "<p>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\5", "a.txt", "\x19", "<table>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\5", "a.txt", "\x19", "<tABle>ANY<!-- -->  LOWER", "Any"),
	ZIP_CASE("\5", "a.txt", "\x15", "<p>HELLO<!-- -->THERE", ""),
	ZIP_CASE("\5", "a.txt", "\x10", "<p>HELLO   THERE", "Text"),
	MAIL_CASE(HEAD "\r\nHELLO  THERE\r\n", "Mail Text"),
	MAIL_CASE(HEAD "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		       "PGh0bWw+PEEgSFJFRiA9ICdodHRwOi8vRXZpbC5leGFtcGxlLycgIFRpdGxlPVg+\r\n",
		"Page PageStart"),
	MAIL_CASE(HEAD "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable"
		       "\r\n\r\n<html>Any=\r\n=20 LOWER\r\n",
		"Any PageStart"),
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_names(const struct scan_result *result, const char *expected)
{
	const char *names[16] = {NULL};
	char found[200] = "";
	size_t count = 0;

	for (size_t i = 0; i < result->matches_count; i++) {
		bool is_new = true;

		for (size_t k = 0; k < count; k++)
			is_new = is_new && strcmp(names[k], result->matches[i].signature) != 0;
		if (is_new)
			names[count++] = result->matches[i].signature;
	}
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(found);

		(void)snprintf(found + n, sizeof(found) - n, "%s%s", i > 0 ? " " : "", names[i]);
	}
	assert_string_equal(found, expected);
}

// Cut at first and from there on every step bytes (0: no more).
static void check(struct scanner *scanner, const struct copy_case *c, size_t first, size_t step)
{
	static const uint8_t words[] = "words, ";
	size_t at = 0;
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, c->kind, &scan), 0);
	for (uint32_t i = 0; i < c->padding; i++)
		scan_feed(scan, &words[i % (sizeof(words) - 1)], 1);
	while (at < c->bytes) {
		size_t piece = at == 0 && first > 0 ? first : step > 0 ? step : c->bytes;

		piece = piece < c->bytes - at ? piece : c->bytes - at;
		scan_feed(scan, (const uint8_t *)c->data + at, piece);
		at += piece;
	}
	check_names(scan_end(scan), c->names);
	scan_free(scan);
}

static void copies_are_matched_in_any_chunks(void **state)
{
	struct scan_options options;
	struct scanner *scanner;

	(void)state;
	scan_options_init(&options);
	options.all_matches = true;
	options.max_messages = 2;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(scanner, &cases[i], 0, 0);
		check(scanner, &cases[i], 0, 1);
		for (size_t at = 1; at < cases[i].bytes; at++)
			check(scanner, &cases[i], at, 0);
	}
	scanner_free(scanner);
}

// The first bytes, by which it is known what an object is, and what follows are searched once, as one text.
static void a_page_is_found_across_the_first_bytes(void **state)
{
	static const char page[] = "<p>A&#78;Y LOWER";
	static char data[NORMALISE_DETECT_BYTES + 100];
	struct copy_case c = {data, sizeof(data), SCAN_FILE, 0, ""};
	struct scan_options options;
	struct scanner *scanner;

	(void)state;
	scan_options_init(&options);
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (size_t before = 0; before < sizeof(page); before++) {
		memset(data, '.', sizeof(data));
		memcpy(data + NORMALISE_DETECT_BYTES - before, page, sizeof(page) - 1);
		c.names = "Any";
		check(scanner, &c, 0, 0);
		check(scanner, &c, NORMALISE_DETECT_BYTES - 1, 1);
		check(scanner, &c, NORMALISE_DETECT_BYTES, 0);
		// A tag that ends where the first bytes do is none with what they begin with.
		memset(data, '.', sizeof(data));
		memcpy(data, page + 1, sizeof(page) - 2);
		data[NORMALISE_DETECT_BYTES - 1] = '<';
		c.names = "";
		check(scanner, &c, before, 0);
	}
	scanner_free(scanner);
}

// Dropped before their end, messages leave room for as many others.
static void dropped_messages_give_their_copies_back(void **state)
{
	static const uint8_t html[] = "<html>" LINK "<img src='data:;base64,QUJDREVG";
	struct scan_options options;
	struct scanner *scanner;

	(void)state;
	scan_options_init(&options);
	options.max_messages = 1;
	options.max_depth = 1;
	options.max_archive_depth = 0;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (unsigned int i = 0; i < 200; i++) {
		struct scan *scan;

		assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
		for (unsigned int k = 0; k < 40; k++)
			scan_feed(scan, html, sizeof(html) - 1);
		if (i % 10 == 9)
			assert_int_equal(scan_end(scan)->verdict, VERDICT_INFECTED);
		scan_free(scan);
	}
	scanner_free(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_matched_in_any_chunks),
		cmocka_unit_test(a_page_is_found_across_the_first_bytes),
		cmocka_unit_test(dropped_messages_give_their_copies_back),
	};

	return cmocka_run_group_tests(tests, make_ruleset, drop_ruleset);
}
