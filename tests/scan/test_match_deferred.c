// SPDX-License-Identifier: BSD-3-Clause
// What is deferred until an object has ended is found as if it were searched for in all of it, although only what lies
// around its parts is looked at: rules of three words with gaps beside a search that tries all places.
#include "scan/ruleset.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#define OBJECT 60000

struct rule {
	const char *text; // of its signature
	uint32_t gap;     // at most, before the second and the third word
	uint32_t other_gap;
	bool has_break; // no letter stands before the first word, nor behind the last
	uint32_t least; // so many places of the last word have the others before them
};

static const char *const words[3] = {"eval", "zqxvk", "with"};

static const struct rule rules[] = {
	{"A;Engine:81-255,Target:0;0;6576616c{-42}7a7178766b{-30}77697468\n", 42, 30, false, 1},
	{"A;Engine:81-255,Target:0;0;6576616c{-400}7a7178766b{-300}77697468\n", 400, 300, false, 1},
	{"A;Engine:81-255,Target:0;0>1;6576616c{-42}7a7178766b{-30}77697468\n", 42, 30, false, 2},
	{"A;Engine:81-255,Target:0;0;6576616c{-42}7a7178766b{-30}77697468::f\n", 42, 30, true, 1},
	// Where the first word stands is told from the object's start.
	{"A;Engine:81-255,Target:0;0&1;6576616c{-42}7a7178766b{-30}77697468;0(>>1#ib1#=118)\n", 42,
		30, false, 1},
};

static uint8_t bytes[OBJECT];

static bool is_letter(const uint8_t *at)
{
	return (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') ||
	       (*at >= 'a' && *at <= 'z');
}

static bool stands(const char *word, size_t at, size_t n)
{
	const size_t length = strlen(word);

	return at + length <= n && memcmp(bytes + at, word, length) == 0;
}

// Whether so many of the words stand before the place.
static bool comes_from(const struct rule *rule, size_t at, unsigned int count, size_t n)
{
	const size_t gap = count == 1 ? rule->gap : rule->other_gap;

	if (count == 0)
		return !rule->has_break || at == 0 || !is_letter(bytes + at - 1);
	for (size_t i = 0; i <= gap; i++) {
		const size_t bytes_before = strlen(words[count - 1]) + i;

		if (bytes_before <= at && stands(words[count - 1], at - bytes_before, n) &&
			comes_from(rule, at - bytes_before, count - 1, n))
			return true;
	}
	return false;
}

// Places of the last word count.
static bool holds(const struct rule *rule, size_t n)
{
	uint32_t count = 0;

	for (size_t at = 0; at < n; at++)
		if (stands(words[2], at, n) && comes_from(rule, at, 2, n) &&
			(!rule->has_break || at + strlen(words[2]) == n ||
				!is_letter(bytes + at + strlen(words[2]))))
			count++;
	return count >= rule->least;
}

// Words in order, mostly, and near each other, mostly; some at the object's start and at its end.
static size_t make(struct random *random)
{
	const size_t n =
		50 + random_below(random, random_below(random, 4) == 0 ? OBJECT - 50 : 900);
	const unsigned int groups = random_below(random, 5);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t) "  \n.abcdefgh"[random_below(random, 12)];
	for (unsigned int i = 0; i < groups; i++) {
		size_t at = random_below(random, 3) == 0 ? 0 : random_below(random, (uint32_t)n);
		const unsigned int kind = random_below(random, 4);

		if (random_below(random, 4) == 0)
			at = n - (n < 60 ? n : 60);
		for (unsigned int k = 0; k < 3; k++) {
			const unsigned int word = kind == 0 ? random_below(random, 3) : k;

			if (stands(words[word], at, n) || at + strlen(words[word]) > n)
				break;
			memcpy(bytes + at, words[word], strlen(words[word]));
			at += strlen(words[word]) + random_below(random, kind == 1   ? 420
									 : kind == 2 ? 45
										     : 8);
		}
	}
	return n;
}

static void what_is_deferred_is_found_as_in_all_of_the_object(void **state)
{
	struct random random = {7};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct case_image built = case_build_one("t.ldb", rules[i].text);
		struct ruleset *ruleset = NULL;
		struct matcher *matcher = NULL;
		unsigned int found = 0;

		assert_int_equal(built.err, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(ruleset->deferred_count, 1);
		assert_true(ruleset->deferred[0].reach > 80 && ruleset->deferred[0].reach < 1000);
		assert_int_equal(matcher_new(ruleset, 2, 0, true, &matcher), 0);
		for (unsigned int round = 0; round < 2000; round++) {
			const size_t n = make(&random);
			const size_t split = random_below(&random, (uint32_t)n + 1);
			const struct case_result result = case_match(matcher, MATCH_TARGET_ANY,
				bytes, n, split, 1 + random_below(&random, 20000));

			if ((result.count != 0) != holds(&rules[i], n))
				fail_msg("rule %zu: %zu hits in round %u", i, result.count, round);
			found += result.count > 0;
		}
		assert_true(found > 200 && found < 1800);
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_deferred_is_found_as_in_all_of_the_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
