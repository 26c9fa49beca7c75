// SPDX-License-Identifier: BSD-3-Clause
// Every variant of the decoders against the exact rules, in any chunking. Buffers are as large as the
// contract says and no larger, so that a sanitizer sees a byte too many.
#include "scan/decode.h"
#include "scan/decode_ops.h"

#include <openssl/evp.h>

#include <stdbool.h>
#include <stdint.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 16) % n);
}

struct bytes {
	uint8_t *data;
	size_t n;
};

// One chunk, in memory of its own size, through one variant. Appends to out.
static void feed(
	const struct decode_ops *ops, bool is_qp, void *state, struct bytes in, struct bytes *out)
{
	size_t room = is_qp ? in.n + sizeof(((struct qp_state *)0)->blanks) + 8 : in.n / 4 * 3 + 3;
	uint8_t *copy = malloc(in.n + (in.n == 0));
	uint8_t *decoded = malloc(room + DECODE_SLACK);
	size_t n;

	assert_non_null(copy);
	assert_non_null(decoded);
	memcpy(copy, in.data, in.n);
	n = is_qp ? qp_decode_with(ops, state, copy, in.n, decoded)
		  : base64_decode_with(ops, state, copy, in.n, decoded);
	assert_true(n <= room);
	memcpy(out->data + out->n, decoded, n);
	out->n += n;
	free(decoded);
	free(copy);
}

// Decodes in, cut at first and from there on every step bytes (0: no more).
static struct bytes decode(
	const struct decode_ops *ops, bool is_qp, struct bytes in, size_t first, size_t step)
{
	struct bytes out = {malloc(in.n + 256), 0};
	struct base64_state base64 = {0};
	struct qp_state qp = {0};
	size_t at = 0;

	assert_non_null(out.data);
	while (at < in.n) {
		size_t n = at == 0 && first > 0 ? first : step > 0 ? step : in.n;

		n = n < in.n - at ? n : in.n - at;
		feed(ops, is_qp, is_qp ? (void *)&qp : (void *)&base64,
			(struct bytes){in.data + at, n}, &out);
		at += n;
	}
	out.n += is_qp ? qp_end(&qp, out.data + out.n) : base64_end(&base64, out.data + out.n);
	return out;
}

static void assert_decodes(const struct decode_ops *ops, bool is_qp, struct bytes in,
	struct bytes expected, size_t first, size_t step)
{
	struct bytes out = decode(ops, is_qp, in, first, step);

	if (out.n != expected.n || memcmp(out.data, expected.data, out.n) != 0)
		print_error("%s, first chunk %zu, then %zu: %.*s -> %.*s\n", ops->name, first, step,
			(int)in.n, (const char *)in.data, (int)out.n, (const char *)out.data);
	assert_int_equal(out.n, expected.n);
	assert_memory_equal(out.data, expected.data, out.n);
	free(out.data);
}

// All variants: whole, byte by byte, in odd pieces, and cut in two at many places.
static void assert_all_decode(bool is_qp, struct bytes in, struct bytes expected)
{
	for (size_t i = 0; decode_variant(i) != NULL; i++) {
		const struct decode_ops *ops = decode_variant(i);

		for (size_t step = 0; step < 8; step++)
			assert_decodes(ops, is_qp, in, expected, 0, step);
		assert_decodes(ops, is_qp, in, expected, 0, 77);
		for (size_t first = 1; first < in.n; first += in.n < 300 ? 1 : 1 + in.n / 50)
			assert_decodes(ops, is_qp, in, expected, first, 0);
	}
}

static struct bytes text(const char *string)
{
	struct bytes bytes = {0};

	// The tables of cases are string literals; nothing writes to them.
	memcpy(&bytes.data, &string, sizeof(string));
	bytes.n = strlen(string);
	return bytes;
}

static void append(struct bytes *bytes, const char *string)
{
	for (; *string != '\0'; string++)
		bytes->data[bytes->n++] = (uint8_t)*string;
}

