// SPDX-License-Identifier: BSD-3-Clause
#include "tests/scan/ruleset_case.h"

#include <hs_runtime.h>

#include <errno.h>

#define ANY MATCH_TARGET_ANY
#define MAIL MATCH_TARGET_MAIL
#define MD5_OF_ABCDEFGH "4783e784b4fa2fba9e4d6502dbc64f8f"
#define SHA256_OF_ABCDEFGH "9ac2197d9258257b1ae8463e4214e4cd0a578bc1517f2415928b91be4283fc48"

struct engine {
	struct case_image built;
	struct ruleset *ruleset;
	struct matcher *matcher;
};

static struct engine engine_open(const char *name, const char *text, bool all_matches)
{
	struct engine engine = {.built = case_build_one(name, text)};

	assert_int_equal(engine.built.err, 0);
	assert_int_equal(
		ruleset_attach(engine.built.image, engine.built.bytes, &engine.ruleset), 0);
	assert_int_equal(matcher_new(engine.ruleset, 2, 0, all_matches, &engine.matcher), 0);
	return engine;
}

static void engine_close(struct engine *engine)
{
	matcher_free(engine->matcher);
	ruleset_close(engine->ruleset);
	free(engine->built.image);
}

static void put(uint8_t *at, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)text[i];
}

static struct case_result match_text(struct engine *engine, const char *text)
{
	return case_match(engine->matcher, ANY, text, strlen(text), strlen(text), 1);
}

static void the_first_signature_of_the_list_is_reported(void **state)
{
	const char *list = "B:0:*:4343434343\nA:0:*:4141414141\nC:0:*:4141414141\n";
	struct engine one = engine_open("t.ndb", list, false);
	struct engine all = engine_open("t.ndb", list, true);
	struct case_result result = match_text(&one, "AAAAA CCCCC");

	(void)state;
	assert_int_equal(result.count, 1);
	assert_string_equal(result.hits[0].signature, "B");
	assert_int_equal(result.hits[0].kind, MATCH_PATTERN);
	result = match_text(&one, "AAAAAA");
	assert_int_equal(result.count, 1);
	assert_string_equal(result.hits[0].signature, "A");
	result = match_text(&all, "AAAAA CCCCC");
	assert_int_equal(result.count, 3);
	assert_string_equal(result.hits[0].signature, "B");
	assert_string_equal(result.hits[1].signature, "A");
	assert_string_equal(result.hits[2].signature, "C");
	engine_close(&one);
	engine_close(&all);
}

static void a_line_end_inside_a_part_is_lf_or_cr_lf(void **state)
{
	struct engine engine = engine_open("t.ndb", "A:0:*:4142(L)4344\n", false);

	(void)state;
	assert_int_equal(match_text(&engine, "..AB\nCD..").count, 1);
	assert_int_equal(match_text(&engine, "..AB\r\nCD..").count, 1);
	assert_int_equal(match_text(&engine, "..AB\rCD..").count, 0);
	assert_int_equal(match_text(&engine, "..AB\n\nCD..").count, 0);
	engine_close(&engine);
}

static void a_gap_in_square_brackets_may_be_of_no_bytes(void **state)
{
	struct engine engine = engine_open("t.ndb", "A:0:*:5a[0-0]4142\n", false);

	(void)state;
	assert_int_equal(match_text(&engine, "..ZAB..").count, 1);
	assert_int_equal(match_text(&engine, "..Z.AB..").count, 0);
	engine_close(&engine);
}

static void objects_of_five_bytes_are_too_small(void **state)
{
	struct engine engine = engine_open("t.ndb", "A:0:*:41414141\n", false);
	struct case_result result = match_text(&engine, "AAAAA");

	(void)state;
	assert_int_equal(result.count, 0);
	assert_false(result.hit_early);
	assert_int_equal(match_text(&engine, "AAAAAA").count, 1);
	engine_close(&engine);
}

static void mail_signatures_see_the_raw_message_alone(void **state)
{
	struct engine engine = engine_open("t.ndb", "M:4:*:41414141\nO:0:*:42424242\n", true);
	struct case_result result = case_match(engine.matcher, MAIL, "AAAA BBBB", 9, 0, 2);

	(void)state;
	assert_int_equal(result.count, 2);
	assert_string_equal(result.type, "");
	result = match_text(&engine, "AAAA BBBB");
	assert_int_equal(result.count, 1);
	assert_string_equal(result.hits[0].signature, "O");
	assert_string_equal(result.type, "text");
	engine_close(&engine);
}

