// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav_member.h"
#include "scan/filetype.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct line_case {
	const char *line;
	enum clamav_result result;
};

// Each was given to ClamAV 1.4.6, but for the last, of which it takes the digits alone.
static const struct line_case lines[] = {
	{"T:CL_TYPE_ZIP:*:^evil\\.exe$:*:*:0:1:*:*", CLAMAV_TAKEN},
	{"T:*:*:*:*:*:*:*:*:*", CLAMAV_TAKEN},
	{"T:CL_TYPE_ANY:*:*:*:*:*:*:*:*", CLAMAV_TAKEN},
	{"T:CL_TYPE_ZIP:*:*:*:*:*:*:zz:xx", CLAMAV_TAKEN},
	{"T:CL_TYPE_ZIP:9-5:*:5-0:*:*:*:*:*", CLAMAV_TAKEN},
	{"T:CL_TYPE_ZIP:*:(?i)EVIL:*:*:*:*:*:*", CLAMAV_TAKEN},
	{"T:CL_TYPE_ZIP:*:v\\il[]{]:*:*:*:*:*:*", CLAMAV_TAKEN},
	{"T:CL_TYPE_ZIP:*:*:41:660:0:1:*:*:1:300", CLAMAV_TAKEN},
	{"T:CL_TYPE_ZIP:*:*:41:660:0:1:*:*:400", CLAMAV_SKIPPED},
	{"T:CL_TYPE_ZIP:*:*:41:660:0:1:*:*:1:9", CLAMAV_SKIPPED},
	{"T:CL_TYPE_ZIP:*:*:41:660:0:1:*:*:x", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:*:41:660:0:1:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:*:41:660:0:1:*:*:1:2:3", CLAMAV_MALFORMED},
	{":CL_TYPE_ZIP:*:*:41:660:0:1:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_FOO:*:*:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:5-:*:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:-5:*:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:x:*:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:*:*:*:2:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*::*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:[:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:(a:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:a{2:*:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:*:*:4294967296:*:*:*:*:*", CLAMAV_MALFORMED},
	{"T:CL_TYPE_ZIP:5-6x:*:*:*:*:*:*:*", CLAMAV_MALFORMED},
};

static void lines_are_read_as_clamav_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct clamav_arena arena = {0};
		struct clamav_member_signature parsed;
		const char *reason = NULL;
		char line[256];
		enum clamav_result result;

		(void)snprintf(line, sizeof(line), "%s", lines[i].line);
		result = clamav_parse_cdb(&arena, line, &parsed, &reason);
		if (result != lines[i].result)
			print_message("%s: %s\n", lines[i].line, reason);
		assert_int_equal(result, lines[i].result);
		assert_int_equal(reason == NULL, result == CLAMAV_TAKEN);
		clamav_reset(&arena);
	}
}

static void fields_are_those_of_the_line(void **state)
{
	char line[] = "Name:CL_TYPE_TAR:1-2:x:3:0-4:1:5-0:*:*";
	char tar[] = "Name:CL_TYPE_POSIX_TAR:1-2:(?i)x:3:0-4:1:5-0:*:*";
	struct clamav_arena arena = {0};
	struct clamav_member_signature parsed;
	const char *reason = NULL;

	(void)state;
	assert_int_equal(clamav_parse_cdb(&arena, line, &parsed, &reason), CLAMAV_MALFORMED);
	assert_int_equal(clamav_parse_cdb(&arena, tar, &parsed, &reason), CLAMAV_TAKEN);
	assert_string_equal(parsed.name, "Name");
	assert_true(parsed.has_container && parsed.container == FILETYPE_CONTAINER_TAR);
	assert_true(parsed.container_bytes.min == 1 && parsed.container_bytes.max == 2);
	assert_true(parsed.ignores_case);
	assert_non_null(strstr(parsed.file_name, "x"));
	assert_true(parsed.packed.min == 3 && parsed.packed.max == 3);
	assert_true(parsed.bytes.min == 0 && parsed.bytes.max == 4);
	assert_true(parsed.has_encrypted && parsed.is_encrypted);
	assert_true(parsed.position.min == 5 && parsed.position.max == UINT32_MAX);
	clamav_reset(&arena);
}

