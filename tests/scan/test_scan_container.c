// SPDX-License-Identifier: BSD-3-Clause
// What Container and Intermediates say of members of an archive that begins inside of other data: it lies in
// that, as in ClamAV 1.4.6.
#include "scan/scan.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define MAX_BYTES ((size_t)8192)
#define FOUND_BYTES 256
#define INSIDE "what-lies-in-the-zip"
#define STREAM "what-lies-in-streams"

// Signatures of both texts.
#define HEX_INSIDE "776861742d6c6965732d696e2d7468652d7a6970"
#define HEX_STREAM "776861742d6c6965732d696e2d73747265616d73"
#define RULE(name, attribute, hex) name ";Engine:81-255,Target:0," attribute ";0;" hex "\n"

static const char rules[] = RULE("In.Zip", "Container:CL_TYPE_ZIP", HEX_INSIDE)
	RULE("In.Pdf", "Container:CL_TYPE_PDF", HEX_INSIDE)
		RULE("In.Program", "Container:CL_TYPE_MSEXE", HEX_INSIDE) RULE(
			"Program.Zip", "Intermediates:CL_TYPE_MSEXE>CL_TYPE_ZIP", HEX_INSIDE)
			RULE("Pdf.Zip", "Intermediates:CL_TYPE_PDF>CL_TYPE_ZIP", HEX_INSIDE)
				RULE("Stream.Pdf", "Container:CL_TYPE_PDF", HEX_STREAM)
					RULE("Stream.Zip", "Container:CL_TYPE_ZIP", HEX_STREAM);

struct text {
	size_t bytes;
	uint8_t data[MAX_BYTES];
};

static void add(struct text *text, const void *data, size_t n)
{
	assert_true(text->bytes + n <= sizeof(text->data));
	memcpy(text->data + text->bytes, data, n);
	text->bytes += n;
}

// One stored member, and no directory.
static void add_zip(struct text *text)
{
	uint8_t head[30] = {'P', 'K', 3, 4, 10};

	head[18] = head[22] = sizeof(INSIDE) - 1;
	head[26] = 1;
	add(text, head, sizeof(head));
	add(text, "m" INSIDE, sizeof(INSIDE));
}

static void add_program(struct text *text)
{
	static const uint8_t program[1500] = {'M', 'Z'};

	add(text, program, sizeof(program));
}

static void add_stream(struct text *text)
{
	static const char object[] =
		"\n1 0 obj <</Length 20>> stream\n" STREAM "\nendstream endobj\n";

	add(text, object, sizeof(object) - 1);
}

// The signatures of members, each with a space behind it.
static void scan_all(
	struct scanner *scanner, const struct text *text, size_t piece, char out[FOUND_BYTES])
{
	const struct scan_result *result;
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
	for (size_t at = 0; at < text->bytes; at += piece)
		scan_feed(
			scan, text->data + at, text->bytes - at < piece ? text->bytes - at : piece);
	result = scan_end(scan);
	*out = '\0';
	for (size_t i = 0; i < result->matches_count; i++) {
		if (result->matches[i].part == 0)
			continue;
		(void)snprintf(out + strlen(out), FOUND_BYTES - strlen(out), "%s ",
			result->matches[i].signature);
	}
	scan_free(scan);
}

static void expect(const struct text *text, const char *wanted)
{
	const char *const files[] = {"a.ldb", rules, NULL};
	struct case_image image = case_build(true, files);
	struct scan_options options;
	struct scanner *scanner;
	struct ruleset *ruleset;
	char found[FOUND_BYTES];

	assert_int_equal(image.err, 0);
	assert_int_equal(ruleset_attach(image.image, image.bytes, &ruleset), 0);
	scan_options_init(&options);
	options.max_messages = 2;
	options.all_matches = true;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (size_t piece = 1; piece < 4 * MAX_BYTES; piece *= 3) {
		scan_all(scanner, text, piece, found);
		assert_string_equal(found, wanted);
	}
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image.image);
}

static void a_zip_behind_a_program_lies_in_it(void **state)
{
	static struct text text;

	(void)state;
	text.bytes = 0;
	add_program(&text);
	add_zip(&text);
	expect(&text, "In.Zip Program.Zip ");
}

// Both are read at once, and what is a member of the one is none of the other.
static void streams_of_a_pdf_lie_in_it_also_behind_a_zip(void **state)
{
	static struct text text;

	(void)state;
	text.bytes = 0;
	add(&text, "%PDF-1.4\n", 9);
	add_zip(&text);
	add_stream(&text);
	expect(&text, "Stream.Pdf In.Zip Pdf.Zip ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zip_behind_a_program_lies_in_it),
		cmocka_unit_test(streams_of_a_pdf_lie_in_it_also_behind_a_zip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
