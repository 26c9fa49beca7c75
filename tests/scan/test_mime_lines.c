// SPDX-License-Identifier: BSD-3-Clause
// Every variant of the look for plain lines against the same rule written line by line, on buffers as large
// as what they hold.
#include "scan/mime_lines.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Several groups of blocks.
#define MAX_BYTES 3000
#define PROBE_BYTES ((size_t)40)

static bool is_sextet(uint8_t c)
{
	return c != 0 &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", c) !=
		       NULL;
}

// Whether the line opens a block of base64, if it ends at all.
static bool is_base64(const uint8_t *line, size_t n)
{
	bool upper = false;
	bool small = false;
	bool beyond = false;
	size_t bytes = 0;

	while (bytes < n && is_sextet(line[bytes])) {
		upper = upper || isupper(line[bytes]);
		small = small || islower(line[bytes]);
		beyond = beyond || !(isxdigit(line[bytes]) || strchr("+-/", line[bytes]) != NULL);
		bytes++;
	}
	if (bytes < PROBE_BYTES)
		return false;
	while (bytes < n && line[bytes] == '=')
		bytes++;
	while (bytes < n && (line[bytes] == ' ' || line[bytes] == '\t'))
		bytes++;
	return bytes == n ||
	       ((line[bytes] == '\r' || line[bytes] == '\n') && upper && small && beyond);
}

// What is looked at closely in any case.
static bool must_matter(const uint8_t *line, size_t n, bool stops_at_dashes)
{
	size_t at = 0;

	if ((n >= 8 && memcmp(line, "=ybegin ", 8) == 0) ||
		(n >= 6 && memcmp(line, "begin ", 6) == 0) ||
		(n >= 14 && strncasecmp((const char *)line, "-----begin pgp", 14) == 0) ||
		(stops_at_dashes && n >= 2 && memcmp(line, "--", 2) == 0))
		return true;
	while (at < n && line[at] < ' ' && line[at] != '\r' && line[at] != '\n')
		at++;
	return (n - at >= 8 && strncasecmp((const char *)line + at, "content-", 8) == 0) ||
	       is_base64(line, n);
}

// Whether more than half of the line are escapes of quoted-printable.
static bool is_escaped(const uint8_t *line, size_t n)
{
	size_t escapes = 0;

	for (size_t i = 0; i + 2 < n; i++)
		escapes += line[i] == '=' && isxdigit(line[i + 1]) && isxdigit(line[i + 2]);
	return escapes >= 8 && escapes * 6 > n;
}

// Where the line ends, or 0.
static size_t line_bytes(const uint8_t *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\n')
			return i + 1;
		if (line[i] == '\r')
			return i + 1 < n && line[i + 1] == '\n' ? i + 2 : i + 1;
	}
	return 0;
}

// It stops at the start of a line, not behind the first that matters, nor behind the last that ends.
static void check_place(const uint8_t *data, size_t n, size_t place, bool stops_at_dashes)
{
	size_t at = 0;
	size_t bytes = 0;

	while (at < n && at != place) {
		assert_false(must_matter(data + at, n - at, stops_at_dashes));
		bytes = line_bytes(data + at, n - at);
		assert_true(bytes > 0);
		assert_false(is_escaped(data + at, bytes - 1));
		at += bytes;
	}
	assert_int_equal(at, place);
}

// Mostly words of prose, so that some lines of it stand between what matters.
static void make(struct random *random, uint8_t *data, size_t n)
{
	static const char *const words[] = {"content-type: a", "begin 644 x", "--part", "=ybegin ",
		"\r\n", "\n", "\r", "prose goes on ", "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD",
		"\303\244\303\266", "c", "b", "Co", "-", "=y", "=3d=4D=00=ff", "=C3=A4 ", "ntent",
		"begin", "\t", "1", "\001\002", "-----BEGIN PGP ", "-----begin", "-- \n",
		"________________________________________",
		"----------------------------------------",
		"0123456789012345678901234567890123456789", "Zz", "="};
	static const char *const prose[] = {"none of this\n", "is of any interest\r\n", " to\n",
		"those who ", "read it, but for one who\n", "\tindents, ", "\r", "\n"};
	const uint32_t odd = 1 + random_below(random, 40);
	size_t at = 0;

	while (at < n) {
		const char *word = prose[random_below(random, sizeof(prose) / sizeof(prose[0]))];

		if (random_below(random, odd) == 0)
			word = words[random_below(random, sizeof(words) / sizeof(words[0]))];
		while (*word != '\0' && at < n)
			data[at++] = (uint8_t)*word++;
	}
}

