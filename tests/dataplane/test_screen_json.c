// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/screen_json.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MD5 "\"algorithm\":\"md5\",\"digest\":\"00112233445566778899aabbccddeeff\""

static void an_entry_is_read_and_written_as_it_was(void **state)
{
	static const char text[] =
		"{\"virus_id\":\"CV-1\",\"screen\":["
		"{\"kind\":\"file\"," MD5 ",\"bytes\":9,\"file_type\":\"pe\"},"
		"{\"kind\":\"range\"," MD5 ",\"offset\":512,\"length\":500,\"from\":\"end\","
		"\"virus_id\":\"CV-2\",\"name\":\"N\"},"
		"{\"kind\":\"window\"," MD5 ",\"length\":64,\"rolling\":\"0123456789abcdef\","
		"\"action\":\"discard\"},"
		"{\"kind\":\"section\"," MD5 ",\"section\":0}]}";
	struct screen_list list;
	struct screen_list again;
	char error[256];
	char *written;

	(void)state;
	assert_int_equal(screen_list_parse(text, strlen(text), &list, error, sizeof(error)), 0);
	assert_int_equal(list.count, 4);
	assert_string_equal(list.entries[0].virus_id, "CV-1");
	assert_int_equal(list.entries[0].bytes, 9);
	assert_string_equal(list.entries[0].file_type, "pe");
	assert_int_equal(list.entries[0].digest[15], 0xff);
	assert_int_equal(list.entries[0].section, SCREEN_ANY_SECTION);
	assert_string_equal(list.entries[1].virus_id, "CV-2");
	assert_true(list.entries[1].from_end);
	assert_int_equal(list.entries[1].offset, 512);
	assert_int_equal(list.entries[2].rolling, UINT64_C(0x0123456789abcdef));
	assert_int_equal(list.entries[2].action, SCREEN_ACTION_DISCARD);
	assert_int_equal(list.entries[3].section, 0);
	written = screen_list_print(list.entries, list.count, true);
	assert_non_null(written);
	assert_int_equal(
		screen_list_parse(written, strlen(written), &again, error, sizeof(error)), 0);
	assert_int_equal(again.count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(screen_id(&again.entries[i]), screen_id(&list.entries[i]));
		assert_string_equal(again.entries[i].name, list.entries[i].name);
		assert_int_equal(again.entries[i].action, list.entries[i].action);
	}
	free(written);
	screen_list_free(&again);
	screen_list_free(&list);
}

static void what_is_wrong_is_told_with_entry_and_member(void **state)
{
	static const char good[] = "{\"kind\":\"file\",\"name\":\"N\"," MD5 "}";
	static const char *const cases[][2] = {
		{"{}", "kind: must be file, body, message, range, section or window"},
		{"7", "entry: must be an object"},
		{"{\"kind\":\"file\",\"name\":\"N\",\"x\":1," MD5 "}", "x: is not known"},
		{"{\"kind\":\"file\",\"name\":\"N\"}", "algorithm: must be md5, sha1 or sha256"},
		{"{\"kind\":\"file\",\"name\":\"N\",\"algorithm\":\"md5\",\"digest\":\"00\"}",
			"digest: must be lower-case hexadecimal of the algorithm"},
		{"{\"kind\":\"file\",\"name\":\"N\",\"bytes\":-1," MD5 "}",
			"bytes: must be a number, and not too large"},
		{"{\"kind\":\"window\",\"name\":\"N\",\"length\":64," MD5 "}",
			"rolling: is missing: no window is found without"},
		{"{\"kind\":\"range\",\"name\":\"N\",\"length\":64,\"from\":\"top\"," MD5 "}",
			"from: must be start or end"},
		{"{\"kind\":\"file\"," MD5 "}", "name: neither this nor virus_id is there"},
		{"{\"kind\":\"file\",\"name\":\"N\",\"action\":\"drop\"," MD5 "}",
			"action: must be default, quarantine or discard"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct screen_list list;
		char error[256] = "";
		char wanted[256];
		char text[512];

		(void)snprintf(text, sizeof(text), "[%s, %s]", good, cases[i][0]);
		(void)snprintf(wanted, sizeof(wanted), "entry 2: %s", cases[i][1]);
		assert_int_equal(screen_list_parse(text, strlen(text), &list, error, sizeof(error)),
			-EINVAL);
		assert_string_equal(error, wanted);
	}
}

static void what_is_no_list_is_told(void **state)
{
	struct screen_list list;
	char error[256] = "";

	(void)state;
	assert_int_equal(screen_list_parse("{", 1, &list, error, sizeof(error)), -EINVAL);
	assert_int_equal(strncmp(error, "line 1: ", 8), 0);
	assert_int_equal(screen_list_parse("{}", 2, &list, error, sizeof(error)), -EINVAL);
	assert_int_equal(strncmp(error, "must be a list", 14), 0);
	assert_int_equal(
		screen_list_read("/nonexistent/list", &list, error, sizeof(error)), -ENOENT);
	assert_int_equal(screen_list_parse("[]", 2, &list, error, sizeof(error)), 0);
	assert_int_equal(list.count, 0);
	screen_list_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_read_and_written_as_it_was),
		cmocka_unit_test(what_is_wrong_is_told_with_entry_and_member),
		cmocka_unit_test(what_is_no_list_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
