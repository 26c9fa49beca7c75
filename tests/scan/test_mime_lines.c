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

#define MAX_BYTES 400
#define PROBE_BYTES ((size_t)40)

static bool is_sextet(uint8_t c)
{
	return c != 0 &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", c) !=
		       NULL;
}

// What is looked at closely in any case.
static bool must_matter(const uint8_t *line, size_t n)
{
	size_t i = 0;

	if ((n >= 2 && memcmp(line, "--", 2) == 0) ||
		(n >= 8 && memcmp(line, "=ybegin ", 8) == 0) ||
		(line[0] < ' ' && line[0] != '\r' && line[0] != '\n') ||
		(n >= 6 && memcmp(line, "begin ", 6) == 0) ||
		(n >= 8 && strncasecmp((const char *)line, "content-", 8) == 0))
		return true;
	while (i < n && i < PROBE_BYTES && is_sextet(line[i]))
		i++;
	return i == PROBE_BYTES;
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
static void check_place(const uint8_t *data, size_t n, size_t place)
{
	size_t at = 0;
	size_t bytes = 0;

	while (at < n && at != place) {
		assert_false(must_matter(data + at, n - at));
		bytes = line_bytes(data + at, n - at);
		assert_true(bytes > 0);
		assert_false(is_escaped(data + at, bytes - 1));
		at += bytes;
	}
	assert_int_equal(at, place);
}

static void make(struct random *random, uint8_t *data, size_t n)
{
	static const char *const words[] = {"content-type: a", "begin 644 x", "--part", "=ybegin ",
		"\r\n", "\n", "\r", "prose goes on ", "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD",
		"\303\244\303\266", "c", "b", "Co", "-", "=y", "=3d=4D=00=ff", "=C3=A4 ", "ntent",
		"begin", "\t", "1"};
	size_t at = 0;

	while (at < n) {
		const char *word = words[random_below(random, sizeof(words) / sizeof(words[0]))];

		while (*word != '\0' && at < n)
			data[at++] = (uint8_t)*word++;
	}
}

static void all_variants_stop_at_the_same_line(void **state)
{
	struct random random = {1};

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		size_t n = random_below(&random, MAX_BYTES);
		uint8_t *data = malloc(n > 0 ? n : 1);
		size_t place;

		assert_non_null(data);
		make(&random, data, n);
		place = mime_lines_skip_portable(data, n);
		check_place(data, n, place);
		for (size_t i = 0; mime_lines_variant(i) != NULL; i++)
			assert_int_equal(mime_lines_variant(i)(data, n), place);
		free(data);
	}
}

static void prose_is_passed_over(void **state)
{
	static const char text[] = "Dear all,\r\nthe meeting of tomorrow is at nine o'clock.\n"
				   "\rAll that is written here is of no interest to anyone.\r\n"
				   "- neither is this\r\n=====\r\nbegins, but not so\n"
				   "Contents: none, see\n"
				   "https://www.example.org/some/place/that/has/a/long/name\n"
				   "--\r\n";

	(void)state;
	for (size_t i = 0; mime_lines_variant(i) != NULL; i++)
		assert_int_equal(mime_lines_variant(i)((const uint8_t *)text, sizeof(text) - 1),
			sizeof(text) - 1 - 4);
}

// Of any that base64 has, each in any place of the first ones, and of no others.
static void a_line_of_sextets_is_stopped_at(void **state)
{
	static const char before[] = "Nothing is to be seen in this line, nor in the next\n";
	char text[3 * sizeof(before) + 2 * PROBE_BYTES];
	const size_t line = 2 * (sizeof(before) - 1);

	(void)state;
	for (unsigned int byte = 0; byte < 256; byte++) {
		const size_t at = byte % PROBE_BYTES;
		const bool is_odd = strchr("-=bcC", (int)byte) != NULL || byte < ' ';
		const bool stops = is_sextet((uint8_t)byte);

		if (at == 0 && is_odd)
			continue;
		memcpy(text, before, sizeof(before) - 1);
		memcpy(text + line / 2, before, sizeof(before) - 1);
		memset(text + line, 'A', PROBE_BYTES);
		text[line + at] = (char)byte;
		memcpy(text + line + PROBE_BYTES, before, sizeof(before) - 1);
		for (size_t i = 0; mime_lines_variant(i) != NULL; i++) {
			const size_t stop = mime_lines_variant(i)(
				(const uint8_t *)text, line + PROBE_BYTES + sizeof(before) - 1);

			assert_int_equal(stop == line, stops);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_variants_stop_at_the_same_line),
		cmocka_unit_test(prose_is_passed_over),
		cmocka_unit_test(a_line_of_sextets_is_stopped_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