static void signatures_of_a_file_type_see_that_type_alone(void **state)
{
	static uint8_t data[3000];
	struct engine engine = engine_open("t.ndb",
		"PDF:10:*:4141414142\nStart:10:0:25504446\nGraphics:5:*:4141414142\n", true);

	(void)state;
	memset(data, 'x', sizeof(data));
	put(data + 1022, "AAAAB", 5); // across the end of what is kept to find the type
	assert_int_equal(case_match(engine.matcher, ANY, data, 3000, 0, 1).count, 0);
	put(data, "%PDF-1.4", 8);
	for (size_t chunk = 1; chunk < 4000; chunk += 1021) {
		struct case_result result = case_match(engine.matcher, ANY, data, 3000, 0, chunk);

		assert_int_equal(result.count, 2);
		assert_string_equal(result.hits[0].signature, "PDF");
		assert_string_equal(result.type, "pdf");
		assert_int_equal(case_match(engine.matcher, ANY, data, 1027, 0, chunk).count, 2);
		assert_int_equal(case_match(engine.matcher, ANY, data, 800, 0, chunk).count, 1);
	}
	assert_int_equal(case_match(engine.matcher, MAIL, data, 3000, 0, 9).count, 0);
	engine_close(&engine);
}

struct gap_case {
	const char *signature;
	size_t first;  // where AAAB stands
	size_t second; // where CCCD stands
	size_t bytes;
	bool hit;
};

// Gaps too long for one expression: 4 bytes each side.
static const struct gap_case gap_cases[] = {
	{"T:0:*:41414142{600-700}43434344", 10, 614, 2000, true},
	{"T:0:*:41414142{600-700}43434344", 10, 613, 2000, false},
	{"T:0:*:41414142{600-700}43434344", 10, 714, 2000, true},
	{"T:0:*:41414142{600-700}43434344", 10, 715, 2000, false},
	{"T:0:*:41414142{1000}43434344", 10, 1014, 2000, true},
	{"T:0:*:41414142{1000}43434344", 10, 1015, 2000, false},
	{"T:0:*:41414142{20000-}43434344", 10, 20014, 40000, true},
	{"T:0:*:41414142{20000-}43434344", 10, 20013, 40000, false},
	{"T:0:*:41414142{20000-}43434344", 10, 39996, 40000, true},
	{"T:0:*:41414142{-600}43434344", 700, 10, 2000, false},
	{"T:0:*:41414142{-600}43434344", 10, 614, 2000, true},
	{"T:0:*:41414142{-600}43434344", 10, 615, 2000, false},
	{"T:0:1500,3:41414142*43434344", 1503, 1600, 2000, true},
	{"T:0:1500,3:41414142*43434344", 1504, 1600, 2000, false},
	{"T:0:EOF-1990:41414142{600-700}43434344", 10, 614, 2000, true},
	{"T:0:EOF-1990:41414142{600-700}43434344", 10, 614, 2001, false},
	{"T:0:EOF-3000:41414142", 10, 614, 3010, true},
	{"T:0:EOF-3000:41414142", 10, 614, 3011, false},
	{"T:0:EOF-3000,1:41414142", 11, 614, 3010, true},
	{"T:0:EOF-3000,1:41414142", 12, 614, 3010, false},
	{"T:0:EOF-3000,9999:41414142", 100, 614, 2999, false},
};

static void long_gaps_and_far_offsets_are_exact(void **state)
{
	static uint8_t data[40001];

	(void)state;
	for (size_t i = 0; i < sizeof(gap_cases) / sizeof(gap_cases[0]); i++) {
		const struct gap_case *test = &gap_cases[i];
		struct engine engine = engine_open("t.ndb", test->signature, true);

		memset(data, 'x', sizeof(data));
		put(data + test->first, "AAAB", 4);
		put(data + test->second, "CCCD", 4);
		for (size_t chunk = 1; chunk <= test->bytes; chunk = chunk * 7 + 600)
			if (case_match(engine.matcher, ANY, data, test->bytes, 0, chunk).count !=
				(test->hit ? 1 : 0))
				fail_msg(
					"case %zu: %s in chunks of %zu", i, test->signature, chunk);
		engine_close(&engine);
	}
}

