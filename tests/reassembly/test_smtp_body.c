// SPDX-License-Identifier: BSD-3-Clause
// The body of DATA against a plain reading of the rules, for every short body of the bytes that
// matter, and for long ones.
#include "reassembly/smtp.h"
#include "reassembly/tcp.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES (1u << 16)
#define FALSE_ENDS 64

// What a body is.
struct reading {
	uint8_t text[BODY_BYTES];
	uint64_t at[BODY_BYTES]; // where in the body each byte of the text stands
	size_t text_bytes;
	uint64_t false_end[FALSE_ENDS];
	size_t false_ends;
	int64_t bare; // the first one, -1 for none
	int64_t over; // the first byte that makes a line too long
	int64_t end;  // one past the end of data, -1 while there is none
};

static _Alignas(64) uint8_t pool_memory[1u << 15];
static struct smtp_pool *pool;
static struct reading want;
static struct reading got;

static bool is_break(uint8_t byte)
{
	return byte == '\r' || byte == '\n' || byte == 0;
}

static void begin(struct reading *reading)
{
	reading->text_bytes = 0;
	reading->false_ends = 0;
	reading->bare = -1;
	reading->over = -1;
	reading->end = -1;
}

static size_t put(uint8_t *to, const char *text, size_t n)
{
	memcpy(to, text, n);
	return n;
}

static bool is_line_start(const uint8_t *body, size_t i)
{
	return i == 0 || (i > 1 && body[i - 2] == '\r' && body[i - 1] == '\n');
}

static void read_byte(const uint8_t *body, size_t n, size_t i)
{
	bool starts = is_line_start(body, i);
	bool has_cr = i > 0 && body[i - 1] == '\r';
	bool is_bare = body[i] == 0 || (body[i] == '\n' && !has_cr) ||
		       (body[i] == '\r' && i + 1 < n && body[i + 1] != '\n');

	if (want.bare < 0 && is_bare)
		want.bare = (int64_t)i;
	if (body[i] == '.' && (i == 0 || is_break(body[i - 1])) && i + 1 < n &&
		is_break(body[i + 1]) && !(starts && body[i + 1] == '\r' && i + 2 == n))
		want.false_end[want.false_ends++ % FALSE_ENDS] = i;
	// A CR behind the dot is given out once it is not the end.
	if (body[i] == '\r' && i + 1 == n && i > 0 && body[i - 1] == '.' &&
		is_line_start(body, i - 1))
		return;
	if (body[i] == '.' && starts)
		return;
	want.at[want.text_bytes] = i;
	want.text[want.text_bytes++] = body[i];
}

// Reads byte by byte with a look at what is before and behind.
static void read_plainly(const uint8_t *body, size_t n, uint32_t max_line)
{
	uint32_t count = 0;

	begin(&want);
	for (size_t i = 0; i < n; i++) {
		if (n - i > 2 && is_line_start(body, i) && memcmp(body + i, ".\r\n", 3) == 0) {
			want.end = (int64_t)i + 3;
			break;
		}
		read_byte(body, n, i);
	}
	for (size_t i = 0; i < want.text_bytes && want.over < 0; i++) {
		count = want.text[i] == '\n' ? 0 : count + 1;
		if (count > max_line + 1 || (count == max_line + 1 && want.text[i] != '\r'))
			want.over = (int64_t)want.at[i];
	}
}

static void open_body(struct smtp *smtp, const struct smtp_options *options)
{
	static const char server[] = "220 mx\r\n";
	struct smtp_event event;

	smtp_init(smtp, options);
	(void)smtp_server(smtp, pool, (const uint8_t *)server, sizeof(server) - 1, &event);
	(void)smtp_client(smtp, pool, (const uint8_t *)"DATA\r\n", 6, &event);
	(void)smtp_server(smtp, pool, (const uint8_t *)"354 \r\n", 6, &event);
	(void)smtp_server(smtp, pool, NULL, 0, &event);
	assert_int_equal(event.type, SMTP_MESSAGE_BEGIN);
	assert_true(smtp_in_message(smtp));
}