struct decode_case {
	const char *in;
	const char *out;
	unsigned int flags;
};

static void base64_cases_decode_in_any_chunks(void **state)
{
	static const struct decode_case cases[] = {
		{"", "", 0},
		{"QUJD", "ABC", 0},
		{"QUJDRA==", "ABCD", 0},
		{"QUJDREU=", "ABCDE", 0},
		{"QUJD\r\nREVG\r\n", "ABCDEF", 0},
		{" Q U\tJ\nD ", "ABC", 0},
		{"QUJDRA", "ABCD", DECODE_TRUNCATED},
		{"QUJDREU", "ABCDE", DECODE_TRUNCATED},
		{"QUJDR", "ABC", DECODE_TRUNCATED},
		{"Q!U*J-D", "ABC", DECODE_JUNK},
		{"QUJD\x80REVG", "ABCDEF", DECODE_JUNK},
		{"QUJDRA==REVG", "ABCDDEF", DECODE_AFTER_PAD | DECODE_REALIGNED},
		{"QQ==QQ==\r\nQQ==", "AAA", DECODE_AFTER_PAD | DECODE_REALIGNED},
		{"QUJDREU=\r\nREVG", "ABCDEDEF", DECODE_AFTER_PAD | DECODE_REALIGNED},
		// "=" where no quantum can end is passed over, and one "=" does not end a half.
		{"=QUJD", "ABC", DECODE_JUNK},
		{"Q=UJD", "ABC", DECODE_JUNK},
		{"QU=JD", "ABC", DECODE_AFTER_PAD},
		{"QUJD====", "ABC", DECODE_JUNK},
		{"Q", "", DECODE_TRUNCATED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct base64_state base64 = {0};
		uint8_t out[128];

		assert_all_decode(false, text(cases[i].in), text(cases[i].out));
		(void)base64_decode(
			&base64, (const uint8_t *)cases[i].in, strlen(cases[i].in), out);
		(void)base64_end(&base64, out);
		assert_int_equal(base64.flags, cases[i].flags);
	}
}

static void every_byte_value_decodes_at_every_place_of_a_long_line(void **state)
{
	(void)state;
	for (unsigned int c = 0; c < 256; c++) {
		uint8_t in[160];
		size_t at = random_below(sizeof(in));
		struct bytes expected;

		memset(in, 'k', sizeof(in));
		in[at] = (uint8_t)c;
		expected =
			decode(&decode_ops_portable, false, (struct bytes){in, sizeof(in)}, 0, 1);
		assert_all_decode(false, (struct bytes){in, sizeof(in)}, expected);
		free(expected.data);
	}
}

// Lines of all lengths around the width of a vector step, with each kind of line end.
static void what_openssl_encodes_decodes_to_itself(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", "", " \r\n", "\n\n"};

	(void)state;
	for (uint32_t round = 0; round < 150; round++) {
		size_t bytes = random_below(2000);
		size_t width = round < 30 ? 76 : 1 + random_below(140);
		const char *end = ends[random_below(sizeof(ends) / sizeof(ends[0]))];
		uint8_t *plain = malloc(bytes + 1);
		uint8_t *encoded = malloc(bytes * 2 + 16);
		struct bytes lines = {malloc(bytes * 12 + 16), 0};
		int length;

		assert_non_null(plain);
		assert_non_null(encoded);
		assert_non_null(lines.data);
		for (size_t i = 0; i < bytes; i++)
			plain[i] = (uint8_t)random_below(256);
		length = EVP_EncodeBlock(encoded, plain, (int)bytes);
		for (size_t i = 0; i < (size_t)length; i++) {
			lines.data[lines.n++] = encoded[i];
			if ((i + 1) % width == 0) {
				append(&lines, end);
			}
		}
		assert_all_decode(false, lines, (struct bytes){plain, bytes});
		free(lines.data);
		free(encoded);
		free(plain);
	}
}

static void fill_from(struct bytes *out, size_t n, const char *alphabet)
{
	out->n = n;
	for (size_t i = 0; i < n; i++)
		out->data[i] = (uint8_t)alphabet[random_below((uint32_t)strlen(alphabet))];
}

static void base64_among_junk_is_the_same_in_all_variants(void **state)
{
	static const char *const alphabets[] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/ABCDEFGH\r\n",
		"ABCDabcd0123+/\r\n \t=", "ABCDabcdefghijklmnopqrstuvwxyz!\x80\xff=.-_", "AB\r\n"};
	uint8_t data[1500];
	struct bytes in = {data, 0};

	(void)state;
	for (uint32_t round = 0; round < 120; round++) {
		struct bytes expected;

		fill_from(&in, random_below(sizeof(data)), alphabets[round % 4]);
		expected = decode(&decode_ops_portable, false, in, 0, 1);
		assert_all_decode(false, in, expected);
		free(expected.data);
	}
}

