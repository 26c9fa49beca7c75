// SPDX-License-Identifier: BSD-3-Clause
// Every variant of the look for fields that say nothing against the same rule written line by line, on buffers as
// large as what they hold.
#include "scan/header.h"
#include "scan/mime_fields.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 500
#define NO_LIMIT SIZE_MAX

static bool is_read(struct span name)
{
	static const char *const names[] = {"content-transfer-encoding", "content-type",
		"content-disposition", "message-id", "subject"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_is(name, names[i]))
			return true;
	return false;
}

// Without its line end: no CR, and no field of an encoding hides in it.
static bool is_plain(const char *line, size_t n)
{
	if (memchr(line, '\r', n) != NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (span_is((struct span){line + i, n - i < 18 ? n - i : 18}, "-transfer-encoding"))
			return false;
	return true;
}

// One whole field that may be passed over, from the start of a line; 0 where it may not.
static size_t check_field(const char *data, size_t n, uint32_t *lines)
{
	struct span name;
	struct span value;
	size_t at = 0;

	do {
		const char *lf = memchr(data + at, '\n', n - at);
		size_t bytes;

		if (lf == NULL)
			return 0;
		bytes = (size_t)(lf - data) - at;
		bytes -= bytes > 0 && lf[-1] == '\r' ? 1 : 0;
		if (!is_plain(data + at, bytes) ||
			(at == 0 &&
				(data[0] == '-' ||
					!header_split((struct span){data, bytes}, &name, &value) ||
					is_read(name))))
			return 0;
		at = (size_t)(lf - data) + 1;
		*lines += 1;
	} while (at < n && (data[at] == ' ' || data[at] == '\t'));
	return at < n ? at : 0;
}

// It stops behind a field, and what it passed over are such as may be.
static void check_place(const char *data, size_t n, size_t most, size_t place, uint32_t lines)
{
	uint32_t counted = 0;
	size_t at = 0;

	while (at < place) {
		size_t bytes = check_field(data + at, n - at, &counted);

		assert_true(bytes > 0 && bytes <= most);
		at += bytes;
	}
	assert_int_equal(at, place);
	assert_int_equal(lines, counted);
}

static void make(struct random *random, uint8_t *data, size_t n)
{
	static const char *const words[] = {"Received: from a by b", "X-A:", "Subject: x",
		"Message-ID: <1@a>", "content-Type: a/b", "MIME-Version: 1.0", "\r\n", "\n", "\r",
		"\r\n ", "\n\t", "\r\nTo: me", "\nX-Header: some text that goes on",
		" -Transfer-Encoding:base64", "-tr", "-", "\nDelivered-To: someone@example.org",
		"\n\303\244: ", "(comment)", " : ", "\nStatus: RO",
		"\nList-Id: abcdefghijklmnopqrstuvwxyz 0123456789"};
	size_t at = 0;

	while (at < n) {
		const char *word = words[random_below(random, sizeof(words) / sizeof(words[0]))];

		while (*word != '\0' && at < n)
			data[at++] = (uint8_t)*word++;
	}
}

static void all_variants_stop_at_the_same_field(void **state)
{
	struct random random = {1};
	size_t passed = 0;

	(void)state;
	for (unsigned int round = 0; round < 40000; round++) {
		size_t n = random_below(&random, MAX_BYTES);
		size_t most = random_below(&random, 4) == 0 ? random_below(&random, 100) : NO_LIMIT;
		uint8_t *data = malloc(n > 0 ? n : 1);
		uint32_t lines;
		size_t place;

		assert_non_null(data);
		make(&random, data, n);
		place = mime_fields_skip_portable(data, n, most, &lines);
		check_place((const char *)data, n, most, place, lines);
		passed += place > 0;
		for (size_t i = 0; mime_fields_variant(i) != NULL; i++) {
			uint32_t own;

			assert_int_equal(mime_fields_variant(i)(data, n, most, &own), place);
			assert_int_equal(own, lines);
		}
		free(data);
	}
	assert_true(passed > 1000);
}

static const char header[] = "Received: from mail.example.org (mail.example.org [192.0.2.1])\r\n"
			     "\tby mx.example.net with ESMTP id 1234567890\r\n"
			     "\tfor <somebody@example.net>; Sun, 22 Nov 2026 20:00:00 +0000\r\n"
			     "Delivered-To: somebody@example.net\r\n"
			     "In-Reply-To: <0987654321@example.org>\r\n"
			     "Mime-Version: 1.0\r\n";
static const char behind[] = "\r\nA body that is much longer than a block of bytes, or two of "
			     "them: this one is long enough for the look at its blocks of bytes, "
			     "and somewhat longer than that, until it is over "
			     "after all.\r\n";

static void fields_that_say_nothing_are_passed_over(void **state)
{
	char mail[sizeof(header) + sizeof(behind)];
	uint32_t lines;

	(void)state;
	(void)snprintf(mail, sizeof(mail), "%s%s", header, behind);
	for (size_t i = 0; mime_fields_variant(i) != NULL; i++) {
		assert_int_equal(mime_fields_variant(i)(
					 (const uint8_t *)mail, strlen(mail), NO_LIMIT, &lines),
			sizeof(header) - 1);
		assert_int_equal(lines, 6);
	}
}

static void fields_that_are_read_are_left(void **state)
{
	static const char *const names[] = {
		"SUBJECT:", "subject :", "Message-Id:", "Content-type:", "Content-Disposition:",
		"Content-Transfer-Encoding:", "X-Content-Transfer-Encoding:", "--a:", ":",
		"no field", " folded:", "X-A (comment):"};
	char mail[sizeof(header) + sizeof(behind) + 100];
	uint32_t lines;

	(void)state;
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		(void)snprintf(mail, sizeof(mail), "%s x\r\n%s%s", names[k], header, behind);
		for (size_t i = 0; mime_fields_variant(i) != NULL; i++)
			assert_int_equal(mime_fields_variant(i)((const uint8_t *)mail, strlen(mail),
						 NO_LIMIT, &lines),
				0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_variants_stop_at_the_same_field),
		cmocka_unit_test(fields_that_say_nothing_are_passed_over),
		cmocka_unit_test(fields_that_are_read_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
