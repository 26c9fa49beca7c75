// SPDX-License-Identifier: BSD-3-Clause
// Where HTML and text are recognised, and where a tag begins.
#include "scan/filetype.h"
#include "scan/normalise_detect.h"
#include "scan/utf8.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <string.h>
#include <strings.h>

struct kind_case {
	const char *data;
	size_t bytes;
	enum normalise_kind kind;
};

#define KIND(data, kind)                                                                           \
	{                                                                                          \
		data, sizeof(data) - 1, kind                                                       \
	}

static const struct kind_case kinds[] = {
	KIND("plain words", NORMALISE_TEXT),
	KIND("caf\xe9 \x1b[1m\a", NORMALISE_TEXT),
	KIND("a\x02 binary", NORMALISE_TEXT), // as UTF-16 without a mark
	KIND("abcd\0\2\0\3xyz!", NORMALISE_NONE),
	KIND("x <html>", NORMALISE_HTML),
	KIND("x <hTML>", NORMALISE_TEXT),
	KIND("x <html lang=en>", NORMALISE_TEXT),
	KIND("\x01\x02 <Head>", NORMALISE_HTML),
	KIND("<A name=x> hRef", NORMALISE_HTML),
	KIND("<A name=x> hreF <a ", NORMALISE_TEXT),
	KIND("<A name=x> hrEF", NORMALISE_HTML),
	KIND("<a name=x> HRef", NORMALISE_HTML),
	KIND("<%@ LANGUAGE =", NORMALISE_HTML),
	KIND(" <%@ LANGUAGE =", NORMALISE_TEXT),
	KIND("\xff\xfe<\0t\0a\0b\0l\0e\0", NORMALISE_HTML_UTF16),
	KIND("\xfe\xff\0<\0t\0a\0b\0l\0e", NORMALISE_HTML),
	KIND("\xff\xfew\0o\0r\0d\0s\0", NORMALISE_TEXT),
	KIND("\0w\0o\0r\0d", NORMALISE_TEXT),
	KIND("w\0o\0r\0d\0\x01\0", NORMALISE_TEXT),
	KIND("\0w\0\x01\0r", NORMALISE_NONE),
};

static void text_and_html_are_told_as_clamav_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		assert_int_equal(normalise_detect((const uint8_t *)kinds[i].data, kinds[i].bytes),
			kinds[i].kind);
}

struct tag_case {
	const char *data;
	const char *found; // with what follows, NULL: no tag
};

static const struct tag_case tags[] = {
	{"a < b <c> <bold> <3 <user@example.org> << <", NULL},
	{"words <B>x", "<B>x"},
	{"<<b>", "<b>"},
	{"<x<p\n>", "<p\n>"},
	{"<scriptx", "<scriptx"},
	{"<iMG", "<iMG"},
	{"<!-x <!--", "<!--"},
	{"<!docty <!DOCtype x", "<!DOCtype x"},
	{"<h1/>", "<h1/>"},
	{"<blockquotes><blockquote ", "<blockquote "},
	{"<averyveryverylongname <td>", "<td>"},
	{"<a", NULL},
};

// Where only those count by which ClamAV knows HTML.
static const struct tag_case marked[] = {
	{"<p><div class=x><body ><!-- --><!DOCTYPE html><svg xmlns=x><b/>", NULL},
	{"<p><HTML lang=en>", "<HTML lang=en>"},
	{"<headers><head>", "<head>"},
	{"<p><a href=x>", "<a href=x>"},
	{"<p><iframes", "<iframes"},
	{"<p><IMG src=x>", "<IMG src=x>"},
	{"<p><object", "<object"},
	{"<p><scripts", "<scripts"},
	{"<tab><tableParts>", "<tableParts>"},
};

static void check_tag(const struct tag_case *tag, bool is_marked)
{
	const uint8_t *data = (const uint8_t *)tag->data;
	size_t n = strlen(tag->data);

	for (size_t cut = 0; cut <= n; cut++) {
		struct normalise_search search = {.is_marked = is_marked};
		size_t at = 0;
		bool is_found = normalise_find_tag(&search, data, cut, &at);

		if (!is_found) {
			is_found = normalise_find_tag(&search, data + cut, n - cut, &at);
			at += cut;
		}
		assert_int_equal(is_found, tag->found != NULL);
		if (tag->found == NULL)
			continue;
		assert_memory_equal(search.bytes, tag->found, search.count);
		assert_string_equal(data + at, tag->found + search.count);
	}
}