static void qp_cases_decode_in_any_chunks(void **state)
{
	static const struct decode_case cases[] = {
		{"", "", 0},
		{"plain text\r\n", "plain text\r\n", 0},
		{"a=3Db=3db", "a=b=b", 0},
		{"soft=\r\nbreak", "softbreak", 0},
		{"soft=\nbreak", "softbreak", 0},
		{"soft= \t\r\nbreak", "softbreak", 0},
		{"trailing \t \r\nblanks \n", "trailing\r\nblanks\n", 0},
		{"end  ", "end", 0},
		{"end=", "end", 0},
		{"end= \t", "end", 0},
		{"end=\r", "end", 0},
		{"blank =\r\n then =20\r\n", "blank  then  \r\n", 0},
		{"a b\tc  d", "a b\tc  d", 0},
		{"bad=4Gescape", "bad=4Gescape", DECODE_BAD_ESCAPE},
		{"bad=G4", "bad=G4", DECODE_BAD_ESCAPE},
		{"==41", "=A", DECODE_BAD_ESCAPE},
		{"=4=41", "=4A", DECODE_BAD_ESCAPE},
		{"=4\r\n", "=4\r\n", DECODE_BAD_ESCAPE},
		{"=4 \r\n", "=4\r\n", DECODE_BAD_ESCAPE},
		{"= =41", "= A", DECODE_BAD_ESCAPE},
		{"end=4", "end=4", DECODE_BAD_ESCAPE},
		{"bare\rreturn \rhere", "bare\rreturn \rhere", 0},
		{"=\rx", "x", DECODE_BAD_ESCAPE},
		{"a= \t\rx", "ax", DECODE_BAD_ESCAPE},
		{"a=\r x", "a x", DECODE_BAD_ESCAPE},
		{"a=\r=41", "aA", DECODE_BAD_ESCAPE},
		{"a=\r\rx", "ax", DECODE_BAD_ESCAPE},
		{"x \r\r\n", "x \r\r\n", 0},
		{"=\r\r\n=41", "A", 0},
		{"\r\n\r\n", "\r\n\r\n", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qp_state qp = {0};
		uint8_t out[256];

		assert_all_decode(true, text(cases[i].in), text(cases[i].out));
		(void)qp_decode(&qp, (const uint8_t *)cases[i].in, strlen(cases[i].in), out);
		(void)qp_end(&qp, out);
		assert_int_equal(qp.flags, cases[i].flags);
	}
}

static uint8_t hex_value(uint8_t c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The rules again, line by line with the whole line at hand. Appends one line's meaning to out.
static void reference_line(const uint8_t *line, size_t n, const char *line_end, struct bytes *out)
{
	size_t kept = n;

	while (kept > 0 && (line[kept - 1] == ' ' || line[kept - 1] == '\t'))
		kept--;
	if (n - kept > sizeof(((struct qp_state *)0)->blanks))
		kept = n;
	else if (kept > 0 && line[kept - 1] == '=')
		line_end = NULL;
	n = line_end == NULL ? kept - 1 : kept;
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '=' && i + 2 < n && is_hex(line[i + 1]) && is_hex(line[i + 2])) {
			out->data[out->n++] =
				(uint8_t)(hex_value(line[i + 1]) << 4 | hex_value(line[i + 2]));
			i += 2;
		} else {
			out->data[out->n++] = line[i];
		}
	}
	for (; line_end != NULL && *line_end != '\0'; line_end++)
		out->data[out->n++] = (uint8_t)*line_end;
}

