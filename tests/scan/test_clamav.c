// SPDX-License-Identifier: BSD-3-Clause
#include "scan/clamav.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct body_case {
	const char *hex;
	enum clamav_result result;
	uint32_t parts;
};

static const struct body_case bodies[] = {
	{"414c504841", CLAMAV_TAKEN, 1},
	{"41??504?", CLAMAV_MALFORMED, 0}, // no two fixed bytes in a row
	{"414c??4?", CLAMAV_TAKEN, 1},
	{"414c5", CLAMAV_MALFORMED, 0},
	{"41zz", CLAMAV_MALFORMED, 0},
	{"", CLAMAV_MALFORMED, 0},
	{"41", CLAMAV_MALFORMED, 0},
	{"4142*4344", CLAMAV_TAKEN, 2},
	{"*4142", CLAMAV_MALFORMED, 0},
	{"4142*", CLAMAV_MALFORMED, 0},
	{"4142**4344", CLAMAV_MALFORMED, 0},
	{"4142{5}4344", CLAMAV_TAKEN, 1},
	{"4142{127}4344", CLAMAV_TAKEN, 1},
	{"4142{128}4344", CLAMAV_TAKEN, 2},
	{"4142{-5}4344{5-}4546{2-4}4748", CLAMAV_TAKEN, 4},
	{"4142{0}4344", CLAMAV_TAKEN, 2},
	{"4142{-0}4344", CLAMAV_TAKEN, 2},
	{"4142{5-4}4344", CLAMAV_MALFORMED, 0},
	{"4142{-}4344", CLAMAV_TAKEN, 2},
	{"4142{}4344", CLAMAV_TAKEN, 2},
	{"4142[-]43", CLAMAV_MALFORMED, 0},
	{"4142[]43", CLAMAV_MALFORMED, 0},
	{"4142{3", CLAMAV_MALFORMED, 0},
	{"4142{99999999999}4344", CLAMAV_MALFORMED, 0},
	{"41[1-3]4243", CLAMAV_TAKEN, 2},
	{"4243[1-3]41", CLAMAV_TAKEN, 2},
	{"41[1-3]4243[0-32]44", CLAMAV_TAKEN, 3},
	{"4142[1-33]43", CLAMAV_MALFORMED, 0},
	{"4142[1-3]4344", CLAMAV_MALFORMED, 0},
	{"41[1-3]42", CLAMAV_MALFORMED, 0},
	{"4142(43|44)", CLAMAV_TAKEN, 1},
	{"4142(43|4445|46?\?)", CLAMAV_TAKEN, 1},
	{"4142(43(44|45)|46)", CLAMAV_TAKEN, 1},
	{"4142(43{3}44|45)", CLAMAV_TAKEN, 1},
	{"4142(43|)", CLAMAV_TAKEN, 1},
	{"4142(43||44)45", CLAMAV_TAKEN, 1},
	{"4142(43(44|)|)45", CLAMAV_TAKEN, 1},
	{"4142(|43)", CLAMAV_MALFORMED, 0},
	{"4142(|)", CLAMAV_MALFORMED, 0},
	{"4142!(43|)", CLAMAV_MALFORMED, 0},
	{"4142!(43||44)", CLAMAV_MALFORMED, 0},
	{"4142()", CLAMAV_MALFORMED, 0},
	{"4142(43", CLAMAV_MALFORMED, 0},
	{"4142(43*44|45)", CLAMAV_MALFORMED, 0},
	{"4142(43{1-3}44|45)", CLAMAV_MALFORMED, 0},
	{"4142!(43|44)", CLAMAV_TAKEN, 1},
	{"4142!(4344|4546)", CLAMAV_TAKEN, 1},
	{"4142!(43|4445)", CLAMAV_MALFORMED, 0},
	{"4142!(43??|4445)", CLAMAV_MALFORMED, 0},
	{"4142!43", CLAMAV_MALFORMED, 0},
	{"(B)4142(B)", CLAMAV_TAKEN, 1},
	{"(W)4142*(L)4344!(W)", CLAMAV_TAKEN, 2},
	{"4142(B)4344", CLAMAV_TAKEN, 1},
	{"(B)", CLAMAV_MALFORMED, 0},
	{"4142${6-7}12$", CLAMAV_SKIPPED, 0},
	{"4142)", CLAMAV_MALFORMED, 0},
	{"4142|4344", CLAMAV_MALFORMED, 0},
};