static void a_tag_is_found_in_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		check_tag(&tags[i], false);
	for (size_t i = 0; i < sizeof(marked) / sizeof(marked[0]); i++)
		check_tag(&marked[i], true);
}

// Words of tags and what is nearly one, in any order.
static size_t make_soup(struct random *random, uint8_t *out, size_t room)
{
	static const char *const words[] = {"<", "<", "<", "<", "<", "<", "</", "<!", "<!-",
		"<!doctyp", "a", "B", "p", "w:p", "row", "iFram", "e", "scripT", "tabl", "img",
		"Object", "blockquote", "h1", "h2", "x9", "averyverylongna", "mes", ">", " ", "\n",
		"/", ":", "\xe4", "=", "TD", "frameset", "1", "{", "@", "`", "[", "applet", "area",
		"audio", "base", "body", "br", "button", "center", "div", "embed", "font", "form",
		"frame", "h3", "head", "html", "i", "input", "li", "link", "math", "meta", "ol",
		"pre", "span", "strong", "style", "svg", "table", "title", "tr", "u", "ul",
		"video"};
	size_t n = 0;

	for (;;) {
		const char *word = words[random_below(random, sizeof(words) / sizeof(words[0]))];
		size_t length = strlen(word);

		if (n + length > room)
			return n;
		while (*word != '\0')
			out[n++] = (uint8_t)*word++;
	}
}

// Of a chunk of few bytes each is looked at by itself, in a great one many are passed over at once.
static void a_tag_is_found_at_the_same_place_in_small_and_in_great_chunks(void **state)
{
	(void)state;
	struct random random = {11};
	uint32_t found = 0;
	uint8_t data[400];

	for (uint32_t i = 0; i < 200000; i++) {
		size_t n = make_soup(
			&random, data, 20 + random_below(&random, i % 2 == 0 ? 100 : 380));
		struct normalise_search small = {.is_marked = i % 3 == 0};
		struct normalise_search great = {.is_marked = i % 3 == 0};
		size_t at = 0;
		bool is_small = false;
		bool is_great = normalise_find_tag(&great, data, n, &at);
		size_t byte = 0;

		while (byte < n && !is_small) {
			size_t used;

			is_small = normalise_find_tag(&small, data + byte++, 1, &used);
		}
		assert_int_equal(is_great, is_small);
		assert_int_equal(great.count, small.count);
		assert_memory_equal(great.bytes, small.bytes, great.count);
		if (is_great)
			assert_int_equal(at, byte);
		found += is_great;
	}
	assert_in_range(found, 20000, 180000);
}

// What a variant passes over begins no tag, whatever follows.
static void no_variant_passes_over_a_tag(void **state)
{
	(void)state;
	struct random random = {12};
	uint8_t data[400];

	for (uint32_t i = 0; i < 20000; i++) {
		const size_t n = make_soup(&random, data, 380);
		const uint8_t *end = data + n;

		for (size_t k = 0; normalise_opening_variant(k) != NULL; k++) {
			const uint8_t *next = normalise_opening_variant(k)(data, end);

			assert_true(end - next < NORMALISE_OPENING_BYTES || *next == '<');
			for (const uint8_t *at = data; at < next; at++) {
				struct normalise_search search = {0};
				bool is_found = false;
				size_t used;

				for (size_t byte = 0; *at == '<' && byte < NORMALISE_TAG_BYTES &&
						      !is_found && (byte == 0 || search.count > 0);
					byte++)
					is_found = normalise_find_tag(&search, at + byte, 1, &used);
				assert_false(is_found && search.bytes[0] == '<' &&
					     memcmp(search.bytes, at, search.count) == 0);
			}
		}
	}
}