// ---- scanning ----------------------------------------------------------------------------------

// One member "dir/evil.exe", stored, of 5 bytes; a folder before it. Its directory is left out.
static const uint8_t zip[] =
	"PK\3\4\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0dir/"
	"PK\3\4\x14\0\0\0\0\0\0\0\0\0\x6d\x78\x73\x11\5\0\0\0\5\0\0\0\x0c\0\0\0"
	"dir/evil.exehelloPK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
#define ZIP_BYTES (sizeof(zip) - 1)

static const struct {
	const char *line;
	bool is_found;
} rules[] = {
	{"T:CL_TYPE_ZIP:*:evil\\.exe$:*:*:*:*:*:*", true},
	{"T:CL_TYPE_ZIP:*:^evil:*:*:*:*:*:*", false},
	{"T:CL_TYPE_ZIP:*:*:5:5:0:2:*:*", true},
	{"T:CL_TYPE_ZIP:*:*:5:5:0:1:*:*", false},
	{"T:CL_TYPE_ZIP:*:*:*:*:1:*:*:*", false},
	{"T:CL_TYPE_ZIP:*:*:*:6:*:*:*:*", false},
	{"T:CL_TYPE_ZIP:*:*:4:*:*:*:*:*", false},
	{"T:*:*:*:0-5:4-0:*:*:*:*", true},
	{"T:CL_TYPE_ANY:*:(?i)EVIL:*:*:*:*:*:*", true},
	{"T:CL_TYPE_ANY:*:EVIL:*:*:*:*:*:*", false},
	{"T:CL_TYPE_7Z:*:*:*:*:*:*:*:*", false},
	{"T:CL_TYPE_ZIP:103:*:*:*:*:*:*:*", true},
	{"T:CL_TYPE_ZIP:102:*:*:*:*:*:*:*", false},
	{"T:CL_TYPE_ZIP:104-0:*:*:*:*:*:*:*", false},
	{"T:CL_TYPE_ZIP:50-200:[[]:*:*:*:*:*:*", false},
};

static struct ruleset *build(const char *line, void **image)
{
	char path[] = "/tmp/test_member.XXXXXX.cdb";
	const char *paths[] = {path};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset;
	size_t bytes;
	int fd = mkstemps(path, 4);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	assert_int_equal(close(fd), 0);
	assert_int_equal(ruleset_build(paths, 1, NULL, image, &bytes, &stats), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(ruleset_attach(*image, bytes, &ruleset), 0);
	return ruleset;
}

static void check(const struct ruleset *ruleset, size_t chunk, bool is_found, const char *line)
{
	struct scan_options options;
	const struct scan_result *result;
	struct scanner *scanner;
	struct scan *scan;

	scan_options_init(&options);
	options.max_messages = 1;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
	for (size_t at = 0; at < ZIP_BYTES; at += chunk)
		scan_feed(scan, zip + at, ZIP_BYTES - at < chunk ? ZIP_BYTES - at : chunk);
	result = scan_end(scan);
	if ((result->verdict == VERDICT_INFECTED) != is_found)
		fail_msg("%s: %s", line, verdict_name(result->verdict));
	if (is_found) {
		assert_int_equal(result->matches[0].part, 1);
		assert_int_equal(result->matches[0].kind, MATCH_PATTERN);
		assert_string_equal(result->matches[0].virus_id, "");
	}
	scan_free(scan);
	scanner_free(scanner);
}

static void members_are_found_in_any_chunks(void **state)
{
	static const size_t chunks[] = {1, 7, ZIP_BYTES};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		void *image;
		struct ruleset *ruleset = build(rules[i].line, &image);

		for (size_t k = 0; k < sizeof(chunks) / sizeof(chunks[0]); k++)
			check(ruleset, chunks[k], rules[i].is_found, rules[i].line);
		ruleset_close(ruleset);
		free(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read_as_clamav_reads_them),
		cmocka_unit_test(fields_are_those_of_the_line),
		cmocka_unit_test(members_are_found_in_any_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