// The CR of a soft line break that such a line may have without LF; n: there is none.
static size_t find_soft_cr(const uint8_t *line, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		size_t blanks = 0;

		while (line[i] == '\r' && blanks < i &&
			(line[i - 1 - blanks] == ' ' || line[i - 1 - blanks] == '\t'))
			blanks++;
		if (line[i] == '\r' && blanks <= sizeof(((struct qp_state *)0)->blanks) &&
			blanks < i && line[i - 1 - blanks] == '=')
			return i;
	}
	return n;
}

static struct bytes reference_qp(struct bytes in)
{
	struct bytes out = {malloc(in.n + 1), 0};
	size_t at = 0;

	assert_non_null(out.data);
	while (at < in.n) {
		const uint8_t *line = in.data + at;
		const uint8_t *lf = memchr(line, '\n', in.n - at);
		size_t n = lf != NULL ? (size_t)(lf - line) : in.n - at;
		bool has_cr = n > 0 && line[n - 1] == '\r';
		size_t soft = find_soft_cr(line, n);

		if (soft < n) {
			reference_line(line, soft, "", &out);
			at += soft;
			while (at < in.n && in.data[at] == '\r')
				at++;
			at += at < in.n && in.data[at] == '\n';
			continue;
		}
		reference_line(line, has_cr ? n - 1 : n,
			lf != NULL ? (has_cr ? "\r\n" : "\n") : (has_cr ? "\r" : ""), &out);
		at += n + (lf != NULL);
	}
	return out;
}

static void random_qp_decodes_as_the_rules_say(void **state)
{
	static const char *const alphabets[] = {"=4Dx \r\n", "== \t\r\n\n41fF",
		" \t\r\n=", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz =\n",
		"E=", "=41\r\nABCdefgh"};
	uint8_t data[1500];
	struct bytes in = {data, 0};

	(void)state;
	for (uint32_t round = 0; round < 240; round++) {
		struct bytes expected;

		fill_from(
			&in, random_below(round < 120 ? 200 : sizeof(data)), alphabets[round % 6]);
		expected = reference_qp(in);
		assert_all_decode(true, in, expected);
		free(expected.data);
	}
}

static void long_runs_of_blanks_are_dropped_up_to_the_limit(void **state)
{
	(void)state;
	for (size_t blanks = 0; blanks < 200; blanks++) {
		uint8_t data[512];
		struct bytes in = {data, 0};
		struct bytes expected;

		for (uint32_t i = random_below(100); i > 0; i--)
			data[in.n++] = 'x';
		if (blanks % 2 == 0)
			data[in.n++] = '=';
		for (size_t i = 0; i < blanks; i++)
			data[in.n++] = random_below(2) != 0 ? ' ' : '\t';
		append(&in, "\r\nnext\n");
		expected = reference_qp(in);
		assert_all_decode(true, in, expected);
		free(expected.data);
	}
}