static void all_variants_stop_at_the_same_line(void **state)
{
	struct random random = {1};

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		const bool stops_at_dashes = random_below(&random, 2) != 0;
		size_t n = random_below(&random, MAX_BYTES);
		uint8_t *data = malloc(n > 0 ? n : 1);
		size_t place;

		assert_non_null(data);
		make(&random, data, n);
		place = mime_lines_skip_portable(data, n, stops_at_dashes);
		check_place(data, n, place, stops_at_dashes);
		for (size_t i = 0; mime_lines_variant(i) != NULL; i++)
			assert_int_equal(mime_lines_variant(i)(data, n, stops_at_dashes), place);
		free(data);
	}
}

static void prose_is_passed_over(void **state)
{
	static const char text[] = "Dear all,\r\nthe meeting of tomorrow is at nine o'clock.\n"
				   "\rAll that is written here is of no interest to anyone.\r\n"
				   "- neither is this\r\n=====\r\nbegins, but not so\n"
				   "Contents: none, see\n\tclose(a);\n"
				   "https://www.example.org/some/place/that/has/a/long/name\n"
				   "_______________________________________________\r\n"
				   "ze29c7f5cadfd0e08ff2c2a8d0a1a6dd0dcf0f7a-b09\n"
				   "--------------------------------------------\n-- \nJoe\n";
	const size_t n = sizeof(text) - 1;

	(void)state;
	for (size_t i = 0; mime_lines_variant(i) != NULL; i++) {
		const mime_lines_skip_fn pass_over = mime_lines_variant(i);

		assert_int_equal(pass_over((const uint8_t *)text, n, false), n);
		assert_int_equal(pass_over((const uint8_t *)text, n, true), n - 8 - 45);
	}
}

// Of any that base64 has, each in any place of the first ones, and of no others.
static void a_line_of_sextets_is_stopped_at(void **state)
{
	static const char before[] = "Nothing is to be seen in this line, nor in the next\n";
	char text[20 * sizeof(before) + 2 * PROBE_BYTES];
	const size_t bytes = sizeof(before) - 1;

	(void)state;
	for (unsigned int byte = 0; byte < 256; byte++) {
		const size_t at = byte % PROBE_BYTES;
		const bool is_odd = strchr("-=bcC", (int)byte) != NULL || byte < ' ';
		const bool stops = is_sextet((uint8_t)byte);
		const size_t line = (1 + byte % 12) * bytes;

		if (at == 0 && is_odd)
			continue;
		for (size_t to = 0; to < sizeof(text); to++)
			text[to] = before[to % bytes];
		memset(text + line, 'A', PROBE_BYTES + 1);
		memset(text + line + PROBE_BYTES - 8, 'g', 8);
		text[line + at] = (char)byte;
		// The first after which the line can be told.
		text[line + PROBE_BYTES] = byte % 2 != 0 ? 'A' : '=';
		memcpy(text + line + PROBE_BYTES + 1, before + bytes - 1, 1);
		for (size_t i = 0; mime_lines_variant(i) != NULL; i++) {
			const size_t stop =
				mime_lines_variant(i)((const uint8_t *)text, sizeof(text), false);

			assert_int_equal(stop == line, stops);
		}
	}
}

static void it_is_told_whether_the_last_line_begins_with_dashes(void **state)
{
	static const struct {
		const char *lines;
		bool after;
	} cases[] = {
		{"--a\n", true},
		{"--a\r\n\r\n\n\r", true},
		{"-- \r", true},
		{"--\n", false},
		{"--\r\n", false},
		{"--a\nb\n", false},
		{"--a\rb\n\n", false},
		{"a\n--b\r\n", true},
		{"a\r--b\r", true},
		{"a\n\r--b\n\r", true},
		{"---\n \n", false},
		{" --a\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *lines = (const uint8_t *)cases[i].lines;
		const size_t n = strlen(cases[i].lines);

		assert_int_equal(mime_lines_after_dashes(lines, n, false), cases[i].after);
		assert_int_equal(mime_lines_after_dashes(lines, n, true), cases[i].after);
	}
	assert_true(mime_lines_after_dashes((const uint8_t *)"\r\n\n", 3, true));
	assert_false(mime_lines_after_dashes((const uint8_t *)"\r\n\n", 3, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_variants_stop_at_the_same_line),
		cmocka_unit_test(prose_is_passed_over),
		cmocka_unit_test(a_line_of_sextets_is_stopped_at),
		cmocka_unit_test(it_is_told_whether_the_last_line_begins_with_dashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
