// SPDX-License-Identifier: BSD-3-Clause
// Messages, their parts, samples and programs against lists of checksums.
#include "scan/scan.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 40000

static uint8_t sample[MOST_BYTES];

// ---- messages ------------------------------------------------------------------------------------

static const char text_mail[] =
	"From: a@example.org\r\nSubject: x\r\n\r\nfirst line\r\nsecond line\r\n";
static const char parts_mail[] = "Subject: y\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
				 "--b\r\nContent-Type: text/plain\r\n\r\n"
				 "one\r\ntwo\r\n--b\r\n"
				 "Content-Type: application/octet-stream\r\n"
				 "Content-Transfer-Encoding: base64\r\n\r\n"
				 "AAEC\r\nAwQF\r\n--b--\r\n";

static void messages_and_bodies_hit_with_and_without_their_last_line_break(void **state)
{
	size_t n = sizeof(text_mail) - 1;
	size_t header = (size_t)(strstr(text_mail, "\r\n\r\n") + 4 - text_mail);
	struct screen_entry entry = screened_entry(SCREEN_MESSAGE, DIGEST_SHA1, text_mail, n);

	(void)state;
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n));
	assert_false(screened_hits(&entry, SCAN_FILE, text_mail, n));
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n - 2));
	entry.bytes = n;
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n - 2));
	entry.bytes = n - 2;
	assert_false(screened_hits(&entry, SCAN_MESSAGE, text_mail, n));
	entry = screened_entry(SCREEN_MESSAGE, DIGEST_SHA256, text_mail, n - 2);
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n));
	assert_false(screened_hits(&entry, SCAN_MESSAGE, text_mail, n - 3));
	entry = screened_entry(SCREEN_BODY, DIGEST_MD5, text_mail + header, n - header);
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n));
	entry.bytes = n - header;
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n));
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail + 21, n - 21));
	entry = screened_entry(SCREEN_FILE, DIGEST_MD5, text_mail, n);
	assert_true(screened_hits(&entry, SCAN_MESSAGE, text_mail, n));
}

static void parts_hit_as_they_are_decoded(void **state)
{
	static const uint8_t binary[] = {0, 1, 2, 3, 4, 5};
	size_t n = sizeof(parts_mail) - 1;
	struct screen_entry entry =
		screened_entry(SCREEN_FILE, DIGEST_SHA256, binary, sizeof(binary));
	struct screened rig;
	struct scan *scan;

	(void)state;
	screened_init(&rig, &entry, 1);
	scan = screened_scan(&rig, SCAN_MESSAGE, parts_mail, n, 1, NULL);
	assert_int_equal(scan_end(scan)->matches_count, 1);
	assert_int_equal(scan_end(scan)->matches[0].part, 2);
	assert_int_equal(scan_end(scan)->matches[0].kind, MATCH_CHECKSUM);
	assert_string_equal(scan_end(scan)->matches[0].signature, "Test.Screen");
	assert_string_equal(scan_end(scan)->matches[0].virus_id, "CV-1");
	assert_memory_equal(scan_end(scan)->matches[0].digest, entry.digest, 32);
	assert_int_equal(ruleset_get_screen_hits(rig.ruleset, 0), 1);
	scan_free(scan);
	screened_fini(&rig);
	// The text's last line break is the boundary's, or was the file's.
	entry = screened_entry(SCREEN_FILE, DIGEST_SHA256, "one\r\ntwo", 8);
	assert_true(screened_hits(&entry, SCAN_MESSAGE, parts_mail, n));
	entry = screened_entry(SCREEN_FILE, DIGEST_SHA256, "one\r\ntwo\r\n", 10);
	entry.bytes = 10;
	assert_true(screened_hits(&entry, SCAN_MESSAGE, parts_mail, n));
	entry = screened_entry(SCREEN_FILE, DIGEST_SHA256, "\0\1\2\3\4\5\r\n", 8);
	assert_false(screened_hits(&entry, SCAN_MESSAGE, parts_mail, n));
}

