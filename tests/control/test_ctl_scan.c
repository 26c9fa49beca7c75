// SPDX-License-Identifier: BSD-3-Clause
// Real runs of cordonctl compile and cordonctl scan in a folder of their own.
#include "tests/control/ctl_case.h"

static void help_goes_to_stdout_and_ends_well(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_true(matches(output, "^  compile +[a-z]"));
	assert_true(matches(output, "^  scan +[a-z]"));
	assert_int_equal(run("scan --help"), 0);
	assert_true(matches(output, "^usage: cordonctl scan --rules PATH"));
	assert_int_equal(run("compile --help"), 0);
	assert_true(matches(output, "^usage: cordonctl compile PATH"));
	assert_string_equal(errors, "");
}

static void what_is_no_command_line_ends_with_2_and_nothing_on_stdout(void **state)
{
	static const char *const lines[] = {"", "swim", "scan", "scan @clean.eml",
		"scan --rules @rules", "scan --rules @rules --nonsense @clean.eml",
		"scan --rules @rules --digests md5,crc @clean.eml",
		"scan --rules @rules --digests md5, @clean.eml", "scan --rules @none @clean.eml",
		"scan --rules @barren @clean.eml", "scan --rules @clean.eml @clean.eml",
		"scan --rules @rules --json @none", "compile @rules", "compile -o @image",
		"compile @none -o @image", "compile @rules -o /nowhere/at/all",
		"compile @rules -o @image --cache @barren --cache-mb -5",
		"compile @rules -o @image --cache @barren --cache-mb 5x"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(run(lines[i]), 2);
		assert_string_equal(output, "");
		assert_true(strlen(errors) > 0);
	}
}

static void what_is_to_be_read_is_not_overwritten(void **state)
{
	static const char *const lines[] = {"compile @plain.ndb -o @plain.ndb",
		"compile @plain.ndb @rules -o @rules/eicar.hdb",
		"replay -r @plain.ndb --out @notes @clean.eml @notes",
		"replay -r @plain.ndb --out @plain.ndb @notes",
		"screen compute --virus-id CV-1 -o @notes @clean.eml @notes"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(run(lines[i]), 2);
		assert_true(
			matches(errors, "(plain\\.ndb|eicar\\.hdb|notes): would be overwritten"));
	}
	assert_int_equal(run("compile @rules -o @rules/image"), 0);
	path_in(path, sizeof(path), "made"); // no file, as devices are none
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(run("compile @plain.ndb -o @made"), 2);
	assert_true(matches(errors, "made: is no file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run("compile @plain.ndb @none -o @image"), 2);
	assert_true(matches(errors, "none: No such file"));
	assert_int_equal(run("scan -r @plain.ndb @notes"), 0);
	assert_true(matches(output, "notes: OK"));
}

static void output_that_does_not_arrive_is_an_error(void **state)
{
	(void)state;
	output_device = "/dev/full";
	assert_int_equal(run("compile @plain.ndb -o @image --json"), 2);
	assert_int_equal(run("scan -r @plain.ndb @notes"), 2);
	output_device = NULL;
}

static void a_malformed_line_is_reported_and_the_rest_compiled(void **state)
{
	json_t *event;

	(void)state;
	assert_int_equal(run("compile @bad.ndb -o @image --json"), 0);
	assert_true(matches(errors, "^.*/bad\\.ndb:2: [a-z]"));
	event = json_loads(output, 0, NULL);
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "compile");
	assert_int_equal(json_integer_value(json_object_get(event, "signatures")), 1);
	assert_int_equal(json_integer_value(json_object_get(event, "errors")), 1);
	json_decref(event);
	assert_int_equal(run("compile @bad.ndb -o @image --strict"), 2);
}

static void clean_mail_is_ok_and_ends_with_0(void **state)
{
	(void)state;
	assert_int_equal(run("scan --rules @rules @clean.eml @notes"), 0);
	assert_true(matches(output, "/clean\\.eml: OK$"));
	assert_true(matches(output, "/notes: OK$"));
	assert_true(matches(output, "^Scanned files: 2$"));
	assert_true(matches(output, "^Infected files: 0$"));
}

static void eicar_is_found_in_each_wrapping(void **state)
{
	static const char *const names[] = {"base64.eml", "nested.eml", "eicar.com"};
	char line[128];
	char pattern[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(line, sizeof(line), "scan --rules @rules @%s", names[i]);
		(void)snprintf(pattern, sizeof(pattern), "/%s: Test\\.Eicar FOUND$", names[i]);
		assert_int_equal(run(line), 1);
		assert_true(matches(output, pattern));
		assert_true(matches(output, "^Infected files: 1$"));
	}
	assert_int_equal(run("scan --rules @plain.ndb @plain.eml"), 1);
	assert_true(matches(output, "/plain\\.eml: Test\\.Plain FOUND$"));
}

static void an_image_a_file_and_a_folder_find_the_same(void **state)
{
	static const char *const rules[] = {"@image", "@rules", "@rules/eicar.hdb"};
	char line[128];

	(void)state;
	assert_int_equal(run("compile @rules -o @image"), 0);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		(void)snprintf(line, sizeof(line), "scan --rules %s @base64.eml", rules[i]);
		assert_int_equal(run(line), 1);
		assert_true(matches(output, "/base64\\.eml: Test\\.Eicar FOUND$"));
		(void)snprintf(line, sizeof(line), "scan --rules %s @clean.eml", rules[i]);
		assert_int_equal(run(line), 0);
	}
}

