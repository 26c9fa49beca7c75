// SPDX-License-Identifier: BSD-3-Clause
// What every match of a regular expression holds, and that expressions which are tried beside it alone find what PCRE2
// finds by itself.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/match_regex_need.h"
#include "scan/ruleset.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#include <pcre2.h>

#define OBJECT 40000
#define EXPRESSIONS 20
#define SEAM 16384 // a copy of an object is kept in pieces of so many bytes

static const char mark[] = "zz"; // of the trigger

struct need_case {
	const char *text;
	const char *letters;
	const char *word; // NULL: none
	uint32_t before;
};

static const struct need_case need_cases[] = {
	{"[a-zA-Z]{5}\\s[A-Z0-9]{8,12}\\.exe", "", ".exe", 18},
	{"[A-Z]{3,}\\.exe", "", ".exe", REGEX_NEED_ANY},
	{"a(b|cd|e(f|gh)?)[x)|(\\]]\\.bat", "", ".bat", 5},
	{"(?:a{2}b?c*?|d+)\\.exe", "", ".exe", REGEX_NEED_ANY},
	{"(?:a{2}b?|d{3})+?x\\.exe", "", "x.exe", REGEX_NEED_ANY},
	{"(?:a{2}b?|d{4})?x\\.exe", "", "x.exe", 4},
	{"\\bfoo\\bbar$", "", "foobar", 0},
	{"abc+def", "", "abc", 0},
	{"abc?defg", "", "defg", 3},
	{"ab{3}cdef", "", "cdef", 4},
	{"ab{0,2}cdef", "", "cdef", 3},
	{"ab.cdef.ghi", "", "cdef", 3},
	{"x*abc.def", "", "abc", REGEX_NEED_ANY},
	{"[ab]?abc[ab]?def", "", "abc", 1},
	{"\\x2eEXE\\n", "i", ".EXE\n", 0},
	{"a\\R\\.exe", "", ".exe", 3},
	{"abcdefghijkl", "", "abcdefgh", 0},
	{"ab", "", NULL, 0},
	{"ab|cdef", "", NULL, 0},
	{"(abc|def)", "", NULL, 0},
	{"(?i)abcd", "", NULL, 0},
	{"(?=abcd)", "", NULL, 0},
	{"ab cd", "x", NULL, 0},
	{"a{,3}bcd", "", NULL, 0},
	{"a{x}bcd", "", NULL, 0},
	{"(a)\\1bcd", "", NULL, 0},
	{"[[:alpha:]]bcd", "", NULL, 0},
	{"\\Qabcd\\E", "", NULL, 0},
	{"\\p{L}bcd", "", NULL, 0},
	{"\\x{2e}exe", "", NULL, 0},
	{"(abcd", "", NULL, 0},
	{"", "", NULL, 0},
};

static void words_and_what_stands_before_them_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(need_cases) / sizeof(need_cases[0]); i++) {
		const struct need_case *test = &need_cases[i];
		const size_t bytes = test->word != NULL ? strlen(test->word) : 0;
		struct regex_need need;

		regex_need_read(test->text, test->letters, &need);
		if (need.bytes != bytes || (bytes > 0 && need.before != test->before))
			fail_msg("%s: %u bytes, %u before", test->text, need.bytes, need.before);
		if (bytes > 0)
			assert_int_equal(
				regex_start_find(&need.word, (const uint8_t *)test->word, bytes, 0),
				0);
	}
}

// ---- beside PCRE2 --------------------------------------------------------------------------------

// Where in an object an expression is to be searched for, and how it counts.
struct kind {
	const char *offset;
	const char *letters;
	const char *expression;
	size_t from;
	size_t to;
	uint32_t least; // matches
};

static const struct kind kinds[] = {
	{"", "", "0&1", 0, OBJECT, 1},
	{"", "g", "0&(1>2)", 0, OBJECT, 3},
	{"40,30000:", "e", "0&1", 40, 30040, 1},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void invent(struct random *random, char out[128])
{
	static const char *const pieces[] = {"[ab]{2,3}", "\\s", "[0-9]{1,3}", "a?", "(?:b|cc|)",
		"\\.exe", "\\.bat", "ab\\.", "x+", "\\bq", "[^q]", "(a|b0){1,9}", "b{2}", ".", "x*",
		"exe", "\\b", "$"};
	// One in three begins with a word.
	static const char *const starts[] = {
		"ab\\.", "cc", "b0ba", "(ab\\.|exe|q[ab])", "\\bexe", "qx"};
	const uint32_t start = random_below(random, 3 * 6);
	const uint32_t count = 1 + random_below(random, 5);
	size_t used = (size_t)snprintf(out, 128, "%s", start < 6 ? starts[start] : "");

	for (uint32_t i = 0; i < count; i++)
		used += (size_t)snprintf(out + used, 128 - used, "%s",
			pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))]);
	(void)snprintf(out + used, 128 - used, "%s",
		(const char *[]){
			"\\.exe", "exe", "x\\.bat", "\\.exe[ab]"}[random_below(random, 4)]);
}