static void bodies_are_read_as_clamav_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct clamav_arena arena = {0};
		struct clamav_pattern pattern = {0};
		const char *reason = NULL;
		enum clamav_result result =
			clamav_parse_body(&arena, bodies[i].hex, &pattern, &reason);

		if (result != bodies[i].result)
			print_message("%s: %s\n", bodies[i].hex, reason);
		assert_int_equal(result, bodies[i].result);
		assert_int_equal(reason == NULL, result == CLAMAV_TAKEN);
		if (result == CLAMAV_TAKEN)
			assert_int_equal(pattern.parts_count, bodies[i].parts);
		clamav_reset(&arena);
	}
}

static void alternates_nest_fifteen_deep_and_no_deeper(void **state)
{
	(void)state;
	for (unsigned int depth = 14; depth <= 17; depth++) {
		struct clamav_arena arena = {0};
		struct clamav_pattern pattern = {0};
		const char *reason = NULL;
		char *hex = NULL;
		size_t bytes = 0;
		FILE *out = open_memstream(&hex, &bytes);

		assert_non_null(out);
		(void)fprintf(out, "4142");
		for (unsigned int i = 0; i < depth; i++)
			(void)fprintf(out, "(4343|");
		(void)fprintf(out, "44");
		for (unsigned int i = 0; i < depth; i++)
			(void)fprintf(out, ")");
		assert_int_equal(fclose(out), 0);
		assert_int_equal(clamav_parse_body(&arena, hex, &pattern, &reason),
			depth <= 15 ? CLAMAV_TAKEN : CLAMAV_MALFORMED);
		clamav_reset(&arena);
		free(hex);
	}
}

struct line_case {
	const char *line;
	enum clamav_result result;
};

static enum clamav_result parse_ndb(const char *text, struct clamav_body_signature *out)
{
	static char line[CLAMAV_MAX_LINE];
	static struct clamav_arena arena;
	const char *reason = NULL;
	enum clamav_result result;

	clamav_reset(&arena);
	(void)snprintf(line, sizeof(line), "%s", text);
	result = clamav_parse_ndb(&arena, line, out, &reason);
	assert_int_equal(reason == NULL || result == CLAMAV_TAKEN, result == CLAMAV_TAKEN);
	return result;
}

