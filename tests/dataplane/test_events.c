// SPDX-License-Identifier: BSD-3-Clause
// Event lines, read back with a JSON parser that is not ours.
#include "dataplane/events.h"
#include "dataplane/events_json.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
// clang-format on

#include <jansson.h>

static const char *const links[] = {"lan0", "lan1"};
static const struct events_context context = {
	.gateway = "mx\"1",
	.links = links,
	.links_count = 2,
	.epoch_offset_ns = 1767225600000000000, // 2026-01-01
};

static const struct scan_match match = {.signature = "Eicar-Test-Signature",
	.virus_id = "V-1",
	.recipe = "",
	.kind = MATCH_PATTERN,
	.part = 2};
static struct scan_part parts[] = {
	{.index = 1,
		.content_type = "text/plain",
		.encoding = "7bit",
		.filename = "",
		.disposition = "",
		.detected_type = "",
		.bytes = 112},
	{.index = 2,
		.content_type = "application/zip",
		.encoding = "base64",
		.filename = "a\xc3\xa4.zip",
		.disposition = "attachment",
		.detected_type = "zip",
		.bytes = 4711,
		.digests = DIGEST_MD5 | DIGEST_SHA256,
		.md5 = {0x0f, 0xa0},
		.sha256 = {0xff}},
};
static const char *const recipients[] = {"b@example.com", "c\xff@example.com"};
static struct scan_result scan = {
	.verdict = VERDICT_INFECTED,
	.reason = "signature",
	.matches = &match,
	.matches_count = 1,
	.parts = parts,
	.parts_count = 2,
	.subject = "Gr\xc3\xbc\xc3\x9f\x65 \"x\"\r\n\t\x01\x7f",
	.message_id = "<1@a>",
};

static struct mail_record mail_of(void)
{
	return (struct mail_record){
		.time_ns = 3723000006789,
		.link = 1,
		.direction = DIRECTION_INBOUND,
		.address = {.family = 4,
			.address = {{192, 0, 2, 7}, {198, 51, 100, 2}},
			.port_be = {__builtin_bswap16(41022), __builtin_bswap16(25)}},
		.session = 17,
		.message = 1,
		.helo = "mx.example.org",
		.mail_from = "a@example.org",
		.rcpt_to = recipients,
		.rcpt_to_count = 2,
		.action = "reject",
		.reply = "554 5.7.1 no",
		.verdict = VERDICT_INFECTED,
		.reason = "signature",
		.scan = &scan,
		.bytes = 48211,
		.ruleset = "0123456789abcdef",
		.latency_ns = 12345,
	};
}

static json_t *parse(const char *line, size_t n)
{
	json_error_t error;
	json_t *json = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (json == NULL)
		print_error("%s\n%.*s\n", error.text, (int)n, line);
	assert_non_null(json);
	assert_int_equal(line[n - 1], '\n');
	assert_null(memchr(line, '\n', n - 1));
	return json;
}

static void expect_text(json_t *json, const char *name, const char *text)
{
	const char *found = json_string_value(json_object_get(json, name));

	assert_non_null(found);
	assert_string_equal(found, text);
}

static void expect_number(json_t *json, const char *name, json_int_t number)
{
	assert_true(json_is_integer(json_object_get(json, name)));
	assert_int_equal(json_integer_value(json_object_get(json, name)), number);
}

static void a_mail_has_every_field_of_the_contract(void **state)
{
	(void)state;
	char line[4096];
	struct mail_record record = mail_of();
	size_t n = events_format_mail(&context, &record, line, sizeof(line));
	json_t *json = parse(line, n);
	json_t *list;

	expect_text(json, "event", "mail");
	expect_text(json, "time", "2026-01-01T01:02:03.000006Z");
	expect_text(json, "gateway", "mx\"1");
	expect_text(json, "link", "lan1");
	expect_text(json, "direction", "inbound");
	expect_text(json, "client", "192.0.2.7");
	expect_number(json, "client_port", 41022);
	expect_text(json, "server", "198.51.100.2");
	expect_number(json, "server_port", 25);
	expect_number(json, "session", 17);
	expect_number(json, "message", 1);
	expect_text(json, "helo", "mx.example.org");
	expect_text(json, "mail_from", "a@example.org");
	list = json_object_get(json, "rcpt_to");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(
		json_string_value(json_array_get(list, 1)), "c\xef\xbf\xbd@example.com");
	expect_number(json, "bytes", 48211);
	expect_text(json, "subject", scan.subject);
	expect_text(json, "message_id", "<1@a>");
	expect_text(json, "verdict", "infected");
	expect_text(json, "action", "reject");
	expect_text(json, "reply", "554 5.7.1 no");
	expect_text(json, "reason", "signature");
	list = json_array_get(json_object_get(json, "matches"), 0);
	expect_text(list, "signature", "Eicar-Test-Signature");
	expect_text(list, "virus_id", "V-1");
	expect_text(list, "kind", "pattern");
	expect_number(list, "part", 2);
	list = json_array_get(json_object_get(json, "parts"), 0);
	expect_number(list, "parent", 0);
	assert_null(json_object_get(list, "md5"));
	list = json_array_get(json_object_get(json, "parts"), 1);
	expect_text(list, "filename", "a\xc3\xa4.zip");
	expect_text(list, "detected_type", "zip");
	expect_text(list, "md5", "0fa00000000000000000000000000000");
	assert_null(json_object_get(list, "sha1"));
	assert_int_equal(json_string_length(json_object_get(list, "sha256")), 64);
	expect_text(json, "ruleset", "0123456789abcdef");
	expect_number(json, "latency_us", 12);
	json_decref(json);
}

