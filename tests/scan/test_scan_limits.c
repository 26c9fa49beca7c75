// SPDX-License-Identifier: BSD-3-Clause
// Past a limit, verdict, reason and list of parts are those of the bytes, however these came, also where
// the same bytes are read in two ways at once.
#include "scan/scan.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define MAX_BYTES 65536

static struct case_image image;
static struct ruleset *ruleset;

static int make_rules(void **state)
{
	const char *const files[] = {"a.ndb", "Test.Mark:0:*:4d41524b2d4f462d\n", NULL};

	(void)state;
	image = case_build(true, files);
	return image.err != 0 ? image.err : ruleset_attach(image.image, image.bytes, &ruleset);
}

static int drop_rules(void **state)
{
	(void)state;
	ruleset_close(ruleset);
	free(image.image);
	return 0;
}

struct text {
	size_t bytes;
	char data[MAX_BYTES];
};

static void add(struct text *text, const void *data, size_t n)
{
	assert_true(text->bytes + n <= sizeof(text->data));
	memcpy(text->data + text->bytes, data, n);
	text->bytes += n;
}

static void add_text(struct text *text, const char *string)
{
	add(text, string, strlen(string));
}

// A stored member of a zip with six bytes of name and four of contents.
static void add_zip_member(struct text *text, unsigned int number)
{
	static const uint8_t head[30] = {'P', 'K', 3, 4, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0};
	char name[16];

	(void)snprintf(name, sizeof(name), "m%05u", number);
	add(text, head, sizeof(head));
	add(text, name, 6);
	add_text(text, "DATA");
}

// Objects of a PDF and members of a zip by turns: two readers see two archives.
static void make_both(struct text *text, unsigned int count)
{
	char object[80];

	text->bytes = 0;
	add_text(text, "%PDF-1.4\n");
	for (unsigned int i = 0; i < count; i++) {
		(void)snprintf(object, sizeof(object),
			"\n%u 0 obj <</Length 4>> stream\nTEST\nendstream endobj\n", i + 1);
		add_text(text, object);
		add_zip_member(text, i);
	}
}

static struct scan *scan_pieces(struct scanner *scanner, const struct text *text, size_t piece)
{
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
	for (size_t at = 0; at < text->bytes; at += piece)
		scan_feed(scan, (const uint8_t *)text->data + at,
			text->bytes - at < piece ? text->bytes - at : piece);
	(void)scan_end(scan);
	return scan;
}

static void check_same(const struct scan_result *a, const struct scan_result *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_string_equal(a->reason, b->reason);
	assert_int_equal(a->matches_count, b->matches_count);
	assert_int_equal(a->parts_count, b->parts_count);
	for (size_t i = 0; i < a->parts_count; i++) {
		assert_string_equal(a->parts[i].filename, b->parts[i].filename);
		assert_int_equal(a->parts[i].parent, b->parts[i].parent);
		assert_int_equal(a->parts[i].bytes, b->parts[i].bytes);
	}
}

static void check_in_any_pieces(const struct scan_options *options, const struct text *text,
	const char *reason, size_t parts)
{
	static const size_t pieces[] = {1, 2, 7, 61, 500, 1448, 4095, 4096, 4097, 9000};
	struct scanner *scanner;
	struct scanner *other;
	struct scan *whole;

	assert_int_equal(scanner_new(options, ruleset, &scanner), 0);
	assert_int_equal(scanner_new(options, ruleset, &other), 0);
	whole = scan_pieces(other, text, text->bytes);
	assert_string_equal(scan_end(whole)->reason, reason);
	assert_int_equal(scan_end(whole)->parts_count, parts);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct scan *scan = scan_pieces(scanner, text, pieces[i]);

		check_same(scan_end(whole), scan_end(scan));
		scan_free(scan);
	}
	scan_free(whole);
	scanner_free(other);
	scanner_free(scanner);
}

static void what_is_left_out_past_the_member_limit_does_not_depend_on_pieces(void **state)
{
	struct scan_options options;
	static struct text text;

	(void)state;
	scan_options_init(&options);
	options.max_messages = 2;
	make_both(&text, 300);
	// Of a PDF so many are listed, and all are looked into.
	for (uint32_t listed = 2; listed < 60; listed += 7) {
		options.max_members = 2 * listed;
		check_in_any_pieces(&options, &text, "", listed);
	}
}

static void what_is_left_out_past_the_limit_of_bytes_does_not_depend_on_pieces(void **state)
{
	struct scan_options options;
	static struct text text;

	(void)state;
	scan_options_init(&options);
	options.max_messages = 2;
	make_both(&text, 300);
	for (uint64_t bytes = 10; bytes < 1000; bytes += 97) {
		struct scanner *scanner;
		struct scan *scan;
		size_t parts;

		options.max_unpacked_bytes = bytes;
		assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
		scan = scan_pieces(scanner, &text, text.bytes);
		parts = scan_end(scan)->parts_count;
		scan_free(scan);
		scanner_free(scanner);
		check_in_any_pieces(&options, &text, "limit-unpacked-bytes", parts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_past_the_member_limit_does_not_depend_on_pieces),
		cmocka_unit_test(
			what_is_left_out_past_the_limit_of_bytes_does_not_depend_on_pieces),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