static void note_violation(const struct smtp_event *event, uint64_t read)
{
	int64_t from = (int64_t)event->from;

	assert_true(event->to == event->from + 1);
	assert_true(event->to <= read);
	assert_int_equal(event->fill, event->why == SMTP_VIOLATION_FALSE_END ? ' ' : 0);
	if (event->why == SMTP_VIOLATION_FALSE_END) {
		got.false_end[got.false_ends++ % FALSE_ENDS] = event->from;
	} else if (event->why == SMTP_VIOLATION_BARE_NEWLINE) {
		assert_int_equal(got.bare, -1);
		got.bare = from;
	} else {
		assert_int_equal(event->why, SMTP_VIOLATION_LONG_LINE);
		assert_int_equal(got.over, -1);
		got.over = from;
	}
}

static void note(const struct smtp_event *event, uint64_t read)
{
	if (event->type == SMTP_MESSAGE_DATA) {
		assert_true(event->text_bytes > 0);
		assert_true(got.text_bytes + event->text_bytes <= BODY_BYTES);
		memcpy(got.text + got.text_bytes, event->text, event->text_bytes);
		got.text_bytes += event->text_bytes;
	} else if (event->type == SMTP_MESSAGE_END) {
		got.end = (int64_t)event->to;
	} else {
		assert_int_equal(event->type, SMTP_VIOLATION);
		note_violation(event, read);
	}
}

// Stops behind the end of data.
static void read_in_pieces(const uint8_t *body, size_t n, const struct smtp_options *options,
	size_t first, size_t piece)
{
	struct smtp smtp;
	struct smtp_event event;
	uint64_t base;
	size_t at = 0;

	begin(&got);
	open_body(&smtp, options);
	base = smtp.offset[TCP_CLIENT];
	while (at < n && got.end < 0) {
		size_t left = at == 0 && first > 0 ? first : piece;

		if (left > n - at)
			left = n - at;
		do {
			size_t used = smtp_client(&smtp, pool, body + at, left, &event);

			at += used;
			left -= used;
			event.from -= base;
			event.to -= base;
			if (event.type != SMTP_NEED_INPUT)
				note(&event, at);
		} while (event.type != SMTP_NEED_INPUT && got.end < 0);
	}
	smtp_fini(&smtp, pool);
}

static void compare(const uint8_t *body, size_t n, const struct smtp_options *options)
{
	bool is_same = got.text_bytes == want.text_bytes && got.end == want.end &&
		       memcmp(got.text, want.text, want.text_bytes) == 0 &&
		       got.false_ends == want.false_ends &&
		       memcmp(got.false_end, want.false_end,
			       (want.false_ends < FALSE_ENDS ? want.false_ends : FALSE_ENDS) *
				       sizeof(want.false_end[0])) == 0 &&
		       (!options->report_bare_newline || got.bare == want.bare) &&
		       (options->max_line_bytes == 0 || got.over == want.over);

	if (!is_same) {
		for (size_t i = 0; i < n; i++)
			print_error("%02x ", body[i]);
		print_error(
			": text %zu/%zu, end %lld/%lld, false ends %zu/%zu, bare %lld/%lld, over "
			"%lld/%lld\n",
			got.text_bytes, want.text_bytes, (long long)got.end, (long long)want.end,
			got.false_ends, want.false_ends, (long long)got.bare, (long long)want.bare,
			(long long)got.over, (long long)want.over);
	}
	assert_true(is_same);
}

static const struct smtp_options strict = {.report_bare_newline = true, .max_line_bytes = 3};
static const struct smtp_options lax = {0};

static void check(const uint8_t *body, size_t n, const struct smtp_options *options)
{
	read_plainly(body, n, options->max_line_bytes);
	read_in_pieces(body, n, options, 0, n);
	compare(body, n, options);
	read_in_pieces(body, n, options, 0, 1);
	compare(body, n, options);
	for (size_t cut = 1; cut < n && n < 64; cut++) {
		read_in_pieces(body, n, options, cut, n);
		compare(body, n, options);
	}
}

static void every_short_body_is_read_by_the_rules(void **state)
{
	static const uint8_t letters[] = {'\r', '\n', 0, '.', 'a'};
	uint8_t body[7];

	(void)state;
	for (size_t n = 1; n <= sizeof(body); n++) {
		size_t bodies = 1;

		for (size_t i = 0; i < n; i++)
			bodies *= sizeof(letters);
		for (size_t number = 0; number < bodies; number++) {
			size_t rest = number;

			for (size_t i = 0; i < n; i++, rest /= sizeof(letters))
				body[i] = letters[rest % sizeof(letters)];
			check(body, n, &strict);
			if (n < 7)
				check(body, n, &lax);
		}
	}
}