static void a_match_without_a_virus_id_has_an_empty_one(void **state)
{
	static const char *const none[] = {"", NULL};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char line[4096];
		struct scan_match anonymous = match;
		struct scan_result found = scan;
		struct mail_record record = mail_of();
		json_t *json;

		anonymous.virus_id = none[i];
		found.matches = &anonymous;
		record.scan = &found;
		json = parse(line, events_format_mail(&context, &record, line, sizeof(line)));
		expect_text(json_array_get(json_object_get(json, "matches"), 0), "virus_id", "");
		json_decref(json);
	}
}

static void a_line_that_does_not_fit_is_not_begun(void **state)
{
	(void)state;
	char line[4096];
	struct mail_record record = mail_of();
	size_t n = events_format_mail(&context, &record, line, sizeof(line));

	assert_true(n > 0);
	for (size_t room = 0; room < n; room++) {
		char *tight = malloc(room > 0 ? room : 1);

		assert_non_null(tight);
		assert_int_equal(events_format_mail(&context, &record, tight, room), 0);
		free(tight);
	}
	assert_int_equal(events_format_mail(&context, &record, line, n), n);
}

static void a_mail_without_a_scan_is_whole_too(void **state)
{
	(void)state;
	char line[4096];
	struct mail_record record = mail_of();
	json_t *json;

	record.scan = NULL;
	record.rcpt_to_count = 0;
	record.address.family = 6;
	record.link = 7;
	json = parse(line, events_format_mail(&context, &record, line, sizeof(line)));
	expect_text(json, "subject", "");
	expect_text(json, "link", "");
	expect_text(json, "client", "c000:207::");
	assert_int_equal(json_array_size(json_object_get(json, "rcpt_to")), 0);
	assert_true(json_is_array(json_object_get(json, "matches")));
	assert_int_equal(json_array_size(json_object_get(json, "parts")), 0);
	json_decref(json);
}

static void a_session_tells_begin_and_end(void **state)
{
	(void)state;
	char line[1024];
	struct session_record record = {
		.time_ns = 2000000000,
		.start_ns = 1000000000,
		.direction = DIRECTION_OUTBOUND,
		.address = {.family = 6, .address = {{0x20, 0x01, 0x0d, 0xb8}, {0}}},
		.session = 4,
		.why = "fin",
		.inspected = true,
		.client_bytes = 100,
		.server_bytes = 11,
		.messages = 3,
	};
	json_t *json = parse(line, events_format_session(&context, &record, line, sizeof(line)));

	expect_text(json, "event", "session");
	expect_text(json, "direction", "outbound");
	expect_text(json, "client", "2001:db8::");
	expect_text(json, "start", "2026-01-01T00:00:01.000000Z");
	expect_text(json, "end", "2026-01-01T00:00:02.000000Z");
	expect_text(json, "why", "fin");
	expect_number(json, "bytes", 111);
	expect_number(json, "messages", 3);
	assert_true(json_is_true(json_object_get(json, "inspected")));
	json_decref(json);
}

static void simple_events_carry_their_members(void **state)
{
	(void)state;
	char line[256];
	json_t *json = parse(line,
		events_format_simple(&context, "fault", 0, "\"why\":\"x\",\"n\":3", line, 256));

	expect_text(json, "event", "fault");
	expect_number(json, "n", 3);
	json_decref(json);
	json = parse(line, events_format_simple(&context, "stop", 0, NULL, line, 256));
	assert_int_equal(json_object_size(json), 3);
	json_decref(json);
	assert_int_equal(events_format_simple(&context, "stop", 0, NULL, line, 20), 0);
}

static void times_agree_with_the_c_library(void **state)
{
	(void)state;
	static const int64_t days[] = {0, 58, 59, 60, 789, 10956, 10957, 11015, 11016, 20513, 47540,
		47541, 47599, 84006, 100000};
	struct events_context utc = context;

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		time_t seconds = (time_t)(days[i] * 86400 + 86399);
		char expected[64];
		char line[256];
		struct tm tm;
		json_t *json;

		utc.epoch_offset_ns = seconds * 1000000000 + 999999999;
		assert_non_null(gmtime_r(&seconds, &tm));
		(void)strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.999999Z", &tm);
		json = parse(line, events_format_simple(&utc, "x", 0, NULL, line, sizeof(line)));
		expect_text(json, "time", expected);
		json_decref(json);
	}
}