// The same goes for ranges that are told from the end.
static void expect_from_end(const char *file, size_t from, size_t length)
{
	size_t n = strlen(file);
	struct screen_entry entry =
		screened_entry(SCREEN_RANGE, DIGEST_SHA256, file + from, length);

	entry.from_end = true;
	entry.offset = n - from;
	entry.bytes = length % 2 == 0 ? n : 0;
	if (!screened_hits(&entry, SCAN_MESSAGE, parts_mail, sizeof(parts_mail) - 1))
		fail_msg("%zu from %zu of %s", length, from, file);
}

static void ranges_from_the_end_hit_with_and_without_the_last_line_break(void **state)
{
	static const char *const files[] = {"one\r\ntwo", "one\r\ntwo\r\n", "one\r\ntwo\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		for (size_t from = 0; from < strlen(files[i]); from++)
			for (size_t length = 1; from + length <= strlen(files[i]); length++)
				expect_from_end(files[i], from, length);
}

// The same bytes in a message, in some encoding.
static size_t carry(char *out, const char *encoding, const uint8_t *data, size_t n)
{
	bool is_base64 = strcmp(encoding, "base64") == 0;
	size_t at = (size_t)sprintf(out,
		"Subject: z\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		encoding);

	for (size_t i = 0; i < n; i += 57) {
		size_t line = n - i < 57 ? n - i : 57;

		if (is_base64) {
			at += (size_t)EVP_EncodeBlock(
				(unsigned char *)out + at, data + i, (int)line);
			at += (size_t)sprintf(out + at, "\r\n");
			continue;
		}
		for (size_t k = 0; k < line; k++)
			at += (size_t)sprintf(out + at, "=%02X", data[i + k]);
		at += (size_t)sprintf(out + at, "=\r\n");
	}
	return at + (size_t)sprintf(out + at, "\r\n--b--\r\n");
}

static size_t pack(uint8_t *out, size_t room, const uint8_t *data, size_t n)
{
	z_stream stream = {0};

	assert_int_equal(
		deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)n;
	stream.next_out = out;
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&stream), Z_OK);
	return room - stream.avail_out;
}

static void how_a_file_was_carried_makes_no_difference(void **state)
{
	static const size_t steps[] = {0, 1, 4000};
	struct screen_sample_options options = {.virus_id = "CV-4", .algorithms = DIGEST_SHA1};
	const size_t n = 9001;
	struct screen_entry *entries = NULL;
	struct random random = {31};
	uint8_t packed[(size_t)2 * MOST_BYTES];
	char *mail = malloc((size_t)4 * MOST_BYTES);
	size_t count = 0;
	struct screened rig;

	(void)state;
	assert_non_null(mail);
	for (size_t i = 0; i < n; i++)
		sample[i] = (uint8_t)random_below(&random, 200);
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	screened_init(&rig, entries, count);
	for (size_t i = 0; i < 12; i++) {
		size_t inner = i % 4 < 2 ? n : pack(packed, sizeof(packed), sample, n);
		size_t bytes = carry(mail, i % 2 == 0 ? "base64" : "quoted-printable",
			i % 4 < 2 ? sample : packed, inner);
		struct scan *scan =
			screened_scan(&rig, SCAN_MESSAGE, mail, bytes, steps[i / 4], &random);

		for (size_t k = 0; k < count; k++)
			assert_true(screened_has(scan_end(scan), &entries[k]));
		assert_int_equal(scan_end(scan)->matches_count, count);
		scan_free(scan);
	}
	screened_fini(&rig);
	free(entries);
	free(mail);
}