static void every_look_alike_of_the_end_is_reported(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
	} breaks[] = {{"\r\n", 2}, {"\n", 1}, {"\r", 1}, {"\n\r", 2}, {"\r\r\n", 3}, {"\r\0\n", 3},
		{"\0\r\n", 3}, {"\r\n\0", 3}, {"\0\n", 2}, {"\0\r", 2}, {"\n\0", 2}, {"\r\0", 2},
		{"\0", 1}, {"\r\r", 2}, {"\n\n", 2}, {"", 0}};
	static const size_t count = sizeof(breaks) / sizeof(breaks[0]);
	uint8_t body[32];

	(void)state;
	for (size_t before = 0; before < count; before++) {
		for (size_t behind = 0; behind + 1 < count; behind++) {
			// "" stands for the body's very start.
			size_t n = breaks[before].bytes > 0 ? 4 : 0;
			bool ends;

			memcpy(body, "mail", n);
			memcpy(body + n, breaks[before].text, breaks[before].bytes);
			n += breaks[before].bytes;
			ends = is_line_start(body, n) &&
			       memcmp(breaks[behind].text, "\r\n", 2) == 0;
			body[n++] = '.';
			memcpy(body + n, breaks[behind].text, breaks[behind].bytes);
			n += breaks[behind].bytes;
			n += put(body + n, "x\r\n", 3);
			check(body, n, &lax);
			assert_int_equal(got.end >= 0, ends);
			assert_int_equal(got.false_ends, ends ? 0 : 1);
		}
	}
}

static void long_bodies_are_read_by_the_rules(void **state)
{
	static const char *const pieces[] = {"\r\n", "\r\n", "aaaa aaaa aaaa aaaa aaaa", "a", "..",
		".", "\r\n..", "\n", "\r", "\r\n.x", "0123456789012345678901234567890123456789"};
	static uint8_t body[4096];
	static const size_t sizes[] = {7, 16, 33, 1000};
	struct smtp_options options = {.report_bare_newline = true};
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 400; round++) {
		size_t n = 0;

		options.max_line_bytes = round % 3 == 0 ? 0 : 20 + (uint32_t)round / 4;
		while (n + 64 < sizeof(body)) {
			const char *piece;
			size_t kinds = round % 2 == 0 ? 11 : 7;

			seed = seed * 1103515245u + 12345u;
			piece = pieces[(seed >> 16) % kinds];
			n += put(body + n, piece, strlen(piece));
		}
		check(body, n, &options);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			read_in_pieces(body, n, &options, i, sizes[i]);
			compare(body, n, &options);
		}
	}
}

static void clean_text_goes_out_in_one_piece(void **state)
{
	static uint8_t body[BODY_BYTES];
	struct smtp_options options = {.report_bare_newline = true, .max_line_bytes = 998};
	struct smtp smtp;
	struct smtp_event event;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'A' + i % 26);
	body[100] = '.';
	open_body(&smtp, &options);
	assert_int_equal(smtp_client(&smtp, pool, body, sizeof(body), &event), sizeof(body));
	assert_int_equal(event.type, SMTP_MESSAGE_DATA);
	assert_ptr_equal(event.text, body);
	assert_int_equal(event.text_bytes, sizeof(body));
}

