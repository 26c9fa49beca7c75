// SPDX-License-Identifier: BSD-3-Clause
// What regular expressions begin with, and that PCRE2 finds nothing that does not begin so.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/match_regex_start.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <pcre2.h>

#include <string.h>

#define MOST 700

static uint32_t words_of(const char *text, const char *letters)
{
	struct regex_start start;

	regex_start_read(text, letters, &start);
	return start.count;
}

static void words_are_read(void **state)
{
	(void)state;
	assert_int_equal(words_of("\\b(FedEx|DHL|US?PS).{0,100}\\.(exe|scr|js)", ""), 4);
	assert_int_equal(words_of("(Case|Paiement|dossier).{0,20}\\.(exe|scr)", ""), 3);
	assert_int_equal(words_of("(?:ab(c|d)*|ef[x)|]|g\\.h)", "i"), 3);
	assert_int_equal(words_of("(abcdefghijk)", ""), 1);
	assert_int_equal(words_of("vw[\\d]{4,8}\\.7z", ""), 1);
	assert_int_equal(words_of("\\babc?d(e|f)*", "i"), 2);
}

static void what_may_begin_otherwise_has_none(void **state)
{
	static const char *const texts[] = {"ab|(cd|ef)", "(cd|ef)|ab", "(cd|ef)?ab", "(cd|ef)*ab",
		"(cd|ef){0,2}ab", "(cd|)ab", "(c*d|ef)", "(c|ef)", "(cd?|ef)", "(\\w+|ef)",
		"(?i)(cd|ef)", "(?=(cd|ef))", "(cd|ef)(?#))|x", "(*COMMIT)(cd|ef)", "\\Q(cd|ef)\\E",
		"cd|ef", "cd(e)|f", "cd)", "c*def", "c{0}def", "c?d", "[cd]ef", "^cdef", ".cdef",
		"\\dcd", "cd[[:alpha:]]", "(cd|ef)\\K", "(cd|ef)[[:alpha:]]", "(a?b?c?d?e?f?gh)",
		"", "\\b", "("};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(words_of(texts[i], ""), 0);
	assert_int_equal(words_of("(c d|ef)", "x"), 0);
	assert_int_equal(words_of("(cd|ef)", "A"), 0);
}

static bool is_word(const struct regex_start *start, const uint8_t *data, size_t n, size_t at)
{
	for (uint32_t i = 0; i < start->count; i++) {
		const struct regex_word *word = &start->words[i];
		uint32_t same = 0;

		for (; same < word->bytes && at + same < n; same++)
			if ((data[at + same] & (word->mask >> 8 * same & 0xff)) !=
				(word->value >> 8 * same & 0xff))
				break;
		if (same == word->bytes)
			return true;
	}
	return false;
}

// Each place where a word begins is found, and no other, whatever the processor can do.
static void every_word_is_found(void **state)
{
	static const char *const expressions[] = {"(ab|cdef|ghijklmn|bcd)",
		"(ab|ba|ca|cb|dab|dcbe)", "(abc|ad)", "(ab|bc|cd|de|ef|fg|gh|ha|aa|bb|cc|dd)", "ab",
		"\\bdcbe"};
	struct random random = {815};
	uint8_t data[MOST];

	(void)state;
	for (unsigned int round = 0; round < 4000; round++) {
		const char *text = expressions[random_below(&random, 6)];
		const bool is_caseless = random_below(&random, 2) == 0;
		const size_t n = random_below(&random, MOST);
		struct regex_start start;
		regex_start_skip_fn skip;
		size_t at = random_below(&random, (uint32_t)n + 1);
		const size_t from = at;

		regex_start_read(text, is_caseless ? "i" : "", &start);
		for (size_t i = 0; i < n; i++)
			data[i] =
				random_below(&random, 4) < 1
					? (uint8_t)random_below(&random, 256)
					: (uint8_t)("abcdABefgXYZ\0jk "[random_below(&random, 16)]);
		for (size_t i = 0; (skip = regex_start_variant(i)) != NULL; i++)
			for (at = from; at < n; at++) {
				size_t found = regex_start_find_with(skip, &start, data, n, at);

				for (; at < found; at++)
					assert_false(is_word(&start, data, n, at));
				assert_true(found == n || is_word(&start, data, n, found));
			}
	}
}

// Where the first match begins; n: there is none.
static size_t match_at(const pcre2_code *code, const uint8_t *data, size_t n)
{
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	int found = pcre2_match(code, data, n, 0, 0, match, NULL);
	size_t at = found >= 0 ? pcre2_get_ovector_pointer(match)[0] : n;

	pcre2_match_data_free(match);
	return at;
}

static bool is_match(const pcre2_code *code, const uint8_t *data, size_t n, size_t at)
{
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	int found = pcre2_match(code, data, n, at, PCRE2_ANCHORED, match, NULL);

	pcre2_match_data_free(match);
	return found >= 0;
}

static void check_expression(const char *text, const char *letters, const char *alphabet)
{
	const bool is_caseless = strchr(letters, 'i') != NULL;
	struct random random = {4711};
	uint8_t data[MOST];
	struct regex_start start;
	PCRE2_SIZE where;
	int error;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
		is_caseless ? PCRE2_CASELESS : 0, &error, &where, NULL);
	unsigned int hits = 0;

	assert_non_null(code);
	regex_start_read(text, letters, &start);
	assert_true(start.count > 0);
	for (unsigned int round = 0; round < 3000; round++) {
		regex_start_skip_fn skip;
		const size_t n = random_below(&random, MOST);
		size_t first;
		size_t at;

		for (size_t i = 0; i < n; i++)
			data[i] = random_below(&random, 8) < 7
					  ? (uint8_t)alphabet[random_below(
						    &random, (uint32_t)strlen(alphabet))]
					  : (uint8_t)random_below(&random, 256);
		first = match_at(code, data, n);
		for (size_t i = 0; (skip = regex_start_variant(i)) != NULL; i++) {
			at = regex_start_find_with(skip, &start, data, n, 0);
			while (at < n && !is_match(code, data, n, at))
				at = regex_start_find_with(skip, &start, data, n, at + 1);
			assert_int_equal(at, first);
		}
		hits += first < n;
	}
	assert_true(hits > 0);
	pcre2_code_free(code);
}

static void pcre2_finds_the_same(void **state)
{
	(void)state;
	check_expression("\\b(FeEx|DHL|US?PS).{0,100}\\.(xe|PS)", "", "FeExDHLUS?PS. ");
	check_expression("(?:aab|ba+|ca??b|b\\.c|acb*)c", "i", "abcABC.");
	check_expression("(abcabcabcabc|cb|aac{2}|bb[)|]c)+a", "", "abc");
	check_expression("\\b(ab(c|d)|b-b)", "i", "abc- B");
	check_expression("ab[ab]{2,4}\\.c", "", "abc.");
	check_expression("\\bbc?a(b|c)*-", "i", "abcABC- ");
	check_expression("--a", "", "a-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(what_may_begin_otherwise_has_none),
		cmocka_unit_test(every_word_is_found),
		cmocka_unit_test(pcre2_finds_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
