// SPDX-License-Identifier: BSD-3-Clause
// Signatures for texts and HTML see the scripts of a page as they are rewritten, one behind the other in one copy, in
// any chunking of the message; and scripts in progress take memory of a pool that has an end.
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

#define MESSAGES 64

struct rule {
	const char *name;
	const char *target;
	const char *offset;
	const char *text;
};

static const struct rule rules[] = {
	{"Page", "3", "0", "<script>var n000=\"ab\""},
	{"Text", "7", "*", "return n002+z;}</script>"},
	{"Second", "7", "*", "</script>\n<script>eval"},
	{"End", "3", "EOF-13", "q();</script>"},
	{"Style", "3", "*", "n000<style>n001</style>n000"},
	{"Any", "0", "*", "return n002+z;}<"},
};

#define ALL                                                                                        \
	"<html><p><SCRIPT type=x>var A = 'a' + \"b\" ;\r\nfunction f(c) { return c + Z ; }"        \
	"</SCRIPT>text<script>eval( q() )</script><style>n</style><script>\nq ( ) ; "

struct page_case {
	const char *page;
	const char *names; // of the signatures found, in their order
};

static const struct page_case cases[] = {
	{"<html><p>no script of that kind</p></html>", ""},
	{ALL, "Any End Page Second Text"},
	{ALL "</script>", "Any End Page Second Text"},
	{ALL "</script>\n</html>", "Any End Page Second Text"},
	{"<html><script>var a='a'</script>", ""},
	{"<html><script>var a,b;a<style>b</style>a;</script>", "Style"},
	{"<html><style>q();</style><script>;</script>", ""},
	{"<html><script>var a='a'+'b'", "Page"},
	{"<html><script>", ""},
};

static struct ruleset *ruleset;
static void *ruleset_memory;

static int make_ruleset(void **state)
{
	char path[] = "/tmp/test_page_script.XXXXXX.ndb";
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

static struct scanner *make_scanner(uint32_t messages)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.all_matches = true;
	options.max_messages = messages;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

static bool is_in(const struct scan_result *result, const char *name)
{
	for (size_t i = 0; i < result->matches_count; i++)
		if (strncmp(result->matches[i].signature, name, strlen(name)) == 0)
			return true;
	return false;
}

static void check_names(const struct scan_result *result, const char *expected)
{
	static const char *const sorted[] = {"Any", "End", "Page", "Second", "Style", "Text"};
	char found[200] = "";

	for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++) {
		const size_t n = strlen(found);

		if (is_in(result, sorted[i]))
			(void)snprintf(
				found + n, sizeof(found) - n, "%s%s", n > 0 ? " " : "", sorted[i]);
	}
	assert_string_equal(found, expected);
}

static struct scan *begin(struct scanner *scanner, const char *data, size_t n)
{
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
	scan_feed(scan, (const uint8_t *)data, n);
	return scan;
}

// Cut at first and from there on every step bytes.
static void check(struct scanner *scanner, const struct page_case *c, size_t first, size_t step)
{
	const size_t n = strlen(c->page);
	struct scan *scan = begin(scanner, c->page, first);

	for (size_t at = first; at < n; at += step)
		scan_feed(scan, (const uint8_t *)c->page + at, n - at < step ? n - at : step);
	check_names(scan_end(scan), c->names);
	scan_free(scan);
}

static void scripts_are_matched_in_any_chunks(void **state)
{
	struct scanner *scanner = make_scanner(2);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(scanner, &cases[i], 0, 1);
		for (size_t at = 0; at < strlen(cases[i].page); at++)
			check(scanner, &cases[i], at, strlen(cases[i].page));
	}
	scanner_free(scanner);
}

// A script longer than what is held of one.
static void a_long_script_is_matched_up_to_its_end(void **state)
{
	static char text[900000];
	struct scanner *scanner = make_scanner(1);
	struct scan *scan;

	(void)state;
	memset(text, ';', sizeof(text));
	scan = begin(scanner, "<html><script>var a = 'a' + 'b';", 32);
	scan_feed(scan, (const uint8_t *)text, sizeof(text));
	scan_feed(scan, (const uint8_t *)"q ( ) ;", 7);
	check_names(scan_end(scan), "End Page");
	scan_free(scan);
	scanner_free(scanner);
}

// Of messages that are in the midst of a script at once an eighth and some have their script rewritten; the others
// are searched as before, and suspect. Ended or dropped, they leave room for as many.
static void scripts_at_once_have_a_limit(void **state)
{
	static const char page[] = "<html><script>var a = \"a\"+";
	static uint8_t blanks[8192]; // as much as makes a page of a file
	struct scanner *scanner = make_scanner(MESSAGES);
	struct scan *scans[MESSAGES];

	(void)state;
	memset(blanks, ' ', sizeof(blanks));
	for (unsigned int round = 0; round < 3; round++) {
		for (size_t i = 0; i < MESSAGES; i++) {
			scans[i] = begin(scanner, page, sizeof(page) - 1);
			scan_feed(scans[i], blanks, sizeof(blanks));
		}
		for (size_t i = 0; i < MESSAGES; i++) {
			const bool is_rewritten = i < MESSAGES / 8 + 16;
			const struct scan_result *result;

			if (round == 1) {
				scan_free(scans[i]);
				continue;
			}
			scan_feed(scans[i], (const uint8_t *)"'b'</script>", 12);
			result = scan_end(scans[i]);
			check_names(result, is_rewritten ? "Page" : "");
			assert_int_equal(
				result->verdict, is_rewritten ? VERDICT_INFECTED : VERDICT_SUSPECT);
			assert_string_equal(
				result->reason, is_rewritten ? "signature" : "limit-matching");
			scan_free(scans[i]);
		}
	}
	scanner_free(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_are_matched_in_any_chunks),
		cmocka_unit_test(a_long_script_is_matched_up_to_its_end),
		cmocka_unit_test(scripts_at_once_have_a_limit),
	};

	return cmocka_run_group_tests(tests, make_ruleset, drop_ruleset);
}