// Their digests are computed together.
static void each_of_many_attachments_hits_as_it_is(void **state)
{
	enum { FILES = 11 };
	static const char end[] = "--b--\r\n";
	struct screen_entry entries[FILES];
	struct random random = {51};
	char *mail = calloc(FILES, 20000);
	size_t at = 0;
	struct screened rig;

	(void)state;
	assert_non_null(mail);
	at += (size_t)sprintf(
		mail, "Subject: m\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (size_t i = 0; i < FILES; i++) {
		size_t n = 1 + random_below(&random, 9000);

		for (size_t k = 0; k < n; k++)
			sample[k] = (uint8_t)random_below(&random, 256);
		entries[i] = screened_entry(
			SCREEN_FILE, i % 3 == 0 ? DIGEST_MD5 : DIGEST_SHA256, sample, n);
		entries[i].bytes = n;
		// Every fourth is not on the list.
		if (i % 4 == 3)
			entries[i].digest[0] ^= 1;
		at += (size_t)sprintf(mail + at, "--b\r\nContent-Type: application/x-a\r\n"
						 "Content-Transfer-Encoding: base64\r\n\r\n");
		at += (size_t)EVP_EncodeBlock((unsigned char *)mail + at, sample, (int)n);
		at += (size_t)sprintf(mail + at, "\r\n");
	}
	at += (size_t)sprintf(mail + at, "%s", end);
	screened_init(&rig, entries, FILES);
	for (size_t round = 0; round < 3; round++) {
		struct scan *scan = screened_scan(&rig, SCAN_MESSAGE, mail, at, 0, &random);
		const struct scan_result *result = scan_end(scan);
		size_t found = 0;

		for (size_t i = 0; i < FILES; i++) {
			if (i % 4 == 3)
				continue;
			assert_int_equal(result->matches[found].part, i + 1);
			assert_int_equal(result->matches[found].entry, screen_id(&entries[i]));
			found++;
		}
		assert_int_equal(result->matches_count, found);
		scan_free(scan);
	}
	// One that is given up gives back what waits.
	for (size_t i = 0; i < 5; i++) {
		struct scan *scan;

		assert_int_equal(scan_begin(rig.scanner, SCAN_MESSAGE, &scan), 0);
		scan_feed(scan, (const uint8_t *)mail, at - 40);
		scan_free(scan);
	}
	screened_fini(&rig);
	free(mail);
}

static void a_type_is_a_condition(void **state)
{
	static const char picture[] = "GIF89a, or so it says, and goes on";
	struct screen_entry entry =
		screened_entry(SCREEN_FILE, DIGEST_MD5, picture, sizeof(picture));

	(void)state;
	for (int sized = 0; sized < 2; sized++) {
		entry.bytes = sized == 0 ? 0 : sizeof(picture);
		entry.file_type = "gif";
		assert_true(screened_hits(&entry, SCAN_FILE, picture, sizeof(picture)));
		entry.file_type = "zip";
		assert_false(screened_hits(&entry, SCAN_FILE, picture, sizeof(picture)));
	}
}

// ---- samples -------------------------------------------------------------------------------------

static size_t kinds_that_hit(
	struct screened *rig, enum scan_kind kind, const uint8_t *data, size_t n)
{
	struct scan *scan = screened_scan(rig, kind, data, n, 5000, NULL);
	size_t kinds = 0;

	for (size_t i = 0; i < scan_end(scan)->matches_count; i++)
		kinds |= (size_t)1 << scan_end(scan)->matches[i].screened;
	scan_free(scan);
	return kinds;
}

