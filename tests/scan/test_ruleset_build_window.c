// SPDX-License-Identifier: BSD-3-Clause
// Which window of a pattern is looked up. That none is missed tell the tests of the search; these, that it is cheap.
#include "scan/filetype.h"
#include "scan/ruleset_build_window.h"
#include "tests/support/unit.h"

#include <string.h>

static void spell(struct build_spelling *out, const char *text)
{
	out->length = (uint32_t)strlen(text);
	memset(out->sets, 0, out->length * sizeof(out->sets[0]));
	for (uint32_t i = 0; i < out->length; i++)
		out->sets[i].bits[(uint8_t)text[i] >> 6] = UINT64_C(1) << ((uint8_t)text[i] & 63);
}

// Where the window lies that is chosen first of all.
static uint32_t choose(uint32_t target, enum anchor_content content, const char *text)
{
	static struct build_spelling spelling;
	struct build_windows *windows = build_windows_new(target, content, 1);
	struct anchor_entry entry = {0};

	assert_non_null(windows);
	spell(&spelling, text);
	build_choose_window(windows, &spelling, &entry);
	build_windows_free(windows);
	return entry.at;
}

static void words_of_pages_are_not_looked_up(void **state)
{
	static const char *const texts[] = {"<td style=\"padding:zebu",
		"<br><br>gnu&nbsp;<br></td>", "border=\"0\" hex", "<a href=\"http://kiwi"};
	static const char *const rare[] = {"zebu", "gnu", "hex", "kiwi"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (unsigned int content = 0; content <= ANCHOR_LOWER; content++) {
			const size_t word = (size_t)(strstr(texts[i], rare[i]) - texts[i]);
			const uint32_t at = choose(
				FILETYPE_TARGET_HTML, (enum anchor_content)content, texts[i]);

			if (at + ANCHOR_WINDOW_BYTES <= word || at >= word + strlen(rare[i]))
				fail_msg(
					"\"%s\" is looked up by \"%.4s\"", texts[i], texts[i] + at);
		}
	}
}

static void what_mails_are_full_of_is_not_looked_up(void **state)
{
	static const struct {
		const char *text;
		const char *frequent;
	} cases[] = {{"numbers", "numb"}, {"your number", "numb"}, {"messages", "mess"},
		{"security", "ecur"}, {"please do", "plea"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint32_t at = choose(FILETYPE_TARGET_MAIL, ANCHOR_TEXT, cases[i].text);

		if (strncmp(cases[i].text + at, cases[i].frequent, ANCHOR_WINDOW_BYTES) == 0)
			fail_msg("\"%s\" is looked up by that", cases[i].text);
	}
}

// As far as a window lies from the pattern's end, places are looked up again with the next portion.
static void a_window_is_near_the_end(void **state)
{
	char text[512] = "zqxj";

	(void)state;
	for (size_t at = 4; at + 16 < sizeof(text); at += 8)
		memcpy(text + at, "in the e", 9);
	assert_in_range(
		choose(FILETYPE_TARGET_MAIL, ANCHOR_TEXT, text), strlen(text) - 200, strlen(text));
}

// But however far it lies, it is better than what is all over a program.
static void zeros_are_not_looked_up_because_they_are_near(void **state)
{
	static struct build_spelling spelling;
	struct build_windows *windows = build_windows_new(FILETYPE_TARGET_PE, ANCHOR_BYTES, 1);
	struct anchor_entry entry = {0};

	(void)state;
	assert_non_null(windows);
	spelling.length = 236;
	memset(spelling.sets, 0, spelling.length * sizeof(spelling.sets[0]));
	for (uint32_t i = 4; i < 232; i++)
		memset(spelling.sets[i].bits, 0xff, sizeof(spelling.sets[i].bits));
	for (uint32_t i = 0; i < 4; i++) {
		const uint8_t byte = (uint8_t) "PE\0\0"[i];

		spelling.sets[i].bits[byte >> 6] = UINT64_C(1) << (byte & 63);
		spelling.sets[232 + i].bits[0] = 1;
	}
	build_choose_window(windows, &spelling, &entry);
	assert_int_equal(entry.at, 0);
	build_windows_free(windows);
}

// A word of pages is looked up as often where it is spelt in capitals, however rare these are.
static void text_is_looked_up_without_regard_to_case(void **state)
{
	static struct build_spelling spelling;
	char text[] = "PADDINGx";

	(void)state;
	for (unsigned int content = ANCHOR_TEXT; content <= ANCHOR_LOWER; content++) {
		struct build_windows *windows =
			build_windows_new(FILETYPE_TARGET_HTML, (enum anchor_content)content, 8);

		assert_non_null(windows);
		for (unsigned int i = 0; i < 26; i++) {
			struct anchor_entry entry = {0};

			text[7] = (char)('A' + i);
			spell(&spelling, text);
			build_choose_window(windows, &spelling, &entry);
			assert_in_range(entry.at, 4, sizeof(text));
		}
		build_windows_free(windows);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_pages_are_not_looked_up),
		cmocka_unit_test(what_mails_are_full_of_is_not_looked_up),
		cmocka_unit_test(a_window_is_near_the_end),
		cmocka_unit_test(zeros_are_not_looked_up_because_they_are_near),
		cmocka_unit_test(text_is_looked_up_without_regard_to_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
