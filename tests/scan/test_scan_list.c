// SPDX-License-Identifier: BSD-3-Clause
// The list of parts of a message that is read in several ways at once, archives in each: its order and
// numbers are the same however the bytes come.
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES 8192

// A zip of mark.txt, deflated, with the text that the rule finds.
static const uint8_t mark_zip[] = {
#include "tests/scan/unpack_mark.def"
};

static struct ruleset *ruleset;
static void *image;

static int make_rules(void **state)
{
	static const char rules[] = "Test.Mark:0:*:4d41524b2d4f462d5448452d54455354\n";
	struct ruleset_build_stats stats;
	char path[] = "/tmp/test_scan_list.XXXXXX.ndb";
	const char *paths[] = {path};
	int fd = mkstemps(path, 4);
	void *built;
	size_t bytes;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, rules, sizeof(rules) - 1), sizeof(rules) - 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ruleset_build(paths, 1, NULL, &built, &bytes, &stats), 0);
	assert_int_equal(unlink(path), 0);
	image = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(image);
	memcpy(image, built, bytes);
	free(built);
	return ruleset_attach(image, bytes, &ruleset);
}

static int drop_rules(void **state)
{
	(void)state;
	ruleset_close(ruleset);
	free(image);
	return 0;
}

struct text {
	size_t bytes;
	uint8_t data[TEXT_BYTES];
};

static void put(struct text *text, const void *data, size_t n)
{
	assert_true(text->bytes + n <= TEXT_BYTES);
	memcpy(text->data + text->bytes, data, n);
	text->bytes += n;
}

static void put_text(struct text *text, const char *more)
{
	put(text, more, strlen(more));
}

// In lines, after so many characters that a reader who skips none will take for the beginning.
static void put_base64(struct text *text, const uint8_t *data, size_t n, size_t before)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	put_text(text, &"AAA"[3 - before]);
	for (size_t i = 0; i < n; i += 3) {
		uint32_t word = (uint32_t)data[i] << 16 |
				(i + 1 < n ? (uint32_t)data[i + 1] << 8 : 0) |
				(i + 2 < n ? data[i + 2] : 0u);
		char out[4] = {digits[word >> 18], digits[word >> 12 & 63], digits[word >> 6 & 63],
			digits[word & 63]};

		put(text, out, sizeof(out));
		if (i % 57 == 54)
			put_text(text, "\r\n");
	}
	put_text(text, "\r\n====\r\n");
}

static void put_head(struct text *text)
{
	text->bytes = 0;
	put_text(text, "From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		       "--b\r\nContent-Type: application/octet-stream\r\n"
		       "Content-Transfer-Encoding: 8bit\r\n"
		       "Content-Transfer-Encoding: base64\r\n\r\n");
}

static struct scan *scan_pieces(struct scanner *scanner, const struct text *text, size_t piece)
{
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	for (size_t at = 0; at < text->bytes; at += piece)
		scan_feed(
			scan, text->data + at, text->bytes - at < piece ? text->bytes - at : piece);
	(void)scan_end(scan);
	return scan;
}

static struct scanner *make_scanner(void)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.max_messages = 16;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

static void check_same(const struct scan_result *a, const struct scan_result *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_string_equal(a->reason, b->reason);
	assert_int_equal(a->parts_count, b->parts_count);
	for (size_t i = 0; i < a->parts_count; i++) {
		assert_int_equal(b->parts[i].index, i + 1);
		assert_int_equal(a->parts[i].parent, b->parts[i].parent);
		assert_int_equal(a->parts[i].bytes, b->parts[i].bytes);
		assert_int_equal(a->parts[i].is_reading, b->parts[i].is_reading);
		assert_string_equal(a->parts[i].filename, b->parts[i].filename);
		assert_string_equal(a->parts[i].encoding, b->parts[i].encoding);
	}
	assert_int_equal(a->matches_count, b->matches_count);
	for (size_t i = 0; i < a->matches_count; i++)
		assert_int_equal(a->matches[i].part, b->matches[i].part);
}

