// SPDX-License-Identifier: BSD-3-Clause
// Patterns are found wherever they stand, also where one portion of an object's bytes ends and the
// next begins, and nothing is found that is not there.
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#define OBJECT 40000
#define NEAR 48
#define LISTS 24
#define LEAST 6 // bytes of an object that is looked at

static uint8_t object_bytes[OBJECT];

// A pattern as text, and bytes that it is found in.
struct anchor_case {
	const char *hex;
	const char *bytes;
	size_t length;
};

#define CASE(hex, bytes)                                                                           \
	{                                                                                          \
		hex, bytes, sizeof(bytes) - 1                                                      \
	}

static const struct anchor_case anchor_cases[] = {
	CASE("b1c2d3", "\xb1\xc2\xd3"),
	CASE("b1c2d3e4", "\xb1\xc2\xd3\xe4"),
	CASE("b1c2d3e4f5", "\xb1\xc2\xd3\xe4\xf5"),
	CASE("b1c2d3e4f5a6", "\xb1\xc2\xd3\xe4\xf5\xa6"),
	CASE("b1c2d3e4f5a697", "\xb1\xc2\xd3\xe4\xf5\xa6\x97"),
	CASE("b1c2d3e4f5a69788898a8b", "\xb1\xc2\xd3\xe4\xf5\xa6\x97\x88\x89\x8a\x8b"),
	CASE("b1c2d3e4f5a69788898a8b8c8d8e",
		"\xb1\xc2\xd3\xe4\xf5\xa6\x97\x88\x89\x8a\x8b\x8c\x8d\x8e"),
	CASE("b1??d3e4f5", "\xb1z\xd3\xe4\xf5"),
	CASE("b1c2????d3e4f5", "\xb1\xc2zz\xd3\xe4\xf5"),
	CASE("b1c2(d3|e4|f5a6)97", "\xb1\xc2\xf5\xa6\x97"),
	CASE("b1c2{0-9}d3e4", "\xb1\xc2zzzz\xd3\xe4"),
	CASE("b1c2d3e4{5}a697f5e4", "\xb1\xc2\xd3\xe4zzzzz\xa6\x97\xf5\xe4"),
	CASE("b1c2d3e4*a697f5e4", "\xb1\xc2\xd3\xe4zzzzz\xa6\x97\xf5\xe4"),
	CASE("b1c2", "\xb1\xc2"),
};

static struct case_result scan(struct matcher *matcher, size_t n, size_t chunk)
{
	return case_match(matcher, MATCH_TARGET_ANY, object_bytes, n, 0, chunk);
}

// At each place near the end of a portion, and of the object.
static void check_places(struct matcher *matcher, const struct anchor_case *test)
{
	static const size_t ends[] = {NEAR, 8192, 9216, 16384, 17408, 25600, OBJECT - NEAR - 1};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		for (size_t at = ends[i] - NEAR; at < ends[i] + 2; at++) {
			size_t n = at + test->length + (at & 1 ? 0 : 5);

			n = n > LEAST ? n : LEAST;
			memset(object_bytes, 'x', sizeof(object_bytes));
			memcpy(object_bytes + at, test->bytes, test->length);
			if (scan(matcher, n, n).count != 1 ||
				scan(matcher, OBJECT, 1000).count != 1)
				fail_msg("%s at %zu of %zu", test->hex, at, n);
			object_bytes[at] ^= 0x55;
			if (scan(matcher, OBJECT, 4096).count != 0)
				fail_msg("%s at %zu though changed", test->hex, at);
		}
	}
}

static void patterns_are_found_at_every_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(anchor_cases) / sizeof(anchor_cases[0]); i++) {
		char line[256];
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;

		(void)snprintf(line, sizeof(line), "T:0:*:%s\n", anchor_cases[i].hex);
		built = case_build_one("t.ndb", line);
		assert_int_equal(built.err, 0);
		assert_int_equal(built.reports.count, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		check_places(matcher, &anchor_cases[i]);
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// Random bytes of few values, so that patterns overlap and half of them are met by chance.
static void many_patterns_are_found_where_a_search_for_each_finds_them(void **state)
{
	struct random random = {99};

	(void)state;
	for (unsigned int list = 0; list < LISTS; list++) {
		uint8_t patterns[40][16];
		size_t lengths[40];
		char text[8192];
		size_t used = 0;
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;
		struct case_result result;
		size_t expected = 0;

		for (size_t i = 0; i < OBJECT; i++)
			object_bytes[i] = (uint8_t)(0x90 + random_below(&random, 4));
		for (unsigned int i = 0; i < 40; i++) {
			lengths[i] = 3 + random_below(&random, 10);
			used += (size_t)snprintf(text + used, sizeof(text) - used, "T%02u:0:*:", i);
			for (size_t k = 0; k < lengths[i]; k++) {
				patterns[i][k] = (uint8_t)(0x90 + random_below(&random, 4));
				used += (size_t)snprintf(
					text + used, sizeof(text) - used, "%02x", patterns[i][k]);
			}
			used += (size_t)snprintf(text + used, sizeof(text) - used, "\n");
			expected += memmem(object_bytes, 30000, patterns[i], lengths[i]) != NULL;
		}
		built = case_build_one("t.ndb", text);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		result = scan(matcher, 30000, 1 + random_below(&random, 3000));
		assert_int_equal(result.count, expected);
		assert_false(matcher_was_partial(matcher));
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_are_found_at_every_place),
		cmocka_unit_test(many_patterns_are_found_where_a_search_for_each_finds_them),
	};

	return cmocka_run_group_tests_name("anchor", tests, NULL, NULL);
}