static void lines_of_body_signatures_are_taken_skipped_or_malformed(void **state)
{
	static const struct line_case cases[] = {
		{"T:0:*:414c", CLAMAV_TAKEN},
		{"T:0:*:414c:50", CLAMAV_TAKEN},
		{"T:0:*:414c:50:100", CLAMAV_SKIPPED},
		{"T:0:*:414c:216", CLAMAV_TAKEN},
		{"T:0:*:414c:217", CLAMAV_SKIPPED},
		{"T:0:*:414c:51:215", CLAMAV_SKIPPED},
		{"T:0:*:414c:51:216", CLAMAV_TAKEN},
		{"T:0:*:414c:x", CLAMAV_MALFORMED},
		{"T:0:*:414c:1:255:9", CLAMAV_MALFORMED},
		{"T:0:*", CLAMAV_MALFORMED},
		{":0:*:414c", CLAMAV_MALFORMED},
		{"T:x:*:414c", CLAMAV_MALFORMED},
		{"T:99:*:414c", CLAMAV_SKIPPED},
		{"T:8:*:414c", CLAMAV_SKIPPED},
		{"T:3:*:414c", CLAMAV_TAKEN},
		{"T:7:*:414", CLAMAV_MALFORMED},
		{"T:0:EP+0:414c", CLAMAV_MALFORMED},
		{"T:1:EP+0:414c", CLAMAV_TAKEN},
		{"T:1:S2+4:414c", CLAMAV_TAKEN},
		{"T:1:SL+0,9:414c", CLAMAV_TAKEN},
		{"T:1:EP-4:414c", CLAMAV_TAKEN},
		{"T:6:EP+4:414c", CLAMAV_TAKEN},
		{"T:9:S1+4:414c", CLAMAV_TAKEN},
		{"T:5:S1+4:414c", CLAMAV_MALFORMED},
		{"T:1:SE1:414c", CLAMAV_TAKEN},
		{"T:1:SEx:414c", CLAMAV_MALFORMED},
		{"T:0:SE1:414c", CLAMAV_MALFORMED},
		{"T:1:S2-4:414c", CLAMAV_MALFORMED},
		{"T:1:S+4:414c", CLAMAV_MALFORMED},
		{"T:1:EP:414c", CLAMAV_MALFORMED},
		{"T:1:VI:414c", CLAMAV_TAKEN},
		{"T:0:VI:414c", CLAMAV_MALFORMED},
		{"T:0:$12$:414c", CLAMAV_SKIPPED},
		{"T:0:-1:414c", CLAMAV_MALFORMED},
		{"T:0:4,x:414c", CLAMAV_MALFORMED},
		{"T:0:99999999999:414c", CLAMAV_MALFORMED},
		{"T::*:414c", CLAMAV_TAKEN},
		{"T:0::414c", CLAMAV_TAKEN},
		{"T:0:4,:414c", CLAMAV_TAKEN},
		{"T:0:EOF-:414c", CLAMAV_TAKEN},
		{"T:1:EP+:414c", CLAMAV_TAKEN},
		{"T:1:EP-,1:414c", CLAMAV_TAKEN},
		{"T:1:SL+:414c", CLAMAV_TAKEN},
		{"T:1:SE:414c", CLAMAV_TAKEN},
		{"T:1:S0+:414c", CLAMAV_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clamav_body_signature out = {0};

		if (parse_ndb(cases[i].line, &out) != cases[i].result)
			fail_msg("%s", cases[i].line);
	}
}

static void offsets_are_read(void **state)
{
	struct clamav_body_signature out = {0};

	(void)state;
	assert_int_equal(parse_ndb("T:4:12,3:414c", &out), CLAMAV_TAKEN);
	assert_int_equal(out.target, 4);
	assert_string_equal(out.name, "T");
	assert_int_equal(out.pattern.offset.kind, CLAMAV_OFFSET_START);
	assert_int_equal(out.pattern.offset.value, 12);
	assert_int_equal(out.pattern.offset.shift, 3);
	assert_int_equal(parse_ndb("T:0:EOF-7:414c", &out), CLAMAV_TAKEN);
	assert_int_equal(out.pattern.offset.kind, CLAMAV_OFFSET_END);
	assert_int_equal(out.pattern.offset.value, 7);
	assert_int_equal(out.pattern.offset.shift, 0);
}

static void lines_of_hashes_are_taken_skipped_or_malformed(void **state)
{
#define MD5 "5d88b21d5b42f8a4274df618dd5e8226"
	static const struct line_case cases[] = {
		{MD5 ":19:T", CLAMAV_TAKEN},
		{"5D88B21D5B42F8A4274DF618DD5E8226:19:T", CLAMAV_TAKEN},
		{MD5 "00000000:19:T", CLAMAV_TAKEN},
		{MD5 MD5 ":19:T", CLAMAV_TAKEN},
		{MD5 "00:19:T", CLAMAV_MALFORMED},
		{"zd88b21d5b42f8a4274df618dd5e8226:19:T", CLAMAV_MALFORMED},
		{MD5 ":0:T", CLAMAV_MALFORMED},
		{MD5 ":4294967294:T", CLAMAV_TAKEN},
		{MD5 ":4294967295:T", CLAMAV_MALFORMED},
		{MD5 ":*:T", CLAMAV_MALFORMED},
		{MD5 ":*:T:72", CLAMAV_MALFORMED},
		{MD5 ":*:T:73", CLAMAV_TAKEN},
		{MD5 ":19:T:73:80", CLAMAV_SKIPPED},
		{MD5 ":19:T:x", CLAMAV_TAKEN},
		{MD5 ":19:T:7x", CLAMAV_TAKEN},
		{MD5 ":19:T:7:x", CLAMAV_SKIPPED},
		{MD5 ": 19:T", CLAMAV_TAKEN},
		{MD5 ":+19:T", CLAMAV_TAKEN},
		{MD5 ":-19:T", CLAMAV_MALFORMED},
		{MD5 ":+*:T:73", CLAMAV_MALFORMED},
		{MD5 ":19:T ", CLAMAV_TAKEN},
		{MD5 ":19x:T", CLAMAV_MALFORMED},
		{MD5 ":19", CLAMAV_MALFORMED},
		{MD5 ":19:", CLAMAV_MALFORMED},
		{"", CLAMAV_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clamav_hash_signature out;
		const char *reason = NULL;
		char line[256];

		(void)snprintf(line, sizeof(line), "%s", cases[i].line);
		if (clamav_parse_hash(line, CLAMAV_HASH_FILE, &out, &reason) != cases[i].result)
			fail_msg("%s", cases[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_read_as_clamav_reads_them),
		cmocka_unit_test(alternates_nest_fifteen_deep_and_no_deeper),
		cmocka_unit_test(lines_of_body_signatures_are_taken_skipped_or_malformed),
		cmocka_unit_test(offsets_are_read),
		cmocka_unit_test(lines_of_hashes_are_taken_skipped_or_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