static void uu_lines_decode(void **state)
{
	static const struct decode_case cases[] = {
		{"#0V%T", "Cat", 0},
		{"#0V%T  trailing", "Cat", 0},
		{"%0V%T00", "CatA", 0}, // cut short: what is missing reads as spaces
		{"`", "", 0},
		{" ", "", 0},
		{"", "", 0},
		{"end", "", 0},
		{"\x1f", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes in = text(cases[i].in);
		uint8_t out[64] = {0};
		size_t n = uu_decode_line(in.data, in.n, out);

		assert_true(n >= strlen(cases[i].out));
		assert_memory_equal(out, cases[i].out, strlen(cases[i].out));
		if (cases[i].out[0] == '\0')
			assert_int_equal(n, 0);
	}
}

static void a_uu_line_of_any_length_gives_back_what_was_encoded(void **state)
{
	(void)state;
	for (size_t bytes = 1; bytes <= 63; bytes++) {
		uint8_t plain[66] = {0};
		uint8_t line[1 + 84];
		uint8_t out[63];
		size_t n = 0;

		for (size_t i = 0; i < bytes; i++)
			plain[i] = (uint8_t)random_below(256);
		line[n++] = (uint8_t)(bytes + ' ');
		for (size_t i = 0; i < bytes; i += 3) {
			uint32_t quantum = (uint32_t)plain[i] << 16 | (uint32_t)plain[i + 1] << 8 |
					   plain[i + 2];

			for (int shift = 18; shift >= 0; shift -= 6)
				line[n++] = (uint8_t)((quantum >> shift & 63) != 0
							      ? (quantum >> shift & 63) + ' '
							      : '`');
		}
		assert_int_equal(uu_decode_line(line, n, out), bytes);
		assert_memory_equal(out, plain, bytes);
	}
}

static void searches_find_the_first_and_nothing_outside(void **state)
{
	(void)state;
	for (size_t n = 0; n < 300; n++) {
		uint8_t *data = malloc(n + 1);
		size_t at = random_below((uint32_t)n + 1);
		uint8_t control = (uint8_t) "\r\n\0"[random_below(3)];

		assert_non_null(data);
		memset(data, 'x', n + 1);
		data[at] = control;
		for (size_t i = 0; decode_variant(i) != NULL; i++) {
			const struct decode_ops *ops = decode_variant(i);

			assert_ptr_equal(
				ops->find_line_control(data, n), at < n ? data + at : NULL);
			assert_ptr_equal(ops->find_lf(data, n),
				at < n && control == '\n' ? data + at : NULL);
		}
		assert_ptr_equal(find_line_control(data, n), at < n ? data + at : NULL);
		free(data);
	}
}

static const uint8_t *line_with(const uint8_t *data, size_t n, uint8_t first)
{
	for (size_t i = 1; i < n; i++)
		if (data[i] == first && data[i - 1] == '\n')
			return data + i;
	return NULL;
}

static void a_byte_that_begins_a_line_is_found_and_no_other(void **state)
{
	(void)state;
	for (size_t n = 0; n < 300; n++) {
		uint8_t *data = malloc(n + 1);

		assert_non_null(data);
		for (unsigned int rarity = 2; rarity < 200; rarity *= 3) {
			for (size_t i = 0; i < n; i++)
				data[i] = random_below(rarity) != 0
						  ? 'F'
						  : (uint8_t) "-\n"[random_below(2)];
			for (size_t i = 0; decode_variant(i) != NULL; i++) {
				assert_ptr_equal(decode_variant(i)->find_line_with(data, n, '-'),
					line_with(data, n, '-'));
				assert_ptr_equal(decode_variant(i)->find_line_with(data, n, 'F'),
					line_with(data, n, 'F'));
			}
			assert_ptr_equal(find_line_with(data, n, '-'), line_with(data, n, '-'));
		}
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_cases_decode_in_any_chunks),
		cmocka_unit_test(every_byte_value_decodes_at_every_place_of_a_long_line),
		cmocka_unit_test(what_openssl_encodes_decodes_to_itself),
		cmocka_unit_test(base64_among_junk_is_the_same_in_all_variants),
		cmocka_unit_test(qp_cases_decode_in_any_chunks),
		cmocka_unit_test(random_qp_decodes_as_the_rules_say),
		cmocka_unit_test(long_runs_of_blanks_are_dropped_up_to_the_limit),
		cmocka_unit_test(uu_lines_decode),
		cmocka_unit_test(a_uu_line_of_any_length_gives_back_what_was_encoded),
		cmocka_unit_test(searches_find_the_first_and_nothing_outside),
		cmocka_unit_test(a_byte_that_begins_a_line_is_found_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