static void the_latest_of_many_candidates_are_remembered(void **state)
{
	static uint8_t data[5000];
	struct engine engine = engine_open("t.ndb", "T:0:*:41414142{600-700}43434344", true);

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < 40; i++)
		put(data + 10 * i, "AAAB", 4);
	put(data + 390 + 4 + 650, "CCCD", 4);
	assert_int_equal(case_match(engine.matcher, ANY, data, sizeof(data), 0, 3000).count, 1);
	engine_close(&engine);
}

static void files_of_old_forms_are_read(void **state)
{
	struct engine engine = engine_open(
		"t.db", "#A\nOld.A (Clam)=4142434445464748\nB=414243*4748\nC==41424344\n", true);
	struct case_result result = match_text(&engine, "ABCDEFGH");
	struct case_image built;

	(void)state;
	assert_int_equal(result.count, 2);
	assert_string_equal(result.hits[0].signature, "Old.A");
	engine_close(&engine);
	engine = engine_open("t.sdb", "A:0:2:43444546\n", true);
	assert_int_equal(match_text(&engine, "ABCDEFGH").count, 1);
	engine_close(&engine);
	built = case_build_one("t.db", "A\n=41424344\nA:b=41424344\nA=41424344:0\nA=4\n");
	assert_int_equal(built.stats.errors, 5);
	assert_int_equal(built.stats.signatures, 0);
	free(built.image);
}

