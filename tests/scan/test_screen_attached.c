// SPDX-License-Identifier: BSD-3-Clause
// Attached messages are screened as files, however they were carried.
#include "scan/scan.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (6u << 20)
#define DEEPEST 10

static char mail[MOST_BYTES];
static size_t mail_bytes;

static void add_bytes(const void *data, size_t n)
{
	assert_true(mail_bytes + n < MOST_BYTES);
	memcpy(mail + mail_bytes, data, n);
	mail_bytes += n;
}

static void add(const char *text)
{
	add_bytes(text, strlen(text));
}

static void begin_mail(const char *encoding)
{
	mail_bytes = 0;
	add("Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
	    "--o\r\nContent-Type: text/plain\r\n\r\nhello\r\n--o\r\n"
	    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: ");
	add(encoding);
	add("\r\n\r\n");
}

static void end_mail(void)
{
	add("\r\n--o--\r\n");
}

static const size_t steps[] = {0, 1, 77, 4096, 1u << 20};

// Whether the entry hits, in any chunks.
static bool hits(const struct screen_entry *entry)
{
	struct random random = {5};
	struct screened rig;
	bool found = false;

	screened_init(&rig, entry, 1);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct scan *scan =
			screened_scan(&rig, SCAN_MESSAGE, mail, mail_bytes, steps[i], &random);
		bool now = screened_has(scan_end(scan), entry);

		assert_true(i == 0 || now == found);
		assert_string_equal(scan_end(scan)->reason, now ? "checksum" : "");
		found = now;
		scan_free(scan);
	}
	screened_fini(&rig);
	return found;
}

static const char with_parts[] =
	"Subject: in\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\npreamble\r\n--i\r\n"
	"Content-Type: text/plain\r\n\r\none\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>two\r\n"
	"--i--\r\nepilogue\r\n-- \r\nnot a boundary\r\n";

static const char *const inners[] = {
	"Subject: in\r\n\r\nbody\r\n",
	"Subject: in\r\n\r\nno line break at the end",
	"Subject: only a header\r\n\r\n",
	with_parts,
	"Subject: in\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\nnothing in it\r\n",
	"From a@b\r\nSubject: in\r\nodd line in a header\r\nTo: x\r\n\r\nbody\r\n\r\n\r\n",
	"no header at all\r\nbut text\r\n",
	"Subject: in\nContent-Type: message/rfc822\n\nSubject: more\n\ntext\n",
};

static void what_is_attached_hits_as_the_file_that_a_reader_saves(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(inners) / sizeof(inners[0]); i++) {
		size_t n = strlen(inners[i]);
		struct screen_entry entry =
			screened_entry(SCREEN_FILE, DIGEST_SHA256, inners[i], n);

		begin_mail("7bit");
		add(inners[i]);
		end_mail();
		if (!hits(&entry))
			fail_msg("message %zu", i);
		entry.bytes = n;
		if (!hits(&entry))
			fail_msg("message %zu with its size", i);
		entry.bytes = n + 3;
		assert_false(hits(&entry));
		// Of another one, which begins alike.
		begin_mail("7bit");
		add(inners[i]);
		add("more\r\n");
		end_mail();
		entry.bytes = 0;
		assert_false(hits(&entry));
	}
}

static void one_that_ends_with_the_message_hits(void **state)
{
	struct screen_entry entry =
		screened_entry(SCREEN_FILE, DIGEST_SHA1, inners[3], strlen(inners[3]));

	(void)state;
	mail_bytes = 0;
	add("Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n");
	add(inners[3]);
	assert_true(hits(&entry));
	begin_mail("8bit");
	add(inners[3]);
	assert_true(hits(&entry));
}

static void encoded_ones_hit(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t n = strlen(inners[i]);
		struct screen_entry entry = screened_entry(SCREEN_FILE, DIGEST_MD5, inners[i], n);
		unsigned char text[4096];

		begin_mail("base64");
		(void)EVP_EncodeBlock(text, (const unsigned char *)inners[i], (int)n);
		for (size_t at = 0; text[at] != '\0'; at += 76) {
			char line[80];

			(void)snprintf(line, sizeof(line), "%.76s\r\n", (const char *)text + at);
			add(line);
			if (strlen(line) < 78)
				break;
		}
		end_mail();
		if (!hits(&entry))
			fail_msg("message %zu in base64", i);
		begin_mail("quoted-printable");
		for (size_t at = 0; at < n; at++) {
			char one[8];

			(void)snprintf(one, sizeof(one), "=%02X%s", (unsigned char)inners[i][at],
				at % 20 == 19 ? "=\r\n" : "");
			add(one);
		}
		add("=");
		end_mail();
		if (!hits(&entry))
			fail_msg("message %zu in quoted-printable", i);
	}
}