// Rows of 16 and 64 are looked at together: every byte at every place of the first rows and of what is left.
static void each_byte_counts_at_each_place(void **state)
{
	uint8_t data[150];

	(void)state;
	for (unsigned int byte = 0; byte < 256; byte++) {
		const bool is_blank = byte >= '\t' && byte <= '\r' && byte != '\v';
		const bool is_control = byte < ' ' && !is_blank && byte != 0x1b;
		const bool is_other = (is_control && byte != '\a' && byte != '\b') || byte == 0x7f;

		for (size_t at = 0; at < sizeof(data); at++) {
			const char *type;

			memset(data, 'a', sizeof(data));
			data[at] = (uint8_t)byte;
			assert_int_equal(normalise_text_kind(data, sizeof(data)) == NORMALISE_BYTES,
				!is_other);
			type = filetype_detect(data, sizeof(data))->name;
			// At the first place other magics may be.
			if (at > 0)
				assert_string_equal(type, is_control ? "" : "text");
		}
	}
}

static bool has_word(const uint8_t *data, size_t n, const char *word)
{
	const size_t length = strlen(word);

	for (size_t at = 0; at + length <= n; at++)
		if (strncasecmp((const char *)data + at, word, length) == 0)
			return true;
	return false;
}

static const char *type_one_by_one(const uint8_t *data, size_t n)
{
	static const char *const words[] = {"<html", "<!doctype html", "<head>", "<body", "<script",
		"<iframe", "<table", "<meta", "<title"};

	if (has_word(data, n, "%pdf-"))
		return "pdf";
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (has_word(data, n, words[i]))
			return "html";
	return "text";
}

// Of a few pieces, so that whole words, nearly whole ones and cut ones all come often.
static void words_of_types_are_found_wherever_they_stand(void **state)
{
	static const char *const pieces[] = {"<", "<", "<h", "<H", "<s", "<\t", "<!doctype ", "<b",
		"<i", "<t", "<m", "<\xe8tml", "tml", "TML", "eaD", ">", "ody", "crIpt", "frame",
		"able", "itle", "etA", "html", "%", "%p", "%P", "df-", "DF-", "words", " "};
	struct random random = {43};
	uint32_t counts[3] = {0};
	uint8_t data[64];

	(void)state;
	for (unsigned int round = 0; round < 100000; round++) {
		const size_t most = 2 + random_below(&random, sizeof(data) - 2);
		const char *expected;
		size_t n = 0;

		// No other type's magic is at the start.
		data[n++] = '-';
		while (n < most) {
			const char *piece =
				pieces[random_below(&random, sizeof(pieces) / sizeof(pieces[0]))];

			while (*piece != '\0' && n < most)
				data[n++] = (uint8_t)*piece++;
		}
		expected = type_one_by_one(data, n);
		assert_string_equal(filetype_detect(data, n)->name, expected);
		counts[expected[0] == 'p' ? 0 : expected[0] == 'h' ? 1 : 2]++;
	}
	for (size_t i = 0; i < 3; i++)
		assert_in_range(counts[i], 3000, 95000);
}

static size_t plain_one_by_one(const uint8_t *data, size_t n)
{
	size_t at = 0;

	while (at < n && data[at] != 0 && data[at] < 0x80)
		at++;
	return at;
}

static void what_is_plain_ends_where_it_does(void **state)
{
	struct random random = {42};
	uint8_t data[40];

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		const size_t n = random_below(&random, sizeof(data) + 1);

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(random_below(&random, 16) == 0
						    ? random_below(&random, 3) * 0x7f
						    : 1 + random_below(&random, 0x7f));
		assert_int_equal(utf8_plain(data, n), plain_one_by_one(data, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_html_are_told_as_clamav_does),
		cmocka_unit_test(a_tag_is_found_in_any_cut),
		cmocka_unit_test(a_tag_is_found_at_the_same_place_in_small_and_in_great_chunks),
		cmocka_unit_test(no_variant_passes_over_a_tag),
		cmocka_unit_test(each_byte_counts_at_each_place),
		cmocka_unit_test(words_of_types_are_found_wherever_they_stand),
		cmocka_unit_test(what_is_plain_ends_where_it_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