static void check_pieces(const struct text *text, const struct scan_result *whole)
{
	struct scanner *scanner = make_scanner();

	for (size_t piece = 1; piece < text->bytes; piece += 1 + piece / 20) {
		struct scan *scan = scan_pieces(scanner, text, piece);

		check_same(whole, scan_end(scan));
		scan_free(scan);
	}
	scanner_free(scanner);
}

// A body that is plain to one reader and base64 to another, a zip three times over to each, and lines of
// base64 to a third.
static void parallel_readings_are_listed_one_after_the_other(void **state)
{
	// Index of the parent, and whether it is what mark.txt is unpacked to.
	static const struct {
		uint32_t parent;
		bool is_member;
		bool is_reading;
	} wanted[] = {
		{0, false, false}, // the body as it stands
		{1, true, false},
		{1, true, false},
		{1, true, false},
		{1, false, true}, // the lines in it whose zip is whole
		{5, true, false},
		{1, false, true},
		{7, true, false},
		{1, false, true},
		{9, true, false},
		{0, false, true}, // the body as base64
		{11, true, false},
		{11, true, false},
		{11, true, false},
		{0, false, false},
	};
	struct scanner *scanner = make_scanner();
	const struct scan_result *result;
	struct scan *scan;
	struct text text;

	(void)state;
	put_head(&text);
	for (size_t i = 0; i < 3; i++) {
		put(&text, mark_zip, sizeof(mark_zip));
		put_text(&text, "\r\n====\r\n");
		for (size_t before = 0; before < 4; before++)
			put_base64(&text, mark_zip, sizeof(mark_zip), before);
	}
	put_text(&text, "\r\n--b\r\n\r\nend\r\n--b--\r\n");
	scan = scan_pieces(scanner, &text, text.bytes);
	result = scan_end(scan);
	assert_int_equal(result->verdict, VERDICT_INFECTED);
	assert_int_equal(result->parts_count, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < result->parts_count; i++) {
		const struct scan_part *part = &result->parts[i];

		assert_int_equal(part->index, i + 1);
		assert_int_equal(part->parent, wanted[i].parent);
		assert_int_equal(part->is_reading, wanted[i].is_reading);
		assert_int_equal(strcmp(part->filename, "mark.txt") == 0, wanted[i].is_member);
	}
	for (size_t i = 0; i < result->matches_count; i++)
		assert_true(wanted[result->matches[i].part - 1].is_member);
	check_pieces(&text, result);
	scan_free(scan);
	scanner_free(scanner);
}

// In the plain reading an encrypted zip, in the other one, before it, a zip packed by an unknown method.
static void the_reason_is_that_of_the_first_part(void **state)
{
	struct scanner *scanner = make_scanner();
	uint8_t encrypted[sizeof(mark_zip)];
	uint8_t unknown[sizeof(mark_zip)];
	struct scan *scan;
	struct text text;

	(void)state;
	memcpy(encrypted, mark_zip, sizeof(mark_zip));
	memcpy(unknown, mark_zip, sizeof(mark_zip));
	encrypted[6] = 1; // flags
	unknown[8] = 97;  // the method
	put_head(&text);
	put_text(&text, "\r\n====\r\n");
	put_base64(&text, unknown, sizeof(unknown), 0);
	put(&text, encrypted, sizeof(encrypted));
	put_text(&text, "\r\n--b--\r\n");
	scan = scan_pieces(scanner, &text, text.bytes);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
	assert_string_equal(scan_end(scan)->reason, "encrypted-archive");
	check_pieces(&text, scan_end(scan));
	scan_free(scan);
	scanner_free(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parallel_readings_are_listed_one_after_the_other),
		cmocka_unit_test(the_reason_is_that_of_the_first_part),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