// What a string turns into, by a second, slower reading of the rules.
static void any_bytes_become_valid_text_that_reads_back(void **state)
{
	(void)state;
	static const char edges[] = "\x80\xbf\xc2\xe0\xed\xf0\xf4\x9f"
				    "\xa0\x90\x8f\xef\"\\\x1f\n";
	uint64_t random = 0x2545f4914f6cdd1du;

	for (int round = 0; round < 20000; round++) {
		char text[24];
		char out[160];
		size_t n = (size_t)round % (sizeof(text) + 1);
		char *end;
		json_t *json;

		for (size_t i = 0; i < n; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			// Half of them from where UTF-8's rules change.
			text[i] = edges[random >> 60];
			if ((random & 0x100) != 0)
				text[i] = (char)(random >> 32);
		}
		end = events_put_string(out, out + sizeof(out), text, n);
		assert_non_null(end);
		json = json_loadb(out, (size_t)(end - out), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		// Text that was valid before comes back as it was.
		if (memmem(json_string_value(json), json_string_length(json), "\xef\xbf\xbd", 3) ==
			NULL) {
			assert_int_equal(json_string_length(json), n);
			assert_memory_equal(json_string_value(json), text, n);
		} else {
			json_t *whole = json_stringn(text, n);

			assert_true(whole == NULL || memmem(text, n, "\xef\xbf\xbd", 3) != NULL);
			json_decref(whole);
		}
		json_decref(json);
		for (size_t room = 0; room < (size_t)(end - out); room++)
			assert_null(events_put_string(out, out + room, text, n));
	}
}

// A byte among plain ones, by what RFC 8259 section 7 says of it alone.
static void expect_odd_byte(unsigned int byte, size_t at, size_t n)
{
	char text[24];
	char out[64];
	char expected[64];
	char form[8] = {(char)byte};
	const char *end;

	memset(text, 'a' + (int)at, sizeof(text));
	text[at] = (char)byte;
	if (byte >= 0x80)
		(void)snprintf(form, sizeof(form), "\xef\xbf\xbd");
	else if (byte == '"' || byte == '\\')
		(void)snprintf(form, sizeof(form), "\\%c", (char)byte);
	else if (byte != 0 && strchr("\b\f\n\r\t", (int)byte) != NULL)
		(void)snprintf(form, sizeof(form), "\\%c", "btn?fr"[byte - '\b']);
	else if (byte < 0x20 || byte == 0x7f)
		(void)snprintf(form, sizeof(form), "\\u%04x", byte);
	(void)snprintf(expected, sizeof(expected), "\"%.*s%s%.*s\"", (int)at, text, form,
		(int)(n - at - 1), text + at + 1);
	end = events_put_string(out, out + sizeof(out), text, n);
	assert_non_null(end);
	assert_int_equal(end - out, strlen(expected));
	assert_memory_equal(out, expected, strlen(expected));
}

// Each byte at each place, of texts of all lengths up to some words.
static void one_odd_byte_is_seen_wherever_it_stands(void **state)
{
	(void)state;
	for (unsigned int byte = 0; byte < 256; byte++)
		for (size_t n = 1; n <= 24; n++)
			for (size_t at = 0; at < n; at++)
				expect_odd_byte(byte, at, n);
}

// All halves of bytes, and lengths that are no multiple of anything.
static void bytes_become_their_digits(void **state)
{
	(void)state;
	uint8_t bytes[256 + 16];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t at = 0; at < 256; at++) {
		for (size_t n = 0; n <= 16; n++) {
			char out[64];
			char expected[64] = "\"";
			struct json_writer json;

			for (size_t i = 0; i < n; i++)
				(void)snprintf(expected + 1 + 2 * i, 3, "%02x", bytes[at + i]);
			(void)snprintf(expected + 1 + 2 * n, 2, "\"");
			for (size_t room = 0; room <= 2 * n + 2; room++) {
				json_begin(&json, out, room);
				json_put_hex(&json, bytes + at, n);
				assert_true(room > 2 * n + 1 || json.at == NULL);
			}
			assert_non_null(json.at);
			assert_int_equal(json.at - out, 2 * n + 2);
			assert_memory_equal(out, expected, 2 * n + 2);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_has_every_field_of_the_contract),
		cmocka_unit_test(a_match_without_a_virus_id_has_an_empty_one),
		cmocka_unit_test(a_line_that_does_not_fit_is_not_begun),
		cmocka_unit_test(a_mail_without_a_scan_is_whole_too),
		cmocka_unit_test(a_session_tells_begin_and_end),
		cmocka_unit_test(simple_events_carry_their_members),
		cmocka_unit_test(one_odd_byte_is_seen_wherever_it_stands),
		cmocka_unit_test(bytes_become_their_digits),
		cmocka_unit_test(times_agree_with_the_c_library),
		cmocka_unit_test(any_bytes_become_valid_text_that_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