// Where each of them begins and ends is known to whoever made them.
static void one_in_the_other_hits_and_past_the_limit_it_is_told(void **state)
{
	struct {
		size_t from;
		size_t to;
	} places[DEEPEST];
	struct random random = {9};

	(void)state;
	for (size_t depth = 1; depth <= DEEPEST; depth++) {
		char line[200];

		begin_mail("7bit");
		for (size_t i = 0; i < depth; i++) {
			places[i].from = mail_bytes;
			(void)snprintf(line, sizeof(line),
				"Subject: %zu\r\nContent-Type: multipart/mixed; "
				"boundary=b%zu\r\n\r\n"
				"--b%zu\r\nContent-Type: %s\r\n\r\n",
				i, i, i, i + 1 < depth ? "message/rfc822" : "text/plain");
			add(line);
		}
		add("the innermost text");
		for (size_t i = depth; i-- > 0;) {
			(void)snprintf(line, sizeof(line), "\r\n--b%zu--\r\nepilogue %zu", i, i);
			add(line);
			places[i].to = mail_bytes;
		}
		end_mail();
		for (size_t i = 0; i < depth; i++) {
			struct screen_entry entry = screened_entry(SCREEN_FILE, DIGEST_SHA256,
				mail + places[i].from, places[i].to - places[i].from);
			struct screened rig;
			struct scan *scan;

			if (depth <= 8 && !hits(&entry))
				fail_msg("message %zu of %zu", i, depth);
			if (depth <= 8)
				continue;
			screened_init(&rig, &entry, 1);
			scan = screened_scan(&rig, SCAN_MESSAGE, mail, mail_bytes, 0, &random);
			assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
			assert_int_equal(screened_has(scan_end(scan), &entry), i < 8);
			scan_free(scan);
			screened_fini(&rig);
		}
	}
}

// So that the raw message is not kept as a whole.
static void a_large_one_hits_by_all_kinds(void **state)
{
	static const char head[] =
		"Subject: large\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
		"--i\r\nContent-Type: application/octet-stream\r\n\r\n";
	struct random random = {77};
	struct screen_entry entries[4];
	struct screened rig;
	size_t from;
	size_t n;

	(void)state;
	begin_mail("binary");
	from = mail_bytes;
	add(head);
	for (size_t i = 0; i < 50000; i++) {
		char line[81];

		for (size_t k = 0; k < 78; k++)
			line[k] = (char)('-' + random_below(&random, 60));
		memcpy(line + 78, "\r\n", 3);
		add_bytes(line, 80);
	}
	add("\r\n--i--\r\nend");
	n = mail_bytes - from;
	end_mail();
	entries[0] = screened_entry(SCREEN_FILE, DIGEST_SHA256, mail + from, n);
	entries[1] = screened_entry(SCREEN_FILE, DIGEST_SHA1, mail + from, n);
	entries[1].bytes = n;
	entries[2] = screened_entry(SCREEN_RANGE, DIGEST_SHA256, mail + from, 100);
	entries[3] = screened_entry(SCREEN_RANGE, DIGEST_MD5, mail + from + n - 4000, 900);
	entries[3].offset = 4000;
	entries[3].from_end = true;
	for (size_t count = 1; count <= 4; count += 3) {
		screened_init(&rig, entries, count);
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			struct scan *scan = steps[i] == 1 ? NULL
							  : screened_scan(&rig, SCAN_MESSAGE, mail,
								    mail_bytes, steps[i], &random);

			for (size_t k = 0; scan != NULL && k < count; k++)
				if (!screened_has(scan_end(scan), &entries[k]))
					fail_msg("entry %zu of %zu, step %zu", k, count, steps[i]);
			scan_free(scan);
		}
		screened_fini(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_attached_hits_as_the_file_that_a_reader_saves),
		cmocka_unit_test(one_that_ends_with_the_message_hits),
		cmocka_unit_test(encoded_ones_hit),
		cmocka_unit_test(one_in_the_other_hits_and_past_the_limit_it_is_told),
		cmocka_unit_test(a_large_one_hits_by_all_kinds),
	};

	return cmocka_run_group_tests(tests, screened_setup, screened_teardown);
}