// What clamscan finds.
static void alternates_may_be_empty(void **state)
{
	static const struct {
		const char *line;
		const char *found;  // in these
		const char *missed; // in this not
	} cases[] = {
		{"P:0:*:414243(44|)45464748", "ABCEFGH", "ABCDDEFGH"},
		{"P:0:*:414243(44|)45464748", "xABCDEFGHx", "ABCFGHI"},
		{"P:0:*:414243(4445|)45464748", "ABCEFGH", "ABCDEFGH"},
		{"P:0:*:414243(4445|)45464748", "ABCDEEFGH", "ABCDFGH"},
		{"P:0:*:414243(55|)", "xxxABC", "xxxABD"},
		{"P:0:*:414243(4444||5555)45464748", "ABCDDEFGH", "ABCDEFGH"},
		{"P:0:*:414243(4444||5555)45464748", "ABCUUEFGH", "ABCUEFGH"},
		{"P:0:*:414243(44(45|)|)4748", "ABCDGHI", "ABCEGHI"},
		{"P:0:*:414243(44(45|)|)4748", "ABCGHI", "ABCDEEGHI"},
		{"P:0:*:414243(4445|)*5758", "ABC----WX", "AB----WX"},
		{"P:0:3:414243(44|)45464748", "---ABCEFGH", "--ABCEFGH"},
		{"P:0:EOF-7:414243(44|)45464748", "---ABCEFGH", "---ABCEFGH-"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine engine = engine_open("t.ndb", cases[i].line, true);

		assert_int_equal(match_text(&engine, cases[i].found).count, 1);
		assert_int_equal(match_text(&engine, cases[i].missed).count, 0);
		engine_close(&engine);
	}
}

static void more_matches_than_can_be_collected_are_followed(void **state)
{
	static uint8_t data[16384 + 700];
	struct engine engine = engine_open("t.ndb",
		"P:0:*:4141{600-700}4142\nQ:0:*:4141{601-700}4142\nR:0:*:4141{601-701}4143\n",
		true);
	struct case_result result;

	(void)state;
	memset(data, 'A', sizeof(data));
	data[sizeof(data) - 1] = 'B';
	result = case_match(engine.matcher, ANY, data, sizeof(data), 0, sizeof(data));
	assert_int_equal(result.count, 2); // candidates side by side take the room of one
	memset(data + 16384, 'x', 700);
	put(data + 16384 + 605, "AB", 2);
	result = case_match(engine.matcher, ANY, data, sizeof(data), 0, sizeof(data));
	assert_int_equal(result.count, 2);
	engine_close(&engine);
}

static void hashes_hit_by_size_or_any_size(void **state)
{
	struct engine engine = engine_open("t.hdb",
		MD5_OF_ABCDEFGH ":8:Sized\n" MD5_OF_ABCDEFGH ":9:Other\n" SHA256_OF_ABCDEFGH
				":*:Any:73\n" MD5_OF_ABCDEFGH ":8:Again\n"
				"d41d8cd98f00b204e9800998ecf8427e:*:Empty:73\n",
		true);
	struct case_result result = match_text(&engine, "ABCDEFGH");

	(void)state;
	assert_int_equal(result.count, 3);
	assert_string_equal(result.hits[0].signature, "Sized");
	assert_string_equal(result.hits[1].signature, "Any");
	assert_string_equal(result.hits[2].signature, "Again");
	assert_int_equal(result.hits[0].kind, MATCH_HASH);
	assert_int_equal(result.digests.set, DIGEST_MD5 | DIGEST_SHA256);
	assert_false(result.hit_early);
	assert_int_equal(match_text(&engine, "ABCDEFGI").count, 0);
	assert_int_equal(match_text(&engine, "").count, 0);
	assert_int_equal(case_match(engine.matcher, MAIL, "ABCDEFGH", 8, 0, 3).count, 3);
	engine_close(&engine);
}

static void a_digest_is_computed_only_while_it_can_matter(void **state)
{
	struct engine engine = engine_open("t.hdb", MD5_OF_ABCDEFGH ":8:Sized\n", false);
	struct matcher *wanting;

	(void)state;
	assert_int_equal(match_text(&engine, "ABCDEFGH").digests.set, DIGEST_MD5);
	assert_int_equal(match_text(&engine, "ABCDEFGHI").digests.set, 0);
	assert_int_equal(matcher_new(engine.ruleset, 1, DIGEST_SHA1, false, &wanting), 0);
	assert_int_equal(case_match(wanting, ANY, "ABCDEFGHI", 9, 0, 9).digests.set, DIGEST_SHA1);
	// Nobody is told of a raw mail's.
	assert_int_equal(
		case_match(wanting, MATCH_TARGET_MAIL, "ABCDEFGHI", 9, 0, 9).digests.set, 0);
	assert_int_equal(case_match(wanting, MATCH_TARGET_MAIL, "ABCDEFGH", 8, 0, 9).digests.set,
		DIGEST_MD5);
	matcher_free(wanting);
	engine_close(&engine);
}

static void an_allowed_object_is_not_reported(void **state)
{
	static const char allowed[] = MD5_OF_ABCDEFGH ":8:Good\n";
	const char *const files[] = {"a.ndb", "T:0:*:41424344\n", "b.fp", allowed, NULL};
	struct engine engine = {.built = case_build(true, files)};
	struct case_result result;

	(void)state;
	assert_int_equal(
		ruleset_attach(engine.built.image, engine.built.bytes, &engine.ruleset), 0);
	assert_int_equal(matcher_new(engine.ruleset, 1, 0, true, &engine.matcher), 0);
	result = match_text(&engine, "ABCDEFGH");
	assert_int_equal(result.count, 0);
	assert_false(result.hit_early);
	assert_int_equal(match_text(&engine, "ABCDEFGI").count, 1);
	engine_close(&engine);
}

static void a_hit_is_known_before_a_long_object_ends(void **state)
{
	struct engine engine = engine_open("t.ndb", "T:0:*:41424344\n", false);
	static uint8_t text[40000];
	struct case_result result;

	(void)state;
	memset(text, 'x', sizeof(text));
	result = case_match(engine.matcher, ANY, text, sizeof(text), 0, 1000);
	assert_false(result.hit_early);
	// NOLINTNEXTLINE(bugprone-not-null-terminated-result): an object, no string
	memcpy(text + 1000, "ABCD", 4);
	result = case_match(engine.matcher, ANY, text, sizeof(text), 0, 1000);
	assert_true(result.hit_early);
	assert_int_equal(result.count, 1);
	engine_close(&engine);
}

static void the_pool_is_bounded_and_objects_are_apart(void **state)
{
	struct engine engine = engine_open("t.ndb", "T:0:*:41424344\n", false);
	struct match_object *objects[3];
	struct match_digests digests;
	struct match_hit hit;
	const char *type;

	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		assert_int_equal(match_begin(engine.matcher, ANY, &objects[0]), 0);
		assert_int_equal(match_begin(engine.matcher, ANY, &objects[1]), 0);
		assert_int_equal(match_begin(engine.matcher, ANY, &objects[2]), -ENOMEM);
		assert_int_equal(match_feed(objects[0], (const uint8_t *)"xxxAB", 5), 0);
		assert_int_equal(match_feed(objects[1], (const uint8_t *)"xxCDxx", 6), 0);
		assert_int_equal(match_feed(objects[0], (const uint8_t *)"CD", 2), 0);
		assert_false(match_is_hit(objects[1]));
		assert_int_equal(match_end(objects[0], &hit, 1, &digests, &type), 1);
		match_abort(objects[1]);
	}
	engine_close(&engine);
}

