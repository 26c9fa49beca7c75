// SPDX-License-Identifier: BSD-3-Clause
// File types that signature files tell (.ftm). What is expected is what clamscan 1.4.6 was seen to do.
#include "tests/scan/ruleset_case.h"

#define RULES "PE:1:*:6861686168616861\nPDF:10:*:6861686168616861\nELF:6:*:6861686168616861\n"
#define REPLACING                                                                                  \
	"0:0:41424344:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"                                               \
	"1:*:51525354:Q:CL_TYPE_ANY:CL_TYPE_PDF\n"                                                 \
	"1:20,4:5758{-3}595a:W:CL_TYPE_ANY:CL_TYPE_ELF\n"                                          \
	"0:4:65666768:E:CL_TYPE_ANY:CL_TYPE_ELF::255\n"                                            \
	"0:0:7a7a7a7a:Z:CL_TYPE_ANY:CL_TYPE_PDF:300\n"                                             \
	"4:0:61626364:P:CL_TYPE_PART_ANY:CL_TYPE_PART_HFSPLUS\n"
#define EXTENDING "1:*:51525354:Q:CL_TYPE_ANY:CL_TYPE_PDF\n"
#define LATER "0:0:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n0:0:4142:A:CL_TYPE_ANY:CL_TYPE_ELF\n"

struct file_case {
	const char *types;
	const char *content;
	const char *hit; // NULL: none
};

static void expect(const struct file_case *file)
{
	const char *files[] = {"t.ftm", file->types, "t.ndb", RULES, NULL};
	struct case_image built = case_build(false, files);
	struct ruleset *rules;
	struct matcher *matcher;

	assert_int_equal(built.stats.errors, 0);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &rules), 0);
	assert_int_equal(matcher_new(rules, 1, 0, true, &matcher), 0);
	for (size_t chunk = 1; chunk < 100; chunk += 7) {
		struct case_result result = case_match(matcher, MATCH_TARGET_ANY,
			(const uint8_t *)file->content, strlen(file->content), 0, chunk);

		if (result.count != (file->hit != NULL) ||
			(file->hit != NULL && strcmp(result.hits[0].signature, file->hit) != 0))
			fail_msg("%s", file->content);
	}
	matcher_free(matcher);
	ruleset_close(rules);
	free(built.image);
}

static void types_decide_the_target(void **state)
{
	static const struct file_case cases[] = {
		{REPLACING, "ABCD hahahaha\x01", "PE"},
		{REPLACING, "xxxx QRST hahahaha\x01", "PDF"},
		{REPLACING, "xxxxefgh hahahaha\x01", "ELF"},
		{REPLACING, "zzzzefgh hahahaha\x01", "ELF"},
		{REPLACING, "aaaaaaaaaaaaaaaaaaaaaaaWX..YZ hahahaha", "ELF"},
		{REPLACING, "aaaaaaaaaaaaaaaaaaaaaaaaaWX..YZ hahahaha", NULL},
		{REPLACING, "aaaaaaaaaaaaaaaaaaaaaaWX....YZ hahahaha", NULL},
		{REPLACING, "MZ hahahaha", NULL}, // no line says what this is
		{REPLACING, "MZ hahahaha QRST", "PDF"},
		{REPLACING, "ABCD hahahaha QRST", "PE"},
		{REPLACING, "<html> hahahaha QRST", "PDF"},
		{REPLACING, "WXYZ QRST aaaaaaaaaaaaaWX..YZ hahahaha", "PDF"}, // more than ELF
		{EXTENDING, "<html> hahahaha QRST", NULL}, // HTML is more than PDF
		{EXTENDING, "MZ hahahaha QRST", "PE"},
		{EXTENDING, "xx hahahaha QRST", "PDF"},
		{EXTENDING, "xx hahahaha QRS", NULL},
		{LATER, "AB hahahaha", "ELF"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(&cases[i]);
}

static void lines_are_taken_or_told_of(void **state)
{
	static const char lines[] = "0:0:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "0:0:4142:A:CL_TYPE_ANY:CL_TYPE_NEVER\n"
				    "0:0:414:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "0:x:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "1:*:41(:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "x:0:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "0:0:4142:A:CL_TYPE_ANY\n"
				    "1:EOF-9:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "4:0:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE\n"
				    "0:0:4142:A:CL_TYPE_ANY:CL_TYPE_MSEXE:1:9\n";
	struct case_image built = case_build_one("t.ftm", lines);

	(void)state;
	assert_int_equal(built.stats.lines, 10);
	assert_int_equal(built.stats.errors, 6);
	assert_int_equal(built.stats.skipped, 3);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_decide_the_target),
		cmocka_unit_test(lines_are_taken_or_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
