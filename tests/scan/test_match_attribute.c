// SPDX-License-Identifier: BSD-3-Clause
// Attributes of logical signatures that look beyond the object, and where regular expressions may match.
// What is expected is what clamscan 1.4.6 was seen to find.
#include "scan/filetype.h"
#include "tests/scan/ruleset_case.h"

#define TEXT "\x01\x02ZZZ...abc..bbb..abc...."
#define TEXT_BYTES (sizeof(TEXT) - 1)

struct engine {
	struct case_image built;
	struct ruleset *rules;
	struct matcher *matcher;
};

static void open_engine(struct engine *engine, const char *name, const char *lines)
{
	engine->built = case_build_one(name, lines);
	assert_int_equal(engine->built.stats.errors, 0);
	assert_int_equal(
		ruleset_attach(engine->built.image, engine->built.bytes, &engine->rules), 0);
	assert_int_equal(matcher_new(engine->rules, 1, 0, true, &engine->matcher), 0);
}

static void close_engine(struct engine *engine)
{
	matcher_free(engine->matcher);
	ruleset_close(engine->rules);
	free(engine->built.image);
}

static size_t match_in(
	struct engine *engine, const uint8_t *outer, uint32_t count, uint64_t file_bytes)
{
	struct match_hit hits[4];
	struct match_digests digests;
	struct match_object *object;
	const char *type;

	assert_int_equal(match_begin(engine->matcher, MATCH_TARGET_ANY, &object), 0);
	match_set_outer(object, outer, count);
	if (file_bytes != 0)
		match_set_file_bytes(object, file_bytes);
	assert_int_equal(match_feed(object, (const uint8_t *)TEXT, TEXT_BYTES), 0);
	return match_end(object, hits, 4, &digests, &type);
}

static void intermediates_are_told_from_the_innermost_on(void **state)
{
	// The innermost first.
	static const uint8_t zip_in_gzip[] = {FILETYPE_CONTAINER_ZIP, FILETYPE_CONTAINER_GZIP};
	static const struct {
		const char *value;
		bool is_met;
	} cases[] = {
		{"CL_TYPE_ZIP", true}, {"CL_TYPE_GZ", false}, {"CL_TYPE_GZ>CL_TYPE_ZIP", true},
		{"CL_TYPE_ZIP>CL_TYPE_GZ", false}, {"CL_TYPE_ANY>CL_TYPE_ZIP", true},
		{"CL_TYPE_ZIP>CL_TYPE_ANY", true}, // any takes no level
		{"CL_TYPE_GZ>CL_TYPE_ANY", false}, {"CL_TYPE_ANY>CL_TYPE_ANY", true},
		{"CL_TYPE_ANY>CL_TYPE_GZ>CL_TYPE_ZIP", false}, // there are two levels
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine engine;
		char line[200];

		(void)snprintf(line, sizeof(line), "A;Target:0,Intermediates:%s;0;5a5a5a\n",
			cases[i].value);
		open_engine(&engine, "t.ldb", line);
		if (match_in(&engine, zip_in_gzip, 2, 0) != cases[i].is_met)
			fail_msg("%s", cases[i].value);
		assert_int_equal(match_in(&engine, NULL, 0, 0), 0);
		close_engine(&engine);
	}
}

static void the_size_of_a_file_may_be_told(void **state)
{
	struct engine engine;

	(void)state;
	open_engine(&engine, "t.ldb", "A;Target:0,FileSize:1000-1000;0;5a5a5a\n");
	assert_int_equal(match_in(&engine, NULL, 0, 0), 0);
	assert_int_equal(match_in(&engine, NULL, 0, 1000), 1);
	close_engine(&engine);
}

static void a_handler_has_the_object_searched_as_another_type(void **state)
{
	static const char *const files[] = {"a.ldb",
		"H;HandlerType:CL_TYPE_PDF,Target:0;0;5a5a5a\n", "b.ndb",
		"P:10:*:616263\nE:1:*:616263\nN:10:*:616264\n", NULL};
	static const char *const others[] = {"a.ldb",
		"H;HandlerType:CL_TYPE_PDF,Target:0;0;5a5a5b\n", "b.ndb", "P:10:*:616263\n", NULL};
	struct engine engine;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		engine.built = case_build(false, i == 0 ? files : others);
		assert_int_equal(
			ruleset_attach(engine.built.image, engine.built.bytes, &engine.rules), 0);
		assert_int_equal(matcher_new(engine.rules, 1, 0, true, &engine.matcher), 0);
		assert_int_equal(match_in(&engine, NULL, 0, 0), i == 0 ? 2 : 0);
		close_engine(&engine);
	}
}

static void regular_expressions_match_where_their_offset_lets_them(void **state)
{
	// In the text abc stands at 8 and 18, bbb at 13; it has 25 bytes.
	static const struct {
		const char *text;
		bool is_met;
	} cases[] = {
		{"0/abc/", true}, {"8:0/abc/", true}, {"7:0/abc/", false}, {"7:0/abc/r", true},
		{"7:0/abc/e", false}, // a shift of nothing encloses nothing
		{"8:0/abc/e", true}, {"5:0/abc/re", true}, {"5,3:0/abc/", true},
		{"5,2:0/abc/", false}, // the first match begins too late
		{"5,2:0/abc/r", false}, {"5,6:0/abc/e", true},
		{"5,5:0/abc/e", false}, // does not end in time
		{"9,8:0/abc/", false}, {"9,9:0/abc/", true}, {"EOF-7:0/abc/", true},
		{"EOF-8:0/abc/", false}, {"EOF-8:0/abc/r", true}, {"EOF-25:0/abc/r", true},
		{"EOF-26:0/abc/r", false}, {"24:0/\\./", true},
		{"25:0/\\.*/", false}, // nothing is there
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine engine;
		char line[200];

		(void)snprintf(line, sizeof(line), "A;Engine:81-255,Target:0;0&1;5a5a5a;%s\n",
			cases[i].text);
		open_engine(&engine, "t.ldb", line);
		if (match_in(&engine, NULL, 0, 0) != cases[i].is_met)
			fail_msg("%s", cases[i].text);
		close_engine(&engine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intermediates_are_told_from_the_innermost_on),
		cmocka_unit_test(the_size_of_a_file_may_be_told),
		cmocka_unit_test(a_handler_has_the_object_searched_as_another_type),
		cmocka_unit_test(regular_expressions_match_where_their_offset_lets_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