static void an_event_says_what_was_found_where(void **state)
{
	json_t *event;
	json_t *part;
	json_t *match;

	(void)state;
	assert_int_equal(run("scan --rules @rules --json --digests md5,sha256 @base64.eml"), 1);
	event = event_of_line(0);
	assert_string_equal(json_string_value(json_object_get(event, "verdict")), "infected");
	assert_string_equal(json_string_value(json_object_get(event, "reason")), "hash");
	assert_int_equal(json_integer_value(json_object_get(event, "message")), 1);
	assert_int_equal(json_integer_value(json_object_get(event, "bytes")), strlen(ATTACHED));
	assert_int_equal(json_array_size(json_object_get(event, "matches")), 1);
	match = json_array_get(json_object_get(event, "matches"), 0);
	assert_string_equal(json_string_value(json_object_get(match, "signature")), "Test.Eicar");
	assert_string_equal(json_string_value(json_object_get(match, "kind")), "hash");
	assert_int_equal(json_integer_value(json_object_get(match, "part")), 2);
	assert_int_equal(json_array_size(json_object_get(event, "parts")), 2);
	part = json_array_get(json_object_get(event, "parts"), 1);
	assert_int_equal(json_integer_value(json_object_get(part, "index")), 2);
	assert_string_equal(json_string_value(json_object_get(part, "filename")), "eicar.com");
	assert_string_equal(json_string_value(json_object_get(part, "encoding")), "base64");
	assert_int_equal(json_integer_value(json_object_get(part, "bytes")), 68);
	assert_string_equal(json_string_value(json_object_get(part, "md5")), EICAR_MD5);
	assert_string_equal(json_string_value(json_object_get(part, "sha256")), EICAR_SHA256);
	assert_null(json_object_get(part, "sha1"));
	json_decref(event);
}

static size_t lines_until_summary(void)
{
	const char *end = strstr(output, "\n-----------");

	assert_non_null(end);
	return (size_t)(end - output);
}

static void workers_say_the_same_in_the_same_order(void **state)
{
	char *expected;
	size_t bytes;

	(void)state;
	assert_int_equal(run("scan --rules @rules --all-match @mail @box @box @mail"), 1);
	bytes = lines_until_summary();
	expected = strndup(output, bytes);
	assert_non_null(expected);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(
			run("scan --rules @rules --workers 4 --all-match @mail @box @box @mail"),
			1);
		assert_int_equal(lines_until_summary(), bytes);
		assert_memory_equal(output, expected, bytes);
	}
	free(expected);
	assert_int_equal(run("scan --rules @rules --workers 0 @box"), 2);
	assert_int_equal(run("scan --rules @rules --workers 2x @box"), 2);
	assert_int_equal(run("scan --rules @rules --workers 257 @box"), 2);
}

static void what_is_no_file_is_an_error_or_passed_over(void **state)
{
	char path[512];

	(void)state;
	make_folder("odd");
	path_in(path, sizeof(path), "odd/fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	path_in(path, sizeof(path), "odd/loop");
	assert_int_equal(symlink(".", path), 0);
	path_in(path, sizeof(path), "odd/nowhere");
	assert_int_equal(symlink("nothing", path), 0);
	assert_int_equal(run("scan --rules @rules @odd"), 0);
	assert_int_equal(run("scan --rules @rules @odd/fifo"), 2);
	assert_int_equal(run("scan --rules @rules @odd/nowhere"), 2);
	assert_int_equal(run("scan --rules @rules /dev/zero"), 2);
	// What was found comes before what was not scanned.
	assert_int_equal(run("scan --rules @rules @odd/fifo @box"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_goes_to_stdout_and_ends_well),
		cmocka_unit_test(what_is_no_command_line_ends_with_2_and_nothing_on_stdout),
		cmocka_unit_test(what_is_to_be_read_is_not_overwritten),
		cmocka_unit_test(output_that_does_not_arrive_is_an_error),
		cmocka_unit_test(a_malformed_line_is_reported_and_the_rest_compiled),
		cmocka_unit_test(clean_mail_is_ok_and_ends_with_0),
		cmocka_unit_test(eicar_is_found_in_each_wrapping),
		cmocka_unit_test(an_image_a_file_and_a_folder_find_the_same),
		cmocka_unit_test(an_event_says_what_was_found_where),
		cmocka_unit_test(workers_say_the_same_in_the_same_order),
		cmocka_unit_test(what_is_no_file_is_an_error_or_passed_over),
	};

	return cmocka_run_group_tests(tests, make_files, drop_files);
}