static void a_sample_is_hit_by_each_kind_that_is_computed_of_it(void **state)
{
	struct screen_sample_options options = {
		.virus_id = "CV-2", .name = "Sample", .algorithms = DIGEST_MD5 | DIGEST_SHA256};
	const size_t n = 30000;
	struct screen_entry *entries = NULL;
	struct random random = {11};
	size_t count = 0;
	struct screened rig;

	(void)state;
	for (size_t i = 0; i < n; i++)
		sample[i] = (uint8_t)(0x80 | random_below(&random, 256));
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	screened_init(&rig, entries, count);
	assert_int_equal(kinds_that_hit(&rig, SCAN_FILE, sample, n),
		1 << SCREEN_FILE | 1 << SCREEN_RANGE | 1 << SCREEN_WINDOW);
	sample[0] ^= 1;
	sample[n / 4] ^= 1;
	assert_int_equal(
		kinds_that_hit(&rig, SCAN_FILE, sample, n), 1 << SCREEN_RANGE | 1 << SCREEN_WINDOW);
	memset(sample, 0x90, sizeof(sample));
	assert_int_equal(kinds_that_hit(&rig, SCAN_FILE, sample, n), 0);
	screened_fini(&rig);
	free(entries);
	// Nothing but its size and digest tells this one from others.
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	assert_int_equal(count, 2);
	free(entries);
	assert_int_equal(screen_compute(&options, sample, 3, &entries, &count), -EINVAL);
}

static void a_message_that_was_saved_with_other_line_ends_is_hit_as_it_was_sent(void **state)
{
	struct screen_sample_options options = {.virus_id = "CV-2", .is_message = true};
	uint8_t saved[sizeof(text_mail)];
	struct screen_entry *entries = NULL;
	size_t count = 0;
	struct screened rig;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; text_mail[i] != '\0'; i++)
		if (text_mail[i] != '\r')
			saved[n++] = (uint8_t)text_mail[i];
	assert_int_equal(screen_compute(&options, saved, n, &entries, &count), 0);
	assert_int_equal(count, 2);
	screened_init(&rig, entries, count);
	assert_int_equal(kinds_that_hit(&rig, SCAN_MESSAGE, (const uint8_t *)text_mail,
				 sizeof(text_mail) - 1),
		1 << SCREEN_BODY | 1 << SCREEN_MESSAGE);
	screened_fini(&rig);
	free(entries);
}

static void sections_of_programs_hit_by_number_and_size(void **state)
{
	struct screen_sample_options options = {.virus_id = "CV-3"};
	struct screen_entry *entries = NULL;
	size_t n = screened_program(sample);
	size_t sections = 0;
	size_t count = 0;

	(void)state;
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	for (size_t i = 0; i < count; i++) {
		struct screen_entry entry = entries[i];

		if (entry.kind != SCREEN_SECTION)
			continue;
		sections++;
		assert_true(screened_hits(&entry, SCAN_FILE, sample, n));
		entry.bytes = n;
		entry.file_type = "pe";
		assert_true(screened_hits(&entry, SCAN_FILE, sample, n));
		entry.section++;
		assert_false(screened_hits(&entry, SCAN_FILE, sample, n));
		entry.section = SCREEN_ANY_SECTION;
		assert_true(screened_hits(&entry, SCAN_FILE, sample, n));
		entry.length++;
		assert_false(screened_hits(&entry, SCAN_FILE, sample, n));
		entry.length = 0;
		assert_true(screened_hits(&entry, SCAN_FILE, sample, n));
		entry.bytes = n - 1;
		assert_false(screened_hits(&entry, SCAN_FILE, sample, n));
	}
	assert_int_equal(sections, 2);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_and_bodies_hit_with_and_without_their_last_line_break),
		cmocka_unit_test(parts_hit_as_they_are_decoded),
		cmocka_unit_test(ranges_from_the_end_hit_with_and_without_the_last_line_break),
		cmocka_unit_test(how_a_file_was_carried_makes_no_difference),
		cmocka_unit_test(each_of_many_attachments_hits_as_it_is),
		cmocka_unit_test(a_type_is_a_condition),
		cmocka_unit_test(a_sample_is_hit_by_each_kind_that_is_computed_of_it),
		cmocka_unit_test(
			a_message_that_was_saved_with_other_line_ends_is_hit_as_it_was_sent),
		cmocka_unit_test(sections_of_programs_hit_by_number_and_size),
	};

	return cmocka_run_group_tests(tests, screened_setup, screened_teardown);
}