static void an_empty_ruleset_finds_nothing(void **state)
{
	struct engine engine = engine_open("t.ndb", "", false);

	(void)state;
	assert_int_equal(ruleset_get_info(engine.ruleset)->signatures, 0);
	assert_int_equal(match_text(&engine, "anything at all").count, 0);
	engine_close(&engine);
}

static unsigned int allocations;

static void *count_alloc(size_t bytes)
{
	allocations++;
	return malloc(bytes);
}

static void hyperscan_allocates_nothing_while_matching(void **state)
{
	struct engine engine =
		engine_open("t.ndb", "T:0:*:41424344\nU:0:*:4142*4344\nV:4:*:4142??44\n", true);
	unsigned int before = allocations;

	(void)state;
	assert_true(before > 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(case_match(engine.matcher, MAIL, "xxABCDxx", 8, 0, 1).count, 3);
	assert_int_equal(allocations, before);
	engine_close(&engine);
}

static void hits_that_are_left_out_are_told(void **state)
{
	enum { SIGNATURES = 130, LINE = 40 };
	static char lines[SIGNATURES * LINE];
	struct case_image built;
	struct ruleset *rules;
	struct matcher *matcher;

	(void)state;
	for (size_t i = 0, n = 0; i < SIGNATURES; i++)
		n += (size_t)snprintf(lines + n, LINE, "T%zu:0:%zu:41414141\n", i, i);
	built = case_build_one("t.ndb", lines);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &rules), 0);
	for (int all = 0; all < 2; all++) {
		char text[SIGNATURES + 4];

		assert_int_equal(matcher_new(rules, 1, 0, all != 0, &matcher), 0);
		memset(text, 'A', sizeof(text));
		assert_int_equal(case_match(matcher, MATCH_TARGET_ANY, text, 60, 0, 7).count,
			all != 0 ? 57 : 1);
		assert_false(matcher_had_more(matcher));
		assert_int_equal(
			case_match(matcher, MATCH_TARGET_ANY, text, sizeof(text), 0, 7).count,
			all != 0 ? CASE_MAX_HITS : 1);
		assert_int_equal(matcher_had_more(matcher), all != 0);
		matcher_free(matcher);
	}
	ruleset_close(rules);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_signature_of_the_list_is_reported),
		cmocka_unit_test(objects_of_five_bytes_are_too_small),
		cmocka_unit_test(alternates_may_be_empty),
		cmocka_unit_test(files_of_old_forms_are_read),
		cmocka_unit_test(a_line_end_inside_a_part_is_lf_or_cr_lf),
		cmocka_unit_test(a_gap_in_square_brackets_may_be_of_no_bytes),
		cmocka_unit_test(mail_signatures_see_the_raw_message_alone),
		cmocka_unit_test(signatures_of_a_file_type_see_that_type_alone),
		cmocka_unit_test(long_gaps_and_far_offsets_are_exact),
		cmocka_unit_test(the_latest_of_many_candidates_are_remembered),
		cmocka_unit_test(more_matches_than_can_be_collected_are_followed),
		cmocka_unit_test(hashes_hit_by_size_or_any_size),
		cmocka_unit_test(a_digest_is_computed_only_while_it_can_matter),
		cmocka_unit_test(an_allowed_object_is_not_reported),
		cmocka_unit_test(a_hit_is_known_before_a_long_object_ends),
		cmocka_unit_test(the_pool_is_bounded_and_objects_are_apart),
		cmocka_unit_test(an_empty_ruleset_finds_nothing),
		cmocka_unit_test(hyperscan_allocates_nothing_while_matching),
		cmocka_unit_test(hits_that_are_left_out_are_told),
	};

	if (hs_set_allocator(count_alloc, free) != HS_SUCCESS)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