static void fill(struct random *random, uint8_t *data, size_t n)
{
	static const char *const words[] = {
		"ab", "ba", "0", " ", ".exe", ".bat", "q", "x", "cc", "b0", "\n", "exexe", "exe"};
	static const char seamed[] = "ab.exeab";
	const uint32_t rarity = 1 + random_below(random, 400);
	size_t at = sizeof(mark) - 1;

	memcpy(data, mark, at);
	while (at < n) {
		const uint32_t number = random_below(random, rarity) == 0 ? random_below(random, 13)
									  : random_below(random, 4);
		const size_t length = strlen(words[number]);

		memcpy(data + at, words[number], n - at < length ? n - at : length);
		at += length;
	}
	// Words where pieces meet.
	for (size_t seam = SEAM; seam + sizeof(seamed) < n; seam += SEAM)
		memcpy(data + seam - random_below(random, 8), seamed, sizeof(seamed) - 1);
}

static uint32_t count_matches(
	const char *text, const struct kind *kind, const uint8_t *data, size_t n)
{
	int error;
	PCRE2_SIZE where;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
		PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &error, &where, NULL);
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	const size_t to = kind->to < n ? kind->to : n;
	PCRE2_SIZE at = 0;
	uint32_t count = 0;

	assert_non_null(code);
	while (kind->from < n && at <= to - kind->from && count < kind->least &&
		pcre2_match(code, data + kind->from, to - kind->from, at, 0, match, NULL) >= 0) {
		const PCRE2_SIZE end = pcre2_get_ovector_pointer(match)[1];

		at = end > at ? end : at + 1;
		count++;
	}
	pcre2_match_data_free(match);
	pcre2_code_free(code);
	return count;
}

static unsigned int check_object(
	struct matcher *matcher, const char expressions[][128], const uint8_t *data, size_t n)
{
	const struct case_result result = case_match(matcher, MATCH_TARGET_ANY, data, n, 0, 5000);
	size_t next = 0;

	for (unsigned int i = 0; i < EXPRESSIONS * KINDS; i++) {
		const struct kind *kind = &kinds[i % KINDS];
		const char *text = expressions[i / KINDS];
		const bool expected = count_matches(text, kind, data, n) >= kind->least;
		char name[8];

		(void)snprintf(name, sizeof(name), "R%03u", i);
		if (expected !=
			(next < result.count && strcmp(result.hits[next].signature, name) == 0))
			fail_msg("%s of kind %u in %zu bytes: %s", text, i % (unsigned int)KINDS, n,
				expected ? "not found" : "found");
		next += expected;
	}
	assert_int_equal(result.count, next);
	return (unsigned int)next;
}

static void what_is_tried_beside_its_word_is_what_pcre2_finds(void **state)
{
	static uint8_t data[OBJECT];
	struct random random = {2026};
	unsigned int hits = 0;

	(void)state;
	for (unsigned int list = 0; list < 12; list++) {
		char expressions[EXPRESSIONS][128];
		char *text = NULL;
		size_t bytes = 0;
		FILE *file = open_memstream(&text, &bytes);
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;

		assert_non_null(file);
		for (unsigned int i = 0; i < EXPRESSIONS * KINDS; i++) {
			const struct kind *kind = &kinds[i % KINDS];

			if (i % KINDS == 0)
				invent(&random, expressions[i / KINDS]);
			(void)fprintf(file, "R%03u;Engine:81-255,Target:0;%s;7a7a;%s0/%s/%s\n", i,
				kind->expression, kind->offset, expressions[i / KINDS],
				kind->letters);
		}
		assert_int_equal(fclose(file), 0);
		built = case_build_one("t.ldb", text);
		assert_int_equal(built.err, 0);
		assert_int_equal(built.reports.count, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		for (unsigned int round = 0; round < 10; round++) {
			const size_t n = round % 5 == 0 ? OBJECT - random_below(&random, 100)
							: 10 + random_below(&random, 600);

			fill(&random, data, n);
			hits += check_object(matcher, expressions, data, n);
		}
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
		free(text);
	}
	assert_in_range(hits, 100, 12ul * 10 * EXPRESSIONS * KINDS / 2);
}

// Where the copy's pieces meet, and nowhere else; or two that overlap.
static void a_word_is_found_wherever_it_is(void **state)
{
	static const char word[] = ".exe";
	static const char twice[] = "zz exexe";
	static uint8_t data[3 * SEAM];
	const struct case_image built =
		case_build_one("t.ldb", "T;Engine:81-255,Target:0;0&1;7a7a;0/[b]{2}\\.exe/\n"
					"U;Engine:81-255,Target:0;0&1;7a7a;0/[^ e]exe/\n");
	struct ruleset *ruleset;
	struct matcher *matcher;

	(void)state;
	assert_int_equal(built.err, 0);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
	assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
	assert_int_equal(
		case_match(matcher, MATCH_TARGET_ANY, twice, sizeof(twice), 0, 1).count, 1);
	for (size_t at = SEAM - 8; at < SEAM + 8; at++) {
		memset(data, 'b', sizeof(data));
		memcpy(data, mark, sizeof(mark) - 1);
		memcpy(data + at, word, sizeof(word) - 1);
		for (size_t n = at + 3; n < at + 6; n++)
			assert_int_equal(case_match(matcher, MATCH_TARGET_ANY, data, n, 0, n).count,
				n > at + 3 ? 2 : 0);
		assert_int_equal(
			case_match(matcher, MATCH_TARGET_ANY, data, sizeof(data), 0, 999).count, 2);
	}
	matcher_free(matcher);
	ruleset_close(ruleset);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_what_stands_before_them_are_read),
		cmocka_unit_test(a_word_is_found_wherever_it_is),
		cmocka_unit_test(what_is_tried_beside_its_word_is_what_pcre2_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