static void undecided_bytes_are_counted(void **state)
{
	static const struct {
		const char *body;
		size_t undecided;
	} cases[] = {{"a", 0}, {".", 1}, {".\r", 2}, {"a\r\n", 0}, {"a\r\n.", 1}, {"a\r\n.\r", 2},
		{"a\n.", 1}, {"a\r.", 1}, {"a.", 0}, {"a\r\n..", 0}, {"a\r\n.\ra", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp smtp;
		struct smtp_event event;
		const char *body = cases[i].body;
		size_t at = 0;

		open_body(&smtp, &lax);
		do {
			at += smtp_client(
				&smtp, pool, (const uint8_t *)body + at, strlen(body) - at, &event);
		} while (event.type != SMTP_NEED_INPUT);
		assert_int_equal(smtp_undecided(&smtp), cases[i].undecided);
	}
}

static bool may_pass(const struct smtp *smtp, uint64_t behind, const char *text, size_t n)
{
	return smtp_may_pass_early(
		smtp, smtp->offset[TCP_CLIENT] + behind, (const uint8_t *)text, n);
}

static void only_what_cannot_end_a_message_passes_early(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
		bool passes;
	} cases[] = {{"abc\r\ndef\r\n", 10, true}, {"abc\r\n..\r\n", 9, true},
		{"a.b.\r\n", 6, true}, {"abc\r\n.", 6, true}, {".", 1, true}, {".abc", 4, true},
		{"\r\nabc", 5, false}, {"\nabc", 4, false}, {"\0abc", 4, false}, {".\r", 2, false},
		{".\n", 2, false}, {".\0", 2, false}, {"a\r\n.\r\n", 6, false},
		{"a\n.\r", 4, false}, {"a\r.\n", 4, false}, {"a\0.\0", 4, false},
		{"x\r\nBDAT 5 LAST\r\nabc", 19, false}, {"x\r\n\tbdat 5", 10, false},
		{"x\nSTARTTLS", 10, false}, {"x\nSTARTTL", 9, true}, {"x\nSTARTTLSX\n", 12, true},
		{"TTLS\r\n", 6, false}, {"S", 1, false}, {"DAT 5 LAST\r\nabc", 15, false},
		{" 5 LAST\r\nabc", 12, false}, {"5 la", 4, true}, {"st\r\n", 4, false},
		{"5\r\nabc", 6, false}, {"BDATA 5\r\n", 9, true}, {"a BDAT 5\r\n", 10, true},
		{"x\r\nXEXCH50 2 2\r\n", 16, false}, {"imap://a last \r\n", 16, false},
		{"x.\ry\r.\nz", 8, false}, {"", 0, false}};
	struct smtp smtp;
	struct smtp_event event;

	(void)state;
	smtp_init(&smtp, &lax);
	assert_false(may_pass(&smtp, 0, "abc", 3));
	open_body(&smtp, &lax);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			may_pass(&smtp, 9, cases[i].text, cases[i].bytes), cases[i].passes);
	assert_false(smtp_may_pass_early(&smtp, 5, (const uint8_t *)"abc", 3));
	(void)smtp_client(&smtp, pool, (const uint8_t *)".\r\n", 3, &event);
	assert_int_equal(event.type, SMTP_MESSAGE_END);
	assert_false(may_pass(&smtp, 0, "abc", 3));
}

static void open_chunk(struct smtp *smtp, const char *command)
{
	static const char server[] = "220 mx\r\n";
	struct smtp_event event;

	smtp_init(smtp, &lax);
	(void)smtp_server(smtp, pool, (const uint8_t *)server, sizeof(server) - 1, &event);
	(void)smtp_client(smtp, pool, (const uint8_t *)"EHLO\r\n", 6, &event);
	(void)smtp_server(smtp, pool, (const uint8_t *)"250 CHUNKING\r\n", 14, &event);
	(void)smtp_client(smtp, pool, (const uint8_t *)command, strlen(command), &event);
	(void)smtp_client(smtp, pool, NULL, 0, &event);
	assert_int_equal(event.type, SMTP_MESSAGE_BEGIN);
}

static void a_chunk_passes_early_short_of_what_completes_the_message(void **state)
{
	struct smtp smtp;

	(void)state;
	open_chunk(&smtp, "BDAT 6\r\n");
	assert_true(may_pass(&smtp, 0, "\r\n.\r\n.", 6));
	assert_true(may_pass(&smtp, 4, "ab", 2));
	assert_false(may_pass(&smtp, 4, "abc", 3));
	assert_false(may_pass(&smtp, 6, "a", 1));
	assert_false(may_pass(&smtp, UINT64_MAX - 50, "a", 1));
	open_chunk(&smtp, "BDAT 6 LAST\r\n");
	assert_true(may_pass(&smtp, 0, "\r\n.\r\n", 5));
	assert_false(may_pass(&smtp, 0, "\r\n.\r\n.", 6));
	assert_false(may_pass(&smtp, 5, "a", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_body_is_read_by_the_rules),
		cmocka_unit_test(every_look_alike_of_the_end_is_reported),
		cmocka_unit_test(long_bodies_are_read_by_the_rules),
		cmocka_unit_test(clean_text_goes_out_in_one_piece),
		cmocka_unit_test(undecided_bytes_are_counted),
		cmocka_unit_test(only_what_cannot_end_a_message_passes_early),
		cmocka_unit_test(a_chunk_passes_early_short_of_what_completes_the_message),
	};

	if (smtp_pool_bytes(2) > sizeof(pool_memory))
		return 1;
	pool = smtp_pool_init(pool_memory, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
